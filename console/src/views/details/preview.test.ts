import { expect, test } from "vitest";

import { readable, rowsShown } from "./preview";

const preview = (rows: number, shown: number) => ({ rows, first: Array.from({ length: shown }, () => ({ values: [] })) });

test.each([
  [preview(0, 0), "The table has no rows."],
  [preview(1, 1), "This is its only row."],
  [preview(40, 40), "These are all of its 40 rows."],
  [preview(250, 100), "The first 100 of 250 rows, as they stand in the file."],
  [
    preview(250, 7),
    "The first 7 of 250 rows, as they stand in the file. They are so large that more of them do not fit an answer.",
  ],
])("of %j: %s", (p, words) => {
  expect(rowsShown(p, 100)).toBe(words);
});

test("what no font shows is shown by a sign, and lines and tabs stay", () => {
  expect(readable("a\u0000b\u001b\u007f\tc\nd\r")).toBe("a␀b␛␡\tc\nd␍");
});
