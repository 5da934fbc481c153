import type { Page, Request } from "@playwright/test";

import { Api, type Backup, type Restore } from "./api";
import { damage, dropDatabase, newDatabase } from "./stack";
import { expect, freshName, test as base } from "./test";

interface Scene {
  database: string;
  backup: Backup;
  /** A dry run of it, whose report tells of damage and whose copy can be applied. */
  rehearsal: Restore;
}

interface Prepared {
  /** A damaged database, with what is needed to look at every view of it. */
  scene: Scene;
  /** A backup that failed, as its database is gone. */
  failed: Backup;
  /** A created backup of the worker's database, which is whole. */
  backup: Backup;
  /** Its file. */
  dump: Buffer;
}

/** What takes long to make is made once for the tests of one worker that ask for it. They look at it and leave it as it is. */
export const test = base.extend<object, Prepared>({
  scene: [
    async ({}, give) => {
      const api = await Api.as();
      const database = await newDatabase(freshName("scene"));
      const backup = await api.createdBackup(database);
      await damage(database);
      const rehearsal = await api.rehearsed(database, backup.id);
      // A rehearsal is proof for its backup.
      await give({ database, backup: await api.backup(database, backup.id), rehearsal });
    },
    { scope: "worker", timeout: 240_000 },
  ],
  failed: [
    async ({}, give) => {
      const name = freshName("gone");
      await newDatabase(name);
      await dropDatabase(name);
      await give(await (await Api.as()).endedBackup(name));
    },
    { scope: "worker", timeout: 120_000 },
  ],
  backup: [async ({ database }, give) => give(await (await Api.as()).createdBackup(database)), { scope: "worker" }],
  dump: [async ({ backup }, give) => give(await (await Api.as()).file(backup)), { scope: "worker" }],
});

export { expect };

export const at = {
  inventory: (database: string) => `/databases/${database}/backups`,
  backup: ({ database, id }: Backup) => `/databases/${database}/backups/${id}`,
  options: (database: string, query = "") => `/databases/${database}/restore${query}`,
  run: ({ database, id }: Restore) => `/databases/${database}/restores/${id}`,
};

/** Changes the answers to a GET on their way, to show a state that the record passes quickly, or not at all. */
export async function retold<T>(page: Page, address: RegExp, change: (record: T) => T) {
  await page.route(address, async (route) => {
    if (route.request().method() !== "GET") return route.fallback();
    const response = await route.fetch();
    await route.fulfill({ response, json: change((await response.json()) as T) });
  });
}

/** An answer of the API that refuses. */
export const problem = (status: number, code: string, detail: string, hint?: string) => ({
  status,
  contentType: "application/problem+json",
  body: JSON.stringify({ type: "about:blank", title: code, status, code, detail, hint }),
});

/** Collects the calls of a page by method and address. Of nothing that was sent there is nothing to wait for: look after something else was seen. */
export function callsOf(page: Page, method: string, address: RegExp): Request[] {
  const calls: Request[] = [];
  page.on("request", (request) => {
    if (request.method() === method && address.test(new URL(request.url()).pathname)) calls.push(request);
  });
  return calls;
}

const literally = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The name of a control that can't be used, which says why. Browsers set what is out of sight apart from the rest by a space. */
export const refused = (name: string, why: string) => new RegExp(`^${literally(name)} ?: ${literally(why)}`);
