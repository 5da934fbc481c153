import type { Page } from "@playwright/test";
import { readFile } from "node:fs/promises";

import { Api, type Backup, type ReportDocument, type Restore } from "./lib/api";
import { holdBackups, unavailable } from "./lib/inventory";
import { callsOf, expect, test } from "./lib/scene";
import { ada, ben, damage, newDatabase, sql, value } from "./lib/stack";
import { freshName } from "./lib/test";

const viewOf = (r: Restore) => `/databases/${r.database}/restores/${r.id}`;
const main = (page: Page) => page.getByRole("main");
const tables = (page: Page) => page.getByRole("table", { name: "Rows of each table" });
/** The names of the tables, as they are listed now. */
const names = (page: Page) => tables(page).getByRole("rowheader").allTextContents();

test.describe("the report", () => {
  let restore: Restore;

  test.beforeAll(async () => {
    const api = await Api.as();
    const database = await newDatabase(freshName("report"));
    const backup = await api.createdBackup(database);
    // The audit log notes each row that is deleted, so it grows.
    await damage(database);
    await sql(
      database,
      `INSERT INTO setting (key, value) SELECT 'new ' || n, '1' FROM generate_series(1, 3) n; DROP INDEX IF EXISTS grade_student_id_idx`,
    );
    restore = await api.rehearsed(database, backup.id);
  });

  test("says first in words what would be lost and gained, and shows only what changes", async ({ open }) => {
    const page = await open(ada, { at: viewOf(restore) });
    await expect(main(page)).toContainText(
      /2 tables would lose 61,011 rows.*, 1 table would gain 61,008 rows.*, 1 table with [\d,]+ rows would be added/,
    );
    await expect(page.getByRole("switch", { name: "Only what changes (4)" })).toBeChecked();
    await expect.poll(() => names(page)).toEqual(["audit_log", "setting", "meal_order", "grade"]);
    await page.getByRole("switch", { name: "Only what changes (4)" }).uncheck();
    await expect(tables(page).getByRole("row", { name: /^class / })).toContainText("same");
    await page.getByRole("searchbox", { name: "Find a table" }).fill("meal");
    await expect.poll(() => names(page)).toEqual(["meal", "meal_order"]);
    await page.getByRole("searchbox", { name: "Find a table" }).fill("no such table");
    await expect(page.getByText("No table has that in its name.")).toBeVisible();
  });

  test("is sorted by each column, by keyboard", async ({ open }) => {
    const page = await open(ada, { at: viewOf(restore) });
    const heading = (name: string) => tables(page).getByRole("columnheader", { name });
    await expect(heading("Difference")).toHaveAttribute("aria-sort", "ascending");
    await heading("Table").getByRole("button").focus();
    await page.keyboard.press("Enter");
    await expect(heading("Table")).toHaveAttribute("aria-sort", "ascending");
    await expect(heading("Difference")).not.toHaveAttribute("aria-sort");
    await expect.poll(() => names(page)).toEqual(["audit_log", "grade", "meal_order", "setting"]);
    await page.keyboard.press("Enter");
    await expect(heading("Table")).toHaveAttribute("aria-sort", "descending");
    await expect.poll(() => names(page)).toEqual(["setting", "meal_order", "grade", "audit_log"]);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await expect(heading("Rows after")).toHaveAttribute("aria-sort", "descending");
    await expect.poll(async () => (await names(page))[0]).toBe("grade");
  });

  test("is downloaded whole, as the API has it", async ({ open, api }) => {
    const page = await open(ada, { at: viewOf(restore) });
    const begun = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download the report" }).click();
    const download = await begun;
    expect(download.suggestedFilename()).toMatch(new RegExp(`${restore.database}.*\\.json$`));
    const file = JSON.parse(await readFile(await download.path(), "utf8")) as ReportDocument;
    expect(file.restore.id).toBe(restore.id);
    expect(file.report.tables.find((t) => t.table === "grade")?.live).toBe(0);
    const record = await api.restore(restore.database, restore.id);
    expect(file.report.tables).toEqual(record.report!.tables);
  });

  test("a report that can't be downloaded is said, and tried again", async ({ open, watch }) => {
    watch.allow(/503/);
    const page = await open(ada, { at: viewOf(restore) });
    await page.route(/\/report$/, (route) => route.fulfill(unavailable), {
      times: 1,
    });
    const button = page.getByRole("button", { name: "Download the report" });
    await button.press("Enter");
    const alert = page.getByRole("alert").filter({ hasText: "The report could not be downloaded" });
    await expect(alert).toContainText("The storage does not answer.");
    await expect(button).toBeFocused();
    const begun = page.waitForEvent("download");
    await alert.getByRole("button", { name: "Try again" }).click();
    await begun;
    await expect(alert).toHaveCount(0);
  });

  test("is applied only when the name is typed: until then the page says what is missing, and sends nothing", async ({
    open,
    watch,
  }) => {
    watch.allow(/503/);
    const page = await open(ada, { at: viewOf(restore) });
    const calls = callsOf(page, "POST", /\/apply$/);
    const { database } = restore;
    const button = page.getByRole("button", { name: "Apply…" });
    await button.click();
    const dialog = page.getByRole("dialog", { name: `Replace ${database} with the rehearsed copy?` });
    const field = dialog.getByRole("textbox", { name: `Type the database’s name, ${database}, to confirm` });
    await expect(field).toBeFocused();
    await expect(dialog).toContainText("2 tables would lose 61,011 rows");
    await field.press("Enter");
    await expect(field).toHaveAccessibleDescription(`Type ${database} first.`);
    await field.fill("school");
    await field.press("Enter");
    await expect(field).toHaveAccessibleDescription(`This is not the database’s name. It is ${database}.`);
    await expect(field).toBeFocused();
    await expect(dialog.getByRole("button", { name: new RegExp(`^Replace ${database} ?: This is not`) })).toHaveAttribute(
      "aria-disabled",
      "true",
    );
    await page.keyboard.press("Escape");
    await expect(dialog).toHaveCount(0);
    await expect(button).toBeFocused();
    expect(calls, "what was sent").toHaveLength(0);

    // Where the API refuses, the dialog stays, with what was typed.
    await page.route(/\/apply$/, (route) => route.fulfill(unavailable));
    await button.click();
    await field.fill(database);
    await field.press("Enter");
    await expect(dialog.getByRole("alert")).toContainText("The copy was not applied");
    await expect(dialog.getByRole("alert")).toContainText("The storage does not answer.");
    await expect(field).toHaveValue(database);
    await dialog.getByRole("button", { name: "Go back" }).click();
    expect(await value(database, "SELECT count(*) FROM grade")).toBe("0");
  });

  test("an operator reads it, and can't apply it: the page says which permission is missing", async ({ open }) => {
    const page = await open(ben, { at: viewOf(restore) });
    await expect(page.getByRole("button", { name: /^Apply… ?: Your role lacks the permission restores:run/ })).toHaveAttribute(
      "aria-disabled",
      "true",
    );
    await expect(page.getByRole("button", { name: "Download the report" })).toBeEnabled();
  });
});

test.describe("stopping", () => {
  let backup: Backup;
  let letGo: () => Promise<void>;

  test.beforeAll(async () => {
    const api = await Api.as();
    backup = await api.createdBackup(await newDatabase(freshName("stopped")));
  });
  test.beforeEach(async () => {
    letGo = await holdBackups(backup.database, "grade");
  });
  test.afterEach(() => letGo());

  test("a restore that runs ends cancelled, and the live database is as it was", async ({ open }) => {
    const { database } = backup;
    const page = await open(ada, { at: `/databases/${database}/restore?backup=${backup.id}` });
    await page.getByRole("button", { name: "Queue Restore" }).click();
    const compare = page.getByRole("listitem").filter({ hasText: /^Compare/ });
    await expect(compare).toHaveAttribute("aria-current", "step", { timeout: 90_000 });

    const stop = page.getByRole("button", { name: "Stop the dry run…" });
    await stop.click();
    const dialog = page.getByRole("dialog", { name: "Stop the dry run?" });
    await expect(dialog).toContainText(`the live database ${database} stays as it is`);
    await expect(dialog.getByRole("button", { name: "Let it run" })).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(dialog).toHaveCount(0);
    await expect(stop).toBeFocused();
    await stop.click();
    await dialog.getByRole("button", { name: "Stop it" }).click();
    await expect(page.getByText("Cancelled", { exact: true })).toBeVisible();
    await expect(main(page)).toContainText(`Stopped, as ${ada.name} asked. The live database ${database} is as it was.`);
    await expect(compare).toContainText("Stopped");
    // The button is gone that had the focus: what became of it has it now.
    await expect(page.locator(":focus")).toContainText("Stopped, as");
    await expect(page.getByRole("button", { name: "Restore this file again…" })).toBeVisible();
  });

  test("a restore that waits says for what, and is stopped at once", async ({ open, api }) => {
    const { database } = backup;
    const before = await value(database, "SELECT oid FROM pg_database WHERE datname = current_database()");
    const running = await api.startBackup(database);
    await expect.poll(async () => (await api.backup(database, running.id)).state).toBe("running");
    const page = await open(ada, { at: `/databases/${database}/restore?backup=${backup.id}` });
    await page.getByRole("switch", { name: "Dry run" }).uncheck();
    await page.getByRole("textbox", { name: `Type the database’s name, ${database}, to confirm` }).fill(database);
    await page.getByRole("button", { name: "Queue Restore" }).click();
    await expect(main(page)).toContainText("Waits for a backup that runs now.");
    await expect(main(page)).toContainText(`Not begun. The live database ${database} is as it was.`);
    await page.getByRole("button", { name: "Stop the restore…" }).click();
    const dialog = page.getByRole("dialog", { name: "Stop the restore?" });
    await dialog.getByRole("button", { name: "Stop it" }).click();
    await expect(page.getByText("Cancelled", { exact: true })).toBeVisible();
    expect(await value(database, "SELECT oid FROM pg_database WHERE datname = current_database()")).toBe(before);
  });
});
