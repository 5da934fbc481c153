import type { Page } from "@playwright/test";

import { backupsOf, createButton, gate, holdBackups, rowOf, rowsOf, unavailable } from "./lib/inventory";
import { ada, ben, cleo, dropDatabase, newDatabase } from "./lib/stack";
import { expect, freshName, test } from "./lib/test";

const posts = (page: Page) => {
  const seen: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().includes("/api/")) seen.push(request.url());
  });
  return seen;
};

const creation = /\/api\/databases\/[^/]+\/backups$/;

test("the row appears at once, with progress, and turns to created by itself", async ({ open, api }) => {
  const database = await newDatabase(freshName("create"));
  const release = await holdBackups(database);
  const page = await open(ben, { at: backupsOf(database) });
  await page.getByRole("main").getByRole("button", { name: "Create Backup" }).first().click();
  await expect(rowsOf(page)).toHaveCount(1);
  const [made] = (await api.backups(database)).items;
  const row = rowOf(page, made!);
  await expect(row).toContainText(`By ${ben.name}`);
  await expect(page.getByRole("status").filter({ hasText: `The backup ${made!.filename} is queued.` })).toBeAttached();
  await expect(row).toContainText("Running");
  const progress = row.getByRole("progressbar", { name: `Progress of ${made!.filename}` });
  await expect(progress).toBeVisible();
  // Nothing is known of how much is done.
  await expect(progress).not.toHaveAttribute("aria-valuenow");
  await expect(progress).toHaveAttribute("aria-valuetext", "under way");
  await release();
  await expect(row).toContainText("Created", { timeout: 60_000 });
  await expect(row).toContainText("SHA-256");
  await expect(progress).toHaveCount(0);
  await expect(page.getByRole("status").filter({ hasText: `The backup ${made!.filename} was created.` })).toBeAttached();
  await expect(page.getByRole("region", { name: "Newest proven backup" })).toContainText(made!.filename);
});

test("what is left of a running backup is an estimate, and never passes for its end", async ({ open, api }) => {
  const database = await newDatabase(freshName("estimate"));
  const release = await holdBackups(database);
  const backup = await api.startBackup(database);
  const page = await open(ada, { at: backupsOf(database) });
  // The service's answers, with as much done as the test says.
  let progress: object = {};
  await page.route(new RegExp(`/backups/${backup.id}$`), async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...((await answer.json()) as object), progress } });
  });
  const row = rowOf(page, backup);
  const bar = row.getByRole("progressbar");
  const shows = async (bytes: number, left: string | RegExp, share: string, endsIn: number) => {
    const endsAt = new Date(Date.now() + endsIn * 1000).toISOString();
    progress = { tablesDone: 3, tablesTotal: 16, rows: 5_000, bytes, bytesTotal: 8_000_000, endsAt };
    await expect(row).toContainText(left);
    await expect(bar).toHaveAttribute("aria-valuenow", share);
  };
  await shows(2_000_000, /3 of 16 tables, 5,000 rows, 2 MB of about 8 MB · About \d+ (min|s|m)/, "25", 90);
  await shows(7_990_000, "Almost done", "99", 1);
  // All that was expected is there, and it still runs.
  await shows(8_000_000, "Time left: not known yet", "99", 1);
  await release();
  await page.unroute(new RegExp(`/backups/${backup.id}$`));
  await expect(row).toContainText("SHA-256", { timeout: 60_000 });
});

test("a double click makes one backup, and another press while it is queued makes none", async ({ open, api }) => {
  const database = await newDatabase(freshName("double"));
  const release = await holdBackups(database);
  const page = await open(ada, { at: backupsOf(database) });
  await expect(page.getByText(`No backup of ${database} yet`)).toBeVisible();
  const sent = posts(page);
  await createButton(page).first().dblclick();
  await expect(rowsOf(page)).toHaveCount(1);
  await expect(rowsOf(page)).toContainText("Running");
  expect(sent).toHaveLength(1);
  // While one runs another can be queued behind it; a third would be the same as the second.
  await createButton(page).click();
  await expect(rowsOf(page)).toHaveCount(2);
  const refused = page.getByRole("button", { name: /^Create Backup: The backup .+ is queued already/ });
  await expect(refused).toHaveAttribute("aria-disabled", "true");
  await refused.click({ force: true });
  await page.keyboard.press("Enter");
  await expect(rowsOf(page).first()).toContainText("Waits for a backup that runs now.");
  await release();
  await expect(rowsOf(page).first()).toContainText("Created", { timeout: 90_000 });
  expect((await api.backups(database)).items).toHaveLength(2);
  expect(sent).toHaveLength(2);
});

test("without the permission the button is disabled, and says which is missing", async ({ open, database }) => {
  const page = await open(cleo, { at: backupsOf(database) });
  const button = createButton(page).first();
  await expect(button).toHaveAttribute("aria-disabled", "true");
  await expect(button).toHaveAccessibleName(/Your role lacks the permission backups:create\.$/);
  await button.focus();
  await expect(page.getByRole("tooltip")).toHaveText("Your role lacks the permission backups:create.");
  const sent = posts(page);
  await page.keyboard.press("Enter");
  await button.click({ force: true });
  // A call that is let through shows that none came before it.
  await page.getByRole("button", { name: "Refresh" }).click();
  await expect(page.getByText("Refreshed.")).toBeAttached();
  expect(sent).toEqual([]);
});

test("while the service is slow the button is busy, and a second press is no second backup", async ({ open, api }) => {
  const database = await newDatabase(freshName("slow"));
  const page = await open(ada, { at: backupsOf(database) });
  const { opened, open: letThrough } = gate();
  await page.route(creation, async (route) => {
    if (route.request().method() === "POST") await opened;
    await route.continue();
  });
  const sent = posts(page);
  const button = createButton(page).first();
  await button.click();
  await expect(button).toHaveAttribute("aria-busy", "true");
  await button.click({ force: true });
  await page.keyboard.press("Enter");
  letThrough();
  await expect(rowsOf(page)).toHaveCount(1);
  await expect(button).not.toHaveAttribute("aria-busy", "true");
  expect(sent).toHaveLength(1);
  expect((await api.backups(database)).items).toHaveLength(1);
});

test("when the service can't take it the page says so, nothing is made, and another try works", async ({ open, api, watch }) => {
  watch.allow(/503/);
  const database = await newDatabase(freshName("fault"));
  const page = await open(ada, { at: backupsOf(database) });
  await page.route(creation, (route) => (route.request().method() === "POST" ? route.fulfill(unavailable) : route.continue()));
  await createButton(page).first().click();
  const alert = page.getByRole("alert");
  await expect(alert).toContainText("The backup was not started");
  await expect(alert).toContainText("The storage does not answer.");
  await expect(alert).toContainText("Try again in some seconds.");
  await expect(alert).toContainText("Request id for the log: e2e-request");
  await expect(page.getByText(`No backup of ${database} yet`)).toBeVisible();
  expect((await api.backups(database)).items).toEqual([]);
  await page.unroute(creation);
  await alert.getByRole("button", { name: "Try again" }).click();
  await expect(rowsOf(page)).toHaveCount(1);
  await expect(alert).toHaveCount(0);
});

test("offline, the page says that the service can't be reached, and starts it when it can", async ({ open, watch }) => {
  watch.allow(/ERR_INTERNET_DISCONNECTED/);
  const database = await newDatabase(freshName("offline"));
  const page = await open(ada, { at: backupsOf(database) });
  await expect(page.getByText(`No backup of ${database} yet`)).toBeVisible();
  await page.context().setOffline(true);
  await createButton(page).first().click();
  const alert = page.getByRole("alert").filter({ hasText: "The backup was not started" });
  await expect(alert).toContainText("The service can’t be reached.");
  await expect(alert).toContainText("This computer is offline. Connect it, then try again.");
  await page.context().setOffline(false);
  await alert.getByRole("button", { name: "Try again" }).click();
  await expect(rowsOf(page)).toHaveCount(1);
  await expect(alert).toHaveCount(0);
});

test("what was asked for while others are filtered out is shown, and that the filters were cleared is said", async ({ open }) => {
  const database = await newDatabase(freshName("filtered"));
  const page = await open(ada, { at: `${backupsOf(database)}?state=failed` });
  await expect(page.getByText("No backup matches the filters")).toBeVisible();
  await createButton(page).first().click();
  await expect(rowsOf(page)).toHaveCount(1);
  await expect(page).toHaveURL(new RegExp(`#${backupsOf(database)}$`));
  await expect(page.getByText(/is queued\. The filters were cleared to show it\.$/)).toBeAttached();
});

test("a backup that fails says why in its row, and does not pass for a usable one", async ({ open, api }) => {
  const database = await newDatabase(freshName("doomed"));
  const page = await open(ada, { at: backupsOf(database) });
  await expect(page.getByText(`No backup of ${database} yet`)).toBeVisible();

  await dropDatabase(database);
  await createButton(page).first().click();
  await expect(rowsOf(page)).toContainText("Failed", { timeout: 60_000 });
  await expect(rowsOf(page).getByRole("button", { name: /^Restore / })).toHaveAttribute("aria-disabled", "true");
  await expect(page.getByText(/^The backup .+ failed\. /)).toBeAttached();
  await expect(page.getByRole("region", { name: "Newest proven backup" })).toContainText(
    `No backup of ${database} is proven yet`,
  );

  const [failed] = (await api.backups(database)).items;
  await expect(rowsOf(page)).toContainText(failed!.failure!.reason);
});
