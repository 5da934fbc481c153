import type { Page } from "@playwright/test";

import { Api } from "./lib/api";
import { expect, problem, test } from "./lib/scene";
import { ada, cleo, newDatabase, type Person } from "./lib/stack";
import { freshName } from "./lib/test";

const entries = (page: Page) => page.getByRole("main").getByRole("listitem");
const filters = (page: Page) => page.getByRole("search", { name: "Filter the activity" });
const view = (filter: Record<string, string>) => `/activity?${new URLSearchParams(filter)}`;

const choice = (page: Page, list: string) => filters(page).getByRole("combobox", { name: list });

test.describe("a short story", () => {
  const chief: Person = { name: freshName("Chief"), role: "super-admin" };
  const clerk: Person = { name: freshName("Clerk"), role: "operator" };
  let database: string;
  let filename: string;

  test.beforeAll(async () => {
    database = await newDatabase(freshName("story"));
    const [byChief, byClerk] = [await Api.as(chief), await Api.as(clerk)];
    const backup = await byClerk.createdBackup(database);
    filename = backup.filename;
    await byClerk.downloadLink(backup);
    await byClerk.inspectedUpload(database, "letter.sql", Buffer.from("Dear Sir or Madam,\n"));
    await byChief.deleteBackup(backup);
  });

  test("each action is listed with who, what, which database and how it ended, newest first", async ({ open }) => {
    const page = await open(cleo, { at: view({ database }) });
    const story: [what: string, who: string, result: string][] = [
      ["Deletion of a backup", chief.name, "Deleted"],
      // What can't be taken back is recorded before it is done, too.
      ["Deletion of a backup", chief.name, "Asked for"],
      ["Inspection of an upload ended", clerk.name, "Rejected"],
      ["Upload announced", clerk.name, "Asked for"],
      ["Download of a backup", clerk.name, "Asked for"],
      ["Backup ended", clerk.name, "Created"],
      ["Backup requested", clerk.name, "Asked for"],
    ];
    await expect(entries(page)).toHaveCount(story.length);
    for (const [i, parts] of story.entries()) {
      for (const part of [...parts, database]) await expect(entries(page).nth(i)).toContainText(part);
    }
    await expect(entries(page).first()).toContainText(filename);
    await expect(entries(page).nth(3)).toContainText("letter.sql");
    await expect(page.getByText("That is all.")).toBeVisible();
    await expect(page).toHaveTitle("Activity · Backup & Restore");
    await entries(page).nth(2).getByRole("link").click();
    await expect(page.getByRole("radio", { name: /letter\.sql/ })).toBeChecked();
    await expect(page.getByText("Rejected: it is not SQL text")).toBeVisible();
  });

  test("it is narrowed down by who, what, result and database; the address keeps it, and all is cleared at once", async ({
    open,
  }) => {
    const page = await open(ada, { at: "/activity" });
    await choice(page, "Database").selectOption({ label: database });
    await expect(entries(page)).toHaveCount(7);
    await filters(page).getByRole("searchbox", { name: "Who" }).fill(chief.name.toUpperCase());
    await expect(entries(page)).toHaveCount(2);
    await expect(page).toHaveURL(new RegExp(`actor=${chief.name.toUpperCase()}`));
    await filters(page).getByRole("searchbox", { name: "Who" }).fill(clerk.name);
    await expect(entries(page)).toHaveCount(5);
    await choice(page, "What").selectOption({ label: "Upload announced" });
    await expect(entries(page)).toHaveCount(1);
    await choice(page, "What").selectOption({ label: "All" });
    await choice(page, "Result").selectOption({ label: "Created" });
    await expect(entries(page)).toHaveCount(1);
    await expect(entries(page)).toContainText("Backup ended");
    await page.reload();
    await expect(entries(page)).toHaveCount(1);
    await expect(filters(page).getByRole("searchbox", { name: "Who" })).toHaveValue(clerk.name);
    await expect(choice(page, "Result").getByRole("option", { selected: true })).toHaveText("Created");
    await page.getByRole("button", { name: "Clear all filters" }).first().click();
    await expect(page).toHaveURL(/#\/activity$/);
    await expect(entries(page).nth(6)).toBeAttached();
  });

  test("days narrow it down; days in the wrong order and days without an entry are said", async ({ open }) => {
    const day = (after: number) => new Date(Date.now() + after * 86_400_000).toISOString().slice(0, 10);
    // A day more on each side: the browser may be in another day than this program.
    const page = await open(ada, { at: view({ database, from: day(-1), to: day(1) }) });
    await expect(entries(page)).toHaveCount(7);
    await filters(page).getByLabel("From").fill(day(2));
    await expect(filters(page)).toContainText("To is before From.");
    await expect(page.getByRole("heading", { name: "To is before From" })).toBeVisible();
    await filters(page).getByLabel("To").fill(day(3));
    await expect(page.getByRole("heading", { name: "Nothing matches the filters" })).toBeVisible();
    await page.getByRole("main").getByRole("button", { name: "Clear all filters" }).last().click();
    await expect(entries(page).first()).toBeVisible();
  });

  test("what happens elsewhere is there after Refresh", async ({ open }) => {
    const person: Person = { name: freshName("Newcomer"), role: "super-admin" };
    const page = await open(ada, { at: view({ actor: person.name }) });
    await expect(page.getByRole("heading", { name: "Nothing matches the filters" })).toBeVisible();
    await (await Api.as(person)).revealCronKey();
    await page.getByRole("button", { name: "Refresh" }).click();
    await expect(entries(page)).toHaveCount(1);
    await expect(entries(page)).toContainText("Cron key revealed");
    await expect(page.getByRole("status").filter({ hasText: "Refreshed." })).toBeAttached();
  });
});

test("a failed backup is found by its result, with the reason", async ({ open, failed }) => {
  const page = await open(cleo, { at: view({ database: failed.database, result: "failed" }) });
  await expect(entries(page)).toHaveCount(1);
  await expect(entries(page)).toContainText(failed.failure!.reason);
  await entries(page).getByRole("link", { name: "Backup ended" }).click();
  await expect(page.getByRole("heading", { level: 1, name: failed.filename })).toBeVisible();
});

test("a long log is read on as one scrolls, to its end, each entry once", async ({ open, scene }) => {
  const person: Person = { name: freshName("Busy"), role: "operator" };
  const many = 120;
  const api = await Api.as(person);
  for (let made = 0; made < many; made += 20) {
    await Promise.all(Array.from({ length: 20 }, () => api.downloadLink(scene.backup)));
  }
  const page = await open(ada, { at: view({ actor: person.name }) });
  await expect(entries(page).first()).toBeVisible();
  expect(await entries(page).count()).toBeLessThan(many);
  await expect(async () => {
    await page.mouse.wheel(0, 5_000);
    await expect(page.getByText("That is all.")).toBeVisible({ timeout: 500 });
  }).toPass();
  await expect(entries(page)).toHaveCount(many);
});

test("where it can't be read on, that is said, and what was read stays", async ({ open, scene, watch }) => {
  watch.allow(/503/);
  const page = await open(ada, { at: view({ database: scene.database }) });
  await expect(entries(page).first()).toBeVisible();
  const before = await entries(page).count();
  await page.route(/\/api\/activity/, (route) => route.fulfill(problem(503, "unavailable", "The log can’t be read now.")));
  await page.getByRole("button", { name: "Refresh" }).click();
  const alert = page.getByRole("alert").filter({ hasText: "The log could not be refreshed" });
  await expect(alert).toContainText("The log can’t be read now.");
  await expect(entries(page)).toHaveCount(before);
  await page.unroute(/\/api\/activity/);
  await alert.getByRole("button", { name: "Try again" }).click();
  await expect(alert).toHaveCount(0);
});
