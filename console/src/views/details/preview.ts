import type { Preview } from "../../api/queries";
import { formatCount, plural } from "../../ui/format";

/** How many rows are read at first, and when somebody wants more. */
export const firstRows = 100;
export const moreRows = 500;

/** A text with signs in place of the characters that no font shows. */
export const readable = (text: string) =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (c) =>
    c === "\u007f" ? "␡" : String.fromCharCode(0x2400 + c.charCodeAt(0)),
  );

/** How many of a table's rows are shown, and why there are no more. */
export function rowsShown(p: Pick<Preview, "rows" | "first">, limit: number): string {
  const shown = p.first.length;
  if (p.rows === 0) return "The table has no rows.";
  if (shown >= p.rows) return p.rows === 1 ? "This is its only row." : `These are all of its ${formatCount(p.rows)} rows.`;
  const large = shown < limit ? " They are so large that more of them do not fit an answer." : "";
  return `The first ${formatCount(shown)} of ${plural(p.rows, "row")}, as they stand in the file.${large}`;
}
