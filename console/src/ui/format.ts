// Numbers and times in the browser's locale.

const locale = undefined;
const count = new Intl.NumberFormat(locale);
const signed = new Intl.NumberFormat(locale, { signDisplay: "exceptZero" });
const tenths = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const fullDay = new Intl.DateTimeFormat(locale, { dateStyle: "full" });
const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });
const exact = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" });
const ago = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

export const formatCount = (n: number) => count.format(n);
export const formatDifference = (n: number) => signed.format(n);

/** A number with its noun: `1 table`, `2 tables`. */
export const plural = (n: number, one: string, many = `${one}s`) => `${count.format(n)} ${n === 1 ? one : many}`;

const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

const sizeFormats = new Map<string, Intl.NumberFormat>();

/** Kept, since making one takes longer than all else in a row of a list. */
function sizeFormat(unit: (typeof units)[number], maximumFractionDigits: number): Intl.NumberFormat {
  const key = `${unit} ${maximumFractionDigits}`;
  let format = sizeFormats.get(key);
  if (format === undefined) {
    const unitDisplay = unit === "byte" ? "long" : "short";
    format = new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay, maximumFractionDigits });
    sizeFormats.set(key, format);
  }
  return format;
}

/** Bytes in decimal units, as disks and S3 prices count. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 ? 0 : value < 10 ? 2 : 1;
  return sizeFormat(units[unit]!, digits).format(value);
}

export const formatTime = (at: string | Date) => dateTime.format(new Date(at));
export const formatClock = (at: string | Date) => clock.format(new Date(at));
export const formatFullDay = (at: string | Date) => fullDay.format(new Date(at));
export const formatDay = (at: number) => day.format(at);
export const formatExactTime = (at: string | Date) => exact.format(new Date(at));

const steps: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** `12 minutes ago`, `in 3 hours`. */
export function formatAgo(at: string | Date, now = Date.now()): string {
  const seconds = (new Date(at).getTime() - now) / 1000;
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return ago.format(Math.trunc(seconds / length), unit);
  }
  return Math.abs(seconds) < 10 ? "just now" : ago.format(Math.trunc(seconds), "second");
}

/** A length of time, in its two largest units: `1 h 5 min`, `42 s`, `4 ms`. */
export function formatDuration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${tenths.format(seconds)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  const [d, h, m] = [Math.floor(s / 86_400), Math.floor((s % 86_400) / 3600), Math.floor((s % 3600) / 60)];
  if (d > 0) return h > 0 ? `${d} d ${h} h` : `${d} d`;
  if (h > 0) return m > 0 ? `${h} h ${m} min` : `${h} h`;
  return s % 60 > 0 ? `${m} min ${s % 60} s` : `${m} min`;
}

/** Seconds from one time to another. */
export const secondsBetween = (from: string, to: string) => (new Date(to).getTime() - new Date(from).getTime()) / 1000;
