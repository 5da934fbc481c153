import { expect, test } from "vitest";

import { queryOf, readFilter, writeFilter } from "./filter";

test.each(["", "?state=failed", "?state=created&state=failed", "?from=2026-11-01&to=2026-11-24", "?state=queued&to=2026-02-28"])(
  "%s comes back as it was written",
  (search) => {
    expect(writeFilter(readFilter(search))).toBe(search);
  },
);

test.each([
  ["?state=lost&state=failed&state=failed", "?state=failed"],
  ["?from=yesterday&to=2026-02-30", ""],
  ["?from=2026-13-01", ""],
  ["?other=1", ""],
])("%s means %s", (search, want) => {
  expect(writeFilter(readFilter(search))).toBe(want);
});

test("days are whole, and those of the browser's zone", () => {
  const q = queryOf({ states: [], from: "2026-02-28", to: "2026-02-28" });
  expect(q).toEqual({ from: new Date(2026, 1, 28).toISOString(), to: new Date(2026, 2, 1).toISOString() });
});

test("an empty filter asks for everything", () => {
  expect(queryOf(readFilter(""))).toEqual({});
});
