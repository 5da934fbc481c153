import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

import { recipe } from "./cron";

const key = "brk_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjkmnpqrst0123";
const r = recipe("https://backup.school.example", key);

test("the key is in the file's line and in no command", () => {
  expect(r.line).toBe(`header = "X-Cron-Key: ${key}"`);
  for (const command of [r.makeFile, r.call, r.crontab]) expect(command).not.toContain(key);
});

test("cron hands the whole line to the shell: a % would end it", () => {
  expect(r.crontab).not.toContain("%");
  expect(r.crontab.split(/\s+/).slice(0, 5)).toEqual(["15", "2", "*", "*", "*"]);
});

test("a shell can read the commands", () => {
  for (const command of [r.makeFile, r.call, r.crontab.split(" ").slice(5).join(" ")]) {
    execFileSync("sh", ["-n", "-c", command]);
  }
});
