// Days as date inputs write them, in the browser's zone.

/** The beginning of a day, or of the one some days after it; undefined where there is no such day. */
export function beginningOfDay(day: string | undefined, after = 0): Date | undefined {
  const [, y, m, d] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day ?? "") ?? [];
  if (y === undefined || m === undefined || d === undefined) return undefined;
  const date = new Date(Number(y), Number(m) - 1, Number(d));
  if (date.getMonth() !== Number(m) - 1) return undefined;
  date.setDate(date.getDate() + after);
  return date;
}

/** Whether no time lies between the days of a filter. */
export const isBackwards = ({ from, to }: { from?: string; to?: string }) => from !== undefined && to !== undefined && to < from;
