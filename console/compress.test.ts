import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

import { afterEach, beforeEach, expect, test } from "vitest";

import { compress } from "./compress";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "compress-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

test("what clients get that take an encoding is the same file", () => {
  const script = "const a = 1;\n".repeat(100);
  writeFileSync(join(dir, "a.js"), script);
  writeFileSync(join(dir, "small.svg"), "<svg/>");
  compress(dir);
  expect(readdirSync(dir).sort()).toEqual(["a.js", "a.js.br", "a.js.gz", "small.svg"]);
  expect(brotliDecompressSync(readFileSync(join(dir, "a.js.br"))).toString()).toBe(script);
  expect(gunzipSync(readFileSync(join(dir, "a.js.gz"))).toString()).toBe(script);
});

test("scripts that have become too large fail the build", () => {
  writeFileSync(join(dir, "a.js"), "const a = 1;");
  writeFileSync(join(dir, "b.js"), "const b = 2;");
  writeFileSync(join(dir, "a.css"), "a{}".repeat(1000));
  const bytes = compress(dir, 1000);
  expect(() => compress(dir, bytes)).not.toThrow();
  expect(() => compress(dir, bytes - 1)).toThrow(`${bytes} bytes`);
});
