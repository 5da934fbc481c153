import createClient from "openapi-fetch";
import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import type { components, paths } from "../../src/api/schema";
import { ada, stack, token, type Person } from "./stack";

type Schemas = components["schemas"];
export type Backup = Schemas["BackupDetail"];
export type ReportDocument = Schemas["ReportDocument"];
export type Restore = Schemas["RestoreDetail"];
export type Upload = Schemas["UploadDetail"];

type Answer<T> = Promise<{ data?: T; error?: unknown; response: Response }>;

async function good<T>(call: Answer<T>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${JSON.stringify(error)}`);
  return data as T;
}

/** Calls again as long as the gateway says that it is called too often: tests ask for more, and faster, than people do. */
async function patient(request: Request): Promise<Response> {
  for (;;) {
    const response = await fetch(request.clone());
    if (response.status !== 429) return response;
    await pause(200);
  }
}

const open = ["queued", "running", "pending", "received"];

// One job, on a machine that has other things to do as well.
const patience = 90_000;

/** Asks until the answer is as wanted. */
async function until<T>(what: string, ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(answer)} after ${patience / 1000} s`);
    await pause(200);
  }
}

/** Prepares what a test needs, by the API, as one person. */
export class Api {
  private constructor(private readonly client: ReturnType<typeof createClient<paths>>) {}

  static async as(person: Person = ada): Promise<Api> {
    const headers = { Authorization: `Bearer ${await token(person)}` };
    return new Api(createClient<paths>({ baseUrl: stack.url, headers, fetch: patient }));
  }

  databases() {
    return good(this.client.GET("/api/databases"));
  }

  backups(database: string) {
    return good(this.client.GET("/api/databases/{database}/backups", { params: { path: { database } } }));
  }

  backup(database: string, id: string): Promise<Backup> {
    return good(this.client.GET("/api/databases/{database}/backups/{id}", { params: { path: { database, id } } }));
  }

  startBackup(database: string, of?: Schemas["Selection"]) {
    return good(this.client.POST("/api/databases/{database}/backups", { params: { path: { database } }, body: of }));
  }

  /** A backup that has ended, whichever way. */
  async endedBackup(database: string, of?: Schemas["Selection"]): Promise<Backup> {
    const { id } = await this.startBackup(database, of);
    return until(
      `backup ${id}`,
      () => this.backup(database, id),
      (b) => !open.includes(b.state),
    );
  }

  async createdBackup(database: string, of?: Schemas["Selection"]): Promise<Backup> {
    const b = await this.endedBackup(database, of);
    if (b.state !== "created") throw new Error(`backup ${b.id} is ${b.state}: ${JSON.stringify(b.failure)}`);
    return b;
  }

  deleteBackup({ database, id }: Backup) {
    return good(this.client.DELETE("/api/databases/{database}/backups/{id}", { params: { path: { database, id } } }));
  }

  /** A link to a backup's file. */
  downloadLink({ database, id }: Backup) {
    return good(this.client.POST("/api/databases/{database}/backups/{id}/download", { params: { path: { database, id } } }));
  }

  /** A backup's file. */
  async file(b: Backup): Promise<Buffer> {
    const { url } = await this.downloadLink(b);
    const sent = await fetch(url);
    if (!sent.ok) throw new Error(`download of backup ${b.id}: ${sent.status}`);
    return Buffer.from(await sent.arrayBuffer());
  }

  restore(database: string, id: string): Promise<Restore> {
    return good(this.client.GET("/api/databases/{database}/restores/{id}", { params: { path: { database, id } } }));
  }

  startRestore(database: string, body: Schemas["RestoreRequest"]) {
    return good(this.client.POST("/api/databases/{database}/restores", { params: { path: { database } }, body }));
  }

  restores(database: string) {
    return good(this.client.GET("/api/databases/{database}/restores", { params: { path: { database } } }));
  }

  /** A restore that has ended, whichever way. */
  async endedRestore(database: string, body: Schemas["RestoreRequest"]): Promise<Restore> {
    const { id } = await this.startRestore(database, body);
    return this.waitForRestore(database, id);
  }

  /** Waits for a restore and for what follows it. */
  waitForRestore(database: string, id: string): Promise<Restore> {
    return until(
      `restore ${id}`,
      () => this.restore(database, id),
      (r) => !open.includes(r.state) && (r.followUp === undefined || !open.includes(r.followUp.state)),
    );
  }

  /** A rehearsal of a backup, whose copy can be applied. */
  async rehearsed(database: string, backup: string): Promise<Restore> {
    const deadline = Date.now() + patience;
    for (;;) {
      const r = await this.endedRestore(database, { source: { backup }, dryRun: true });
      if (r.state === "rehearsed") return r;
      // The copies of the demo database share the login that loads restores, which loads one at a time.
      const taken = r.failure?.code === "unsupported" && r.failure.reason.includes("one restore at a time");
      if (!taken || Date.now() > deadline) throw new Error(`restore ${r.id} is ${r.state}: ${JSON.stringify(r.failure)}`);
    }
  }

  upload(database: string, id: string): Promise<Upload> {
    return good(this.client.GET("/api/databases/{database}/uploads/{id}", { params: { path: { database, id } } }));
  }

  uploads(database: string) {
    return good(this.client.GET("/api/databases/{database}/uploads", { params: { path: { database } } }));
  }

  /** How a file is to be sent. */
  announceUpload(database: string, filename: string, size: number, sha256?: string) {
    return good(
      this.client.POST("/api/databases/{database}/uploads", { params: { path: { database } }, body: { filename, size, sha256 } }),
    );
  }

  /** A file that was sent and inspected, whatever came of it. */
  async inspectedUpload(database: string, filename: string, content: Buffer): Promise<Upload> {
    const sha256 = createHash("sha256").update(content).digest("hex");
    const announced = await this.announceUpload(database, filename, content.length, sha256);
    if (announced.post === undefined) throw new Error(`upload ${announced.id} has no form to send the file by`);
    const form = new FormData();
    for (const [name, field] of Object.entries(announced.post.fields)) form.set(name, field);
    form.set("file", new Blob([new Uint8Array(content)]), filename);
    const sent = await fetch(announced.post.url, { method: "POST", body: form });
    if (!sent.ok) throw new Error(`sending ${filename}: ${sent.status} ${await sent.text()}`);
    const { id } = announced;
    const path = { database, id };
    await good(this.client.POST("/api/databases/{database}/uploads/{id}/complete", { params: { path } }));
    return until(
      `upload ${id}`,
      () => this.upload(database, id),
      (u) => !open.includes(u.state),
    );
  }

  cronKey() {
    return good(this.client.GET("/api/cron-key"));
  }

  revealCronKey() {
    return good(this.client.POST("/api/cron-key/reveal"));
  }

  regenerateCronKey() {
    return good(this.client.POST("/api/cron-key/regenerate"));
  }

  activity() {
    return good(this.client.GET("/api/activity"));
  }
}

/** A call of an outside scheduler, for some databases: those of other tests are left alone. */
export function callCron(key: string, databases: string[]): Promise<Response> {
  return fetch(`${stack.url}/cron/backups`, {
    method: "POST",
    headers: { "X-Cron-Key": key, "Content-Type": "application/json" },
    body: JSON.stringify({ databases }),
  });
}
