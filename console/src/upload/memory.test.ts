import { expect, test } from "vitest";

import { memoryIn } from "./memory";

const file = { name: "school.sql.gz", size: 6e9, lastModified: 1_700_000_000_000 };

function place() {
  const kept = new Map<string, string>();
  return { kept, getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) };
}

test("the same file finds its upload and the parts that have arrived, another file does not", () => {
  const p = place();
  const memory = memoryIn(() => p);
  memory.begin("school", "u1", file);
  memory.partArrived("school", "u1", 4);
  memory.partArrived("school", "u1", 4);
  memory.partArrived("school", "u1", 2);
  expect(memoryIn(() => p).find("school", file)).toMatchObject({ id: "u1", parts: [4, 2] });
  expect(memory.find("school", { ...file, lastModified: 1 })).toBeUndefined();
  expect(memory.find("school", { ...file, size: 1 })).toBeUndefined();
  expect(memory.find("library", file)).toBeUndefined();
});

test("a day later it is forgotten, as the bucket has dropped the parts", () => {
  const p = place();
  let now = 1e12;
  const memory = memoryIn(
    () => p,
    () => now,
  );
  memory.begin("school", "u1", file);
  now += 86_400_000;
  expect(memory.find("school", file)).toBeUndefined();
});

test("one that was abandoned is not gone on with", () => {
  const memory = memoryIn(place);
  const p = place();
  const kept = memoryIn(() => p);
  kept.begin("school", "u1", file);
  kept.abandon("school", "u1");
  kept.abandon("school", "u2");
  expect(kept.find("school", file)).toBeUndefined();
  expect(kept.all("school").map((r) => [r.id, r.abandoned])).toEqual([
    ["u1", true],
    ["u2", true],
  ]);
  expect(memory.all("school")).toEqual([]);
});

test("a place that refuses, or holds something else, is as if it were empty", () => {
  const refusing = memoryIn(() => {
    throw new DOMException("no", "SecurityError");
  });
  refusing.begin("school", "u1", file);
  expect(refusing.find("school", file)).toBeUndefined();
  expect(memoryIn(() => ({ getItem: () => "{", setItem: () => undefined })).all("school")).toEqual([]);
});
