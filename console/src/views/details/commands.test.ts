import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

import type { BackupDetail } from "../../api/queries";
import { shellWord, stepsByHand } from "./commands";

test.each(["school", "", "a b", "it's", "$(id)", "`id`", 'a"b', "a\\b", "s3://b/k?v=1&w=2", "ünï", "'''", "a\nb"])(
  "a shell reads the word for %j as it is",
  (text) => {
    expect(execFileSync("sh", ["-c", `printf %s ${shellWord(text)}`], { encoding: "utf8" })).toBe(text);
  },
);

const created: BackupDetail = {
  id: "01kax5r9mv4e8c0d2n6h3tqz7w",
  database: "school",
  state: "created",
  filename: "school-20261122-031500.sql.gz",
  engine: "postgres",
  usable: true,
  requestedAt: "2026-11-22T03:15:00Z",
  requestedBy: { kind: "schedule", name: "schedule" },
  attempt: 1,
  sha256: "0cd9aa9762af8f85d5702a92228f7232d18fd46e222054903b0b77c0fca143d8",
  location: { bucket: "bucket", key: "backups/school/01k/school-20261122-031500.sql.gz", versionId: "3/L4kqtJl+uFxTq" },
};

test("the commands name the version that was proved, and a database that is not the live one", () => {
  expect(stepsByHand(created)?.map((s) => s.command)).toEqual([
    "aws s3api get-object \\\n  --bucket bucket \\\n  --key backups/school/01k/school-20261122-031500.sql.gz \\\n" +
      "  --version-id 3/L4kqtJl+uFxTq school-20261122-031500.sql.gz",
    "echo '0cd9aa9762af8f85d5702a92228f7232d18fd46e222054903b0b77c0fca143d8  school-20261122-031500.sql.gz' | sha256sum -c",
    "createdb --template template0 school_restored",
    "gunzip -c school-20261122-031500.sql.gz |\n  psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -d school_restored",
  ]);
});

test("there are none without a file, or for another kind of server", () => {
  expect(stepsByHand({ ...created, location: undefined })).toBeUndefined();
  expect(stepsByHand({ ...created, engine: "mysql" })).toBeUndefined();
});
