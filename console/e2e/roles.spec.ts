import type { Locator, Page } from "@playwright/test";

import { at, expect, refused, test } from "./lib/scene";
import { ada, ben, cleo, type Person } from "./lib/stack";

interface Someone {
  person: Person;
  /** What the page calls the role. */
  role: string;
  may: string[];
}

const everything = [
  "backups:create",
  "backups:download",
  "backups:delete",
  "restores:rehearse",
  "restores:run",
  "cron-key:reveal",
  "cron-key:regenerate",
];

const people: Someone[] = [
  { person: ada, role: "Super admin", may: everything },
  { person: ben, role: "Operator", may: ["backups:create", "backups:download", "restores:rehearse"] },
  { person: cleo, role: "Auditor", may: [] },
];

/** The control can be used by whom it is for; for others it is there, says why it can't be used, and does nothing. */
async function expectControl(where: Locator, name: string, needs: string, { may }: Someone) {
  if (may.includes(needs)) {
    const button = where.getByRole("button", { name, exact: true });
    await expect(button).toBeEnabled();
    await expect(button).not.toHaveAttribute("aria-disabled", "true");
    return;
  }
  const lacking = `Your role lacks the permission ${needs}.`;
  const button = where.getByRole("button", { name: refused(name, lacking) });
  await expect(button, name).toHaveAttribute("aria-disabled", "true");
  // A tooltip is for those who come by keyboard.
  await button.focus();
  await button.page().keyboard.press("Shift+Tab");
  await button.page().keyboard.press("Tab");
  await expect(button, name).toBeFocused();
  const tooltip = button.page().getByRole("tooltip");
  // That of the control before fades.
  await expect(tooltip, name).toHaveCount(1);
  await expect(tooltip, name).toContainText(lacking);
  await button.press("Enter");
  await expect(button.page().getByRole("dialog")).toHaveCount(0);
  await button.blur();
  await expect(tooltip).toHaveCount(0);
}

/** Collects what a page asks the API to change. */
function changesOf(page: Page): string[] {
  const changes: string[] = [];
  page.on("request", (request) => {
    if (request.method() !== "GET" && request.url().includes("/api/")) changes.push(`${request.method()} ${request.url()}`);
  });
  return changes;
}

for (const someone of people) {
  const { person, role, may } = someone;

  test(`the page says who is signed in, and as what: ${person.role}`, async ({ open }) => {
    const page = await open(person);
    await page.getByRole("button", { name: person.name }).click();
    await expect(page.getByRole("menu")).toContainText(role);
  });

  test(`every control can be used, or says which permission is missing: ${person.role}`, async ({ open, scene }) => {
    const { database, backup, rehearsal } = scene;
    const page = await open(person, { at: at.inventory(database) });
    const changes = changesOf(page);
    const main = page.getByRole("main");
    const ofBackup = async (where: Locator) => {
      await expectControl(where, `Download ${backup.filename}`, "backups:download", someone);
      await expectControl(where, `Restore ${backup.filename}`, "restores:rehearse", someone);
      await expectControl(where, `Delete ${backup.filename}`, "backups:delete", someone);
    };

    await expectControl(main, "Create Backup", "backups:create", someone);
    await ofBackup(page.getByRole("table").getByRole("row").filter({ hasText: backup.filename }));
    await expect(main.getByRole("button", { name: "Refresh" })).toBeEnabled();

    await page.goto(`/#${at.backup(backup)}`);
    await expect(page.getByRole("heading", { level: 1, name: backup.filename })).toBeVisible();
    await ofBackup(main);

    await page.goto(`/#${at.options(database)}`);
    await expectControl(main, "Queue Restore", "restores:rehearse", someone);
    await main.getByText("From an uploaded file", { exact: true }).click();
    await expectControl(main, "Choose a file", "restores:rehearse", someone);
    await expectControl(main, "Queue Upload Restore", "restores:rehearse", someone);

    await page.goto(`/#${at.run(rehearsal)}`);
    await expectControl(main, "Apply…", "restores:run", someone);
    await expect(main.getByRole("button", { name: "Download the report" })).toBeEnabled();

    await page.goto("/#/cron-key");
    await expectControl(main, "Reveal", "cron-key:reveal", someone);
    await expectControl(main, "Regenerate Cron Key", "cron-key:regenerate", someone);
    expect(changes).toEqual([]);
  });

  test(`a real run needs restores:run, and the dry run stays on without it: ${person.role}`, async ({ open, scene }) => {
    const page = await open(person, { at: at.options(scene.database, `?backup=${scene.backup.id}`) });
    const dryRun = page.getByRole("switch", { name: "Dry run" });
    await expect(dryRun).toBeChecked();
    await dryRun.press("Space");
    if (may.includes("restores:run")) {
      await expect(dryRun).not.toBeChecked();
      await expect(page.getByRole("textbox", { name: `Type the database’s name, ${scene.database}, to confirm` })).toBeVisible();
      return;
    }
    const refusal = page.getByRole("alert").filter({ hasText: "You can’t turn the dry run off" });
    await expect(refusal).toContainText("restores:run");
    await expect(dryRun).toBeChecked();
  });
}

const nobody: Person = { name: "Nobody In Particular", role: "" };

test("who has no role is told so in every view, and sees nothing of what is there", async ({ open, scene, watch }) => {
  watch.allow(/403/);
  const page = await open(nobody);
  const forbidden = page.getByRole("heading", { name: "You may not see this" });
  await expect(forbidden).toBeVisible();
  await page.getByRole("button", { name: nobody.name }).click();
  await expect(page.getByRole("menu")).toContainText("No role: ask an administrator for one");
  await page.keyboard.press("Escape");
  const { database, backup, rehearsal } = scene;
  const views = [at.inventory(database), at.backup(backup), at.options(database), at.run(rehearsal), "/cron-key"];
  for (const view of views) {
    await page.goto(`/#${view}`);
    await expect(forbidden.first(), view).toBeVisible();
    await expect(page.getByRole("main"), view).toContainText("Your role lacks the permission backups:read.");
    await expect(page.getByRole("main"), view).not.toContainText(backup.filename);
  }
  await page.goto("/#/activity");
  await expect(page.getByRole("main")).toContainText("Your role lacks the permission activity:read.");
});

test("the activity is for super admins and auditors; an operator is told which permission is missing", async ({ open }) => {
  for (const person of [ada, cleo]) {
    const page = await open(person, { at: "/activity" });
    await expect(page.getByRole("search", { name: "Filter the activity" })).toBeVisible();
  }
  const page = await open(ben, { at: "/activity" });
  await expect(page.getByRole("heading", { name: "You may not see this" })).toBeVisible();
  await expect(page.getByRole("main")).toContainText("Your role lacks the permission activity:read.");
  await expect(page.getByRole("search")).toHaveCount(0);
});
