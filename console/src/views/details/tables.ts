import type { Schemas } from "../../api/client";

export type Table = Schemas["Table"];
export type Column = "name" | "rows" | "bytes";
export interface Order {
  column: Column;
  descending: boolean;
}

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** A table's name as people write it: public is not said. */
export const tableName = (t: Pick<Table, "schema" | "table">) => (t.schema === "public" ? t.table : `${t.schema}.${t.table}`);

/** Orders by a column, tables that are equal in it by name. A table whose bytes are not known comes last either way. */
export function sortTables<T extends Omit<Table, "name">>(tables: readonly T[], { column, descending }: Order): T[] {
  const sign = descending ? -1 : 1;
  const byName = (a: T, b: T) => names.compare(tableName(a), tableName(b));
  return tables.toSorted((a, b) => {
    if (column === "name") return sign * byName(a, b);
    const [x, y] = [a[column], b[column]];
    if (x === y) return byName(a, b);
    if (x === undefined) return 1;
    if (y === undefined) return -1;
    return sign * (x - y);
  });
}

/** The tables whose schema and name have every word of the search in them, in whichever case. */
export function findTables<T extends Pick<Table, "schema" | "table">>(tables: readonly T[], search: string): readonly T[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return tables;
  return tables.filter((t) => {
    const name = `${t.schema}.${t.table}`.toLowerCase();
    return words.every((word) => name.includes(word));
  });
}
