import type { Locator, Page } from "@playwright/test";

import { expectFits, expectNoViolations, expectNoViolationsNow, schemes, show } from "./lib/a11y";
import type { Restore } from "./lib/api";
import { at, expect, problem, retold, test } from "./lib/scene";
import { ada, cleo, newDatabase, seed, token } from "./lib/stack";
import { freshName } from "./lib/test";

// Each view in each of its states: no violation in light and dark, and on a phone; no sideways scroll at any width.

test.describe.configure({ mode: "parallel" });

async function expectAccessible(page: Page) {
  await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
  await expectNoViolations(page);
  await expectFits(page);
}

/** Opens a dialog by keyboard, checks it, and leaves it by Escape: the focus is back where it was. */
async function expectAccessibleDialog(page: Page, button: Locator, name: string | RegExp) {
  await button.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name });
  await expect(dialog).toBeVisible();
  await expect(dialog.locator(":focus")).toHaveCount(1);
  await expectAccessible(page);
  // The focus goes round within.
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press("Tab");
    await expect(dialog.locator(":focus")).toHaveCount(1);
  }
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await expect(button).toBeFocused();
}

const main = (page: Page) => page.getByRole("main");

test("the inventory: empty, and with a long history and its chart", async ({ open }) => {
  const database = await newDatabase(freshName("empty"));
  const page = await open(ada, { at: at.inventory(database) });
  await expect(page.getByRole("heading", { name: `No backup of ${database} yet` })).toBeVisible();
  await expectAccessible(page);
  await seed(database, 40);
  await page.getByRole("button", { name: "Refresh" }).click();
  await expect(page.getByRole("table", { name: `Backups of ${database}` })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("region", { name: "Size and duration" }).getByRole("img").or(page.locator("figure"))).toBeVisible();
  await expectAccessible(page);
});

test("the inventory: a backup, the dialog that deletes it, and a backup that was not started", async ({ open, scene, watch }) => {
  watch.allow(/503/);
  const { database, backup } = scene;
  const page = await open(ada, { at: at.inventory(database) });
  await expect(page.getByRole("table", { name: `Backups of ${database}` })).toBeVisible();
  await expect(page).toHaveTitle(`Backup Inventory of ${database} · Backup & Restore`);
  await expectAccessible(page);
  const remove = page.getByRole("button", { name: `Delete ${backup.filename}` });
  await expectAccessibleDialog(page, remove, "Delete this backup?");
  await page.route(/\/backups$/, (route) =>
    route.request().method() === "POST"
      ? route.fulfill(problem(503, "unavailable", "The queue can’t be reached.", "Try again in some minutes."))
      : route.fallback(),
  );
  await main(page).getByRole("button", { name: "Create Backup" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "The backup was not started" })).toBeVisible();
  await expectAccessible(page);
});

test("the inventory: a failed backup, with what happened to it; and the details of it", async ({ open, failed }) => {
  const page = await open(ada, { at: at.inventory(failed.database) });
  const more = page.getByRole("button", { name: `What happened to ${failed.filename}` });
  await more.focus();
  await page.keyboard.press("Enter");
  await expect(more).toHaveAttribute("aria-expanded", "true");
  await expect(page.getByRole("heading", { name: "What happened", exact: true })).toBeVisible();
  await expectAccessible(page);
  await page.goto(`/#${at.backup(failed)}`);
  await expect(page.getByRole("region", { name: "Why it failed" })).toBeVisible();
  await expectAccessible(page);
});

test("the details of a backup", async ({ open, scene }) => {
  const page = await open(ada, { at: at.backup(scene.backup) });
  await expect(page.getByRole("region", { name: "Proof" })).toBeVisible();
  await expectAccessible(page);
});

test("Restore Options: a backup, what is missing, and the real run", async ({ open, scene }) => {
  const { database, backup } = scene;
  const page = await open(ada, { at: at.options(database) });
  await expect(page).toHaveTitle(`Restore Options, ${database} · Backup & Restore`);
  await page.getByRole("switch", { name: "Dry run" }).press("Space");
  await main(page).getByRole("button", { name: "Queue Restore" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "2 things are missing" })).toBeVisible();
  await expect(page.getByRole("textbox", { name: "Search the backups" })).toBeFocused();
  await expectAccessible(page);
  await page.getByRole("radio", { name: new RegExp(backup.filename) }).check();
  await expect(page.getByRole("alert").filter({ hasText: "One thing is missing" })).toBeVisible();
  await page.getByRole("switch", { name: "Dry run" }).press("Space");
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expectAccessible(page);
});

test("Restore Options: uploads, one that is not proven and one that is rejected for what is in it", async ({
  open,
  api,
  scene,
}) => {
  const { database } = scene;
  const unproven = await api.inspectedUpload(
    database,
    "plain.sql",
    Buffer.from("CREATE TABLE a (b int);\nINSERT INTO a VALUES (1);\n"),
  );
  const dangerous = "CREATE TABLE a (b int);\nCOPY a TO PROGRAM 'sh';\n\\! ls\nALTER SYSTEM SET fsync = off;\n";
  const rejected = await api.inspectedUpload(database, "dangerous.sql", Buffer.from(dangerous));
  const page = await open(ada, { at: at.options(database, `?upload=${unproven.id}`) });
  await page.getByRole("button", { name: "Queue Upload Restore" }).click();
  await expect(page.getByRole("checkbox", { name: /I know that nothing proves/ })).toBeFocused();
  await expectAccessible(page);
  await page.goto(`/#${at.options(database, `?upload=${rejected.id}`)}`);
  await expect(page.getByText("Rejected: it has dangerous content")).toBeVisible();
  await expect(page.getByText("Line 2", { exact: true })).toBeVisible();
  await expectAccessible(page);
});

test("a dry run with its report, and the dialog that applies it", async ({ open, scene }) => {
  const { rehearsal, database } = scene;
  const page = await open(ada, { at: at.run(rehearsal) });
  await expect(page.getByRole("region", { name: "What would change" })).toBeVisible();
  await expect(page).toHaveTitle(`Dry run of ${rehearsal.filename} · Backup & Restore`);
  await expectAccessible(page);
  await expectAccessibleDialog(
    page,
    page.getByRole("button", { name: "Apply…" }),
    `Replace ${database} with the rehearsed copy?`,
  );
});

const failure = {
  code: "load_failed",
  reason: "The server refused a statement of the file.",
  hint: "Read the server’s words below.",
  log: 'psql:<stdin>:4: ERROR:  relation "grade" already exists',
};
const can = {
  apply: { allowed: false, reason: "It is not rehearsed." },
  undo: { allowed: true },
  cancel: { allowed: true },
};
const later = new Date(Date.now() + 3_600_000).toISOString();

/** The states of a restore that another file brings about; here it is how they look. */
const states: Record<string, (r: Restore) => Restore> = {
  Queued: (r) => ({ ...r, state: "queued", can, report: undefined, held: undefined, startedAt: undefined, endedAt: undefined }),
  Running: (r) => ({
    ...r,
    state: "running",
    can,
    report: undefined,
    held: undefined,
    endedAt: undefined,
    progress: { stage: "load", bytes: 4e6, bytesTotal: 9e6, rows: 41_000, tablesDone: 12, tablesTotal: 30 },
  }),
  Restored: (r) => ({
    ...r,
    dryRun: false,
    state: "restored",
    can,
    switchedAt: r.endedAt,
    held: { name: "br_old", until: later },
  }),
  Undone: (r) => ({ ...r, dryRun: false, state: "undone", switchedAt: r.endedAt, undoneAt: r.endedAt, held: undefined }),
  Failed: (r) => ({ ...r, state: "failed", failure, report: undefined, held: undefined }),
  Expired: (r) => ({ ...r, state: "expired", held: undefined }),
};

test("a restore in each of its states", async ({ open, scene }) => {
  const { rehearsal } = scene;
  const page = await open(ada);
  let tell = states.Queued!;
  await retold<Restore>(page, new RegExp(`/restores/${rehearsal.id}$`), (r) => tell(r));
  await page.goto(`/#${at.run(rehearsal)}`);
  for (const [label, change] of Object.entries(states)) {
    tell = change;
    await page.reload();
    await expect(main(page).getByText(label, { exact: true }).first()).toBeVisible();
    await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
    for (const scheme of schemes) {
      await show(page, scheme);
      await expectNoViolationsNow(page);
    }
    await expectFits(page);
  }
});

test("nothing moves for those who asked their system for that", async ({ open, scene }) => {
  const { rehearsal } = scene;
  const page = await open(ada);
  await retold<Restore>(page, new RegExp(`/restores/${rehearsal.id}$`), (r) => ({
    ...states.Running!(r),
    progress: { stage: "stage", bytes: 0, rows: 0, tablesDone: 0 },
  }));
  await page.goto(`/#${at.run(rehearsal)}`);
  await expect(page.getByRole("progressbar").first()).toBeVisible();
  const moving = () => page.evaluate(() => document.getAnimations().filter((a) => a.playState === "running").length);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await expect.poll(moving).toBeGreaterThan(0);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await expect.poll(moving).toBe(0);
});

test("the activity, and the frame's menus open", async ({ open, scene }) => {
  const page = await open(cleo, { at: `/activity?database=${scene.database}` });
  await expect(main(page).getByRole("listitem").first()).toBeVisible();
  await expectAccessible(page);
  for (const scheme of schemes) {
    await show(page, scheme);
    for (const name of ["Light or dark", cleo.name]) {
      await page.getByRole("button", { name }).click();
      await expect(page.getByRole("menu")).toBeVisible();
      await expectNoViolationsNow(page);
      await page.keyboard.press("Escape");
      await expect(page.getByRole("menu")).toHaveCount(0);
    }
  }
});

test("what is not there, what may not be seen, and a session that has ended", async ({ open, watch }) => {
  watch.allow(/401|403/);
  const lost = await open(ada, { at: "/nowhere" });
  await expect(lost.getByRole("heading", { name: "Not found" })).toBeVisible();
  await expectAccessible(lost);
  const stranger = await open({ name: "Nobody", role: "" });
  await expect(stranger.getByRole("heading", { name: "You may not see this" })).toBeVisible();
  await expectAccessible(stranger);
  const late = await open(ada, { at: "/activity", refresh: false, access: { token: await token(ada, 1), seconds: -1 } });
  await expect(late.getByRole("dialog", { name: "Your session has ended" })).toBeVisible();
  await expect(late.getByRole("button", { name: "Sign in again" })).toBeFocused();
  await expectAccessible(late);
});

test("at 200 % everything is there, and can be used", async ({ open, scene }) => {
  const context = { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 };
  const page = await open(ada, { at: at.inventory(scene.database), context });
  await expectFits(page, [640]);
  await page.getByRole("button", { name: `Delete ${scene.backup.filename}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete the backup" }).click({ trial: true });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: `Restore ${scene.backup.filename}` }).click();
  await expectFits(page, [640]);
  await page.getByRole("button", { name: "Queue Restore" }).click({ trial: true });
});
