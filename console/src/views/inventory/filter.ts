import { beginningOfDay } from "../../ui/days";
import type { Backup, BackupFilter } from "../../api/queries";

export const states = ["created", "failed", "running", "queued"] as const satisfies readonly Backup["state"][];

/** What the inventory is narrowed down to. Days are those of the browser's zone, both inclusive, as date inputs write them. */
export interface Filter {
  states: Backup["state"][];
  from?: string;
  to?: string;
}

const isState = (text: string): text is Backup["state"] => (states as readonly string[]).includes(text);

/** Reads a filter from the address. What makes no sense there is left out. */
export function readFilter(search: string): Filter {
  const q = new URLSearchParams(search);
  const day = (name: string) => {
    const text = q.get(name) ?? undefined;
    return beginningOfDay(text) === undefined ? undefined : text;
  };
  return { states: [...new Set(q.getAll("state").filter(isState))], from: day("from"), to: day("to") };
}

/** What the address says of a filter: "" where there is none. */
export function writeFilter(filter: Filter): string {
  const q = new URLSearchParams(filter.states.map((state) => ["state", state]));
  if (filter.from) q.set("from", filter.from);
  if (filter.to) q.set("to", filter.to);
  return q.size === 0 ? "" : `?${q}`;
}

export const isFiltered = (filter: Filter) => writeFilter(filter) !== "";

/** The filter as the API takes it. */
export function queryOf(filter: Filter): BackupFilter {
  return {
    ...(filter.states.length > 0 && { state: filter.states }),
    ...(filter.from !== undefined && { from: beginningOfDay(filter.from)?.toISOString() }),
    ...(filter.to !== undefined && { to: beginningOfDay(filter.to, 1)?.toISOString() }),
  };
}
