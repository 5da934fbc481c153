import { expect, test } from "vitest";

import { splitHash } from "./hash";

test.each([
  ["", "/", ""],
  ["#", "/", ""],
  ["#/", "/", ""],
  ["#/activity", "/activity", ""],
  ["#activity", "/activity", ""],
  ["#/activity?result=failed&actor=a%3Fb", "/activity", "result=failed&actor=a%3Fb"],
  ["/databases/school/restore?backup=01k", "/databases/school/restore", "backup=01k"],
  ["#/activity?actor=what?", "/activity", "actor=what?"],
])("%s is the path %s with the query %s", (hash, path, search) => {
  expect(splitHash(hash)).toEqual([path, search]);
});
