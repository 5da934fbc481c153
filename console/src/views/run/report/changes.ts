import type { Schemas } from "../../../api/client";
import { tableName } from "../../details/tables";

export type TableChange = Schemas["TableChange"];

// A table that is not there has no rows.
const rows = (n: number) => Math.max(0, n);

/** Rows more, or fewer, after the restore. */
export const difference = (t: TableChange) => rows(t.after) - rows(t.live);

/** Whether a table would not be what it is. Another may have come in a row's place, which the newest row tells. */
export const isChanged = (t: TableChange) => t.live !== t.after || (t.newerInLive ?? 0) > 0;

export type Column = "name" | "live" | "after" | "difference" | "newestLive" | "newestAfter" | "newer";
export interface Order {
  column: Column;
  descending: boolean;
}

/** The largest loss first. */
export const worstFirst: Order = { column: "difference", descending: false };

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byName = (a: TableChange, b: TableChange) => names.compare(tableName(a), tableName(b));

const values: Record<Exclude<Column, "name">, (t: TableChange) => number | string | undefined> = {
  live: (t) => t.live,
  after: (t) => t.after,
  difference,
  newestLive: (t) => t.newestLive,
  newestAfter: (t) => t.newestAfter,
  newer: (t) => t.newerInLive ?? 0,
};

/** Orders by a column, tables that are equal in it by the rows that live has alone, then by name. What is not known comes last. */
export function sortChanges(tables: readonly TableChange[], { column, descending }: Order): TableChange[] {
  const sign = descending ? -1 : 1;
  if (column === "name") return tables.toSorted((a, b) => sign * byName(a, b));
  const value = values[column];
  return tables.toSorted((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === y) return (b.newerInLive ?? 0) - (a.newerInLive ?? 0) || byName(a, b);
    if (x === undefined) return 1;
    if (y === undefined) return -1;
    return x < y ? -sign : sign;
  });
}

/** A moment in the server's words, without the parts of a second. */
export const moment = (at: string | undefined) => at?.replace(/\.\d+/, "");
