import type { Page } from "@playwright/test";

import { Api, type Backup } from "./lib/api";
import { backupsOf, forbidden, gate, rowOf, rowsOf, unavailable, watchLayout } from "./lib/inventory";
import { ada, newDatabase, seed } from "./lib/stack";
import { expect, freshName, test } from "./lib/test";

// Both are looked at only: one with a history, one with nothing.
let database: string;
let empty: string;
let newest: Backup;

test.beforeAll(async () => {
  database = await newDatabase(freshName("states"));
  await seed(database, 150);
  empty = await newDatabase(freshName("empty"));
  newest = (await (await Api.as()).backups(database)).items[0] as Backup;
});

const list = /\/api\/databases\/[^/]+\/backups(\?|$)/;
const refresh = (page: Page) => page.getByRole("button", { name: "Refresh" });

for (const [what, viewport] of [
  ["a screen", { width: 1280, height: 800 }],
  ["a phone", { width: 390, height: 844 }],
] as const) {
  test(`while the service is slow the room of the answers is kept: nothing jumps on ${what}`, async ({ open }) => {
    const page = await open(ada, { at: "/cron-key", context: { viewport } });
    const layout = await watchLayout(page);
    const { opened, open: answer } = gate();
    await page.route(list, async (route) => {
      await opened;
      await route.continue();
    });
    await page.goto(`/#${backupsOf(database)}`);
    await page.reload();
    await expect(page.getByRole("status").filter({ hasText: "Loading the backups" })).toBeAttached();
    await expect(page.locator("[aria-busy=true]").first()).toBeVisible();
    await expect(page.getByRole("heading", { name: "Backup Inventory" })).toBeVisible();
    answer();
    await expect(rowsOf(page).first()).toBeVisible();
    await expect(page.getByRole("region", { name: "Newest proven backup" }).getByRole("link").first()).toBeVisible();
    await page.waitForLoadState("networkidle");
    const { shift, moved } = await layout();
    test.info().annotations.push({ type: "layout shift", description: shift.toFixed(4) });
    expect(shift, moved.join("\n")).toBeLessThan(0.05);
  });
}

for (const width of [1280, 390]) {
  test(`that a backup shrank is told without a push of the list that somebody reads: ${width} px`, async ({ open }) => {
    const page = await open(ada, { at: "/cron-key", context: { viewport: { width, height: 800 } } });
    const history = /\/backups\?.*limit=100.*state=created|\/backups\?.*state=created.*limit=100/;
    await page.route(history, async (route) => {
      const answer = await route.fetch();
      const { items } = (await answer.json()) as { items: Backup[] };
      await route.fulfill({ response: answer, json: { items: items.map((b) => ({ ...b, size: 9_000_000 })) } });
    });
    await page.goto(`/#${backupsOf(database)}`);
    const panel = page.getByRole("region", { name: "Size and duration" });
    await expect(panel).toContainText("None of the last 100 backups is much smaller than those before it.");
    await expect(rowOf(page, newest)).toBeVisible();
    const place = async () => (await page.getByRole("heading", { name: "Backups", exact: true }).boundingBox())!.y;
    const before = await place();
    await page.unroute(history);
    await refresh(page).click();
    await expect(panel).toContainText(`${database} shrank by `);
    expect(await place()).toBe(before);
  });
}

test("a database without a backup says what a backup is for, and offers one", async ({ open }) => {
  const page = await open(ada, { at: backupsOf(empty) });
  await expect(page.getByRole("heading", { name: `No backup of ${empty} yet` })).toBeVisible();
  await expect(page.getByText(`A backup is a file from which ${empty} can be brought back whole.`)).toBeVisible();
  await expect(page.getByText(`No backup of ${empty} is proven yet`)).toBeVisible();
  await expect(page.getByRole("button", { name: "Create Backup" })).toHaveCount(2);
});

test("when the list can't be read the page says so, and another try shows it", async ({ open, watch }) => {
  watch.allow(/503/);
  const page = await open(ada, { at: "/cron-key" });
  await page.route(list, (route) => route.fulfill(unavailable));
  await page.goto(`/#${backupsOf(database)}`);
  const alert = page.getByRole("region", { name: "Backups", exact: true }).getByRole("alert");
  await expect(alert).toContainText("The storage does not answer.");
  await expect(alert).toContainText("Request id for the log: e2e-request");
  await expect(page.getByText(/No backup of .* yet/)).toHaveCount(0);
  await expect(page.getByText(/is proven yet/)).toHaveCount(0);
  await page.unroute(list);
  await alert.getByRole("button", { name: "Try again" }).click();
  await expect(rowOf(page, newest)).toBeVisible();
  await expect(alert).toHaveCount(0);
});

test("offline, what was read stays, under a word that it may be old; back online it goes away", async ({ open, watch }) => {
  watch.allow(/ERR_INTERNET_DISCONNECTED/);
  const page = await open(ada, { at: backupsOf(database) });
  await expect(rowOf(page, newest)).toBeVisible();
  await page.context().setOffline(true);
  await refresh(page).click();
  const alert = page.getByRole("alert").filter({ hasText: "The inventory could not be refreshed; it may be out of date" });
  await expect(alert).toContainText("The service can’t be reached.");
  await expect(alert).toContainText("This computer is offline. Connect it, then try again.");
  await expect(rowOf(page, newest)).toBeVisible();
  await page.context().setOffline(false);
  await alert.getByRole("button", { name: "Try again" }).click();
  await expect(alert).toHaveCount(0);
  await expect(page.getByText("Refreshed.")).toBeAttached();
});

test("when the page's own look fails, what it shows stays, under a word that it may be old", async ({ open, watch }) => {
  watch.allow(/503/);
  const page = await open(ada, { at: backupsOf(database) });
  await expect(rowOf(page, newest)).toBeVisible();
  await page.route(list, (route) => route.fulfill(unavailable));
  const alert = page.getByRole("region", { name: "Backups", exact: true }).getByRole("alert");
  await expect(alert).toContainText("This could not be refreshed; it may be out of date", { timeout: 50_000 });
  await expect(rowOf(page, newest)).toBeVisible();
  await page.unroute(list);
  await alert.getByRole("button", { name: "Try again" }).click();
  await expect(alert).toHaveCount(0);
});

test("when older backups can't be read, those that were stay, and another try goes on", async ({ open, watch }) => {
  watch.allow(/429/);
  const page = await open(ada, { at: backupsOf(database) });
  const older = /\/backups\?.*cursor=/;
  await page.route(older, (route) =>
    // As the gateway refuses: without problem details.
    route.fulfill({ status: 429, contentType: "application/json", body: JSON.stringify({ message: "Too Many Requests" }) }),
  );
  await expect(rowOf(page, newest)).toBeVisible();
  const alert = page.getByRole("alert").filter({ hasText: "The older backups could not be loaded" });
  await expect(async () => {
    await page.keyboard.press("End");
    await expect(alert).toBeInViewport({ timeout: 500 });
  }).toPass();
  await expect(alert).toContainText("429");
  await page.unroute(older);
  await alert.getByRole("button", { name: "Try again" }).click();
  await expect(async () => {
    await page.keyboard.press("End");
    await expect(page.getByText("These are all: 150 backups.")).toBeInViewport({ timeout: 500 });
  }).toPass();
});

test("who may not see the backups is told which permission is missing", async ({ open, watch }) => {
  watch.allow(/403/);
  const page = await open(ada, { at: "/cron-key" });
  await page.route(list, (route) => route.fulfill(forbidden));
  await page.goto(`/#${backupsOf(database)}`);
  const backups = page.getByRole("region", { name: "Backups", exact: true });
  await expect(backups).toContainText("You may not see this");
  await expect(backups).toContainText("Your role lacks the permission backups:read.");
  await expect(backups.getByRole("button", { name: "Try again" })).toHaveCount(0);
});

test("a backup that is not there is not found, and the way back is shown", async ({ open, watch }) => {
  watch.allow(/404/);
  const page = await open(ada, { at: `${backupsOf(database)}/01m87j4dqp4185r05an4ghs58y` });
  await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
  await expect(page.getByText("There is no backup with that id. It may have been deleted")).toBeVisible();
  await page.getByRole("link", { name: "Backup Inventory" }).click();
  await expect(rowOf(page, newest)).toBeVisible();
});

test("a database that is not there is not found, and the switcher leads to one that is", async ({ open, watch }) => {
  watch.allow(/404/);
  const page = await open(ada, { at: backupsOf("nosuch") });
  const backups = page.getByRole("region", { name: "Backups", exact: true });
  await expect(backups).toContainText("There is no database with that name");
  await expect(page.getByText("No backup of nosuch yet")).toHaveCount(0);
  await page.getByRole("textbox", { name: "Database" }).click();
  await page.getByRole("option", { name: database, exact: true }).click();
  await expect(rowOf(page, newest)).toBeVisible();
});

for (const address of ["/nowhere", "/databases", `/databases/%E0%A4%A/backups`, "/databases/school/backups/x/y"]) {
  test(`an address that leads nowhere says so: ${address}`, async ({ open }) => {
    const page = await open(ada, { at: address });
    await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
    await expect(page.getByRole("link", { name: "Go to the backups" })).toBeVisible();
  });
}
