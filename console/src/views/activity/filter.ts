import type { ActivityFilter } from "../../api/activity";
import { beginningOfDay } from "../../ui/days";

/** What the log is narrowed down to. Days are those of the browser's zone, both inclusive. */
export type Filter = ActivityFilter;

const names = ["actor", "action", "result", "database", "from", "to"] as const satisfies (keyof Filter)[];

/** Reads a filter from the address. What makes no sense there is left out. */
export function readFilter(search: string): Filter {
  const q = new URLSearchParams(search);
  const filter: Filter = {};
  for (const name of names) {
    const text = q.get(name)?.trim();
    if (text === undefined || text === "") continue;
    if ((name === "from" || name === "to") && beginningOfDay(text) === undefined) continue;
    filter[name] = text;
  }
  return filter;
}

/** What the address says of a filter: "" where there is none. */
export function writeFilter(filter: Filter): string {
  const q = new URLSearchParams();
  for (const name of names) if (filter[name]) q.set(name, filter[name]);
  return q.size === 0 ? "" : `?${q}`;
}

export const isFiltered = (filter: Filter) => writeFilter(filter) !== "";

/** The filter as the API takes it. */
export const queryOf = (filter: Filter): ActivityFilter => ({
  ...filter,
  from: beginningOfDay(filter.from)?.toISOString(),
  to: beginningOfDay(filter.to, 1)?.toISOString(),
});
