import { describe, expect, test } from "vitest";

import { largestFile, refusalOfFiles } from "./file";

const file = (name: string, size = 10) => ({ name, size });

describe("the files that are taken", () => {
  test.each(["school.sql", "school.gz", "school.sql.gz", "SCHOOL.SQL.GZ", "Sicherung März.sql"])("%s", (name) => {
    expect(refusalOfFiles([file(name)])).toBeUndefined();
    expect(refusalOfFiles([file(name, largestFile)])).toBeUndefined();
  });
});

describe("the files that are refused, and why", () => {
  test.each([
    ["another ending", [file("grades.csv")], "ends in .csv"],
    ["an ending that only looks alike", [file("school.sql.zip")], "ends in .zip"],
    ["no ending", [file("school")], "no ending"],
    ["nothing but an ending", [file(".sql")], "no ending"],
    ["an empty file", [file("school.sql", 0)], "is empty"],
    ["a byte too many", [file("school.sql", largestFile + 1)], "larger than 100 GiB"],
    ["two files", [file("a.sql"), file("b.sql")], "2 files"],
    ["no file", [], "No file"],
    ["a name that is too long", [file(`${"a".repeat(252)}.sql`)], "255 characters"],
  ])("%s", (_, files, why) => {
    expect(refusalOfFiles(files)).toContain(why);
  });

  test("the accepted endings are named", () => {
    for (const end of [".sql", ".gz", ".sql.gz"]) expect(refusalOfFiles([file("grades.csv")])).toContain(end);
  });
});
