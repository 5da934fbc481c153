import { expect, test } from "vitest";

import { readOn, withHead, withItem, without, withMore, type Page } from "./list";

interface Item {
  id: string;
  state?: string;
}

const page = (ids: string, next?: string): Page<Item> => ({ items: [...ids].map((id) => ({ id })), next });
const ids = (p: Page<Item>) => p.items.map((item) => item.id).join("");

test("the first page is all that is known", () => {
  expect(withHead(undefined, page("cb", "b"))).toEqual(page("cb", "b"));
});

test("a new record moves the others down, and none is lost at the page's end", () => {
  const known = withMore(page("fed", "d"), page("cba"));
  const after = withHead(known, page("gfe", "e"));
  expect(ids(after)).toBe("gfedcba");
  expect(after.next).toBeUndefined();
});

test("what the page covers and does not hold is gone", () => {
  expect(ids(withHead(page("fedcba", "a"), page("fdc", "c")))).toBe("fdcba");
});

test("the cursor of what follows stays with what is known", () => {
  expect(withHead(page("fedc", "c"), page("fe", "e")).next).toBe("c");
});

test("a list that ends within the page is the page", () => {
  expect(withHead(page("fedcba", "a"), page("fe"))).toEqual(page("fe"));
});

test("where page and list do not meet only the page is known", () => {
  expect(withHead(page("cba"), page("zyx", "x"))).toEqual(page("zyx", "x"));
});

test("an empty page before the list's end leaves nothing known but where to go on", () => {
  expect(withHead(page("cba"), page("", "x"))).toEqual(page("", "x"));
});

test("a page that follows repeats nothing", () => {
  expect(ids(withMore(page("fed", "d"), page("dcb", "b")))).toBe("fedcb");
});

test.each([
  ["newest", "f", "fedba"],
  ["in between", "c", "edcba"],
  ["known", "d", "edba"],
])("a record that is the %s takes its place", (_, id, want) => {
  const after = withItem(page("edba", "a"), { id, state: "queued" });
  expect(ids(after)).toBe(want);
  expect(after.items.find((item) => item.id === id)?.state).toBe("queued");
});

test("a record older than what is known waits for its page", () => {
  expect(ids(withItem(page("ed", "d"), { id: "a" }))).toBe("ed");
  expect(ids(withItem(page("ed"), { id: "a" }))).toBe("eda");
});

test("a record that is gone leaves the list", () => {
  expect(without(page("cba", "a"), "b")).toEqual(page("ca", "a"));
});

test("a search is read on over empty pages until there are as many as are wanted", async () => {
  const pages: Record<string, Page<Item>> = { "": page("", "1"), 1: page("f", "2"), 2: page("ed", "3"), 3: page("c") };
  const read = (cursor?: string) => Promise.resolve(pages[cursor ?? ""]!);
  expect(await readOn(read, 1)).toEqual(page("f", "2"));
  expect(await readOn(read, 2)).toEqual(page("fed", "3"));
  expect(await readOn(read, 9)).toEqual(page("fedc"));
  expect(await readOn(read, 1, "3")).toEqual(page("c"));
});
