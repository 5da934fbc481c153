import { useElementSize } from "@mantine/hooks";
import { type KeyboardEvent, type PointerEvent } from "react";

import { formatBytes, formatDay, formatDuration, formatTime, plural } from "../../ui/format";
import classes from "./History.module.css";
import { nearest, percent, place, ticks, type Point } from "./history";

interface Props {
  database: string;
  /** Oldest first, two at least. */
  points: Point[];
  /** Which of them the pointer or the keyboard is at. */
  picked: number | undefined;
  onPick: (index: number | undefined) => void;
}

// Pixels.
const left = 64;
const right = 14;
const sizes = { top: 12, bottom: 54 };
const durations = { top: 70, bottom: 86 };
const height = 104;
const betweenDays = 130;
const betweenTimes = 240;
// Milliseconds; within two days the day alone says too little.
const shortest = 2 * 86_400_000;

/** Size and duration of backups over time as a chart. */
export default function HistoryChart({ database, points, picked, onPick }: Props) {
  const { ref, width } = useElementSize();
  return (
    <div ref={ref} className={classes.chart} style={{ height }}>
      {width > 0 && <Drawing database={database} points={points} width={width} picked={picked} onPick={onPick} />}
    </div>
  );
}

function summaryOf(database: string, points: Point[]): string {
  const [first, last] = [points[0]!, points.at(-1)!];
  const all = points.map((p) => p.size);
  const shrunk = points.filter((p) => p.shrunkBy !== undefined);
  return [
    `Size and duration of ${plural(points.length, "backup")} of ${database}, ${formatDay(first.at)} to ${formatDay(last.at)}.`,
    `Sizes lie between ${formatBytes(Math.min(...all))} and ${formatBytes(Math.max(...all))}; the newest has ${formatBytes(last.size)}`,
    `and took ${formatDuration(last.seconds)}.`,
    ...shrunk.map((p) => `It shrank by ${percent(p)} on ${formatDay(p.at)}.`),
  ].join(" ");
}

type Range = [from: number, to: number];

/** What the axes show, and where on them values lie. */
function scalesOf(points: Point[], width: number) {
  const time: Range = [points[0]!.at, Math.max(points.at(-1)!.at, points[0]!.at + 1)];
  const across: Range = [left + 6, width - right];
  const sizeTicks = ticks(Math.max(...points.map((p) => p.size)), 2);
  const secondsTicks = ticks(Math.max(...points.map((p) => p.seconds)), 1);
  return {
    time,
    sizeTicks,
    secondsTicks,
    x: place(time, across),
    timeAt: place(across, time),
    size: place([0, sizeTicks.at(-1)!], [sizes.bottom, sizes.top]),
    seconds: place([0, secondsTicks.at(-1)!], [durations.bottom, durations.top]),
  };
}

function Drawing({ database, points, width, picked, onPick }: Props & { width: number }) {
  const scales = scalesOf(points, width);
  const { x, size, seconds } = scales;
  const current = picked === undefined ? undefined : points[picked];
  const line = points.map((p) => `${x(p.at)},${size(p.size)}`).join(" ");
  return (
    <>
      <svg className={classes.svg} height={height} role="img" aria-label={summaryOf(database, points)}>
        <Axes width={width} {...scales} />
        {points.map((p) => (
          <line key={p.id} className={classes.bar} x1={x(p.at)} x2={x(p.at)} y1={durations.bottom} y2={seconds(p.seconds)} />
        ))}
        <polyline className={classes.line} points={line} />
        {points.map((p) => (
          <circle key={p.id} className={classes.point} cx={x(p.at)} cy={size(p.size)} r={points.length > 40 ? 2 : 3} />
        ))}
        {points.map((p) => p.shrunkBy !== undefined && <Mark key={p.id} point={p} x={x(p.at)} y={size(p.size)} width={width} />)}
        {current !== undefined && (
          <>
            <line className={classes.cursor} x1={x(current.at)} x2={x(current.at)} y1={sizes.top} y2={durations.bottom} />
            <circle className={classes.picked} cx={x(current.at)} cy={size(current.size)} r={5} />
          </>
        )}
      </svg>
      <Slider points={points} picked={picked} onPick={onPick} at={scales.timeAt} />
    </>
  );
}

type AxesProps = { width: number } & ReturnType<typeof scalesOf>;

function Axes({ width, time: [first, last], sizeTicks, secondsTicks, x, size, seconds }: AxesProps) {
  const short = last - first < shortest;
  const steps = Math.floor((width - left) / (short ? betweenTimes : betweenDays));
  const labelled = Array.from({ length: steps + 1 }, (_, i) => last - ((last - first) * i) / Math.max(steps, 1));
  return (
    <>
      {[
        ...sizeTicks.map((v) => [size(v), v === 0 ? "0" : formatBytes(v)] as const),
        // Its nought lies where the dates are; a line says it.
        ...secondsTicks.map((v) => [seconds(v), v === 0 ? undefined : formatDuration(v)] as const),
      ].map(([y, label]) => (
        <g key={y}>
          <line className={classes.grid} x1={left} x2={width} y1={y} y2={y} />
          {label !== undefined && (
            <text x={left - 8} y={y + 4} textAnchor="end">
              {label}
            </text>
          )}
        </g>
      ))}
      {labelled.map((at, i) => (
        <text key={at} x={x(at)} y={height - 2} textAnchor={i === 0 ? "end" : i === steps ? "start" : "middle"}>
          {short ? formatTime(new Date(at)) : formatDay(at)}
        </text>
      ))}
    </>
  );
}

/** A sudden shrink: by its shape and its words. */
function Mark({ point, x, y, width }: { point: Point; x: number; y: number; width: number }) {
  const before = x > width - 70;
  return (
    <>
      <path className={classes.mark} transform={`translate(${x},${y})`} d="M0 8-8-6 8-6Z" />
      <text className={classes.markText} x={x + (before ? -13 : 13)} y={y + 6} textAnchor={before ? "end" : "start"}>
        −{percent(point)}
      </text>
    </>
  );
}

/** Lies over the chart, and picks a backup by the pointer or by the arrow keys. */
function Slider({ points, picked, onPick, at }: Omit<Props, "database"> & { at: (pixel: number) => number }) {
  const last = points.length - 1;
  const index = picked ?? last;
  const current = points[index]!;
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = {
      ArrowLeft: index - 1,
      ArrowDown: index - 1,
      ArrowRight: index + 1,
      ArrowUp: index + 1,
      PageDown: index - 10,
      PageUp: index + 10,
      Home: 0,
      End: last,
    };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    onPick(Math.max(0, Math.min(last, to)));
  };
  const onPointer = (event: PointerEvent<HTMLDivElement>) => {
    onPick(nearest(points, at(event.clientX - event.currentTarget.getBoundingClientRect().left)));
  };
  return (
    <div
      role="slider"
      tabIndex={0}
      aria-label="Backup in the chart"
      aria-valuemin={1}
      aria-valuemax={points.length}
      aria-valuenow={index + 1}
      aria-valuetext={`${formatTime(new Date(current.at))}: ${formatBytes(current.size)} in ${formatDuration(current.seconds)}, ${current.filename}`}
      className={classes.slider}
      onKeyDown={onKeyDown}
      onFocus={() => onPick(index)}
      onBlur={() => onPick(undefined)}
      onPointerMove={onPointer}
      onPointerDown={onPointer}
      onPointerLeave={() => onPick(undefined)}
    />
  );
}
