import type { Page } from "@playwright/test";

import { Api, type Backup, type Restore } from "./api";
import { damage, dropDatabase, newDatabase } from "./stack";
import { expect, freshName, test as base } from "./test";

interface Scene {
  database: string;
  backup: Backup;
  /** A dry run of it, whose report tells of damage and whose copy can be applied. */
  rehearsal: Restore;
}

/** What takes long to make is made once for the tests of one worker, which look at it and leave it as it is. */
export const test = base.extend<object, { scene: Scene; failed: Backup }>({
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
