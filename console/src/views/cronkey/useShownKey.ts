import { useCallback, useEffect, useState } from "react";

import type { Schemas } from "../../api/client";

type Revealed = Schemas["CronKeyRevealed"];

// A key that is forgotten on a screen is seen by whoever passes.
export const shownSeconds = 60;

interface Shown {
  key: Revealed;
  until: number;
}

export const isNewer = (a: { createdAt: string }, b: { createdAt: string }) =>
  new Date(a.createdAt).getTime() > new Date(b.createdAt).getTime();

/**
 * The key in clear, here and nowhere else, until its time is over, the page is out of sight or left, it is hidden, or it is not the
 * key any more.
 */
export function useShownKey(current: Schemas["CronKeyMasked"]) {
  const [shown, setShown] = useState<Shown>();
  const show = useCallback((key: Revealed) => setShown({ key, until: Date.now() + shownSeconds * 1000 }), []);
  const hide = useCallback(() => setShown(undefined), []);
  // Gone in the same rendering that learns of a newer one.
  const old = shown !== undefined && isNewer(current, shown.key);
  if (old) setShown(undefined);
  useEffect(() => {
    if (shown === undefined) return;
    const timer = window.setTimeout(hide, shown.until - Date.now());
    document.addEventListener("visibilitychange", hide);
    return () => {
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", hide);
    };
  }, [shown, hide]);
  return { shown: old ? undefined : shown, show, hide };
}
