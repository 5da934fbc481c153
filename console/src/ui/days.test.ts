import { expect, test } from "vitest";

import { beginningOfDay, isBackwards } from "./days";

test("a day after the last one is backwards, the same day is not", () => {
  expect(isBackwards({ from: "2026-11-02", to: "2026-11-01" })).toBe(true);
  expect(isBackwards({ from: "2026-11-02", to: "2026-11-02" })).toBe(false);
  expect(isBackwards({ from: "2026-11-02" })).toBe(false);
});

test.each(["2026-02-30", "2026-13-01", "26-01-01", "", "2026-1-1", undefined])("%s is no day", (day) => {
  expect(beginningOfDay(day)).toBeUndefined();
});
