import { expect, test } from "vitest";

import { patternsOf, patternsProblem, wantedTables } from "./patterns";

test("each line is a pattern, and empty ones are none", () => {
  expect(patternsOf(" public.pupil \n\n school.*\r\n")).toEqual(["public.pupil", "school.*"]);
  expect(patternsOf("")).toEqual([]);
});

test.each(["public.pupil", "school.*", "*.*", "a.b.c", "x.log_*", `we"ird.ta ble/1`, "a.ä"])("%s is a pattern", (pattern) => {
  expect(patternsProblem([pattern])).toBeUndefined();
});

test.each(["pupil", "*", ".pupil", "public.", ".", "..", "a\u0000.b", "a.".padEnd(201, "x")])("%j is none", (pattern) => {
  expect(patternsProblem(["a.b", pattern])).toBeDefined();
});

test("so many patterns are taken and no more", () => {
  const many = Array.from({ length: 100 }, () => "a.b");
  expect(patternsProblem(many)).toBeUndefined();
  expect(patternsProblem([...many, "a.b"])).toContain("101");
});

const tables = ["public.pupil", "public.pupils", "public.a+b", "audit.log_1", "audit.entry"].map((name) => {
  const [schema, table] = name.split(".");
  return { schema: schema!, table: table! };
});
const wanted = (include: string[], exclude: string[] = []) =>
  wantedTables(tables, { include, exclude }).map((t) => `${t.schema}.${t.table}`);

test("what is wanted is what the patterns say", () => {
  expect(wanted([])).toHaveLength(5);
  expect(wanted(["public.pupil"])).toEqual(["public.pupil"]);
  expect(wanted(["public.*"], ["*.pupil*"])).toEqual(["public.a+b"]);
  expect(wanted(["public.a+b"])).toEqual(["public.a+b"]);
  expect(wanted([], ["audit.log_*"])).not.toContain("audit.log_1");
  expect(wanted(["public***.*****pupil**"])).toEqual(["public.pupil", "public.pupils"]);
  expect(wanted(["Public.pupil"])).toEqual([]);
});
