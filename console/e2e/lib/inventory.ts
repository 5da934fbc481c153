import type { Locator, Page } from "@playwright/test";

import { expect } from "./test";
import { sql, value } from "./stack";

export const backupsOf = (database: string) => `/databases/${database}/backups`;

/** The inventory's row of a backup. */
export const rowOf = (page: Page, { filename }: { filename: string }): Locator =>
  page
    .getByRole("table", { name: /^Backups of / })
    .getByRole("row")
    .filter({ hasText: filename });

/** The rows of the inventory that are in the document, without the head. */
export const rowsOf = (page: Page): Locator =>
  page
    .getByRole("table", { name: /^Backups of / })
    .getByRole("row")
    .filter({ has: page.getByRole("cell") });

export const createButton = (page: Page): Locator => page.getByRole("button", { name: /^Create Backup/ });

/**
 * Locks a table of a database, so that a backup of it, or a comparison with it, runs and does not end until the lock is released.
 * Whoever holds it ends by itself before pg_dump gives up.
 */
export async function holdBackups(database: string, table = "meal_order"): Promise<() => Promise<void>> {
  const held = sql(database, `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(100) AS hold`).catch(() => undefined);
  // Copies of a database have the same numbers for their tables.
  const locks = `SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE datname = current_database() AND relation = '${table}'::regclass AND mode = 'AccessExclusiveLock' AND granted`;
  await expect.poll(() => value(database, locks)).toBe("1");
  return async () => {
    await sql(
      database,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%AS hold'`,
    );
    await held;
  };
}

const problemOf = (status: number, more: object) => ({
  status,
  contentType: "application/problem+json",
  body: JSON.stringify({ type: "about:blank", title: "Fault", status, ...more }),
});

/** What the API answers when something behind it does not work. */
export const unavailable = problemOf(503, {
  code: "service_unavailable",
  detail: "The storage does not answer.",
  hint: "Try again in some seconds.",
  requestId: "e2e-request",
});

export const forbidden = problemOf(403, {
  code: "permission_missing",
  detail: "Your role lacks a permission.",
  permission: "backups:read",
});

/** A gate that calls of the page wait at until it is opened. */
export function gate() {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

interface Layout {
  /** How much moved by itself, as browsers measure it. */
  shift: number;
  /** What moved, and from where to where. */
  moved: string[];
}

/** Watches what moves by itself from the page's start on. */
export async function watchLayout(page: Page): Promise<() => Promise<Layout>> {
  await page.addInitScript(() => {
    type Rect = { x: number; y: number; width: number; height: number };
    type Shift = { value: number; hadRecentInput: boolean; sources: { node?: Node; previousRect: Rect; currentRect: Rect }[] };
    const layout: Layout = { shift: 0, moved: [] };
    (window as unknown as { e2eLayout: Layout }).e2eLayout = layout;
    const words = ({ x, y, width, height }: Rect) => `${x},${y} ${width}×${height}`;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as unknown as Shift[]) {
        if (entry.hadRecentInput) continue;
        layout.shift += entry.value;
        for (const { node, previousRect, currentRect } of entry.sources)
          layout.moved.push(
            `${entry.value.toFixed(3)} ${node?.nodeName} “${node?.textContent?.slice(0, 30)}”: ${words(previousRect)} → ${words(currentRect)}`,
          );
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  return () => page.evaluate(() => (window as unknown as { e2eLayout: Layout }).e2eLayout);
}
