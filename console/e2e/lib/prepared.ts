import type { Page, Request } from "@playwright/test";

import { Api, type Backup } from "./api";
import { expect, test as base } from "./test";

interface Prepared {
  /** A created backup of the worker's database. */
  backup: Backup;
  /** Its file. */
  dump: Buffer;
}

/** What takes long to make is made once for the tests of one worker. */
export const test = base.extend<object, Prepared>({
  backup: [async ({ database }, give) => give(await (await Api.as()).createdBackup(database)), { scope: "worker" }],
  dump: [async ({ backup }, give) => give(await (await Api.as()).file(backup)), { scope: "worker" }],
});

export { expect };

/** Collects the calls of a page by method and address. Of nothing that was sent there is nothing to wait for: look after something else was seen. */
export function callsOf(page: Page, method: string, address: RegExp): Request[] {
  const calls: Request[] = [];
  page.on("request", (request) => {
    if (request.method() === method && address.test(new URL(request.url()).pathname)) calls.push(request);
  });
  return calls;
}
