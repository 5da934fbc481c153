import { expect, test } from "vitest";

import { isName, nameMissing } from "./NameConfirmation";

test("a name is confirmed to the letter only", () => {
  expect(isName("school", "school")).toBe(true);
  expect(nameMissing("school", "school")).toBeUndefined();
  for (const typed of ["", "School", "school ", "schoo", "schools"]) {
    expect(isName("school", typed)).toBe(false);
    expect(nameMissing("school", typed)).toContain("school");
  }
  expect(nameMissing("school", " SCHOOL")).toContain("capital letters and spaces count");
});
