import { useSyncExternalStore } from "react";

// One polite live region for the page: several of them talk over each other.
let text = "";
const listeners = new Set<() => void>();

/** Has a screen reader say something that happened, when it has finished what it is saying. */
export function announce(message: string) {
  // The same words twice would not be read twice.
  text = message === text ? `${message}\u00a0` : message;
  listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export function Announcer() {
  const message = useSyncExternalStore(subscribe, () => text);
  return (
    <div className="visually-hidden" role="status" aria-live="polite">
      {message}
    </div>
  );
}
