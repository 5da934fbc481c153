import { expect, test } from "vitest";

import { describeSelection } from "./selection";

test.each([
  [{ include: ["public.pupil"] }, "Only the rows of public.pupil"],
  [{ include: ["a.b", "c.*"], exclude: ["c.d"] }, "Only the rows of a.b, c.*, without those of c.d"],
  [{ exclude: ["audit.*"] }, "All rows but those of audit.*"],
  [{ include: ["a.1", "a.2", "a.3", "a.4", "a.5", "a.6", "a.7"] }, "Only the rows of a.1, a.2, a.3, a.4, a.5 and 2 more"],
])("%j is told as: %s", (selection, words) => {
  expect(describeSelection(selection)).toBe(words);
});
