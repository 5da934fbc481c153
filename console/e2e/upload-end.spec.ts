import type { Page, Route } from "@playwright/test";

import { choose, inParts, partsArrive, text, turnToUploads } from "./lib/files";
import { at, callsOf, expect, problem, test } from "./lib/scene";
import { ada } from "./lib/stack";

const gone = problem(
  409,
  "upload_gone",
  "The parts of this upload are no longer there: they are kept for a day.",
  "Begin a new upload.",
);
// As the gateway answers for a call that takes too long.
const cutOff = { status: 503, contentType: "application/json", body: '{"message":"Service Unavailable"}' };
const joined = { status: 202, json: {} };

const file = text("large.sql", `SELECT 1; -- ${"x".repeat(1000)}\n`);
const partSize = 400;
const completing = (page: Page) =>
  page.getByRole("progressbar", { name: "large.sql: The file has been sent; its arrival is being confirmed" });

/** Has a small file go in parts, as those of more than 5 GiB do, to a bucket that takes each. */
async function sendInParts(page: Page): Promise<number[]> {
  await inParts(page, partSize);
  const arrived: number[] = [];
  await partsArrive(page, (part) => {
    arrived.push(part);
    return 200;
  });
  await turnToUploads(page);
  // Time passes as ever, and faster where a test has it so.
  await page.clock.install();
  await choose(page, file);
  return arrived;
}

/** Answers that an upload is complete are these, one after the other; the last one stays. */
async function answers(page: Page, ...all: Parameters<Route["fulfill"]>[0][]) {
  await page.route(/\/complete$/, (route) => route.fulfill(all.length > 1 ? all.shift() : all[0]));
}

/** Lets the time pass for which the page waits, until it has called so often. */
async function untilCalled(page: Page, calls: unknown[], times: number) {
  await expect
    .poll(async () => {
      if (calls.length < times) await page.clock.fastForward(1_000);
      return calls.length;
    })
    .toBeGreaterThanOrEqual(times);
}

test.beforeEach(({ watch }) => watch.allow(/409|503/));

test("while the bucket joins the parts, calls are cut off and the parts seem gone: the page asks until the file has arrived", async ({
  open,
  database,
}) => {
  const page = await open(ada, { at: at.options(database) });
  const calls = callsOf(page, "POST", /\/complete$/);
  // Cut off more often than any other call is tried.
  await answers(page, cutOff, cutOff, cutOff, cutOff, cutOff, gone, gone, joined);
  const arrived = await sendInParts(page);
  await untilCalled(page, calls, 6);
  await expect(completing(page)).toBeVisible();
  await expect(page.getByRole("alert").filter({ hasText: /./ })).toHaveCount(0);
  await untilCalled(page, calls, 8);
  await expect(page.getByRole("status").filter({ hasText: "large.sql has been sent. It is being inspected." })).toBeAttached();
  expect(
    arrived.toSorted((a, b) => a - b),
    "parts that were sent",
  ).toEqual([1, 2, 3]);
});

test("parts that stay gone are said after three minutes, not before, and another try is a new upload from its beginning", async ({
  open,
  database,
}) => {
  const page = await open(ada, { at: at.options(database) });
  const calls = callsOf(page, "POST", /\/complete$/);
  const announced = callsOf(page, "POST", /\/uploads$/);
  await answers(page, gone);
  const arrived = await sendInParts(page);
  await untilCalled(page, calls, 2);
  await page.clock.fastForward("02:30");
  await untilCalled(page, calls, 4);
  await expect(completing(page)).toBeVisible();

  await page.clock.fastForward("01:00");
  const alert = page.getByRole("alert").filter({ hasText: "The parts of this upload are no longer there" });
  await expect(alert).toContainText("Begin a new upload.");
  await expect(page.getByText("The file has not arrived")).toBeVisible();
  await expect(completing(page)).toHaveCount(0);

  await page.unroute(/\/complete$/);
  await answers(page, joined);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("status").filter({ hasText: "large.sql has been sent. It is being inspected." })).toBeAttached();
  expect(announced, "uploads that were announced").toHaveLength(2);
  expect(
    arrived.toSorted((a, b) => a - b),
    "parts that were sent",
  ).toEqual([1, 1, 2, 2, 3, 3]);
});

test("a service that stays away is said after three minutes, and another try sends nothing twice", async ({ open, database }) => {
  const page = await open(ada, { at: at.options(database) });
  const calls = callsOf(page, "POST", /\/complete$/);
  const announced = callsOf(page, "POST", /\/uploads$/);
  await answers(page, cutOff);
  const arrived = await sendInParts(page);
  await untilCalled(page, calls, 5);
  await expect(completing(page)).toBeVisible();
  await page.clock.fastForward("03:01");
  await expect
    .poll(async () => {
      await page.clock.fastForward(1_000);
      return page.getByText("The file has not arrived").count();
    })
    .toBe(1);
  await expect(page.getByRole("alert").filter({ hasText: "The service answered with HTTP status 503." })).toContainText(
    "Try again in some seconds.",
  );

  await page.unroute(/\/complete$/);
  await answers(page, joined);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("status").filter({ hasText: "large.sql has been sent. It is being inspected." })).toBeAttached();
  expect(announced, "uploads that were announced").toHaveLength(1);
  expect(
    arrived.toSorted((a, b) => a - b),
    "parts that were sent",
  ).toEqual([1, 2, 3]);
});
