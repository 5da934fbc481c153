import { expect, test } from "vitest";

import type { Backup } from "../../api/queries";
import { nearest, place, pointsOf, ticks } from "./history";

const at = (i: number, seconds = 0) => new Date(Date.UTC(2026, 10, 1, i, 0, seconds)).toISOString();

/** Backups of these sizes, oldest first, as the API lists them. */
const backups = (...sizes: number[]) =>
  sizes
    .map(
      (size, i) =>
        ({ id: `${i}`, filename: `${i}.sql.gz`, size, requestedAt: at(i), startedAt: at(i, 1), endedAt: at(i, 5) }) as Backup,
    )
    .toReversed();

const marked = (...sizes: number[]) =>
  pointsOf(backups(...sizes)).flatMap((p) => (p.shrunkBy === undefined ? [] : [[p.id, Math.round(p.shrunkBy * 100)]]));

test("points go from the oldest to the newest", () => {
  expect(pointsOf(backups(1, 2)).map((p) => [p.id, p.size, p.seconds])).toEqual([
    ["0", 1, 4],
    ["1", 2, 4],
  ]);
});

test("a partial backup is no point: it is meant to be small", () => {
  const [small, ...whole] = backups(100, 100, 100, 100, 1);
  expect(pointsOf([{ ...small!, partial: { include: ["public.pupil"] } }, ...whole]).map((p) => p.size)).toEqual([
    100, 100, 100, 100,
  ]);
});

test.each([
  ["a backup that is 62 % smaller", [100, 100, 100, 100, 100, 38], [["5", 62]]],
  ["30 % are still as usual", [100, 100, 100, 100, 100, 70], []],
  ["31 % are not", [100, 100, 100, 100, 100, 69], [["5", 31]]],
  ["growth", [10, 20, 40, 80, 160, 320], []],
  ["too few to compare with", [100, 100, 10], []],
  ["one odd backup among the five does not count", [100, 100, 1000, 100, 100, 90], []],
  ["the first of several that are small", [100, 100, 100, 100, 100, 40, 41, 42, 43, 44], [["5", 60]]],
  [
    "a second shrink below the first",
    [100, 100, 100, 100, 100, 40, 10],
    [
      ["5", 60],
      ["6", 90],
    ],
  ],
  [
    "a shrink after the size was as before",
    [100, 100, 100, 100, 100, 40, 100, 40],
    [
      ["5", 60],
      ["7", 60],
    ],
  ],
])("%s", (_, sizes, want) => {
  expect(marked(...sizes)).toEqual(want);
});

test("what is not measured is not drawn", () => {
  expect(pointsOf([{ ...backups(1)[0]!, size: undefined }])).toEqual([]);
});

test("the nearest point of a time", () => {
  const points = pointsOf(backups(1, 1, 1));
  expect(nearest(points, points[1]!.at + 60_000)).toBe(1);
  expect(nearest(points, 0)).toBe(0);
  expect(nearest(points, Date.UTC(2030, 1, 1))).toBe(2);
});

test.each([
  [1_234_567, 3, [0, 500_000, 1_000_000, 1_500_000]],
  [3, 3, [0, 1, 2, 3]],
  [0.42, 2, [0, 0.5]],
  [1000, 1, [0, 1000]],
  [0, 3, [0, 1]],
])("the ticks up to %d in %d steps", (largest, steps, want) => {
  expect(ticks(largest, steps)).toEqual(want);
});

test("a value has its place between two pixels, whichever way they run", () => {
  expect(place([0, 10], [100, 0])(2.5)).toBe(75);
  expect(place([100, 0], [0, 10])(75)).toBe(2.5);
});
