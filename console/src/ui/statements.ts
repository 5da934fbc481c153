/** A piece of a hint: words, or a statement to run. */
export interface HintPart {
  text: string;
  sql: boolean;
}

const statement =
  /\b(?:CREATE|ALTER|DROP|GRANT|REVOKE|SET|REASSIGN|ROLLBACK PREPARED|COMMIT PREPARED|UPDATE|REINDEX|VACUUM|REFRESH) [^;]+;/g;

/** Takes the SQL statements out of a hint, so that they can be read and copied as they are. */
export function splitHint(hint: string): HintPart[] {
  const parts: HintPart[] = [];
  const say = (text: string) => text.trim() !== "" && parts.push({ text: text.trim(), sql: false });
  let from = 0;
  for (const match of hint.matchAll(statement)) {
    say(hint.slice(from, match.index));
    const last = parts.at(-1);
    // Statements that follow each other are run, and copied, together.
    if (last?.sql === true) last.text += `\n${match[0]}`;
    else parts.push({ text: match[0], sql: true });
    from = match.index + match[0].length;
  }
  say(hint.slice(from));
  return parts;
}
