import { expect, test } from "vitest";

import type { Activity } from "../../api/activity";
import { actionLabel, actions, byDay, detailOf, resultState, targetOf } from "./entries";

const entry = (more: Partial<Activity>): Activity => ({
  id: "01kax5r9mv4e8c0d2n6h3tqz7w",
  at: "2026-11-22T03:15:00Z",
  actor: { kind: "operator", name: "Ada" },
  action: "backup.create",
  result: "accepted",
  database: "school",
  target: "01k",
  ...more,
});

test("every action has a name of its own", () => {
  const labels = actions.flatMap(({ items }) => items.map((a) => a.label));
  expect(new Set(labels).size).toBe(labels.length);
  expect(actionLabel("drop.end")).toBe("Removal of a kept copy ended");
});

test("an action that is not known is shown as it is called", () => {
  expect(actionLabel("moon.land")).toBe("moon.land");
  expect(targetOf(entry({ action: "moon.land" }))).toBeUndefined();
});

test.each([
  ["backup.end", "/databases/school/backups/01k"],
  ["backup.delete", undefined],
  ["restore.cancel", "/databases/school/restores/01k"],
  ["apply.end", "/databases/school/restores/01k"],
  ["drop.end", "/databases/school/restores/01k"],
  ["inspect.end", "/databases/school/restore?upload=01k"],
  ["upload.links", "/databases/school/restore?upload=01k"],
  ["cron-key.reveal", "/cron-key"],
])("%s is about %s", (action, target) => {
  expect(targetOf(entry({ action }))).toBe(target);
});

test("accepted is a promise, but for an upload that was inspected", () => {
  expect(resultState(entry({}))).toBe("requested");
  expect(resultState(entry({ action: "inspect.end" }))).toBe("accepted");
  expect(resultState(entry({ action: "backup.end", result: "failed" }))).toBe("failed");
});

test("a cancellation says of what", () => {
  expect(detailOf(entry({ action: "restore.cancel", detail: "undo" }))).toBe("Of an undo");
  expect(detailOf(entry({ detail: "school.sql.gz" }))).toBe("school.sql.gz");
  expect(detailOf(entry({}))).toBeUndefined();
});

test("days are those of the browser's zone", () => {
  const at = (day: number, hour: number) => ({ at: new Date(2026, 10, day, hour).toISOString() });
  const days = byDay([at(22, 23), at(22, 0), at(21, 23)]);
  expect(days.map((d) => d.entries.length)).toEqual([2, 1]);
  expect(days[0]?.day).toBe(new Date(2026, 10, 22).toISOString());
});
