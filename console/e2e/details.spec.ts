import type { Page } from "@playwright/test";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import type { Backup } from "./lib/api";
import { at, expect, refused, retold, test } from "./lib/scene";
import { ada, ben } from "./lib/stack";

const panel = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
const count = new Intl.NumberFormat("en-GB");

test("a created backup shows what is proved: its file, its rows, its checksums, and that it was rehearsed", async ({
  open,
  scene,
}) => {
  const { backup } = scene;
  const context = { permissions: ["clipboard-write"] };
  const page = await open(ben, { at: at.backup(backup), context });
  await expect(page).toHaveTitle(`${backup.filename} · Backup & Restore`);
  const proof = panel(page, "Proof");
  await expect(proof).toContainText("confirmed the checksum");
  await expect(proof).toContainText(`with ${count.format(backup.rows!)} rows in ${backup.tableCount} tables counted`);
  await expect(proof).toContainText("A restore of it was verified on");
  await expect(proof).toContainText(`${count.format(backup.size!)} bytes`);
  const find = page.getByRole("searchbox", { name: "Find a table" });
  for (const [what, value] of [
    ["the SHA-256", backup.sha256!],
    ["the CRC-64/NVME", backup.crc64nvme!],
  ] as const) {
    await expect(proof.getByText(value, { exact: true })).toBeVisible();
    await proof.getByRole("button", { name: `Copy ${what}` }).click();
    await expect(page.getByRole("status").filter({ hasText: `Copied ${what}.` })).toBeAttached();
    await find.fill("");
    await find.press("ControlOrMeta+V");
    await expect(find).toHaveValue(value);
  }
  await expect(panel(page, "Course")).toContainText(`by ${backup.requestedBy.name}`);
  const lines = panel(page, "Log").getByRole("listitem");
  await expect(lines).toHaveCount(backup.log!.length);
  await expect(lines.last()).toContainText(backup.log!.at(-1)!.text);
});

test("its tables are listed with their rows, sorted by keyboard and found by name", async ({ open, scene }) => {
  const { backup } = scene;
  const page = await open(ada, { at: at.backup(backup) });
  const table = page.getByRole("table", { name: "Tables of the backup" });
  const rows = table.getByRole("row").filter({ has: page.getByRole("rowheader") });
  const bySize = backup.tables!.toSorted((a, b) => b.rows - a.rows);
  await expect(table).toHaveAttribute("aria-rowcount", String(backup.tableCount! + 1));
  await table.getByRole("button", { name: "Rows", exact: true }).focus();
  await page.keyboard.press("Enter");
  await expect(table.getByRole("columnheader", { name: "Rows" })).toHaveAttribute("aria-sort", "descending");
  await expect(rows.first()).toContainText(bySize[0]!.table);
  await expect(rows.first()).toContainText(count.format(bySize[0]!.rows));
  await page.keyboard.press("Enter");
  await expect(table.getByRole("columnheader", { name: "Rows" })).toHaveAttribute("aria-sort", "ascending");
  await expect(rows.first()).toContainText(count.format(bySize.at(-1)!.rows));
  const find = page.getByRole("searchbox", { name: "Find a table" });
  await find.fill("MEAL order");
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText("meal_order");
  await expect(panel(page, "Contents").getByRole("status")).toHaveText(`1 of ${backup.tableCount} tables`);
  await find.fill("no such table");
  await expect(page.getByText("No table has that in its name.")).toBeVisible();
});

test("the commands to restore by hand name the very file, and its check passes on the download and on no other", async ({
  open,
  scene,
}) => {
  const { backup } = scene;
  const page = await open(ben, { at: at.backup(backup) });
  const place = panel(page, "Where the file lies");
  const { bucket, key, versionId } = backup.location!;
  await expect(place.getByText(`s3://${bucket}/${key}`, { exact: true })).toBeVisible();
  const commands = place.getByRole("listitem").getByRole("code");
  await expect(commands).toHaveCount(4);
  for (const part of [bucket, key, versionId, backup.filename]) await expect(commands.nth(0)).toContainText(part);
  const [, check, , restore] = await commands.allTextContents();

  const begun = page.waitForEvent("download");
  await page.getByRole("button", { name: `Download ${backup.filename}` }).click();
  const download = await begun;
  expect(download.suggestedFilename()).toBe(backup.filename);
  const folder = await mkdtemp(join(tmpdir(), "by-hand-"));
  const sh = (command: string) => promisify(execFile)("sh", ["-c", command], { cwd: folder, maxBuffer: 64 << 20 });
  try {
    await download.saveAs(join(folder, backup.filename));
    expect((await sh(check!)).stdout).toBe(`${backup.filename}: OK\n`);
    // What the last command gives to psql.
    const unpack = restore!.slice(0, restore!.indexOf("|"));
    expect(unpack).toContain("gunzip -c");
    expect((await sh(unpack)).stdout).toContain("PostgreSQL database dump complete");
    await sh(`echo more >> '${backup.filename}'`);
    await expect(sh(check!)).rejects.toMatchObject({ stdout: `${backup.filename}: FAILED\n` });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a failed backup shows why, what to do, and what its tools said; it can't be downloaded, restored or deleted", async ({
  open,
  failed,
}) => {
  const page = await open(ada, { at: at.backup(failed) });
  const why = panel(page, "Why it failed");
  await expect(why).toContainText(failed.failure!.reason);
  await expect(why).toContainText(failed.failure!.hint!.slice(0, 30));
  await expect(why).toContainText(failed.failure!.code);
  for (const action of ["Download", "Restore", "Delete"]) {
    const button = page.getByRole("button", { name: refused(`${action} ${failed.filename}`, failed.unusable!.reason) });
    await expect(button).toHaveAttribute("aria-disabled", "true");
  }
  await expect(panel(page, "Proof")).toHaveCount(0);
  await expect(panel(page, "Where the file lies")).toHaveCount(0);
  await expect(panel(page, "Course")).toContainText("The first");
});

test("a backup that is under way shows how far it is, and its end is said", async ({ open, scene }) => {
  const { backup } = scene;
  const page = await open(ada);
  let running = true;
  await retold<Backup>(page, new RegExp(`/backups/${backup.id}$`), (record) => {
    if (!running) return record;
    const progress = { bytes: 500, bytesTotal: 1000, rows: 40, tablesDone: 3, tablesTotal: 12 };
    const unusable = { code: "backup_not_created", reason: "The backup is running.", hint: "Wait until it is created." };
    const ended = { endedAt: undefined, location: undefined, tables: undefined };
    return { ...record, ...ended, state: "running", progress, usable: false, unusable };
  });
  await page.goto(`/#${at.backup(backup)}`);
  await expect(page.getByRole("progressbar", { name: `Progress of ${backup.filename}` })).toHaveAttribute("aria-valuenow", "50");
  await expect(panel(page, "Progress")).toContainText("3 of 12 tables, 40 rows");
  await expect(page.getByRole("button", { name: /^Delete .+ is running\. Wait until it is created\.$/ })).toBeVisible();
  await expect(panel(page, "Course")).toContainText("so far");
  running = false;
  await expect(page.getByRole("status").filter({ hasText: `${backup.filename} was created.` })).toBeAttached();
  await expect(panel(page, "Proof")).toBeVisible();
  await expect(panel(page, "Progress")).toHaveCount(0);
});

test("a new backup is not rehearsed yet and leads to its rehearsal; deleted, it leads back to the inventory", async ({
  open,
  api,
  database,
  watch,
}) => {
  watch.allow(/404/);
  const backup = await api.createdBackup(database);
  const page = await open(ada, { at: at.backup(backup) });
  await expect(panel(page, "Proof")).toContainText("Not rehearsed yet");
  await panel(page, "Proof").getByRole("link", { name: "Rehearse it" }).click();
  await expect(page.getByRole("region", { name: "Review" })).toContainText(backup.filename);
  await page.goBack();
  await page.getByRole("button", { name: `Delete ${backup.filename}` }).click();
  const dialog = page.getByRole("dialog", { name: "Delete this backup?" });
  await expect(dialog).toContainText(backup.filename);
  await dialog.getByRole("button", { name: "Delete the backup" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Backup Inventory" })).toBeVisible();
  await page.goto(`/#${at.backup(backup)}`);
  await expect(page.getByRole("main")).toContainText("Not found");
});

test("a backup that is not there says so, and the way back is there", async ({ open, scene, watch }) => {
  watch.allow(/404/);
  const { database, backup } = scene;
  const unknown = backup.id.slice(0, -1) + (backup.id.endsWith("0") ? "1" : "0");
  const page = await open(ada, { at: at.backup({ ...backup, id: unknown }) });
  await expect(page.getByRole("heading", { name: "Not found" })).toBeVisible();
  await page.getByRole("link", { name: "Backup Inventory" }).click();
  await expect(page.getByRole("table", { name: `Backups of ${database}` })).toBeVisible();
});
