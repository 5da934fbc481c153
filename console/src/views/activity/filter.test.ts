import { expect, test } from "vitest";

import { isFiltered, queryOf, readFilter, writeFilter } from "./filter";

test("what is written to the address is read from it", () => {
  const filter = {
    actor: "ada & co",
    action: "restore.run",
    result: "failed",
    database: "school",
    from: "2026-11-01",
    to: "2026-11-02",
  };
  expect(readFilter(writeFilter(filter))).toEqual(filter);
});

test("what makes no sense in the address is left out", () => {
  expect(readFilter("?from=2026-02-30&to=yesterday&actor=%20&x=y")).toEqual({});
  expect(isFiltered(readFilter("?x=y"))).toBe(false);
});

test("the last day is asked for to its end", () => {
  expect(queryOf({ to: "2026-02-28" }).to).toBe(new Date(2026, 2, 1).toISOString());
});
