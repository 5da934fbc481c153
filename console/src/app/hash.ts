import { useSyncExternalStore } from "react";

// The view's address is the fragment, query and all: #/activity?result=failed. wouter's own hook puts the query before the #, where
// it stays when the view is left, is not in a link that is opened in another tab, and is lost by the sign-in.

const changed = "hashchange";
const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());

function subscribe(listener: () => void) {
  if (listeners.size === 0) window.addEventListener(changed, tell);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) window.removeEventListener(changed, tell);
  };
}

/** Path and query of a fragment. */
export function splitHash(hash: string): [path: string, search: string] {
  const [path = "", ...search] = hash.replace(/^#?\/?/, "/").split("?");
  return [path, search.join("?")];
}

/** Whether a path can be decoded. One that can't was cut or mistyped, and leads nowhere. */
export function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function navigate(to: string, { replace = false, state = null }: { replace?: boolean; state?: unknown } = {}) {
  const [path, search] = splitHash(to);
  const url = `#${path}${search === "" ? "" : `?${search}`}`;
  if (replace) window.history.replaceState(state, "", url);
  else window.history.pushState(state, "", url);
  tell();
}

const path = () => splitHash(window.location.hash)[0];
const search = () => splitHash(window.location.hash)[1];

export const useHashSearch = () => useSyncExternalStore(subscribe, search);

/** Where the page is, and how it goes elsewhere: for wouter's Router. */
export const useHashLocation = Object.assign((): [string, typeof navigate] => [useSyncExternalStore(subscribe, path), navigate], {
  hrefs: (href: string) => `#${href}`,
  searchHook: useHashSearch,
});
