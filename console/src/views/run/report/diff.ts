/** A definition in three parts: what is before the difference, what differs, and what follows. */
export type Parts = [before: string, differs: string, after: string];

const tokens = (text: string) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];

/** Where two definitions differ: what they begin and end with alike is set apart, word by word. */
export function compareDefinitions(live: string, after: string): { live: Parts; after: Parts } {
  const [a, b] = [tokens(live), tokens(after)];
  const most = Math.min(a.length, b.length);
  let head = 0;
  while (head < most && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < most - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const parts = (t: string[]): Parts => [
    t.slice(0, head).join(""),
    t.slice(head, t.length - tail).join(""),
    t.slice(t.length - tail).join(""),
  ];
  return { live: parts(a), after: parts(b) };
}
