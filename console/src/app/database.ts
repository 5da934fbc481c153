import { useEffect } from "react";
import { useLocation } from "wouter";

import { isDecodable } from "./hash";

const remembered = "database";

/** The database that the address names, or the one that was looked at last. */
export function useDatabase(): [name: string | undefined] {
  const [location] = useLocation();
  const match = /^\/databases\/([^/]+)/.exec(location);
  const name = match?.[1] === undefined || !isDecodable(match[1]) ? undefined : decodeURIComponent(match[1]);
  useEffect(() => {
    if (name !== undefined) sessionStorage.setItem(remembered, name);
  }, [name]);
  return [name ?? sessionStorage.getItem(remembered) ?? undefined];
}
