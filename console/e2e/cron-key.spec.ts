import type { Page } from "@playwright/test";
import { execFile } from "node:child_process";
import { appendFile, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { Api, callCron } from "./lib/api";
import { expectFits, expectNoViolations, expectNoViolationsNow, schemes, show } from "./lib/a11y";
import { expect, problem, test } from "./lib/scene";
import { ada, ben, type Person } from "./lib/stack";
import { freshName } from "./lib/test";

// There is one key for all: it is replaced in this file only, whose tests run one after another.

const view = "/cron-key";

// The demo database, which is there from the start.
const database = "school";

const admin = (): Person => ({ name: `Admin ${freshName("of")}`, role: "super-admin" });

const revealed = (page: Page) => page.getByRole("region", { name: "Key", exact: true }).getByText(/^brk_\w+$/);
const fact = (page: Page, term: string) =>
  page.getByRole("term").filter({ hasText: term }).locator("xpath=following-sibling::dd");

async function expectKeyIsNowhere(page: Page, key: string) {
  expect(await page.content(), "the document").not.toContain(key);
  const kept = await page.evaluate(async () => {
    const requests = await Promise.all(
      (await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).map((r) => r.url)),
    );
    return JSON.stringify([
      Object.entries(localStorage),
      Object.entries(sessionStorage),
      document.cookie,
      location.href,
      history.state,
      await indexedDB.databases(),
      requests,
    ]);
  });
  expect(kept, "what the browser keeps").not.toContain(key);
}

async function reveal(page: Page): Promise<string> {
  await page.getByRole("button", { name: "Reveal" }).click();
  await expect(revealed(page)).toBeVisible();
  return (await revealed(page).textContent()) ?? "";
}

async function regenerate(page: Page) {
  await page.getByRole("button", { name: "Regenerate Cron Key" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Regenerate the key" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
}

/** What was copied, as it is pasted elsewhere: the page itself must not read what is copied. */
async function pasted(page: Page): Promise<string> {
  const pad = await page.context().newPage();
  await pad.setContent("<textarea autofocus></textarea>");
  await pad.getByRole("textbox").press("ControlOrMeta+V");
  const text = await pad.getByRole("textbox").inputValue();
  await pad.close();
  return text;
}

test("the key is shown masked, and is not in the page before it is revealed", async ({ open }) => {
  const other = admin();
  const { key, masked } = await (await Api.as(other)).regenerateCronKey();
  const page = await open(ben, { at: view });
  await expect(page.getByText(`Masked. It ends in ${key.slice(-4)}.`)).toBeAttached();
  await expect(page.getByText(masked, { exact: true })).toBeVisible();
  await expect(fact(page, "Last replaced")).toContainText(`by ${other.name}`);
  await expect(page).toHaveTitle("Cron Secret Key · Backup & Restore");
  await expectKeyIsNowhere(page, key);
});

test("revealing shows the key, copies it, and leaves nothing behind when it is hidden", async ({ open, api }) => {
  const context = { permissions: ["clipboard-write"] };
  const page = await open(ada, { at: view, context });
  const addresses: string[] = [];
  page.on("request", (request) => addresses.push(request.url()));
  const key = await reveal(page);
  expect(key).toBe((await api.revealCronKey()).key);
  await expect(page.getByText(/^It hides again in \d+ s\.$/)).toBeVisible();
  await page.getByRole("button", { name: "Copy the cron key" }).click();
  await expect(page.getByRole("status").filter({ hasText: "Copied the cron key." })).toBeAttached();
  expect(await pasted(page)).toBe(key);
  await page.getByRole("button", { name: "Hide" }).click();
  await expect(page.getByRole("button", { name: "Reveal" })).toBeVisible();
  await expectKeyIsNowhere(page, key);
  // Another view and back: it was kept nowhere.
  await reveal(page);
  await page.getByRole("link", { name: "Activity" }).click();
  await expect(page.getByRole("heading", { name: "Activity", level: 1 })).toBeVisible();
  await page.getByRole("link", { name: "Cron Secret Key" }).click();
  await expect(page.getByRole("button", { name: "Reveal" })).toBeVisible();
  await expectKeyIsNowhere(page, key);
  expect(addresses.filter((url) => url.includes(key))).toEqual([]);
});

test("the key hides by itself after a minute, and when the page is out of sight", async ({ open }) => {
  const page = await open(ada, { at: view });
  await expect(page.getByRole("button", { name: "Reveal" })).toBeVisible();
  await page.clock.install();
  const key = await reveal(page);
  await page.clock.fastForward(61_000);
  await expect(page.getByRole("button", { name: "Reveal" })).toBeVisible();
  await expectKeyIsNowhere(page, key);
  await reveal(page);
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await expect(page.getByRole("button", { name: "Reveal" })).toBeVisible();
  await expectKeyIsNowhere(page, key);
});

test("who reveals the key is recorded, without the key", async ({ open }) => {
  const person = admin();
  const page = await open(person, { at: view });
  const key = await reveal(page);
  await page.goto(`/#/activity?actor=${encodeURIComponent(person.name)}`);
  const entries = page.getByRole("main").getByRole("listitem");
  await expect(entries).toHaveCount(1);
  await expect(entries).toContainText("Cron key revealed");
  await expect(entries).toContainText(key.slice(-4));
  await expect(entries).toContainText("Revealed");
  await expectKeyIsNowhere(page, key);
});

test("Regenerate Cron Key warns first, and can be left by keyboard", async ({ open, api }) => {
  const before = await api.cronKey();
  const page = await open(ada, { at: view });
  const button = page.getByRole("button", { name: "Regenerate Cron Key" });
  await button.focus();
  const dialog = page.getByRole("dialog", { name: "Regenerate the cron key?" });
  for (const leave of ["Enter", "Escape"]) {
    await page.keyboard.press("Enter");
    await expect(dialog).toContainText(`the one that ends in ${before.masked.slice(-4)}`);
    await expect(dialog).toContainText("Every integration that holds the old key must be given the new one");
    await expect(dialog.getByRole("button", { name: "Keep the key" })).toBeFocused();
    await page.keyboard.press(leave);
    await expect(dialog).toHaveCount(0);
    await expect(button).toBeFocused();
  }
  expect((await api.cronKey()).rotations).toBe(before.rotations);
});

test("a new key is shown and works at once, and the old one is refused", async ({ open, api }) => {
  const old = (await api.revealCronKey()).key;
  expect((await callCron(old, [database])).status).toBe(202);
  const page = await open(ada, { at: view });
  await regenerate(page);
  await expect(revealed(page)).not.toHaveText(old);
  const key = (await revealed(page).textContent())!;
  await expect(page.getByText("Give the new key to every integration now")).toBeVisible();
  await expect(page.getByText("The old key is refused already: what still holds it starts no backups.")).toBeVisible();
  await expect(fact(page, "Old key")).toHaveText("Refused");
  await expect(fact(page, "Last replaced")).toContainText(`by ${ada.name}`);
  await expect(page.getByRole("button", { name: "Regenerate Cron Key" })).toBeFocused();
  expect((await callCron(old, [database])).status).toBe(401);
  await expect(fact(page, "Last used")).toHaveText("Not yet");
  expect((await callCron(key, [database])).status).toBe(202);
  await page.getByRole("button", { name: "Refresh" }).click();
  await expect(fact(page, "Last used")).toContainText("just now");
  await expect(revealed(page)).toHaveText(key);
  await page.getByRole("button", { name: "Regenerate Cron Key" }).click();
  await expect(page.getByRole("dialog")).toContainText(/This key was last used .+: something holds it\./);
});

test("a key that was replaced elsewhere is said after Refresh, with when and by whom, and the old one is gone", async ({
  open,
}) => {
  const page = await open(ada, { at: view });
  const old = await reveal(page);
  const other = admin();
  const { key } = await (await Api.as(other)).regenerateCronKey();
  await page.getByRole("button", { name: "Refresh" }).click();
  await expect(page.getByText("The key was replaced elsewhere")).toBeVisible();
  await expect(page.getByText(new RegExp(`^${other.name} replaced it on .+ integrations need the new one`))).toBeVisible();
  await expect(page.getByRole("status").filter({ hasText: `The cron key was replaced by ${other.name}.` })).toBeAttached();
  await expect(fact(page, "Last replaced")).toContainText(`by ${other.name}`);
  await expect(page.getByText(`Masked. It ends in ${key.slice(-4)}.`)).toBeAttached();
  await expectKeyIsNowhere(page, old);
  await page.getByRole("button", { name: "Understood" }).click();
  await expect(page.getByText("The key was replaced elsewhere")).toHaveCount(0);
  expect(await reveal(page)).toBe(key);
});

test("the commands for cron work as they are printed, with this key and not with the one before", async ({ open, api }) => {
  const page = await open(ada, { at: view });
  const steps = page.getByRole("region", { name: "Start backups by cron" }).getByRole("listitem");
  const text = async (n: number) =>
    (await steps
      .nth(n - 1)
      .getByRole("code")
      .first()
      .textContent()) ?? "";
  await expect(steps).toHaveCount(4);
  expect(await text(2)).toContain("•");
  await expect(steps.nth(1).getByRole("button")).toHaveCount(0);
  await reveal(page);
  await expect(steps.nth(1).getByRole("button", { name: "Copy the line with the key" })).toBeVisible();
  const [makeFile, line, call, crontab] = [await text(1), await text(2), await text(3), await text(4)];

  const home = await mkdtemp(join(tmpdir(), "cron-"));
  const sh = (command: string) => promisify(execFile)("sh", ["-c", command], { env: { HOME: home, PATH: process.env.PATH } });
  try {
    await sh(makeFile);
    const file = join(home, ".backup-restore-cron");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    // Two more lines, so that the databases of other tests are left alone.
    const only = String.raw`data = "{\"databases\": [\"${database}\"]}"`;
    await appendFile(file, `${line}\nheader = "Content-Type: application/json"\n${only}\n`);
    const { items } = JSON.parse((await sh(call)).stdout) as { items: { database: string; backup: string }[] };
    expect(items.map((item) => item.database)).toEqual([database]);
    expect((await api.backup(database, items[0]!.backup)).requestedBy.kind).toBe("cron-key");
    const command = crontab.replace(/^(\S+ ){5}/, "");
    expect(crontab).toMatch(/^15 2 \* \* \* /);
    expect(await sh(command)).toEqual({ stdout: "", stderr: "" });
    await regenerate(page);
    await expect(sh(command)).rejects.toThrow(/error: 401/);
  } finally {
    await rm(home, { recursive: true });
  }
});

test("what fails is said at its place, and the old key stays the key", async ({ open, watch, api }) => {
  watch.allow(/503|409/);
  const page = await open(ada, { at: view });
  const before = await api.cronKey();
  await page.route(/\/cron-key\/reveal$/, (route) => route.fulfill(problem(503, "unavailable", "The secret can’t be read now.")));
  await page.getByRole("button", { name: "Reveal" }).click();
  const alert = page.getByRole("alert").filter({ hasText: "The key could not be revealed" });
  await expect(alert).toContainText("The secret can’t be read now.");
  await page.unroute(/\/cron-key\/reveal$/);
  await alert.getByRole("button", { name: "Try again" }).click();
  await expect(revealed(page)).toBeVisible();
  await expect(alert).toHaveCount(0);
  await page.route(/\/cron-key\/regenerate$/, (route) =>
    route.fulfill(problem(409, "cron_key_rotated", "Somebody else replaced the key just now.", "Look at the new one.")),
  );
  await page.getByRole("button", { name: "Regenerate Cron Key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Regenerate the key" }).click();
  await expect(dialog.getByRole("alert")).toContainText("The key was not replaced");
  await expect(dialog.getByRole("alert")).toContainText("Look at the new one.");
  expect((await api.cronKey()).rotations).toBe(before.rotations);
});

test("the view has no violation and fits every width: masked, revealed, and with its dialog open", async ({ open }) => {
  const page = await open(ada, { at: view });
  await expect(page.getByRole("button", { name: "Reveal" })).toBeVisible();
  await expectNoViolations(page);
  await expectFits(page);
  await page.getByRole("button", { name: "Regenerate Cron Key" }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await expectNoViolations(page);
  await expectFits(page);
  await page.keyboard.press("Escape");
  for (const scheme of schemes) {
    await show(page, scheme);
    await reveal(page);
    await expectNoViolationsNow(page);
    await expectFits(page, [360, 1280]);
    await page.getByRole("button", { name: "Hide" }).click();
  }
});
