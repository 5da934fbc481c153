import { expect, test } from "vitest";

import { stages, stepsOf } from "./stages";

const states = (r: Parameters<typeof stepsOf>[0]) => stepsOf(r).map((s) => s.state);
const line = (text: string) => ({ at: "2026-11-24T12:00:00Z", text });

test("a running restore has stages behind it, one under way, and others to come", () => {
  const progress = { stage: "verify" as const, tablesDone: 0, rows: 0, bytes: 0 };
  expect(states({ state: "running", dryRun: false, progress })).toEqual([
    "done",
    "done",
    "done",
    "running",
    "waiting",
    "waiting",
  ]);
  expect(states({ state: "running", dryRun: true, progress }).at(-1)).toBe("skipped");
  expect(states({ state: "queued", dryRun: false })).toEqual(stages.map(() => "waiting"));
});

test("a dry run has replaced nothing until its copy is applied", () => {
  expect(states({ state: "rehearsed", dryRun: true })).toEqual(["done", "done", "done", "done", "done", "skipped"]);
  expect(states({ state: "expired", dryRun: true }).at(-1)).toBe("skipped");
  expect(states({ state: "restored", dryRun: true }).at(-1)).toBe("done");
});

test("a failed restore tells from the last attempt's log where it stopped", () => {
  const log = [
    line("Attempt 1 began, by worker 01."),
    line("The stage inspect took 0.1 s."),
    line("The stage stage stopped after 9.0 s."),
    line("Attempt 2 began, by worker 02."),
    line("The stage inspect took 0.2 s."),
    line("The stage stage took 0.3 s."),
    line("The stage load stopped after 6.1 s."),
  ];
  const steps = stepsOf({ state: "failed", dryRun: false, log });
  expect(steps.map((s) => s.state)).toEqual(["done", "done", "stopped", "waiting", "waiting", "waiting"]);
  expect(steps.map((s) => s.seconds)).toEqual([0.2, 0.3, 6.1, undefined, undefined, undefined]);
});

test("a rescue is compared with nothing and replaces nothing", () => {
  const rescue = { schema: "rescue_01", comment: "", tableCount: 1, tables: [] };
  expect(stepsOf({ state: "restored", dryRun: false, rescue }).map((s) => s.stage)).toEqual([
    "inspect",
    "stage",
    "load",
    "verify",
  ]);
  expect(states({ state: "rehearsed", dryRun: true, rescue })).toEqual(["done", "done", "done", "done"]);
});
