import { expect, test } from "vitest";

import { isDecodable, splitHash } from "./hash";

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

test.each([
  ["/databases/school/backups", true],
  ["/databases/sch%6Fol/backups", true],
  ["/databases/%E0%A4%A/backups", false],
  ["/databases/%/backups", false],
])("%s can be decoded: %s", (path, can) => {
  expect(isDecodable(path)).toBe(can);
});
