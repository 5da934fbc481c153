import type { Schemas } from "../api/client";

export type Selection = Schemas["Selection"];

// Of a long list the first ones tell what it is about.
const shown = 5;

function list(patterns: readonly string[]): string {
  if (patterns.length <= shown) return patterns.join(", ");
  return `${patterns.slice(0, shown).join(", ")} and ${patterns.length - shown} more`;
}

/** Of which tables a partial backup has the rows: `Only the rows of a.b, without those of c.d`. */
export function describeSelection({ include = [], exclude = [] }: Selection): string {
  if (include.length === 0) return `All rows but those of ${list(exclude)}`;
  return `Only the rows of ${list(include)}${exclude.length === 0 ? "" : `, without those of ${list(exclude)}`}`;
}
