import { useEffect } from "react";

/** The title of the browser's tab: the view's, then the product's. */
export function useTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · Backup & Restore`;
  }, [title]);
}
