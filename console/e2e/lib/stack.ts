import { execFile } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

function need(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new Error(`${name} is not set: run infra/e2e.sh, which starts a stack and names it`);
  return value;
}

/** The stack that the tests run against. */
export const stack = {
  url: need("LOCAL_URL"),
  issuer: need("LOCAL_ISSUER_URL"),
  aws: need("LOCAL_AWS_URL"),
};

/** The client that the stack registers at its identity provider. */
export const clientId = "backup-restore-console";

const run = promisify(execFile);

async function local(...args: string[]): Promise<string> {
  const { stdout } = await run(need("LOCAL_PROGRAM"), args, { maxBuffer: 64 << 20 });
  return stdout.trim();
}

/** A role that the product knows, or none. */
export type Role = "super-admin" | "operator" | "auditor" | "";

export interface Person {
  name: string;
  role: Role;
}

export const ada: Person = { name: "Ada Lindqvist", role: "super-admin" };
export const ben: Person = { name: "Ben Osei", role: "operator" };
export const cleo: Person = { name: "Cleo Marchetti", role: "auditor" };

/** An access token for scripts, without a session. */
export const token = (person: Person, seconds = 3600) =>
  local("token", "-dir", need("LOCAL_DIR"), "-role", person.role, "-name", person.name, "-ttl", `${seconds}s`);

/** The records of a long history of backups, which have no files. */
export const seed = (database: string, backups: number) =>
  local("seed", "-aws", stack.aws, "-database", database, "-backups", String(backups));

type Row = Record<string, string | null>;

/** Runs statements in a database as its owner; the rows are those of the last one. */
export async function sql(database: string, statements: string): Promise<Row[]> {
  return JSON.parse(await local("sql", "-aws", stack.aws, "-database", database, statements)) as Row[];
}

/** The first value of the first row. */
export async function value(database: string, query: string): Promise<string | null | undefined> {
  const [row] = await sql(database, query);
  return row === undefined ? undefined : Object.values(row)[0];
}

/** The database that others are copied from. No session is ever opened in it, as that would be in the way of a copy. */
export const pattern = "pattern";

/** A copy of the demo database, registered under its name. It takes two seconds or three. */
export async function newDatabase(name: string, of = pattern): Promise<string> {
  await local("copy", "-aws", stack.aws, "-of", of, "-as", name);
  // Each instance of the service believes for a second that a name is unknown.
  await pause(1_100);
  return name;
}

/** What the demo database holds before anybody damages it. */
export const whole = { grades: "61008", students: "1300" };

/** Damage as it happens: the grades are deleted, and a table is dropped. */
export async function damage(database: string) {
  await sql(database, "DELETE FROM grade; DROP TABLE meal_order");
}

/** Whether a database is as it was before the damage. */
export async function isWhole(database: string): Promise<boolean> {
  const [row] = await sql(database, "SELECT (SELECT count(*) FROM grade) AS grades, to_regclass('public.meal_order') AS meals");
  return row?.grades === whole.grades && row.meals !== null;
}

/** Takes a database away, so that a backup of it fails for a real reason. It stays registered. */
export async function dropDatabase(name: string) {
  await sql("school", `DROP DATABASE "${name}"`);
}
