import type { Page } from "@playwright/test";

import { expectFits, expectNoViolations } from "./lib/a11y";
import type { Backup } from "./lib/api";
import { at, callsOf, expect, problem, retold, test } from "./lib/scene";
import { ada, ben, cleo, newDatabase, sql } from "./lib/stack";
import { freshName } from "./lib/test";

const panel = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
/** The button that shows a table's rows. Of a long list only what is in sight is there, so it is looked for. */
async function table(page: Page, name: string) {
  await page.getByRole("searchbox", { name: "Find a table" }).fill(name);
  return page.getByRole("button", { name: `${name}: show the first rows`, exact: true });
}
const preview = (page: Page, name: string) => page.getByRole("dialog", { name });

test("the first rows of a table are shown as they stand in the file, by keyboard, and it is recorded who looked", async ({
  open,
  api,
}) => {
  const database = await newDatabase(freshName("contents"));
  // What a path, a script and a page have trouble with.
  await sql(
    database,
    `CREATE TABLE "odd/na me? 100%.ü" (id int PRIMARY KEY, "a note" varchar(2000));
     INSERT INTO "odd/na me? 100%.ü" VALUES (1, NULL), (2, 'null'), (3, ''), (4, E'tab\\there, <b>\\\\N</b>'), (5, repeat('long ', 300))`,
  );
  const backup = await api.createdBackup(database);
  const page = await open(ben, { at: at.backup(backup) });
  const name = `public."odd/na me? 100%.ü"`;
  const look = await table(page, "odd/na me? 100%.ü");
  await look.focus();
  await page.keyboard.press("Enter");
  const dialog = preview(page, name);
  await expect(dialog.getByRole("status").filter({ hasText: "These are all of its 5 rows." })).toBeVisible();
  const rows = dialog.getByRole("table", { name: `First rows of ${name}` });
  await expect(rows.getByRole("columnheader").nth(0)).toContainText("integer, key");
  await expect(rows.getByRole("columnheader").nth(1)).toContainText("character varying(2000)");
  const cells = rows.getByRole("cell");
  await expect(cells).toHaveCount(10);
  await expect(cells.nth(1).getByText("null")).toHaveCSS("font-style", "italic");
  await expect(cells.nth(3)).toHaveText("null");
  await expect(cells.nth(5)).toHaveText("empty");
  await expect(cells.nth(7)).toHaveText("tab\there, <b>\\N</b>", { useInnerText: true });
  await expect(cells.nth(9)).toContainText("… cut here");
  await expectNoViolations(page);
  await expectFits(page);
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await expect(look).toBeFocused();

  await (await table(page, "student")).click();
  const students = preview(page, "public.student");
  await expect(students.getByRole("status").filter({ hasText: /^The first 100 of 1,300 rows/ })).toBeVisible();
  await students.getByRole("button", { name: "Show 500 rows" }).click();
  await expect(students.getByRole("status").filter({ hasText: /^The first 500 of 1,300 rows/ })).toBeVisible();
  await expect(students.getByRole("button", { name: /^Show/ })).toHaveCount(0);

  const auditor = await open(ada, { at: "/activity" });
  // Others may do so much at the same time that what was done here is no longer among the newest.
  await auditor.getByRole("combobox", { name: "Database" }).selectOption(database);
  const entries = auditor.getByRole("main").getByRole("listitem").filter({ hasText: "Look into a table of a backup" });
  await expect(entries.filter({ hasText: name }).filter({ hasText: ben.name }).first()).toBeVisible();
});

test("who may not see rows is told what is missing, and a file without an index that it has none", async ({ open, backup }) => {
  const page = await open(cleo, { at: at.backup(backup) });
  const contents = panel(page, "Contents");
  await expect(contents).toContainText("Your role lacks the permission backups:download.");
  await expect(contents.getByRole("rowheader").getByRole("button")).toHaveCount(0);
  await expect(contents.getByRole("status")).toContainText(`${backup.tableCount} tables`);
  await expectNoViolations(page);

  const older = await open(ben);
  await retold<Backup>(older, new RegExp(`/backups/${backup.id}$`), (record) => ({ ...record, indexed: undefined }));
  await older.goto(`/#${at.backup(backup)}`);
  await expect(panel(older, "Contents")).toContainText("The file of this backup has no index");
  await expect(panel(older, "Contents").getByRole("rowheader").getByRole("button")).toHaveCount(0);
});

test("rows that can't be read say why, and are there when they can", async ({ open, backup, watch }) => {
  watch.allow(/409/, /403/);
  const page = await open(ben, { at: at.backup(backup) });
  const address = /\/contents\//;
  const damaged = problem(409, "backup_damaged", "The backup's file is damaged.", "Choose another backup.");
  await page.route(address, (route) => route.fulfill(damaged));
  const calls = callsOf(page, "GET", address);
  await (await table(page, "student")).click();
  const dialog = preview(page, "public.student");
  await expect(dialog.getByRole("alert")).toContainText("The backup's file is damaged.");
  expect(calls).toHaveLength(1);
  await page.unroute(address);
  await dialog.getByRole("button", { name: "Try again" }).click();
  await expect(dialog.getByRole("table")).toBeVisible();
  await expect(dialog.getByRole("alert")).toHaveCount(0);
  await dialog.getByRole("button", { name: "Close" }).click();
  const refusal = problem(403, "permission_missing", "Your role lacks the permission backups:download.");
  await page.route(address, (route) =>
    route.fulfill({ ...refusal, body: refusal.body.replace("}", `,"permission":"backups:download"}`) }),
  );
  await (await table(page, "student")).click();
  await expect(dialog).toContainText("Your role lacks the permission backups:download.");
});

test("a backup of some tables is asked for in plain words, and is marked as partial wherever it is shown", async ({
  open,
  api,
}) => {
  const database = await newDatabase(freshName("some"));
  await api.createdBackup(database);
  const page = await open(ben, { at: at.inventory(database) });
  const some = page.getByRole("button", { name: "Back up some tables…" });
  await some.click();
  const dialog = page.getByRole("dialog", { name: "Back up only some tables" });
  const only = dialog.getByRole("textbox", { name: "Only the rows of" });
  await expect(only).toBeFocused();
  const create = dialog.getByRole("button", { name: "Create partial backup" });
  await create.click();
  await expect(only).toHaveAccessibleDescription(/Say which tables/);
  await only.fill("guardian");
  await expect(only).toHaveAccessibleDescription(/“guardian” is not a schema and a table/);
  await only.fill("public.guardians");
  await expect(dialog).toContainText("None of the tables that are known fits");
  await only.fill("public.*");
  await dialog.getByRole("textbox", { name: "Without the rows of" }).fill("public.*e*");
  await expect(dialog.getByRole("status")).toContainText("tables in the newest backup:");
  await expectNoViolations(page);
  await expectFits(page);
  await only.fill("public.setting");
  await dialog.getByRole("textbox", { name: "Without the rows of" }).fill("");
  await expect(dialog.getByRole("status")).toContainText("1 of the");
  await create.click();
  await expect(dialog).toHaveCount(0);
  const row = page.getByRole("row").filter({ hasText: "-partial.sql.gz" });
  await expect(row).toContainText("Partial");
  await expect(row).toContainText("Created", { timeout: 60_000 });
  // What the database could be brought back from is another one.
  await expect(panel(page, "Newest proven backup")).not.toContainText("partial");

  await row.getByRole("link", { name: /^some.*partial\.sql\.gz$/ }).click();
  const contents = panel(page, "Contents");
  await expect(contents).toContainText("Only the rows of public.setting.");
  await expect(contents.getByRole("rowheader")).toHaveText([/^setting/]);
  await expect(panel(page, "Course")).toContainText("The server kept this moment for");
  await expect(page.getByRole("main").getByText("Partial", { exact: true })).toBeVisible();
  await expectNoViolations(page);
});

test("a real restore of a partial backup has to be acknowledged, and a dry run says what for", async ({ open, api }) => {
  const database = await newDatabase(freshName("partial"));
  const backup = await api.createdBackup(database, { include: ["public.setting"] });
  const page = await open(ada, { at: at.options(database, `?backup=${backup.id}`) });
  const review = panel(page, "Review");
  await expect(review).toContainText("Only the rows of public.setting");
  const known = page.getByRole("checkbox", { name: "I know that all other tables will be empty" });
  await expect(page.getByRole("main")).toContainText("without the tick below it can’t be applied");
  await page.getByRole("switch", { name: "Dry run" }).click();
  await page.getByRole("textbox", { name: new RegExp(database) }).fill(database);
  const restores = callsOf(page, "POST", /\/restores$/);
  await review.getByRole("button", { name: "Queue Restore" }).click();
  await expect(review.getByRole("alert")).toContainText("The backup is partial");
  await expect(known).toBeFocused();
  await expectNoViolations(page);
  await expectFits(page);
  expect(restores).toHaveLength(0);

  await page.getByRole("switch", { name: "Dry run" }).click();
  await review.getByRole("button", { name: "Queue Restore" }).click();
  await expect(page.getByRole("main")).toContainText("all other tables of the copy are empty", { timeout: 90_000 });
  await expect(page.getByRole("button", { name: /^Apply… ?: The backup is partial/ })).toHaveAttribute("aria-disabled", "true");
});
