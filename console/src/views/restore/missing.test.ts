import { describe, expect, test } from "vitest";

import { whatIsMissing, type Plan } from "./missing";

const created = { filename: "a.sql.gz", state: "created" as const, usable: true };
const accepted = { filename: "u.sql", state: "accepted" as const, usable: true, needsAcknowledgement: false };
const unusable = (state: "pending" | "received" | "rejected") => ({ ...accepted, state, usable: false });
const plan = (change: Partial<Plan>): Plan => ({
  database: "school",
  way: "backup",
  acknowledged: false,
  partialAccepted: false,
  dryRun: true,
  confirm: "",
  ...change,
});
const fields = (change: Partial<Plan>) => whatIsMissing(plan(change)).map((m) => m.field);
const words = (change: Partial<Plan>) =>
  whatIsMissing(plan(change))
    .map((m) => m.message)
    .join(" ");

test("nothing is missing of a dry run of a created backup, or of an accepted file", () => {
  expect(fields({ backup: created })).toEqual([]);
  expect(fields({ way: "upload", upload: accepted })).toEqual([]);
});

test("what was chosen the other way does not count", () => {
  expect(fields({ way: "upload", backup: created })).toEqual(["source"]);
  expect(fields({ way: "backup", upload: accepted })).toEqual(["source"]);
});

test("all that is missing is named at once, in the order of the page", () => {
  expect(fields({ dryRun: false })).toEqual(["source", "target"]);
  expect(fields({ way: "upload", upload: { ...accepted, needsAcknowledgement: true }, dryRun: false })).toEqual([
    "acknowledgement",
    "target",
  ]);
});

test("an acknowledgement is asked for where nothing proves the file, and only there", () => {
  expect(fields({ way: "upload", upload: { ...accepted, needsAcknowledgement: true }, acknowledged: true })).toEqual([]);
});

test("the target counts as it was typed, and only of a real run", () => {
  for (const confirm of ["", "School", "school ", "schooI"]) {
    expect(fields({ backup: created, dryRun: false, confirm })).toEqual(["target"]);
    expect(fields({ backup: created, dryRun: true, confirm })).toEqual([]);
  }
  expect(fields({ backup: created, dryRun: false, confirm: "school" })).toEqual([]);
});

describe("a file that can't be restored yet, or ever, says why", () => {
  test.each([
    ["pending", "has not arrived"],
    ["received", "being inspected"],
    ["rejected", "rejected"],
  ] as const)("%s", (state, why) => {
    expect(words({ way: "upload", upload: unusable(state) })).toContain(why);
  });
  test("one that is under way", () => expect(words({ way: "upload", transfer: { phase: "sending" } })).toContain("being sent"));
  test("one that stopped", () => expect(words({ way: "upload", transfer: { phase: "stopped" } })).toContain("Try again"));
  test("a backup that failed", () => {
    const backup = {
      ...created,
      state: "failed" as const,
      usable: false,
      unusable: { code: "x", reason: "It failed.", hint: "Create one." },
    };
    expect(words({ backup })).toBe("It failed. Create one.");
  });
});

test("a partial backup is acknowledged for a real run, and a whole one never", () => {
  const partial = { ...created, partial: { include: ["public.pupil"] } };
  const real = { dryRun: false, confirm: "school" };
  expect(fields({ backup: partial, ...real })).toEqual(["partial"]);
  expect(fields({ backup: partial, ...real, partialAccepted: true })).toEqual([]);
  expect(fields({ backup: partial })).toEqual([]);
  expect(fields({ backup: created, ...real })).toEqual([]);
  expect(fields({ way: "upload", upload: accepted, backup: partial, ...real })).toEqual([]);
  expect(fields({ backup: { ...partial, usable: false }, ...real })).toEqual(["source"]);
});
