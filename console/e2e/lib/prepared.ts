import type { Page, Request } from "@playwright/test";
import { randomBytes } from "node:crypto";

import { Api, type Backup } from "./api";
import { sql, value } from "./stack";
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

/** Keeps a table to itself, so that a job that reads it waits there. Gives what lets it go. */
export async function lockTable(database: string, table: string): Promise<() => Promise<void>> {
  const session = `lock-${randomBytes(4).toString("hex")}`;
  const of = `FROM pg_stat_activity a WHERE application_name = '${session}'`;
  const lock = `SET application_name = '${session}'; BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)`;
  let failure: unknown;
  // It ends with an error: its session is cut off.
  const held = sql(database, lock).catch((error: unknown) => (failure = error));
  const granted = () => {
    if (failure !== undefined) throw failure;
    return value(
      database,
      `SELECT count(*) ${of} AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND granted AND mode = 'AccessExclusiveLock')`,
    );
  };
  await expect.poll(granted, `the lock of ${table}`).toBe("1");
  return async () => {
    await sql(database, `SELECT pg_terminate_backend(pid) ${of}`);
    await held;
  };
}

/** Collects the calls of a page by method and address. Of nothing that was sent there is nothing to wait for: look after something else was seen. */
export function callsOf(page: Page, method: string, address: RegExp): Request[] {
  const calls: Request[] = [];
  page.on("request", (request) => {
    if (request.method() === method && address.test(new URL(request.url()).pathname)) calls.push(request);
  });
  return calls;
}

/** Answers a call as the API does where it refuses one. */
export const problem = (status: number, code: string, detail: string, hint?: string) => ({
  status,
  contentType: "application/problem+json",
  body: JSON.stringify({ type: "about:blank", title: code, status, code, detail, hint }),
});
