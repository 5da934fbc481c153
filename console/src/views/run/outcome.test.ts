import { expect, test } from "vitest";

import type { Restore } from "../../api/queries";
import { formatLeft, outcome } from "./outcome";

const now = Date.parse("2026-11-24T12:00:00Z");
const restore = (r: Partial<Restore>): Restore => ({
  id: "01",
  database: "school",
  requestedAt: "2026-11-24T11:00:00Z",
  requestedBy: { kind: "operator", name: "Ada" },
  attempt: 1,
  state: "running",
  source: { backup: "02" },
  filename: "school.sql.gz",
  dryRun: true,
  ...r,
});
const held = (minutes: number) => ({ name: "br_01_1", until: new Date(now + minutes * 60_000).toISOString() });

test("time is left in minutes, and at the end in seconds", () => {
  expect(formatLeft(52 * 60 + 59)).toBe("52 min");
  expect(formatLeft(23 * 3600 + 58 * 60 + 7)).toBe("23 h 58 min");
  expect(formatLeft(119.2)).toBe("2 min");
  expect(formatLeft(99.2)).toBe("1 min 40 s");
  expect(formatLeft(4)).toBe("4 s");
});

test("a rehearsal says that live was not touched, and how long its copy can be applied", () => {
  expect(outcome(restore({ state: "rehearsed", held: held(52) }), now)).toBe(
    "The live database school was not touched. The copy can be applied for 52 min.",
  );
  expect(outcome(restore({ state: "rehearsed", held: held(-1) }), now)).toContain("has ended");
  expect(outcome(restore({ state: "rehearsed" }), now)).toContain("could not be kept");
});

test("a restore says how long school was away, and how long it can be undone", () => {
  const r = restore({ state: "restored", dryRun: false, switchedAt: "2026-11-24T11:58:00Z", downtimeSeconds: 0.004 });
  expect(outcome({ ...r, held: held(60) }, now)).toMatch(
    /^school was replaced on .*It could not be reached for 4 ms\..* for 1 h: until then/,
  );
  expect(outcome(r, now)).toContain("is not kept any more");
});

test("nothing says that live is as it was where that is not known", () => {
  const failed = restore({ state: "failed", dryRun: false });
  expect(outcome(failed, now)).toBe("The live database school is as it was.");
  for (const inDoubt of ["restore", "apply", "undo"] as const) {
    for (const state of ["failed", "rehearsed", "restored"] as const) {
      const said = outcome({ ...failed, state, inDoubt, held: held(10) }, now);
      expect(said).toContain("not known");
      expect(said).not.toMatch(/as it was|not touched/);
    }
  }
});

test("a rescue replaces nothing, and says where the tables are", () => {
  const rescue = { schema: "rescue_01", comment: "", tableCount: 2, tables: [] };
  const r = (state: Restore["state"], dryRun = false) => outcome(restore({ state, dryRun, rescue }), now);
  expect(r("restored")).toBe("2 tables in the new schema rescue_01 of school. Nothing else was touched.");
  expect(r("rehearsed", true)).toBe(
    "2 tables can be rescued: all rows were loaded and counted, and taken back. The live database school is as it was.",
  );
  expect(r("failed")).toBe("The live database school is as it was.");
  const lost = restore({ state: "failed", dryRun: false, rescue, failure: { code: "database_unreachable", reason: "Lost." } });
  expect(outcome(lost, now)).toContain("unless the reason says");
  for (const state of ["queued", "running", "restored", "failed", "cancelled"] as const)
    expect(r(state)).not.toContain("replaced");
});
