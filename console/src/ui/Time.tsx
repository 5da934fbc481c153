import { Tooltip } from "@mantine/core";
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

/** A time in the browser's zone and locale, the exact one on hover and for screen readers. */
export function Time({ at }: { at: string }) {
  return (
    <Tooltip label={formatExactTime(at)}>
      <time dateTime={at} title="">
        {formatTime(at)}
      </time>
    </Tooltip>
  );
}

/** `12 minutes ago`, which stays true while it is looked at. */
export function Ago({ at }: { at: string }) {
  const now = useNow(10);
  return (
    <Tooltip label={formatExactTime(at)}>
      <time dateTime={at}>{formatAgo(at, now)}</time>
    </Tooltip>
  );
}
