// A list of records that is read from its newest end, page by page, and kept true while it is looked at. Ids begin with their time,
// so that the order of the ids, backwards, is the order of the list.

export interface Item {
  id: string;
}

/** What an answer of the API holds: newest first, with the cursor of what follows. */
export interface Page<T extends Item> {
  items: T[];
  next?: string;
}

/** What is known of a list: all from its newest record to where next goes on. */
export type Known<T extends Item> = Page<T>;

/**
 * What is known after the newest page was read again. What the page covers is as the page says, so what is missing there is gone; what
 * is older stays. Where page and list do not meet, records in between may be unknown: then only the page is known.
 */
export function withHead<T extends Item>(known: Known<T> | undefined, head: Page<T>): Known<T> {
  const end = head.items.at(-1);
  const newest = known?.items[0];
  if (known === undefined || head.next === undefined || end === undefined || newest === undefined || newest.id < end.id) {
    return head;
  }
  const older = known.items.filter((item) => item.id < end.id);
  return older.length === 0 ? head : { items: [...head.items, ...older], next: known.next };
}

/** What is known after the page that follows was read. */
export function withMore<T extends Item>(known: Known<T>, page: Page<T>): Known<T> {
  const end = known.items.at(-1);
  return { items: [...known.items, ...page.items.filter((item) => end === undefined || item.id < end.id)], next: page.next };
}

/** The list with a record that is new, or has changed. One that is older than all that is known belongs to a page to come. */
export function withItem<T extends Item>(known: Known<T>, item: T): Known<T> {
  const at = known.items.findIndex((other) => other.id <= item.id);
  if (at === -1) return known.next === undefined ? { items: [...known.items, item] } : known;
  const replaced = known.items[at]?.id === item.id ? 1 : 0;
  return { ...known, items: known.items.toSpliced(at, replaced, item) };
}

export function without<T extends Item>(known: Known<T>, id: string): Known<T> {
  return { ...known, items: known.items.filter((item) => item.id !== id) };
}

/**
 * Reads on until there are as many as are wanted, or the list ends: a page of a search may be short, even empty, before the end.
 */
export async function readOn<T extends Item>(
  read: (cursor?: string) => Promise<Page<T>>,
  wanted: number,
  cursor?: string,
): Promise<Page<T>> {
  const items: T[] = [];
  for (;;) {
    const page = await read(cursor);
    items.push(...page.items);
    cursor = page.next;
    if (cursor === undefined || items.length >= wanted) return { items, next: cursor };
  }
}
