import type { Page } from "@playwright/test";

import { backupsOf, createButton, gate, holdBackups, rowOf, rowsOf } from "./lib/inventory";
import { ada, ben, newDatabase, type Person } from "./lib/stack";
import { expect, freshName, test } from "./lib/test";

const eve: Person = { name: "Eve Albright", role: "super-admin" };

test("both see the other's backup appear, and both see how it ends", async ({ open }) => {
  const database = await newDatabase(freshName("both"));
  const release = await holdBackups(database);
  const [one, other] = (await Promise.all([ada, ben].map((p) => open(p, { at: backupsOf(database) })))) as [Page, Page];
  await expect(other.getByText(`No backup of ${database} yet`)).toBeVisible();
  await createButton(one).first().click();
  await expect(rowsOf(one)).toHaveCount(1);
  // By itself: the page looks every quarter of a minute.
  await expect(rowsOf(other)).toContainText(`By ${ada.name}`, { timeout: 40_000 });
  await expect(rowsOf(other)).toContainText("Running");
  await createButton(other).click();
  await expect(rowsOf(other)).toHaveCount(2);
  await expect(rowsOf(one)).toHaveCount(2, { timeout: 40_000 });
  await expect(rowsOf(one).first()).toContainText(`By ${ben.name}`);
  await release();
  for (const page of [one, other]) {
    await expect(rowsOf(page).first()).toContainText("SHA-256", { timeout: 90_000 });
    await expect(rowsOf(page).last()).toContainText("SHA-256");
  }
});

test("when both press Create at once two are queued, and one says that it waits for the other", async ({ open, api }) => {
  const database = await newDatabase(freshName("race"));
  const release = await holdBackups(database);
  const pages = await Promise.all([ada, ben].map((p) => open(p, { at: backupsOf(database) })));
  const both = gate();
  let arrived = 0;
  for (const page of pages) {
    await page.route(/\/backups$/, async (route) => {
      if (route.request().method() === "POST") {
        if (++arrived === pages.length) both.open();
        await both.opened;
      }
      await route.continue();
    });
    await createButton(page).first().click();
  }
  for (const page of pages) {
    await expect(rowsOf(page)).toHaveCount(2, { timeout: 40_000 });
    await expect(rowsOf(page).last()).toContainText("Running");
    await expect(rowsOf(page).first()).toContainText("Queued");
    await expect(rowsOf(page).first()).toContainText("Waits for a backup that runs now.");
  }
  await release();
  for (const page of pages) {
    await expect(rowsOf(page).first()).toContainText("SHA-256", { timeout: 90_000 });
  }
  const [second, first] = (await api.backups(database)).items;
  expect(first!.endedAt! <= second!.startedAt!).toBe(true);
});

test("who looks at a backup that another deletes is told so", async ({ open, api, watch }) => {
  watch.allow(/404/);
  const database = await newDatabase(freshName("gone"));
  const backup = await api.createdBackup(database);
  const details = await open(eve, { at: `${backupsOf(database)}/${backup.id}` });
  const list = await open(ben, { at: backupsOf(database) });
  const asking = await open(eve, { at: backupsOf(database) });
  await expect(details.getByRole("heading", { name: backup.filename })).toBeVisible();
  await expect(rowOf(list, backup)).toBeVisible();
  // One has the question before the eyes already.
  await asking.getByRole("button", { name: `Delete ${backup.filename}` }).click();

  const page = await open(ada, { at: backupsOf(database) });
  await page.getByRole("button", { name: `Delete ${backup.filename}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete the backup" }).click();
  await expect(rowsOf(page)).toHaveCount(0);

  await details.getByRole("button", { name: `Download ${backup.filename}` }).click();
  await expect(details.getByRole("alert")).toContainText("There is no backup with that id.");
  await expect(details.getByRole("alert")).toContainText("It may have been deleted");
  await asking.getByRole("dialog").getByRole("button", { name: "Delete the backup" }).click();
  // What is said stays when the list notices that its last row is gone.
  await expect(rowsOf(asking)).toHaveCount(0, { timeout: 40_000 });
  await expect(asking.getByRole("alert")).toContainText(`${backup.filename} is gone already`);
  await expect(asking.getByRole("alert")).toContainText("It was deleted meanwhile");
  await expect(asking.getByRole("button", { name: "Keep it" })).toHaveCount(0);
  const leave = asking.getByRole("button", { name: "Leave" });
  await expect(leave).toBeFocused();
  await leave.click();
  await expect(asking.getByRole("dialog")).toHaveCount(0);
  await expect(asking.getByRole("heading", { name: "Backups", exact: true })).toBeFocused();
  for (const other of [list, asking]) {
    await expect(rowsOf(other)).toHaveCount(0, { timeout: 40_000 });
    await expect(other.getByText(`No backup of ${database} yet`)).toBeVisible();
  }
});
