import type { Page } from "@playwright/test";

import { holdBackups, unavailable } from "./lib/inventory";
import { callsOf, expect, test } from "./lib/scene";
import { ada, ben, cleo, damage, isWhole, newDatabase, seed, sql, value } from "./lib/stack";
import { freshName } from "./lib/test";

const restores = /\/restores$/;
const stages = ["Inspect", "Stage", "Load", "Verify", "Compare"];

const dryRun = (page: Page) => page.getByRole("switch", { name: "Dry run" });
const queueButton = (page: Page) => page.getByRole("button", { name: "Queue Restore" });
const missing = (page: Page) => page.getByRole("alert").filter({ hasText: "Nothing has been queued" });
const targetField = (page: Page, database: string) =>
  page.getByRole("textbox", { name: `Type the database’s name, ${database}, to confirm` });
const tables = (page: Page) => page.getByRole("table", { name: "Rows of each table" });
const stage = (page: Page, name: string) => page.getByRole("listitem").filter({ hasText: new RegExp(`^${name}`) });
/** What the page says of the restore in one sentence, and its state beside the name. */
const heading = (page: Page) => page.getByRole("main");

/** Types a database's name into the dialog that asks for it, and goes on. */
async function confirmByName(page: Page, title: string, database: string, action: string) {
  const dialog = page.getByRole("dialog", { name: title });
  await expect(dialog).toBeVisible();
  const field = dialog.getByRole("textbox", { name: /to confirm$/ });
  await expect(field).toBeFocused();
  await field.fill(database);
  await dialog.getByRole("button", { name: action }).click();
  await expect(dialog).toHaveCount(0);
}

test("a backup is made, the database damaged, a dry run read, applied and undone, and the log tells who did it", async ({
  open,
}) => {
  test.setTimeout(240_000);
  const database = await newDatabase(freshName("story"));
  const page = await open(ada, { at: `/databases/${database}/backups` });

  await page.getByRole("button", { name: "Create Backup" }).first().click();
  const row = page.getByRole("row").filter({ hasText: ".sql.gz" });
  await expect(row.getByText("Created", { exact: true })).toBeVisible({ timeout: 90_000 });

  await damage(database);
  await sql(database, `INSERT INTO setting (key, value) VALUES ('written after the backup', '1')`);

  await row.getByRole("button", { name: /^Restore / }).click();
  await expect(page.getByRole("heading", { name: "Restore Options", level: 1 })).toBeVisible();
  await expect(page.getByRole("radio", { name: /\.sql\.gz/ })).toBeChecked();
  await expect(dryRun(page)).toBeChecked();
  const review = page.getByRole("region", { name: "Review" });
  await expect(review).toContainText(database);
  await expect(review).toContainText(`Dry run: ${database} stays as it is`);

  const letGo = await holdBackups(database, "grade");
  await queueButton(page).click();
  await expect(stage(page, "Compare")).toHaveAttribute("aria-current", "step", { timeout: 90_000 });
  for (const name of stages.slice(0, -1)) await expect(stage(page, name)).toContainText("Done");
  await expect(page.getByRole("progressbar", { name: "Progress of the dry run" })).toBeVisible();
  await letGo();
  await expect(heading(page)).toContainText(`The live database ${database} was not touched. The copy can be applied for`, {
    timeout: 60_000,
  });
  for (const name of stages) await expect(stage(page, name)).toContainText("Done");
  await expect(stage(page, "Switch")).toContainText("Not in a dry run");
  expect(await isWhole(database)).toBe(false);

  await expect(page.getByRole("heading", { name: "What would change" })).toBeVisible();
  await expect(tables(page).getByRole("row", { name: /^grade / })).toContainText("61,008+61,008");
  await expect(tables(page).getByRole("row", { name: /^setting / })).toContainText("-1");
  await expect(tables(page).getByRole("row", { name: /^meal_order / })).toContainText("not in live");
  await expect(tables(page).getByRole("row", { name: /^student / })).toHaveCount(0);
  await expect(page.getByRole("listitem").filter({ hasText: /^Addedpublic\.meal_order/ })).toBeVisible();

  await page.getByRole("button", { name: "Apply…" }).click();
  await confirmByName(page, `Replace ${database} with the rehearsed copy?`, database, `Replace ${database}`);
  await expect(page.getByText("Restored", { exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(heading(page)).toContainText(
    new RegExp(`${database} was replaced on .*It could not be reached for [\\d.]+ m?s\\.`),
  );
  await expect(heading(page)).toContainText(/is kept for (23 h 5\d min|24 h): until then this can be undone/);
  expect(await isWhole(database)).toBe(true);
  expect(await value(database, "SELECT count(*) FROM setting WHERE key LIKE 'written after%'")).toBe("0");

  await page.getByRole("button", { name: "Undo…" }).click();
  await confirmByName(page, `Bring the replaced ${database} back?`, database, "Undo the restore");
  await expect(page.getByText("Undone", { exact: true }).first()).toBeVisible({ timeout: 60_000 });
  await expect(heading(page)).toContainText("The replaced database was brought back");
  await expect(heading(page)).toContainText(/The restored database is kept on the server as br_\S+ for/);
  await expect(page.getByRole("button", { name: "Undo…" })).toHaveCount(0);
  expect(await isWhole(database)).toBe(false);
  expect(await value(database, "SELECT count(*) FROM setting WHERE key LIKE 'written after%'")).toBe("1");

  await page.goto(`/#/activity?database=${database}`);
  const log = page.getByRole("main");
  for (const [action, state] of [
    ["Undo of a restore ended", "Done"],
    ["Undo of a restore requested", "Asked for"],
    ["Application of a dry run ended", "Done"],
    ["Application of a dry run requested", "Asked for"],
    ["Restore or dry run ended", "Rehearsed"],
    ["Dry run requested", "Asked for"],
    ["Backup ended", "Created"],
    ["Backup requested", "Asked for"],
  ] as const) {
    const entry = log.getByRole("listitem").filter({ has: page.getByRole("link", { name: action, exact: true }) });
    await expect(entry).toContainText(state);
    if (action.endsWith("requested")) await expect(entry).toContainText(`by ${ada.name}`);
  }
});

test.describe("a real run", () => {
  test("replaces the database only when its name is typed, and says what is missing until then", async ({ open, api }) => {
    const database = await newDatabase(freshName("real"));
    const backup = await api.createdBackup(database);
    await damage(database);
    const page = await open(ada, { at: `/databases/${database}/restore?backup=${backup.id}` });
    const calls = callsOf(page, "POST", restores);
    await dryRun(page).uncheck();
    const review = page.getByRole("region", { name: "Review" });
    await expect(review).toContainText(`Real run: ${database} is replaced`);

    const field = targetField(page, database);
    for (const [typed, said] of [
      ["", `Type ${database} first.`],
      [`${database} `, `The name is ${database}: capital letters and spaces count.`],
      [database.toUpperCase(), `The name is ${database}: capital letters and spaces count.`],
      ["school", `This is not the database’s name. It is ${database}.`],
    ] as const) {
      await field.fill(typed);
      await queueButton(page).click();
      await expect(missing(page)).toContainText("One thing is missing");
      await expect(missing(page)).toContainText(said);
      await expect(field).toBeFocused();
      await expect(field).toHaveAccessibleDescription(said);
    }
    expect(calls, "what was sent").toHaveLength(0);

    await field.fill(database);
    await expect(missing(page)).toHaveCount(0);
    await queueButton(page).click();
    await expect(page.getByText("Restored", { exact: true })).toBeVisible({ timeout: 90_000 });
    expect(calls.map((call) => call.postDataJSON() as unknown)).toEqual([
      { source: { backup: backup.id }, dryRun: false, confirm: database },
    ]);
    await expect(stage(page, "Switch")).toContainText("Done");
    await expect(page.getByRole("heading", { name: "What changed" })).toBeVisible();
    expect(await isWhole(database)).toBe(true);

    const other = await open(ben, { at: new URL(page.url()).hash.slice(1) });
    await expect(other.getByRole("button", { name: /^Undo… ?: .*restores:run/ })).toHaveAttribute("aria-disabled", "true");
  });
});

test.describe("what is missing", () => {
  test("nothing is queued while no backup or file is chosen, and the page says which", async ({ open, database, backup }) => {
    const page = await open(ada, { at: `/databases/${database}/restore` });
    const calls = callsOf(page, "POST", restores);
    await expect(page.getByRole("radio", { name: new RegExp(backup.filename) })).not.toBeChecked();
    await queueButton(page).click();
    await expect(missing(page)).toContainText("No backup is chosen. Choose one.");
    const search = page.getByRole("textbox", { name: "Search the backups" });
    await expect(search).toBeFocused();
    await expect(search).toHaveAccessibleDescription("No backup is chosen. Choose one.");

    await page.getByText("From an uploaded file", { exact: true }).click();
    await page.getByRole("button", { name: "Queue Upload Restore" }).click();
    await expect(missing(page)).toContainText("No file is chosen. Choose one, or one of the earlier uploads.");
    await expect(page.getByRole("button", { name: "Choose a file" })).toBeFocused();

    // Two things at once are told at once, and the first of them is gone to.
    await dryRun(page).uncheck();
    await page.getByRole("button", { name: "Queue Upload Restore" }).click();
    await expect(missing(page)).toContainText("2 things are missing");
    await expect(missing(page).getByRole("listitem")).toHaveCount(2);
    await expect(page.getByRole("button", { name: "Choose a file" })).toBeFocused();
    expect(calls, "what was sent").toHaveLength(0);
  });

  test("a backup that is not created can't be restored: the page says its state and what to do", async ({ open, api }) => {
    const database = await newDatabase(freshName("history"));
    await seed(database, 60);
    const { items } = await api.backups(database);
    const failed = items.find((b) => b.state === "failed");
    expect(failed, "a failed backup in the history").toBeDefined();
    const page = await open(ada, { at: `/databases/${database}/restore?backup=${failed!.id}` });
    const calls = callsOf(page, "POST", restores);
    await expect(page.getByText(`${failed!.filename} can’t be restored`)).toBeVisible();
    await queueButton(page).click();
    await expect(missing(page)).toContainText(failed!.unusable!.reason);
    expect(calls, "what was sent").toHaveLength(0);
  });

  test("a database without backups says so, and where to make one", async ({ open }) => {
    const page = await open(ada, { at: `/databases/${await newDatabase(freshName("empty"))}/restore` });
    await expect(page.getByText("There is no backup to restore from")).toBeVisible();
    await queueButton(page).click();
    await expect(page.locator(":focus").getByRole("heading", { name: "What to restore" })).toBeVisible();
  });
});

test.describe("roles", () => {
  test("an operator restores by dry runs only, and is told which permission a real run needs", async ({ open }) => {
    const database = await newDatabase(freshName("roles"));
    await seed(database, 3);
    const page = await open(ben, { at: `/databases/${database}/restore` });
    const calls = callsOf(page, "POST", restores);
    await expect(page.getByText("Only a dry run is possible")).toBeVisible();
    await expect(page.getByText("A real run needs the permission restores:run, which your role lacks.")).toBeVisible();
    await expect(dryRun(page)).toHaveAttribute("aria-disabled", "true");
    await dryRun(page).focus();
    await page.keyboard.press("Space");
    await expect(page.getByRole("alert").filter({ hasText: "You can’t turn the dry run off" })).toContainText("restores:run");
    await expect(dryRun(page)).toBeChecked();
    await page
      .getByRole("radio", { name: /\.sql\.gz/ })
      .first()
      .check();
    await queueButton(page).click();
    // The history's files never were: a dry run of one fails for a real reason.
    await expect(page.getByText("Failed", { exact: true })).toBeVisible({ timeout: 60_000 });
    expect(calls.map((call) => (call.postDataJSON() as { dryRun: boolean }).dryRun)).toEqual([true]);
    const failure = page.getByRole("main");
    await expect(failure).toContainText(`The live database ${database} is as it was.`);
    await expect(page.getByRole("button", { name: "Restore this file again…" })).toBeVisible();
    await page.getByRole("button", { name: "Restore this file again…" }).click();
    await expect(page.getByRole("radio", { name: /\.sql\.gz/ }).first()).toBeChecked();
  });

  test("an auditor sees what there is, and can restore nothing", async ({ open, database, backup }) => {
    const page = await open(cleo, { at: `/databases/${database}/restore?backup=${backup.id}` });
    const calls = callsOf(page, "POST", /./);
    await expect(page.getByText("You can look, but not restore")).toBeVisible();
    await expect(page.getByRole("radio", { name: new RegExp(backup.filename) })).toBeChecked();
    const refused = (button: string) =>
      page.getByRole("button", { name: new RegExp(`^${button} ?: Your role lacks the permission restores:rehearse`) });
    const queue = refused("Queue Restore");
    await expect(queue).toHaveAttribute("aria-disabled", "true");
    await queue.focus();
    await page.keyboard.press("Enter");
    await page.getByText("From an uploaded file", { exact: true }).click();
    await expect(refused("Choose a file")).toHaveAttribute("aria-disabled", "true");
    await expect(refused("Queue Upload Restore")).toHaveAttribute("aria-disabled", "true");
    expect(calls.map((call) => call.url())).toEqual([]);
  });
});

test.describe("when the API does not answer as wished", () => {
  test("a refused restore says why and keeps what was typed; again is the same intention, sent once", async ({ open, watch }) => {
    watch.allow(/503/);
    const database = await newDatabase(freshName("refused"));
    await seed(database, 3);
    const page = await open(ada, { at: `/databases/${database}/restore` });
    const calls = callsOf(page, "POST", restores);
    let refused = false;
    await page.route(restores, async (route) => {
      if (route.request().method() !== "POST" || refused) return route.fallback();
      refused = true;
      await route.fulfill(unavailable);
    });
    await page
      .getByRole("radio", { name: /\.sql\.gz/ })
      .first()
      .check();
    await dryRun(page).uncheck();
    await targetField(page, database).fill(database);
    await queueButton(page).click();
    const alert = page.getByRole("alert").filter({ hasText: "The restore was not queued" });
    await expect(alert).toContainText("The storage does not answer.");
    await expect(alert).toContainText("Try again in some seconds.");
    await expect(targetField(page, database)).toHaveValue(database);
    await expect(dryRun(page)).not.toBeChecked();
    await queueButton(page).dblclick();
    await expect(page).toHaveURL(/#\/databases\/[^/]+\/restores\/[^/]+$/);
    expect(calls).toHaveLength(2);
    const keys = calls.map((call) => call.headers()["idempotency-key"]);
    expect(keys[0]).toMatch(/^[\w-]{20,}$/);
    expect(keys[1]).toBe(keys[0]);
  });

  test("a backup that is not there is said, and nothing can be queued of it", async ({ open, database, watch }) => {
    watch.allow(/404/);
    const page = await open(ada, { at: `/databases/${database}/restore?backup=01ARZ3NDEKTSV4RRFFQ69G5FAV` });
    await expect(page.getByRole("alert").filter({ hasText: "The backup that was asked for can’t be shown" })).toBeVisible();
    await queueButton(page).click();
    await expect(missing(page)).toContainText("No backup is chosen");
  });
});
