import { expect, test } from "vitest";

import { isChanged, moment, sortChanges, worstFirst, type TableChange } from "./changes";
import { compareDefinitions } from "./diff";
import { newerVerdict, objectsVerdict, pluralKind, tablesVerdict } from "./verdict";

const table = (name: string, live: number, after: number, rest: Partial<TableChange> = {}): TableChange => ({
  schema: "public",
  table: name,
  live,
  after,
  ...rest,
});
const n = (count: number) => new Intl.NumberFormat().format(count);

test("the largest loss comes first, a table that goes among them, and names decide between equals", () => {
  const tables = [
    table("same", 5, 5),
    table("gain", 1, 9),
    table("gone", 40, -1),
    table("b", 3, 1),
    table("a", 3, 1),
    table("big", 900, 10),
  ];
  expect(sortChanges(tables, worstFirst).map((t) => t.table)).toEqual(["big", "gone", "a", "b", "same", "gain"]);
  const newer = [table("a", 5, 5), table("b", 5, 5, { newerInLive: 2 })];
  expect(sortChanges(newer, worstFirst).map((t) => t.table)).toEqual(["b", "a"]);
});

test("what is not known comes last whichever way it is sorted", () => {
  const tables = [table("none", 1, 1), table("old", 1, 1, { newestLive: "2020" }), table("new", 1, 1, { newestLive: "2026" })];
  expect(sortChanges(tables, { column: "newestLive", descending: true }).map((t) => t.table)).toEqual(["new", "old", "none"]);
  expect(sortChanges(tables, { column: "newestLive", descending: false }).map((t) => t.table)).toEqual(["old", "new", "none"]);
});

test("a table with as many rows but newer ones in live is changed", () => {
  expect(isChanged(table("a", 5, 5))).toBe(false);
  expect(isChanged(table("a", 5, 5, { newerInLive: 1 }))).toBe(true);
});

test("the verdict counts every table once", () => {
  const tables = [
    table("a", 412, 0),
    table("b", 3, 2),
    table("c", 1, 3),
    table("d", 7, 7),
    table("gone", 2, -1),
    table("come", -1, 85),
  ];
  expect(tablesVerdict({ tables }, "would")).toBe(
    "2 tables would lose 413 rows in all, 1 table would gain 2 rows, 1 table with 2 rows would be removed, " +
      "1 table with 85 rows would be added, and 1 would keep its number of rows.",
  );
  expect(tablesVerdict({ tables }, "did")).toContain("1 table with 2 rows was removed");
  expect(tablesVerdict({ tables: [table("gone", 0, -1)] }, "would")).toBe("1 table with 0 rows would be removed.");
  expect(tablesVerdict({ tables: [table("a", 2000, 2000), table("b", 1, 1)] }, "would")).toBe(
    "Live and the copy have as many rows in each of 2 tables.",
  );
  expect(tablesVerdict({ tables: [table("a", 1, 1), table("b", 1, 1)] }, "did")).toBe("All 2 tables kept their number of rows.");
});

test("newer rows of live are told, and none are not", () => {
  expect(newerVerdict({ tables: [table("a", 5, 5)] }, "would")).toBeUndefined();
  expect(newerVerdict({ tables: [table("a", 1200, 5, { newerInLive: 1195 })] }, "would")).toBe(
    `${n(1195)} rows in 1 table of live are newer than the newest in the file, and would be lost.`,
  );
});

test("the schema's differences are told by kind and by what happens to them", () => {
  const o = (kind: string, change: "added" | "removed" | "changed") => ({ kind, name: "x", change });
  expect(
    objectsVerdict(
      { tables: [], objects: [o("index", "removed"), o("index", "removed"), o("table", "removed"), o("view", "added")] },
      "would",
    ),
  ).toBe("In the schema, 1 view would be added; 2 indexes and 1 table would be removed.");
  const leftOut = { tables: 0, objects: 99, skipped: 0, byHand: 0, warnings: 0 };
  expect(objectsVerdict({ tables: [], objects: [o("view", "added")], leftOut }, "would")).toBe("100 schema objects differ.");
  expect(pluralKind("policy")).toBe("policies");
});

test("definitions differ in their middle only, and in all of it", () => {
  const d = compareDefinitions("CHECK (copies > 10) NO INHERIT", "CHECK (copies >= 12) NO INHERIT");
  expect(d.live).toEqual(["CHECK (copies >", " 10", ") NO INHERIT"]);
  expect(d.after).toEqual(["CHECK (copies >", "= 12", ") NO INHERIT"]);
  expect(compareDefinitions("smallint DEFAULT 1999", "smallint").live).toEqual(["smallint", " DEFAULT 1999", ""]);
  expect(compareDefinitions("a a", "a").after.join("")).toBe("a");
});

test("parts of a second are left out of a moment", () => {
  expect(moment("2026-11-24 18:48:03.634476+00")).toBe("2026-11-24 18:48:03+00");
  expect(moment(undefined)).toBeUndefined();
});
