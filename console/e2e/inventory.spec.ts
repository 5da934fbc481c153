import type { Page } from "@playwright/test";

import { Api, type Backup } from "./lib/api";
import { backupsOf, rowOf, rowsOf } from "./lib/inventory";
import { ada, cleo, dropDatabase, newDatabase, seed } from "./lib/stack";
import { expect, freshName, test } from "./lib/test";

const total = 5000;

// What all tests look at and none changes: a long history of records, and a database that has gone after its first backup.
let long: string;
let broken: string;
let created: Backup;
let failed: Backup;

test.beforeAll(async () => {
  test.setTimeout(240_000);
  const api = await Api.as();
  long = await newDatabase(freshName("long"));
  await seed(long, total);
  broken = await newDatabase(freshName("broken"));
  created = await api.createdBackup(broken);
  await dropDatabase(broken);
  failed = await api.endedBackup(broken);
});

const size = (bytes: number) =>
  new Intl.NumberFormat("en-GB", {
    style: "unit",
    unit: "megabyte",
    unitDisplay: "short",
    maximumFractionDigits: bytes < 1e7 ? 2 : 1,
  }).format(bytes / 1e6);

const count = (n: number) => new Intl.NumberFormat("en-GB").format(n);

test.describe("each row", () => {
  test("has filename, created date, size, status and actions, and what proves the backup", async ({ open }) => {
    const page = await open(cleo, { at: backupsOf(broken) });
    await expect(page.getByRole("columnheader")).toHaveText([
      "File",
      "Created",
      "Status",
      "Size",
      "Proof",
      "Duration",
      "Actions",
    ]);
    const row = rowOf(page, created);
    await expect(row.getByRole("cell")).toHaveCount(7);
    const [file, , status, bytes, proof, duration, actions] = await row.getByRole("cell").all();
    await expect(file!).toContainText(created.filename);
    await expect(file!).toContainText(`By ${ada.name}`);
    await expect(status!).toHaveText("Created");
    await expect(bytes!).toContainText(size(created.size!));
    await expect(proof!).toContainText(`${count(created.rows!)} rows in ${created.tableCount} tables`);
    await expect(proof!).toContainText(`SHA-256 ${created.sha256!.slice(0, 8)}`);
    await expect(proof!).toContainText("Not rehearsed yet");
    await expect(duration!).toHaveText(/\d/);
    for (const name of ["Download", "Restore", "Delete"]) {
      await expect(actions!.getByRole("button", { name: `${name} ${created.filename}` })).toBeVisible();
    }
  });

  test("tells a usable backup from a failed one by a word", async ({ open }) => {
    const page = await open(ada, { at: backupsOf(broken) });
    await expect(rowsOf(page)).toHaveCount(2);
    await expect(rowOf(page, failed).getByRole("cell", { name: "Failed", exact: true })).toBeVisible();
    await expect(rowOf(page, created).getByRole("cell", { name: "Created", exact: true })).toBeVisible();
  });

  for (const [locale, timezoneId] of [
    ["en-GB", "Europe/Berlin"],
    ["en-US", "America/New_York"],
  ] as const) {
    test(`has the time of the browser's zone in its words, and the exact one on hover: ${timezoneId}`, async ({ open }) => {
      const page = await open(ada, { at: backupsOf(broken), context: { locale, timezoneId } });
      const time = rowOf(page, created).getByRole("time").first();
      const at = new Date(created.requestedAt);
      const words = (style: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, { timeZone: timezoneId, ...style });
      await expect(time).toHaveText(words({ dateStyle: "medium", timeStyle: "short" }).format(at));
      await expect(time).toHaveAttribute("datetime", created.requestedAt);
      await expect(time).toHaveAttribute("title", words({ dateStyle: "full", timeStyle: "long" }).format(at));
    });
  }

  test("of a failed backup opens to its reason, what to do, its times and its log", async ({ open }) => {
    const page = await open(ada, { at: backupsOf(broken) });
    const row = rowOf(page, failed);
    await expect(row).toContainText(failed.failure!.reason);
    const more = row.getByRole("button", { name: `What happened to ${failed.filename}` });
    await expect(more).toHaveAttribute("aria-expanded", "false");
    await more.focus();
    await page.keyboard.press("Enter");
    await expect(more).toHaveAttribute("aria-expanded", "true");
    await expect(row).toContainText(`What to do: ${failed.failure!.hint}`);
    await expect(row).toContainText("Began ");
    await expect(row).toContainText("Failed ");
    await expect(row.getByRole("region", { name: "What the tool and the server said" })).toContainText("3D000");
    await expect(row.getByRole("region", { name: "What happened" })).toContainText(/\d\d:\d\d:\d\d/);
    // The row below makes room.
    const [upper, lower] = await Promise.all([row.boundingBox(), rowOf(page, created).boundingBox()]);
    expect(lower!.y).toBeGreaterThanOrEqual(upper!.y + upper!.height - 1);
    await page.keyboard.press("Enter");
    await expect(row.getByText("What to do: ")).toHaveCount(0);
  });

  test("says when a restore of the backup was last rehearsed", async ({ open, api }) => {
    const rehearsed = (await api.backups(long)).items.find((b) => b.lastRehearsalAt !== undefined)!;
    const page = await open(ada, { at: backupsOf(long) });
    await expect(rowOf(page, rehearsed)).toContainText(/Rehearsed (\d+ (hour|day)s? ago|yesterday)/);
  });
});

test("the newest proven backup is at the top, with the failure after it, whatever the filters hide", async ({ open }) => {
  const page = await open(ada, { at: backupsOf(broken) });
  const newest = page.getByRole("region", { name: "Newest proven backup" });
  await expect(newest.getByRole("link", { name: created.filename })).toBeVisible();
  await expect(newest).toContainText(count(created.rows!));
  await expect(newest).toContainText(/The last attempt, .+, failed/);
  await expect(newest).toContainText(failed.failure!.reason);
  await page.goto(`/#${backupsOf(broken)}?state=failed`);
  await expect(rowsOf(page)).toHaveCount(1);
  await expect(newest.getByRole("link", { name: created.filename })).toBeVisible();
  const top = await newest.boundingBox();
  expect(top!.y).toBeLessThan((await rowOf(page, failed).boundingBox())!.y);
});

test.describe("filters", () => {
  const shown = (page: Page) => rowsOf(page).first();
  const status = (page: Page, name: string) => page.getByRole("group", { name: "Status" }).getByText(name, { exact: true });

  test("by status and by day are in the address, survive a reload, and are cleared", async ({ open, api }) => {
    const page = await open(ada, { at: backupsOf(long) });
    await status(page, "Failed").click();
    await expect(page).toHaveURL(/\?state=failed$/);
    await expect(page.getByRole("checkbox", { name: "Failed" })).toBeChecked();
    await expect(shown(page)).toContainText("Failed");
    await expect(rowsOf(page).filter({ hasText: "SHA-256" })).toHaveCount(0);
    const newest = (await api.backups(long)).items[0]!;
    const day = new Intl.DateTimeFormat("sv-SE", { timeZone: "Europe/Berlin" }).format(
      new Date(new Date(newest.requestedAt).getTime() - 20 * 86_400_000),
    );
    await status(page, "Failed").click();
    await page.getByLabel("From", { exact: true }).fill(day);
    await page.getByLabel("To", { exact: true }).fill(day);
    await expect(page).toHaveURL(new RegExp(`\\?from=${day}&to=${day}$`));
    // One every six hours.
    await expect(page.getByText(/^These are all: \d backups\.$/)).toBeVisible();
    for (const time of await rowsOf(page)
      .getByRole("time")
      .evaluateAll((all) => all.map((t) => (t as HTMLTimeElement).dateTime))) {
      expect(new Intl.DateTimeFormat("sv-SE", { timeZone: "Europe/Berlin" }).format(new Date(time)) >= day).toBe(true);
    }
    const before = await rowsOf(page).count();
    await page.reload();
    await expect(rowsOf(page)).toHaveCount(before);
    await expect(page.getByLabel("From", { exact: true })).toHaveValue(day);
    await page.getByRole("button", { name: "Clear all filters" }).click();
    await expect(page).toHaveURL(/\/backups$/);
    await expect(rowOf(page, newest)).toBeVisible();
  });

  test("that nothing matches say so, and how to get out of them", async ({ open }) => {
    const page = await open(ada, { at: `${backupsOf(broken)}?state=running&from=2020-01-01&to=2020-01-02` });
    await expect(page.getByText("No backup matches the filters")).toBeVisible();
    await page.getByRole("button", { name: "Clear the status" }).click();
    await expect(page).toHaveURL(/\?from=2020-01-01&to=2020-01-02$/);
    await page.getByRole("button", { name: "Clear the days" }).click();
    await expect(rowsOf(page)).toHaveCount(2);
  });

  test("whose days are backwards say so", async ({ open }) => {
    const page = await open(ada, { at: `${backupsOf(broken)}?from=2026-03-02&to=2026-03-01` });
    await expect(page.getByRole("heading", { name: "To is before From" })).toBeVisible();
    await expect(page.getByLabel("To", { exact: true })).toHaveAccessibleDescription("To is before From.");
  });
});

test("a sudden shrink is marked in the chart, and told in words", async ({ open, api }) => {
  const items = (await api.backups(long)).items;
  const small = items[12]!;
  const page = await open(ada, { at: backupsOf(long) });
  const history = page.getByRole("region", { name: "Size and duration" });
  const on = new Intl.DateTimeFormat("en-GB", {
    timeZone: "Europe/Berlin",
    day: "numeric",
    month: "short",
    year: "numeric",
  }).format(new Date(small.requestedAt));
  const told = new RegExp(`${long} shrank by (\\d+) % on ${on}, to ${size(small.size!)}`);
  await expect(history).toContainText(told);
  const advice = history.getByText("rows may be missing from the database");
  await expect(advice).toHaveCount(0);
  await history.getByRole("button", { name: "What to do" }).click();
  await expect(advice).toBeVisible();
  const [, percent] = told.exec((await history.textContent())!)!;
  const chart = history.getByRole("img", { name: /^Size and duration of 100 backups of / });
  await expect(chart).toHaveAccessibleName(new RegExp(`It shrank by ${percent} % on ${on}\\.`));
  await expect(chart.getByText(`−${percent} %`)).toBeVisible();
  const slider = history.getByRole("slider", { name: "Backup in the chart" });
  await slider.focus();
  await page.keyboard.press("Home");
  await expect(slider).toHaveAttribute("aria-valuenow", "1");
  await page.keyboard.press("End");
  await expect(slider).toHaveAttribute("aria-valuetext", new RegExp(items[0]!.filename));
  await history.getByRole("button", { name: "As a table" }).click();
  await expect(history.getByRole("row").filter({ hasText: small.filename })).toContainText(`${percent} % smaller than before`);
  await history.getByRole("button", { name: "Chart of size and duration" }).click();
  await expect(chart).toHaveCount(0);
  await expect(history).toContainText(told);
});

test("on a small screen the newest four are in sight, under what can be relied on and the chart", async ({ open }) => {
  const page = await open(ada, { at: backupsOf(long), context: { viewport: { width: 1280, height: 800 } } });
  await expect(page.getByRole("img", { name: /^Size and duration of 100 backups/ })).toBeInViewport({ ratio: 1 });
  await expect(page.getByRole("region", { name: "Newest proven backup" })).toBeInViewport({ ratio: 1 });
  for (let i = 0; i < 4; i++) await expect(rowsOf(page).nth(i)).toBeInViewport({ ratio: 0.95 });
});

test("the switcher leads from one database to another", async ({ open }) => {
  const page = await open(ada, { at: backupsOf(broken) });
  await expect(rowOf(page, created)).toBeVisible();
  await page.getByRole("textbox", { name: "Database" }).click();
  await page.getByRole("option", { name: long, exact: true }).click();
  await expect(page).toHaveURL(new RegExp(`#${backupsOf(long)}$`));
  await expect(page.getByRole("table", { name: `Backups of ${long}` })).toBeVisible();
  await expect(rowOf(page, created)).toHaveCount(0);
  await page.goBack();
  await expect(rowOf(page, created)).toBeVisible();
});

test("Refresh shows what was made elsewhere meanwhile", async ({ open, api }) => {
  const database = await newDatabase(freshName("refresh"));
  const page = await open(ada, { at: backupsOf(database) });
  await expect(page.getByText(`No backup of ${database} yet`)).toBeVisible();
  const made = await api.startBackup(database);
  await page.getByRole("button", { name: "Refresh" }).click();
  await expect(page.getByText("Refreshed.")).toBeAttached();
  await expect(rowOf(page, made)).toBeVisible({ timeout: 1_000 });
});

// How smoothly is a measure of a machine: see measure.ts.
test("5,000 backups scroll to their end and back, with few rows in the document", async ({ open }) => {
  test.setTimeout(240_000);
  const page = await open(cleo, { at: backupsOf(long) });
  await expect(rowsOf(page).first()).toBeVisible();
  let most = 0;
  const look = async () => {
    most = Math.max(most, await rowsOf(page).count());
  };
  await page.getByRole("heading", { name: "Backup Inventory" }).click();
  const end = page.getByText(`These are all: ${count(total)} backups.`);
  await expect(async () => {
    await page.keyboard.press("End");
    await look();
    expect(await end.count()).toBe(1);
    // The last page may have come after the key that led to its place.
    expect(await rowsOf(page).last().getAttribute("aria-rowindex")).toBe(String(total + 1));
  }).toPass({ timeout: 180_000, intervals: [50] });
  const table = page.getByRole("table", { name: `Backups of ${long}` });
  await expect(table).toHaveAttribute("aria-rowcount", String(total + 1));
  // Through the list by the wheel and by keys.
  for (let i = 0; i < 20; i++) {
    await page.mouse.wheel(0, -2_000);
    await page.keyboard.press("PageUp");
    await look();
  }
  await page.keyboard.press("Home");
  await expect(page.getByRole("heading", { name: "Backup Inventory" })).toBeInViewport();
  await expect(table.locator("[aria-rowindex='2']")).toBeVisible();
  await look();
  expect(most).toBeLessThan(60);
});
