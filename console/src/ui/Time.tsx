import { useEffect, useState } from "react";

import { formatAgo, formatExactTime, formatTime } from "./format";

/** The time now, again every so many seconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), every * 1000);
    return () => window.clearInterval(timer);
  }, [every]);
  return now;
}

// The exact time is the browser's own tooltip: lists have hundreds of times, and a drawn one is what a row costs most.

/** A time in the browser's zone and locale, the exact one on hover and for screen readers. */
export function Time({ at }: { at: string }) {
  return (
    <time dateTime={at} title={formatExactTime(at)}>
      {formatTime(at)}
    </time>
  );
}

/** `12 minutes ago`, which stays true while it is looked at. */
export function Ago({ at }: { at: string }) {
  const now = useNow(10);
  return (
    <time dateTime={at} title={formatExactTime(at)}>
      {formatAgo(at, now)}
    </time>
  );
}
