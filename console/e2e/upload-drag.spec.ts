import type { Locator, Page } from "@playwright/test";
import { writeFile } from "node:fs/promises";

import { choose, text, turnToUploads } from "./lib/files";
import { gate } from "./lib/inventory";
import { at, expect, test } from "./lib/scene";
import { ada, cleo, stack } from "./lib/stack";

const area = (page: Page) => page.getByText(/^(Drop a file here|Let go)/);
const takes = (page: Page) => page.getByText("Let go, and the file is uploaded");

type Step = "dragEnter" | "dragOver" | "drop";

/** A file of this machine's disk that the browser is told is being dragged, as a window system tells it: what nothing in the page takes, it opens. */
async function dragged(page: Page, path: string) {
  const browser = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  return async (over: Locator, ...steps: Step[]) => {
    const box = (await over.boundingBox())!;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    for (const type of steps) await browser.send("Input.dispatchDragEvent", { type, x, y, data });
  };
}

interface Watched {
  heard: string[];
}

/** Notes what is dragged over the page from now on, and whether anything in it dealt with that: else the browser opens the file. */
const watched = (page: Page) =>
  page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(window, { heard });
    // The last that is told.
    for (const type of ["dragover", "drop"] as const)
      window.addEventListener(type, (event) =>
        heard.push(`${type} ${event.defaultPrevented ? "dealt with" : "left to the browser"}`),
      );
  });

/** The page is the one that it was, and nothing was left to the browser, which would open it in its place. */
async function expectStayed(page: Page, address: string, ...heard: string[]) {
  // A page that was opened anew has heard nothing.
  expect([...new Set(await page.evaluate(() => (window as unknown as Partial<Watched>).heard))]).toEqual(heard);
  expect(page.url()).toBe(address);
}

test("a file over the page is shown to be taken, until it leaves; dropped, it is uploaded", async ({ open, database }, info) => {
  const path = info.outputPath("dragged.sql");
  await writeFile(path, "CREATE TABLE pupil (id int);\n");
  const page = await open(ada, { at: at.options(database) });
  await turnToUploads(page);
  await watched(page);
  const drag = await dragged(page, path);
  await expect(takes(page)).toHaveCount(0);
  await drag(area(page), "dragEnter", "dragOver");
  await expect(takes(page)).toBeVisible();
  // That a file has left the window is told by window systems only.
  await page.locator("body").dispatchEvent("dragleave");
  await expect(takes(page)).toHaveCount(0);
  await expect(page.getByText("Drop a file here, or")).toBeVisible();

  await drag(area(page), "dragEnter", "dragOver", "drop");
  await expect(page.getByText("Accepted, but nothing proves that it is complete")).toBeVisible({ timeout: 60_000 });
  await expect(page.getByRole("radio", { name: /dragged\.sql/ }).first()).toBeChecked();
  await expectStayed(page, page.url(), "dragover dealt with", "drop dealt with");
});

test("a file that falls beside the area is taken as well, and another kind is refused there too", async ({
  open,
  database,
}, info) => {
  const path = info.outputPath("beside.csv");
  await writeFile(path, "a,b\n");
  const page = await open(ada, { at: at.options(database) });
  await turnToUploads(page);
  const address = page.url();
  await watched(page);
  const drag = await dragged(page, path);
  await drag(page.getByRole("banner"), "dragEnter", "dragOver");
  await expect(takes(page)).toBeVisible();
  await drag(page.getByRole("banner"), "drop");
  await expect(page.getByRole("alert").filter({ hasText: "This file is not taken" })).toContainText("its name ends in .csv");
  await expect(takes(page)).toHaveCount(0);
  await expectStayed(page, address, "dragover dealt with", "drop dealt with");
});

test.describe("where nothing takes a file, one that falls does not take the page away", () => {
  test("in other views, and for who may not upload", async ({ open, database, backup }, info) => {
    const path = info.outputPath("stray.sql");
    await writeFile(path, "SELECT 1;\n");
    for (const [person, view, uploads] of [
      [ada, at.inventory(database), false],
      [ada, at.backup(backup), false],
      [ada, at.options(database), false],
      [cleo, at.options(database), true],
    ] as const) {
      const page = await open(person, { at: view });
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      if (uploads) await turnToUploads(page);
      const address = page.url();
      await watched(page);
      const drag = await dragged(page, path);
      await drag(page.getByRole("heading", { level: 1 }), "dragEnter", "dragOver", "drop");
      await expectStayed(page, address, "dragover dealt with");
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await expect(takes(page)).toHaveCount(0);
    }
  });

  test("while another one is being sent, which goes on", async ({ open, database }, info) => {
    const path = info.outputPath("second.sql");
    await writeFile(path, "SELECT 2;\n");
    const page = await open(ada, { at: at.options(database) });
    await turnToUploads(page);
    const bucket = gate();
    await page.route(
      (url) => !url.href.startsWith(stack.url),
      async (route) => {
        await bucket.opened;
        await route.continue();
      },
    );
    await choose(page, text("first.sql", "CREATE TABLE pupil (id int);\n"));
    const bar = page.getByRole("progressbar", { name: "first.sql: Sending the file" });
    await expect(bar).toBeVisible();
    await watched(page);
    const drag = await dragged(page, path);
    await drag(bar, "dragEnter", "dragOver", "drop");
    await expectStayed(page, page.url(), "dragover dealt with");
    await expect(bar).toBeVisible();
    bucket.open();
    await expect(page.getByText("Accepted, but nothing proves that it is complete")).toBeVisible({ timeout: 60_000 });
    await expect(page.getByRole("radio", { name: /first\.sql/ }).first()).toBeChecked();
  });
});
