// Patterns of tables, as the API takes them: schema.table, in which * stands for any letters.

const mostPatterns = 100;
const longestPattern = 200;

/** The patterns of a text, one on each line. */
export const patternsOf = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** What is wrong with a pattern; undefined where nothing is. */
function patternProblem(pattern: string): string | undefined {
  if ([...pattern].length > longestPattern) return `“${pattern.slice(0, 30)}…” is longer than ${longestPattern} characters.`;
  if (/\p{Cc}/u.test(pattern)) return `“${pattern}” has a character that can’t be typed.`;
  if (!/^[^.].*\./.test(pattern) || pattern.endsWith(".")) {
    return `“${pattern}” is not a schema and a table with a dot between, such as public.pupil or school.*.`;
  }
  return undefined;
}

/** What is wrong with the first pattern that has something wrong with it. */
export function patternsProblem(patterns: readonly string[]): string | undefined {
  if (patterns.length > mostPatterns) return `There are ${patterns.length} patterns, and at most ${mostPatterns} are taken.`;
  for (const pattern of patterns) {
    const problem = patternProblem(pattern);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function fits(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  // Stars side by side are one: more of them would only take longer.
  return new RegExp(`^${parts.filter((part, i) => part !== "" || i === 0 || i === parts.length - 1).join("[^]*")}$`, "u").test(
    name,
  );
}

/** The tables of which a selection wants the rows. */
export function wantedTables<T extends { schema: string; table: string }>(
  tables: readonly T[],
  { include, exclude }: { include: readonly string[]; exclude: readonly string[] },
): T[] {
  return tables.filter((t) => {
    const name = `${t.schema}.${t.table}`;
    const among = (patterns: readonly string[]) => patterns.some((pattern) => fits(pattern, name));
    return (include.length === 0 || among(include)) && !among(exclude);
  });
}
