import { expect, test } from "vitest";

import { findTables, sortTables, tableName, type Table } from "./tables";

const tables: Omit<Table, "name">[] = [
  { schema: "public", table: "pupil", rows: 1300, bytes: 900 },
  { schema: "finance", table: "Invoice", rows: 21156 },
  { schema: "public", table: "mark10", rows: 7, bytes: 0 },
  { schema: "public", table: "mark9", rows: 7, bytes: 5000 },
];
const sorted = (column: "name" | "rows" | "bytes", descending: boolean) =>
  sortTables(tables, { column, descending }).map(tableName);

test("names are ordered as people do", () => {
  expect(sorted("name", false)).toEqual(["finance.Invoice", "mark9", "mark10", "pupil"]);
  expect(sorted("name", true)).toEqual(["pupil", "mark10", "mark9", "finance.Invoice"]);
});

test("tables with as many rows stay in the order of their names", () => {
  expect(sorted("rows", true)).toEqual(["finance.Invoice", "pupil", "mark9", "mark10"]);
  expect(sorted("rows", false)).toEqual(["mark9", "mark10", "pupil", "finance.Invoice"]);
});

test("a table of unknown size comes last, an empty one does not", () => {
  expect(sorted("bytes", true)).toEqual(["mark9", "pupil", "mark10", "finance.Invoice"]);
  expect(sorted("bytes", false)).toEqual(["mark10", "pupil", "mark9", "finance.Invoice"]);
});

test("sorting leaves what it was given", () => {
  const before = [...tables];
  sortTables(tables, { column: "rows", descending: true });
  expect(tables).toEqual(before);
});

test.each([
  ["", 4],
  ["  ", 4],
  ["INVOICE", 1],
  ["finance.inv", 1],
  ["public mark", 2],
  ["mark finance", 0],
])("%j finds %d tables", (search, count) => {
  expect(findTables(tables, search)).toHaveLength(count);
});
