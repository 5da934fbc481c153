import { backoff, mostAttempts, SendError } from "./send";

export interface PartLinks {
  partSize: number;
  urls: string[];
  expiresAt: string;
}

export interface PartTransfer {
  /** Bytes of the file. */
  size: number;
  links: PartLinks;
  /** Numbers of the parts that have arrived before, from 0. */
  done: ReadonlySet<number>;
  put: (url: string, from: number, to: number, onSent: (bytes: number) => void, signal: AbortSignal) => Promise<void>;
  /** Fresh links of the same parts. */
  renew: () => Promise<PartLinks>;
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
  onPart: (part: number) => void;
  /** Bytes of the file that have been sent in all, those of earlier parts included. */
  onSent: (bytes: number) => void;
  signal: AbortSignal;
}

// As many at a time: one does not fill a fast line, and more hold each other up on a slow one.
const lanes = 3;

// Links are renewed when they have less left than this.
const margin = 60_000;

/** The bytes of a part, from and to. The last has what is left. */
export const rangeOf = (part: number, partSize: number, size: number): [from: number, to: number] => [
  part * partSize,
  Math.min(size, (part + 1) * partSize),
];

/** Sends the parts that are missing, some side by side. It rejects with the first error that stays, when all have stopped. */
export async function sendParts(t: PartTransfer): Promise<void> {
  const { size } = t;
  const partSize = t.links.partSize;
  const length = (part: number) => {
    const [from, to] = rangeOf(part, partSize, size);
    return to - from;
  };
  const missing = t.links.urls.map((_, part) => part).filter((part) => !t.done.has(part));
  const stop = new AbortController();
  const signal = AbortSignal.any([t.signal, stop.signal]);
  const link = renewing(t);

  let arrived = [...t.done].reduce((sum, part) => sum + length(part), 0);
  const underWay = new Map<number, number>();
  const tell = () => t.onSent(arrived + [...underWay.values()].reduce((sum, bytes) => sum + bytes, 0));

  async function sendPart(part: number) {
    for (let attempt = 1; ; attempt++) {
      const { url, refused } = await link(part);
      try {
        await t.put(
          url,
          ...rangeOf(part, partSize, size),
          (bytes) => {
            underWay.set(part, Math.min(bytes, length(part)));
            tell();
          },
          signal,
        );
        break;
      } catch (error) {
        underWay.delete(part);
        if (!(error instanceof SendError) || attempt >= mostAttempts) throw error;
        // A bucket that refuses a body closes the connection, and the browser may see only that.
        if ((error.linkEnded && attempt <= 2) || attempt === 3) refused();
        if (error.passes) await t.wait(backoff(attempt), signal);
        else if (!error.linkEnded || attempt > 2) throw error;
      }
    }
    underWay.delete(part);
    arrived += length(part);
    t.onPart(part);
    tell();
  }

  async function lane() {
    try {
      for (let part = missing.shift(); part !== undefined; part = missing.shift()) {
        signal.throwIfAborted();
        await sendPart(part);
      }
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  }

  tell();
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane));
  t.signal.throwIfAborted();
  if (ends.some((end) => end.status === "rejected")) throw stop.signal.reason;
}

/** Hands out links, and fetches fresh ones once for all lanes: shortly before they end, or when the bucket refuses one. */
function renewing(t: PartTransfer) {
  let links = t.links;
  let since = Date.now();
  let refusedOnes: PartLinks | undefined;
  let fetching: Promise<void> | undefined;
  // By a clock that is fast, fresh links seem to end at once: they are not asked for again and again.
  const ending = () => Date.now() - since > margin && new Date(links.expiresAt).getTime() - Date.now() < margin;
  const renew = async () => {
    links = await t.renew();
    since = Date.now();
  };
  return async (part: number) => {
    if (links === refusedOnes || ending()) await (fetching ??= renew().finally(() => (fetching = undefined)));
    const used = links;
    // Another lane may have had them renewed since.
    return { url: used.urls[part]!, refused: () => void (links === used && (refusedOnes = used)) };
  };
}
