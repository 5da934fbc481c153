import type { Page } from "@playwright/test";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

import type { Backup } from "./lib/api";
import { backupsOf, holdBackups, rowOf, rowsOf, unavailable } from "./lib/inventory";
import { ada, ben, cleo, dropDatabase, newDatabase, stack, token } from "./lib/stack";
import { expect, freshName, test } from "./lib/test";
import { Api } from "./lib/api";

// What every test looks at and leaves: one created backup.
let database: string;
let backup: Backup;

test.beforeAll(async () => {
  database = await newDatabase(freshName("actions"));
  backup = await (await Api.as()).createdBackup(database);
});

const links = /\/backups\/[^/]+\/download$/;

/** A link to a backup's file, made by the API. */
async function linkTo(b: Backup): Promise<string> {
  const answer = await fetch(`${stack.url}/api/databases/${b.database}/backups/${b.id}/download`, {
    method: "POST",
    headers: { Authorization: `Bearer ${await token(ada)}` },
  });
  return ((await answer.json()) as { url: string }).url;
}

const action = (page: Page, name: string, b: { filename: string } = backup) =>
  rowOf(page, b).getByRole("button", { name: `${name} ${b.filename}` });

test("Download gives the file of the record, by a link that is made on the click", async ({ open }) => {
  const page = await open(ben, { at: backupsOf(database) });
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await expect(action(page, "Download")).toBeEnabled();
  await page.getByRole("button", { name: "Refresh" }).click();
  await expect(page.getByText("Refreshed.")).toBeAttached();
  expect(asked.filter((url) => links.test(url))).toEqual([]);
  expect(await page.content()).not.toContain("X-Amz-Signature");

  const answer = page.waitForResponse(links);
  const download = page.waitForEvent("download");
  await action(page, "Download").click();
  const { url, expiresAt } = (await (await answer).json()) as { url: string; expiresAt: string };
  const file = await download;
  expect(file.suggestedFilename()).toBe(backup.filename);
  const content = await readFile(await file.path());
  expect(content.length).toBe(backup.size);
  expect(createHash("sha256").update(content).digest("hex")).toBe(backup.sha256);
  expect(asked.filter((u) => links.test(u))).toHaveLength(1);
  await expect(page.getByText(`The download of ${backup.filename} has begun.`)).toBeAttached();
  // Short-lived, and kept nowhere.
  expect(new Date(expiresAt).getTime() - Date.now()).toBeLessThan(20 * 60_000);
  expect(await page.content()).not.toContain("X-Amz-Signature");
  expect(page.url()).not.toContain("X-Amz");
  expect(url).toContain("X-Amz-Signature");
});

test("a download that does not work says so at its button, and gives the focus back", async ({ open, watch }) => {
  watch.allow(/503/);
  const page = await open(ada, { at: backupsOf(database) });
  await page.route(links, (route) => route.fulfill(unavailable));
  await action(page, "Download").click();
  const alert = page.getByRole("alert");
  await expect(alert).toContainText(`${backup.filename} could not be downloaded`);
  await expect(alert).toContainText("The storage does not answer.");
  await page.getByRole("button", { name: "Close" }).click();
  await expect(alert).toHaveCount(0);
  await expect(action(page, "Download")).toBeFocused();
  await page.unroute(links);
  const download = page.waitForEvent("download");
  await page.keyboard.press("Enter");
  expect((await download).suggestedFilename()).toBe(backup.filename);
});

test("Restore leads to Restore Options, with the backup chosen and a dry run on", async ({ open }) => {
  const page = await open(ada, { at: backupsOf(database) });
  await action(page, "Restore").click();
  await expect(page.getByRole("heading", { name: "Restore Options", level: 1 })).toBeVisible();
  await expect(page).toHaveURL(new RegExp(`#/databases/${database}/restore\\?backup=${backup.id}$`));
  await expect(page.getByRole("radio", { name: backup.filename })).toBeChecked();
  await expect(page.getByRole("switch", { name: /dry run/i })).toBeChecked();
  await page.goBack();
  await expect(action(page, "Restore")).toBeVisible();
});

test("Details and the file's name lead to the backup", async ({ open }) => {
  const page = await open(cleo, { at: backupsOf(database) });
  await rowOf(page, backup)
    .getByRole("link", { name: `Details of ${backup.filename}` })
    .click();
  await expect(page.getByRole("heading", { name: backup.filename, level: 1 })).toBeVisible();
  await page.getByRole("link", { name: "Backup Inventory" }).click();
  await rowOf(page, backup).getByRole("link", { name: backup.filename, exact: true }).click();
  await expect(page).toHaveURL(new RegExp(`${backup.id}$`));
});

test.describe("Delete", () => {
  let own: string;
  let doomed: Backup;

  test.beforeAll(async () => {
    own = await newDatabase(freshName("delete"));
    doomed = await (await Api.as()).createdBackup(own);
  });

  test("asks, names the backup, and leaves it when one keeps it", async ({ open, api }) => {
    const page = await open(ada, { at: backupsOf(own) });
    const button = action(page, "Delete", doomed);
    for (const leave of [() => page.getByRole("button", { name: "Keep it" }).click(), () => page.keyboard.press("Escape")]) {
      await button.click();
      const dialog = page.getByRole("dialog", { name: "Delete this backup?" });
      await expect(dialog).toContainText(doomed.filename);
      await expect(dialog).toContainText(`This backup of ${own} from`);
      await expect(dialog).toContainText(`It is the newest backup of ${own}.`);
      // Enter keeps it.
      await expect(dialog.getByRole("button", { name: "Keep it" })).toBeFocused();
      await leave();
      await expect(dialog).toHaveCount(0);
      await expect(button).toBeFocused();
    }
    expect((await api.backup(own, doomed.id)).state).toBe("created");
  });

  test("says when it did not work, and that it is there all the same", async ({ open, api, watch }) => {
    watch.allow(/503/);
    const page = await open(ada, { at: backupsOf(own) });
    await page.route(new RegExp(`${doomed.id}$`), (route) =>
      route.request().method() === "DELETE" ? route.fulfill(unavailable) : route.continue(),
    );
    await action(page, "Delete", doomed).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Delete the backup" }).click();
    await expect(dialog.getByRole("alert")).toContainText("The backup was not deleted");
    await dialog.getByRole("button", { name: "Keep it" }).click();
    await expect(rowOf(page, doomed)).toBeVisible();
    expect((await api.backup(own, doomed.id)).state).toBe("created");
  });

  test("deletes the file and the record, and nothing else", async ({ open, api }) => {
    const link = await linkTo(doomed);
    expect((await fetch(link, { headers: { Range: "bytes=0-0" } })).ok).toBe(true);
    const page = await open(ada, { at: backupsOf(own) });
    await action(page, "Delete", doomed).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete the backup" }).click();
    await expect(page.getByRole("dialog")).toHaveCount(0);
    await expect(page.getByText(`${doomed.filename} was deleted.`)).toBeAttached();
    await expect(rowsOf(page)).toHaveCount(0);
    await expect(page.getByText(`No backup of ${own} yet`)).toBeVisible();
    await expect(page.getByRole("heading", { name: "Backups", exact: true })).toBeFocused();
    expect((await api.backups(own)).items).toEqual([]);
    expect((await fetch(link)).status).toBe(404);
    expect((await api.backup(database, backup.id)).state).toBe("created");
  });
});

test.describe("disabled, with the reason", () => {
  const reasons = async (page: Page, row: { filename: string }, why: RegExp) => {
    for (const name of ["Download", "Restore", "Delete"]) {
      const button = action(page, name, row);
      await expect(button).toHaveAttribute("aria-disabled", "true");
      await expect(button).toHaveAccessibleName(why);
    }
  };

  test("while the backup runs: it is to be waited for; the reason is shown on hover and by keyboard", async ({ open, api }) => {
    const own = await newDatabase(freshName("running"));
    const release = await holdBackups(own);
    const running = await api.startBackup(own);
    const page = await open(ada, { at: backupsOf(own) });
    await expect(rowOf(page, running)).toContainText("Running");
    await reasons(page, running, /: This backup is still running\. Wait until it is created\.$/);
    const sent: string[] = [];
    page.on("request", (request) => sent.push(`${request.method()} ${request.url()}`));
    await action(page, "Restore", running).click({ force: true });
    await action(page, "Delete", running).click({ force: true });
    await action(page, "Download", running).click({ force: true });
    await page.keyboard.press("Enter");
    // That of the button before is still on its way out.
    await expect(page.getByRole("tooltip")).toHaveCount(1);
    await expect(page.getByRole("tooltip")).toHaveText("This backup is still running. Wait until it is created.");
    await expect(page.getByRole("dialog")).toHaveCount(0);
    await expect(page).toHaveURL(/\/backups$/);
    await release();
    await expect(rowOf(page, running)).toContainText("Created", { timeout: 60_000 });
    await expect(action(page, "Download", running)).not.toHaveAttribute("aria-disabled");
    expect(sent.filter((call) => !call.startsWith("GET "))).toEqual([]);
  });

  test("of one that failed: a new one is to be created", async ({ open, api }) => {
    const own = await newDatabase(freshName("failed"));
    await dropDatabase(own);
    const failed = await api.endedBackup(own);
    const page = await open(ada, { at: backupsOf(own) });
    await expect(rowOf(page, failed)).toContainText("Failed");
    await reasons(page, failed, /: This backup failed, .* then create a new backup\.$/);
  });

  test("to an operator what operators may not, and no more", async ({ open }) => {
    const page = await open(ben, { at: backupsOf(database) });
    await expect(action(page, "Delete")).toHaveAccessibleName(/: Your role lacks the permission backups:delete\.$/);
    await expect(action(page, "Download")).not.toHaveAttribute("aria-disabled");
    await expect(action(page, "Restore")).not.toHaveAttribute("aria-disabled");
  });

  test("to an auditor all that changes or hands out", async ({ open }) => {
    const page = await open(cleo, { at: backupsOf(database) });
    const needs = { Download: "backups:download", Restore: "restores:rehearse", Delete: "backups:delete" };
    for (const [name, permission] of Object.entries(needs)) {
      await expect(action(page, name)).toHaveAttribute("aria-disabled", "true");
      await expect(action(page, name)).toHaveAccessibleName(new RegExp(`: Your role lacks the permission ${permission}\\.$`));
    }
    await expect(rowOf(page, backup).getByRole("link", { name: `Details of ${backup.filename}` })).toBeVisible();
  });
});
