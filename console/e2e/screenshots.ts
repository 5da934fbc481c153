import type { Page } from "@playwright/test";

import { schemes, show } from "./lib/a11y";
import { ada, damage, newDatabase, seed } from "./lib/stack";
import { expect, test } from "./lib/test";

// Makes pictures of every view, light and dark, wide and narrow, into .local/screenshots; two of them are the README's.

const folder = new URL("../../.local/screenshots/", import.meta.url).pathname;
const images = new URL("../../docs/images/", import.meta.url).pathname;
const sizes = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } };

// A long list is not shown to its end.
const tallest = 2400;

async function ready(page: Page) {
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
  await page.waitForLoadState("networkidle");
}

async function shoot(page: Page, name: string) {
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const scheme of schemes) {
      await show(page, scheme);
      await ready(page);
      const height = Math.min(tallest, await page.evaluate(() => document.documentElement.scrollHeight));
      const clip = { x: 0, y: 0, width: viewport.width, height };
      await page.screenshot({ path: `${folder}${name}-${scheme}-${size}.png`, fullPage: true, clip });
    }
  }
}

/** A picture of what fits on a screen. */
async function picture(page: Page, name: string) {
  await page.setViewportSize({ width: 1280, height: 800 });
  await show(page, "light");
  await ready(page);
  await page.screenshot({ path: `${images}${name}.png` });
}

test("pictures of every view", async ({ visitor, open, api }) => {
  test.setTimeout(280_000);
  const database = await newDatabase("academy");
  await seed(database, 120);
  const backup = await api.createdBackup(database);
  await damage(database);
  const rehearsal = await api.rehearsed(database, backup.id);
  const rescue = await api.endedRestore(database, {
    source: { backup: backup.id },
    tables: ["public.grade", "public.meal_order"],
    dryRun: false,
    confirm: database,
  });
  const at = `/databases/${database}`;

  const stranger = await visitor();
  await stranger.goto("/");
  await shoot(stranger, "sign-in");

  const page = await open(ada, { at: `${at}/backups` });
  const views = {
    inventory: `${at}/backups`,
    backup: `${at}/backups/${backup.id}`,
    "restore-options": `${at}/restore?backup=${backup.id}`,
    report: `${at}/restores/${rehearsal.id}`,
    rescue: `${at}/restores/${rescue.id}`,
    "cron-key": "/cron-key",
    activity: "/activity",
  };
  for (const [name, view] of Object.entries(views)) {
    await page.goto(`/#${view}`);
    await shoot(page, name);
    if (name === "inventory" || name === "report") await picture(page, `console-${name}`);
  }
});
