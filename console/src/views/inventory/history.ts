import type { Backup } from "../../api/queries";
import { secondsBetween } from "../../ui/format";

/** A created backup as a point of the chart. */
export interface Point {
  id: string;
  filename: string;
  at: number;
  size: number;
  seconds: number;
  /** Where it is much smaller than those before it: the part that is missing, 0 to 1. */
  shrunkBy?: number;
}

/** How much smaller it is than those before it, to be read. */
export const percent = (p: Point) => `${Math.round((p.shrunkBy ?? 0) * 100)} %`;

// A backup is compared with the median of some before it, so that one that was odd does not count.
const compared = 5;
const fewest = 3;
const suspicious = 0.3;

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The points of created backups of the whole database, oldest first. Where several in a row are small, the first of them is marked; a
 * partial one is meant to be small.
 */
export function pointsOf(newestFirst: Backup[]): Point[] {
  const points: Point[] = newestFirst
    .filter((b) => b.size !== undefined && b.startedAt !== undefined && b.endedAt !== undefined && b.partial === undefined)
    .map((b) => ({
      id: b.id,
      filename: b.filename,
      at: new Date(b.requestedAt).getTime(),
      size: b.size!,
      seconds: Math.max(0, secondsBetween(b.startedAt!, b.endedAt!)),
    }))
    .toReversed();
  let shrunken: number | undefined;
  points.forEach((point, i) => {
    const before = points.slice(Math.max(0, i - compared), i).map((p) => p.size);
    if (before.length < fewest) return;
    const share = point.size / median(before);
    const small = share < 1 - suspicious;
    if (small && (shrunken === undefined || point.size < shrunken * (1 - suspicious))) point.shrunkBy = 1 - share;
    shrunken = small ? point.size : undefined;
  });
  return points;
}

/** Where of the points, sorted by time, is the one nearest to a time. */
export function nearest(points: Point[], at: number): number {
  let best = 0;
  points.forEach((point, i) => {
    if (Math.abs(point.at - at) < Math.abs(points[best]!.at - at)) best = i;
  });
  return best;
}

/** Round values from 0 to the largest or beyond it, in at most so many equal steps of 1, 2 or 5 times a power of ten. */
export function ticks(largest: number, steps: number): number[] {
  if (largest <= 0) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(largest / steps));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s * steps >= largest * (1 - 1e-9))!;
  return Array.from({ length: Math.ceil(largest / step - 1e-9) + 1 }, (_, i) => i * step);
}

/** Where a value of a range lies between two pixels. */
export function place([from, to]: [from: number, to: number], [first, last]: [first: number, last: number]) {
  return (value: number) => first + ((value - from) / (to - from)) * (last - first);
}
