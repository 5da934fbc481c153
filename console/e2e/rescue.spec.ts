import type { Page } from "@playwright/test";

import { expectFits, expectNoViolations } from "./lib/a11y";
import type { Backup } from "./lib/api";
import { at, callsOf, expect, problem, refused, retold, test } from "./lib/scene";
import { ada, ben, cleo, newDatabase, sql, value } from "./lib/stack";
import { freshName } from "./lib/test";

const panel = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
const choice = (page: Page, table: string) =>
  panel(page, "Contents").getByRole("checkbox", { name: `Choose ${table}`, exact: true });
const dialog = (page: Page) => page.getByRole("dialog", { name: /^Rescue \d+ tables?$/ });

async function find(page: Page, table: string) {
  await page.getByRole("searchbox", { name: "Find a table" }).fill(table);
  return choice(page, table);
}

test("deleted rows come back: rescued beside the live table by keyboard, and put back by the SQL that is shown", async ({
  open,
  api,
}) => {
  test.setTimeout(120_000);
  const database = await newDatabase(freshName("rescue"));
  const backup = await api.createdBackup(database);
  const before = await value(database, "SELECT count(*) FROM grade");
  await sql(database, "DELETE FROM grade WHERE student_id % 3 = 0");
  const page = await open(ada, { at: at.backup(backup) });
  for (const table of ["grade", "student"]) {
    await (await find(page, table)).focus();
    await page.keyboard.press("Space");
  }
  await expect(panel(page, "Contents").getByText("2 tables chosen to be rescued.")).toBeVisible();
  const rescue = panel(page, "Contents").getByRole("button", { name: "Rescue…" });
  await rescue.focus();
  await page.keyboard.press("Enter");
  const asked = dialog(page);
  await expect(asked).toContainText("Nothing else is touched");
  await expect(asked.getByRole("listitem")).toHaveText([/^public\.grade/, /^public\.student/]);
  const dryRun = asked.getByRole("switch", { name: "Dry run" });
  await expect(dryRun).toBeChecked();
  await expect(asked.getByRole("textbox")).toHaveCount(0);
  await expectNoViolations(page);
  await expectFits(page);
  await dryRun.focus();
  await page.keyboard.press("Space");
  const name = asked.getByRole("textbox", { name: /Type the database’s name/ });
  await name.focus();
  await page.keyboard.press("Enter");
  await expect(name).toHaveAccessibleDescription(`Type ${database} first.`);
  await name.fill(database);
  await page.keyboard.press("Enter");

  const main = page.getByRole("main");
  await expect(main.getByText("Restored", { exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(main).toContainText(`2 tables in the new schema rescue_`);
  await expect(main.getByRole("button", { name: /^(Undo|Apply)/ })).toHaveCount(0);
  await expect(panel(page, "Stages").getByRole("listitem")).toHaveText([
    /^Inspect.*Done/,
    /^Stage.*Done/,
    /^Load.*Done/,
    /^Verify.*Done/,
  ]);
  await expect(page.getByRole("table", { name: "Rescued tables" }).getByRole("rowheader")).toHaveText([
    "public.grade",
    "public.student",
  ]);
  await expectNoViolations(page);
  await expectFits(page);
  const steps = panel(page, "What to do with them").getByRole("listitem");
  await expect(steps).toHaveCount(3);
  await expect(steps.first().getByRole("button", { name: "Copy the SQL for public.grade" })).toBeVisible();
  for (const step of await steps.all()) await sql(database, await step.locator("pre").innerText());
  expect(await value(database, "SELECT count(*) FROM grade")).toBe(before);
  expect(await value(database, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^rescue_'")).toBe("0");

  await page.goto(`/#/activity`);
  await main.getByRole("combobox", { name: "Database" }).selectOption(database);
  await expect(main.getByRole("listitem").filter({ hasText: "Rescue of tables requested" }).first()).toContainText(
    "public.grade",
  );
});

test("a dry run of a rescue leaves nothing, and is all that an operator may do", async ({ open, backup }) => {
  const { database } = backup;
  const page = await open(ben, { at: at.backup(backup) });
  await (await find(page, "student")).check();
  await panel(page, "Contents").getByRole("button", { name: "Rescue…" }).click();
  const asked = dialog(page);
  await expect(asked.getByRole("switch", { name: "Dry run" })).toBeDisabled();
  await expect(asked).toContainText("A real run needs the permission restores:run, which your role lacks.");
  await expectNoViolations(page);
  await asked.getByRole("button", { name: "Start the dry run" }).click();
  const main = page.getByRole("main");
  await expect(main.getByText("Rehearsed", { exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(main).toContainText("1 table can be rescued: all rows were loaded and counted, and taken back.");
  await expect(main.getByRole("button", { name: /^(Undo|Apply)/ })).toHaveCount(0);
  await expect(panel(page, "What to do with them")).toHaveCount(0);
  await expectNoViolations(page);
  expect(await value(database, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^rescue_'")).toBe("0");
  await page.getByRole("link", { name: "Restore Options" }).last().click();
  await expect(panel(page, "Earlier restores").getByText("Dry run of a rescue of public.student").first()).toBeVisible();
});

test("who may not rescue, and a file that can't be read by table, say so", async ({ open, backup, watch }) => {
  watch.allow(/422/);
  const page = await open(cleo, { at: at.backup(backup) });
  const contents = panel(page, "Contents");
  await expect(
    contents.getByRole("button", { name: refused("Rescue…", "Your role lacks the permission restores:rehearse.") }),
  ).toBeVisible();

  const older = await open(ben);
  await retold<Backup>(older, new RegExp(`/backups/${backup.id}$`), (record) => ({ ...record, indexed: undefined }));
  await older.goto(`/#${at.backup(backup)}`);
  await expect(panel(older, "Contents")).toContainText("The file of this backup has no index");
  await expect(panel(older, "Contents").getByRole("checkbox")).toHaveCount(0);
  await expect(panel(older, "Contents").getByRole("button", { name: /^Rescue/ })).toHaveCount(0);

  const other = await open(ben, { at: at.backup(backup) });
  const rescue = panel(other, "Contents").getByRole("button", { name: /^Rescue…/ });
  await expect(rescue).toHaveAccessibleName(refused("Rescue…", "Choose tables in the list first."));
  await (await find(other, "student")).check();
  const calls = callsOf(other, "POST", /\/restores$/);
  const refusal = problem(422, "table_not_in_backup", "The backup does not hold every table that is to be rescued.");
  await other.route(/\/restores$/, (route) => (route.request().method() === "POST" ? route.fulfill(refusal) : route.fallback()));
  await rescue.click();
  await dialog(other).getByRole("button", { name: "Start the dry run" }).click();
  await expect(dialog(other).getByRole("alert")).toContainText("The backup does not hold every table");
  expect(calls).toHaveLength(1);
  expect(calls[0]!.postDataJSON()).toEqual({ source: { backup: backup.id }, tables: ["public.student"], dryRun: true });
});
