import { useEffect, useRef, type RefObject } from "react";
import { useLocation } from "wouter";

/**
 * Begins a view that was gone to at its top, and gives it the focus where what had it is gone with the view before. Going back leaves the
 * browser where it was. It stands beside the views, within what waits for them to be loaded: till then the view before is only hidden.
 */
export function Arrival({ main }: { main: RefObject<HTMLElement | null> }) {
  const [location] = useLocation();
  const here = useRef(location);
  const back = useRef(false);
  useEffect(() => {
    const note = () => (back.current = true);
    window.addEventListener("popstate", note);
    return () => window.removeEventListener("popstate", note);
  }, []);
  useEffect(() => {
    if (here.current === location) return;
    here.current = location;
    if (!back.current) window.scrollTo(0, 0);
    back.current = false;
    if (document.activeElement === document.body) main.current?.focus({ preventScroll: true });
  }, [location, main]);
  return null;
}
