import type { Page } from "@playwright/test";
import { randomBytes } from "node:crypto";

import { choose, drop, inParts, partsArrive, text, turnToUploads, type Sample } from "./lib/files";
import { gate } from "./lib/inventory";
import { callsOf, expect, test } from "./lib/scene";
import { fillSignIn } from "./lib/session";
import { ada, stack } from "./lib/stack";

const at = (database: string) => `/databases/${database}/restore`;
const refusal = (page: Page) => page.getByRole("alert").filter({ hasText: "This file is not taken" });
const queueButton = (page: Page) => page.getByRole("button", { name: "Queue Upload Restore" });
const missing = (page: Page) => page.getByRole("alert").filter({ hasText: "Nothing has been queued" });
/** The upload of a name, in the list of those that were made. */
const upload = (page: Page, name: string) => page.getByRole("radio", { name: new RegExp(name.replaceAll(".", "\\.")) });

test.describe("a file that can't be restored is refused before anything is sent", () => {
  const accepted = "Choose a file whose name ends in .sql, .gz or .sql.gz.";
  const refused: [Sample[], string][] = [
    [[text("pupils.csv", "a,b")], `“pupils.csv” can’t be restored: its name ends in .csv. ${accepted}`],
    [[text("school.sql.zip", "PK")], `“school.sql.zip” can’t be restored: its name ends in .zip. ${accepted}`],
    [[text("notes.txt", "SELECT 1;")], `“notes.txt” can’t be restored: its name ends in .txt. ${accepted}`],
    [[text("dump", "SELECT 1;")], `“dump” can’t be restored: its name has no ending. ${accepted}`],
    [[text("nothing.sql", "")], "“nothing.sql” is empty. Check how it was made, then choose it again."],
  ];

  test("chosen with the button or dropped: the reason is said, and what is accepted", async ({ open, database }) => {
    const page = await open(ada, { at: at(database) });
    const calls = callsOf(page, "POST", /./);
    await turnToUploads(page);
    for (const [files, said] of refused) {
      await choose(page, ...files);
      await expect(refusal(page)).toContainText(said);
    }
    for (const [files, said] of refused) {
      await drop(page, ...files);
      await expect(refusal(page)).toContainText(said);
    }
    await drop(page, text("one.sql", "SELECT 1;"), text("two.sql", "SELECT 2;"));
    await expect(refusal(page)).toContainText("2 files were chosen, and a restore takes one.");
    expect(calls.map((call) => call.url())).toEqual([]);
  });
});

test.describe("a file that is rejected", () => {
  // What is in the file, and what the page must say of it.
  const rejected: { title: string; sample: (dump: Buffer) => Sample; says: (string | RegExp)[] }[] = [
    {
      title: "a web page that is named .sql is not SQL",
      sample: () => text("page.sql", "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"),
      says: ["Rejected: it is not SQL text", /HTML/],
    },
    {
      title: "a compressed file that was cut says at which line, and inside what",
      sample: (dump) => ({ name: "cut.sql.gz", content: dump.subarray(0, Math.floor(dump.length / 2)) }),
      says: ["Rejected: it is cut short", /Cut short at line [\d,]+/],
    },
    {
      title: "dangerous content is shown line by line, with why and what to do, and was not run",
      sample: () =>
        text(
          "hazards.sql",
          "CREATE TABLE t (a text);\n\\! touch /tmp/never\nSELECT 1;\nCOPY t FROM PROGRAM 'touch /tmp/never';\n",
        ),
      says: [
        "Rejected: it has dangerous content",
        "It has 2 things in it that must not be run, or can’t be. Nothing of it was run.",
        /Line 2\s*\\! touch \/tmp\/never\s*Why:.+What to do:/s,
        /Line 4\s*COPY t FROM PROGRAM 'touch \/tmp\/never';?\s*Why:.+What to do:/s,
      ],
    },
  ];

  for (const { title, sample, says } of rejected) {
    test(title, async ({ open, database, dump }) => {
      const page = await open(ada, { at: at(database) });
      const restores = callsOf(page, "POST", /\/restores$/);
      await turnToUploads(page);
      const file = sample(dump);
      await choose(page, file);
      const main = page.getByRole("main");
      for (const said of says) await expect(main).toContainText(said, { timeout: 60_000 });
      await expect(upload(page, file.name).first()).toBeChecked();
      await queueButton(page).click();
      await expect(missing(page)).toContainText(`${file.name} was rejected. Read why, then choose another file.`);
      expect(restores, "restores that were queued").toHaveLength(0);
    });
  }
});

test("a backup's own file, dropped on the page, is sent to the bucket, inspected and rehearsed", async ({
  open,
  database,
  backup,
  dump,
}) => {
  const page = await open(ada, { at: at(database) });
  const sent = callsOf(page, "POST", /^(?!\/api\/)/);
  const queued = callsOf(page, "POST", /\/restores$/);
  await turnToUploads(page);
  await drop(page, { name: backup.filename, content: dump });
  const main = page.getByRole("main");
  await expect(page.getByText("Accepted: it can be restored")).toBeVisible({ timeout: 90_000 });
  await expect(main).toContainText(new RegExp(`It has \\d+ tables with ${backup.rows!.toLocaleString("en-GB")} rows\\.`));
  await expect(main).toContainText("Proven by its end mark");
  await expect(main).toContainText(backup.sha256!);
  // The link is the right by itself: no token leaves for the bucket.
  expect(sent.map((call) => call.headers().authorization)).toEqual([undefined]);

  const review = page.getByRole("region", { name: "Review" });
  await expect(review).toContainText(backup.filename);
  await expect(review).toContainText(`Dry run: ${database} stays as it is`);
  await queueButton(page).click();
  await expect(main).toContainText(`The live database ${database} was not touched.`, { timeout: 90_000 });
  await expect(main).toContainText("Live and the copy have as many rows in each of");
  expect(queued.map((call) => call.postDataJSON() as unknown)).toEqual([
    { source: { upload: expect.any(String) as unknown }, dryRun: true },
  ]);
});

test("a script that nothing proves to be complete wants that to be acknowledged; one that fails says at which line", async ({
  open,
  database,
}) => {
  const page = await open(ada, { at: at(database) });
  const queued = callsOf(page, "POST", /\/restores$/);
  await turnToUploads(page);
  await choose(
    page,
    text("by-hand.sql", "CREATE TABLE pupil (id int);\nINSERT INTO pupil VALUES (1);\nINSERT INTO teacher VALUES (1);\n"),
  );
  await expect(page.getByText("Accepted, but nothing proves that it is complete")).toBeVisible({ timeout: 60_000 });
  const tick = page.getByRole("checkbox", { name: "I know that nothing proves this file to be complete" });
  await expect(tick).not.toBeChecked();
  await queueButton(page).click();
  const said = "Nothing proves that the file is complete: tick that you know this.";
  await expect(missing(page)).toContainText(said);
  await expect(tick).toBeFocused();
  await expect(tick).toHaveAccessibleDescription(said);
  expect(queued, "restores that were queued").toHaveLength(0);

  await page.keyboard.press("Space");
  await expect(missing(page)).toHaveCount(0);
  await queueButton(page).click();
  await expect(page.getByText("Failed", { exact: true })).toBeVisible({ timeout: 90_000 });
  expect(queued.map((call) => (call.postDataJSON() as { acceptUnproven: boolean }).acceptUnproven)).toEqual([true]);
  const main = page.getByRole("main");
  await expect(main).toContainText(`The live database ${database} is as it was.`);
  await expect(main).toContainText(/line 3/i);
  await expect(main).toContainText(/teacher/);
});

test.describe("while a file is being sent", () => {
  const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 128 << 10 };

  test("its progress is shown; it can be cancelled, and goes on when the same file is chosen again", async ({
    open,
    database,
    watch,
  }) => {
    // The one that is cancelled.
    watch.allow(/net::ERR_ABORTED/);
    const page = await open(ada, { at: at(database) });
    const announced = callsOf(page, "POST", /\/uploads$/);
    const file = { name: "big.sql", content: Buffer.from(`SELECT 1; -- ${randomBytes(1 << 20).toString("hex")}\n`) };
    await turnToUploads(page);
    const wire = await page.context().newCDPSession(page);
    await wire.send("Network.enable");
    await wire.send("Network.emulateNetworkConditions", slow);
    await drop(page, file);
    const bar = page.getByRole("progressbar", { name: "big.sql: Sending the file" });
    await expect(bar).toBeVisible();
    await expect.poll(async () => Number(await bar.getAttribute("aria-valuenow"))).toBeGreaterThan(0);
    await expect(page.getByText(/of 2.1 MB · .+ a second · about .+ left/)).toBeVisible();
    await queueButton(page).click();
    await expect(missing(page)).toContainText("The file is still being sent. Wait until it was inspected.");
    await expect(page.locator(":focus").getByRole("heading", { name: "What to restore" })).toBeVisible();

    // Another view does not end it.
    await page.getByRole("link", { name: "Activity" }).click();
    await expect(page.getByRole("heading", { name: "Activity" })).toBeVisible();
    await page.goBack();
    await expect(bar).toBeVisible();

    await page.getByRole("button", { name: "Cancel the upload" }).click();
    await expect(bar).toHaveCount(0);
    await expect(page.getByRole("button", { name: "Choose a file" })).toBeVisible();
    await expect(upload(page, "big.sql").first()).toBeVisible();
    await wire.send("Network.emulateNetworkConditions", { ...slow, uploadThroughput: -1 });
    await drop(page, file);
    await expect(page.getByText("Accepted, but nothing proves that it is complete")).toBeVisible({ timeout: 60_000 });
    expect(announced, "uploads that were announced").toHaveLength(1);
  });

  test("a session that ends takes nothing away: what was typed is there, and the upload goes on after signing in again", async ({
    open,
    database,
    watch,
  }) => {
    watch.allow(/401/);
    const page = await open(ada, { at: at(database), refresh: false });
    await turnToUploads(page);
    await page.getByRole("switch", { name: "Dry run" }).uncheck();
    const half = database.slice(0, 5);
    const field = page.getByRole("textbox", { name: `Type the database’s name, ${database}, to confirm` });
    await field.fill(half);

    const bucket = gate();
    await page.route(
      (url) => !url.href.startsWith(stack.url),
      async (route) => {
        await bucket.opened;
        await route.continue();
      },
    );
    await choose(page, text("patient.sql", "CREATE TABLE pupil (id int);\n"));
    await expect(page.getByRole("progressbar", { name: "patient.sql: Sending the file" })).toBeVisible();
    await page.route(
      (url) => url.href.startsWith(`${stack.url}/api/`),
      (route) => route.fulfill({ status: 401 }),
    );
    const dialog = page.getByRole("dialog", { name: "Your session has ended" });
    await expect(dialog).toBeVisible();
    bucket.open();
    await expect(page.getByText("Sign in again to go on; what has been sent stays")).toBeAttached();
    await page.unrouteAll();
    const popup = page.waitForEvent("popup");
    await dialog.getByRole("button", { name: "Sign in again" }).click();
    await fillSignIn(await popup, ada);
    await expect(dialog).toHaveCount(0);
    await expect(page.getByText("Accepted, but nothing proves that it is complete")).toBeVisible({ timeout: 60_000 });
    await expect(field).toHaveValue(half);
    await expect(page.getByRole("switch", { name: "Dry run" })).not.toBeChecked();
  });

  test("a file of more than 5 GiB goes in parts, by fresh links where one has ended; after a reload only what is missing is sent", async ({
    open,
    api,
    database,
    watch,
  }) => {
    watch.allow(/403/);
    const gib = 2 ** 30;
    expect(await api.announceUpload(database, "most.sql", 5 * gib)).not.toHaveProperty("parts");
    const { parts } = await api.announceUpload(database, "more.sql", 5 * gib + 1);
    expect(parts!.urls).toHaveLength(Math.ceil((5 * gib + 1) / parts!.partSize));

    const page = await open(ada, { at: at(database) });
    await inParts(page, 100);
    const file = text("large.sql", `SELECT 1; -- ${"x".repeat(8137)}`);
    const fresh = callsOf(page, "POST", /\/links$/);
    const arrived: number[] = [];
    let ended: string | undefined;
    let most = 40;
    await partsArrive(page, (part, url) => {
      // The link of one part has ended, whoever uses it.
      if (part === 3) ended ??= url;
      if (url === ended) return 403;
      // Who is not answered waits until the page is left.
      if (arrived.length >= most) return undefined;
      arrived.push(part);
      return 200;
    });
    const { opened, open: complete } = gate();
    await page.route(/\/complete$/, async (route) => {
      await opened;
      await route.fulfill({ status: 202, json: {} });
    });
    await turnToUploads(page);
    await drop(page, file);
    await expect(page.getByText("4 kB of 8.15 kB")).toBeVisible();
    expect(fresh, "fresh links that were asked for").toHaveLength(1);

    // What a page stores is on its way for a moment, and a page that is loaded anew may come before it. Another page of the browser tells.
    const other = await page.context().newPage();
    await other.goto("/config.json");
    const stored = () => other.evaluate((key) => localStorage.getItem(key), `uploads:${database}`);
    await expect.poll(async () => (JSON.parse((await stored()) ?? "[]") as { parts: number[] }[])[0]?.parts).toHaveLength(40);

    // Leaving the page would end it, so the browser asks.
    const asked = page.waitForEvent("dialog");
    const reloaded = page.reload();
    const question = await asked;
    expect(question.type()).toBe("beforeunload");
    await question.accept();
    await reloaded;
    most = Infinity;
    await turnToUploads(page);
    await upload(page, "large.sql").first().check();
    await expect(page.getByText("40 parts of it need not be sent again")).toBeVisible();
    await drop(page, file);
    await expect(page.getByText("It goes on where it stopped: 4 kB had arrived before.")).toBeVisible();
    complete();
    await expect(page.getByRole("status").filter({ hasText: "large.sql has been sent. It is being inspected." })).toBeAttached();
    expect(arrived.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 82 }, (_, i) => i + 1));
  });

  test("a bucket that refuses the file is said, and another try goes on with the same upload", async ({
    open,
    database,
    watch,
  }) => {
    watch.allow(/403/);
    const page = await open(ada, { at: at(database) });
    const announced = callsOf(page, "POST", /\/uploads$/);
    await turnToUploads(page);
    let refuses = true;
    await page.route(
      (url) => !url.href.startsWith(stack.url),
      (route) =>
        refuses
          ? route.fulfill({
              status: 403,
              headers: { "Access-Control-Allow-Origin": "*" },
              contentType: "application/xml",
              body: "<Error><Code>AccessDenied</Code></Error>",
            })
          : route.continue(),
    );
    await choose(page, text("refused.sql", "CREATE TABLE pupil (id int);\n"));
    const alert = page.getByRole("alert").filter({ hasText: "The bucket refused refused.sql: HTTP status 403, AccessDenied." });
    await expect(alert).toBeVisible();
    await expect(page.getByText("The file has not arrived")).toBeVisible();
    refuses = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await expect(page.getByText("Accepted, but nothing proves that it is complete")).toBeVisible({ timeout: 60_000 });
    expect(announced, "uploads that were announced").toHaveLength(1);
  });
});
