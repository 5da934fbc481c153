import { randomBytes } from "node:crypto";
import { test as base, expect, type Browser, type BrowserContextOptions, type Page } from "@playwright/test";

import { Api } from "./api";
import { enter, type SessionOptions } from "./session";
import { newDatabase, type Person } from "./stack";
import { Watch } from "./watch";

interface OpenOptions extends SessionOptions {
  /** Where in the page, after the #; the start by default. */
  at?: string;
  context?: BrowserContextOptions;
}

interface Fixtures {
  /** Collects what the page must not do; the test fails by what is left at its end. */
  watch: Watch;
  /** A browser of its own in which nobody is signed in. */
  visitor: (context?: BrowserContextOptions) => Promise<Page>;
  /** A browser of its own in which a person is signed in. */
  open: (person: Person, options?: OpenOptions) => Promise<Page>;
  /** The API as a super admin. */
  api: Api;
}

interface WorkerFixtures {
  /** A copy of the demo database for the tests of one worker, which leave it whole. */
  database: string;
}

/** The name of a database of which nobody else knows. */
export const freshName = (hint: string) => `${hint}-${randomBytes(3).toString("hex")}`;

async function newPage(browser: Browser, watch: Watch, options?: BrowserContextOptions): Promise<Page> {
  const context = await browser.newContext(options);
  await watch.over(context);
  return context.newPage();
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  watch: [
    async ({}, give) => {
      const watch = new Watch();
      await give(watch);
      expect(watch.findings, "what the page did besides").toEqual([]);
    },
    { auto: true },
  ],
  visitor: async ({ browser, watch }, give) => {
    const pages: Page[] = [];
    await give(async (context) => {
      const page = await newPage(browser, watch, context);
      pages.push(page);
      return page;
    });
    await Promise.all(pages.map((page) => page.context().close()));
  },
  open: async ({ visitor }, give) => {
    await give(async (person, { at = "/", context, ...session } = {}) => {
      const page = await visitor(context);
      await enter(page, person, session);
      await page.goto(`/#${at}`);
      return page;
    });
  },
  api: async ({}, give) => give(await Api.as()),
  database: [async ({}, give) => give(await newDatabase(freshName("campus"))), { scope: "worker" }],
});

export { expect };
