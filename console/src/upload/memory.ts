// What this browser remembers of uploads that are not complete, so that the same file goes on after a reload. Links are not kept:
// they are asked for again, by somebody who is signed in.

export interface Remembered {
  id: string;
  name: string;
  size: number;
  lastModified: number;
  /** Numbers of the parts that have arrived, from 0. */
  parts: number[];
  /** When it began, in milliseconds: after a day the bucket drops what it has of it. */
  begun: number;
  /** The operator gave it up. */
  abandoned?: true;
}

type Place = Pick<Storage, "getItem" | "setItem">;

const day = 86_400_000;
const keyOf = (database: string) => `uploads:${database}`;

/** Remembers uploads in a place such as localStorage. Where that refuses, uploads work and begin anew after a reload. */
export function memoryIn(place: () => Place, now: () => number = Date.now) {
  const read = (database: string): Remembered[] => {
    try {
      const kept = JSON.parse(place().getItem(keyOf(database)) ?? "[]") as Remembered[];
      return kept.filter((r) => now() - r.begun < day);
    } catch {
      return [];
    }
  };
  const write = (database: string, kept: Remembered[]) => {
    try {
      place().setItem(keyOf(database), JSON.stringify(kept));
    } catch {
      // Full, or forbidden.
    }
  };
  const change = (database: string, id: string, by: (r: Remembered) => Remembered | undefined) =>
    write(
      database,
      read(database).flatMap((r) => (r.id === id ? (by(r) ?? []) : [r])),
    );
  return {
    all: read,
    /** The upload that this file was being sent for. The same name, size and time of change make it the same file. */
    find: (database: string, file: Pick<File, "name" | "size" | "lastModified">) =>
      read(database).find(
        (r) => r.abandoned === undefined && r.name === file.name && r.size === file.size && r.lastModified === file.lastModified,
      ),
    begin: (database: string, id: string, file: Pick<File, "name" | "size" | "lastModified">) => {
      const { name, size, lastModified } = file;
      const others = read(database).filter((r) => r.id !== id);
      write(database, [...others, { id, name, size, lastModified, parts: [], begun: now() }]);
    },
    partArrived: (database: string, id: string, part: number) =>
      change(database, id, (r) => ({ ...r, parts: [...new Set([...r.parts, part])] })),
    /** Nothing of it has arrived after all. */
    startOver: (database: string, id: string) => change(database, id, (r) => ({ ...r, parts: [] })),
    forget: (database: string, id: string) => change(database, id, () => undefined),
    abandon: (database: string, id: string) => {
      const kept = read(database).find((r) => r.id === id);
      const gone = { name: "", size: 0, lastModified: 0, begun: now(), ...kept, id, parts: [], abandoned: true as const };
      write(database, [...read(database).filter((r) => r.id !== id), gone]);
    },
  };
}

export const memory = memoryIn(() => window.localStorage);
