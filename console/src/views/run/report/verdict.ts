import type { Schemas } from "../../../api/client";
import { formatCount, plural } from "../../../ui/format";
import { difference, isChanged } from "./changes";

type Report = Pick<Schemas["Report"], "tables" | "objects" | "leftOut">;

/** Whether the report tells what would be, or what has been done. */
export type Tense = "would" | "did";

const words = {
  would: {
    lose: "would lose",
    gain: "would gain",
    go: "would be removed",
    come: "would be added",
    change: "would be changed",
    keep: "would keep",
  },
  did: { lose: "lost", gain: "gained", go: "removed", come: "added", change: "changed", keep: "kept" },
};

const passive = (n: number, tense: Tense, verb: "go" | "come" | "change") =>
  tense === "would" ? words.would[verb] : `${n === 1 ? "was" : "were"} ${words.did[verb]}`;

const list = new Intl.ListFormat("en", { type: "conjunction" });
const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
// Sums are taken from 0, not negated: the locale would write the negative of none as "-0".
const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1) + ".";

/** What the restore means for the tables' rows, in a sentence. */
export function tablesVerdict(report: Report, tense: Tense): string {
  const w = words[tense];
  const { tables } = report;
  const both = tables.filter((t) => t.live >= 0 && t.after >= 0);
  const losers = both.filter((t) => difference(t) < 0);
  const winners = both.filter((t) => difference(t) > 0);
  const gone = tables.filter((t) => t.after < 0);
  const come = tables.filter((t) => t.live < 0 && t.after >= 0);
  const same = both.length - losers.length - winners.length;
  const inAll = (n: number) => (n > 1 ? " in all" : "");
  const parts: string[] = [];
  if (losers.length > 0) {
    parts.push(
      `${plural(losers.length, "table")} ${w.lose} ${plural(0 - sum(losers.map(difference)), "row")}${inAll(losers.length)}`,
    );
  }
  if (winners.length > 0) {
    parts.push(
      `${plural(winners.length, "table")} ${w.gain} ${plural(sum(winners.map(difference)), "row")}${inAll(winners.length)}`,
    );
  }
  if (gone.length > 0) {
    parts.push(
      `${plural(gone.length, "table")} with ${plural(0 - sum(gone.map(difference)), "row")} ${passive(gone.length, tense, "go")}`,
    );
  }
  if (come.length > 0) {
    parts.push(
      `${plural(come.length, "table")} with ${plural(sum(come.map(difference)), "row")} ${passive(come.length, tense, "come")}`,
    );
  }
  if (parts.length === 0) {
    return same === 0
      ? "There are no tables."
      : sentence(`${tense === "did" ? "" : "live and the copy have "}${allAlike(same, tense)}`);
  }
  if (same > 0) parts.push(`${formatCount(same)} ${w.keep} ${same === 1 ? "its" : "their"} number of rows`);
  return sentence(list.format(parts));
}

function allAlike(n: number, tense: Tense): string {
  if (tense === "did")
    return `${n === 1 ? "the one table" : `all ${plural(n, "table")}`} kept ${n === 1 ? "its" : "their"} number of rows`;
  return n === 1 ? "as many rows in their one table" : `as many rows in each of ${plural(n, "table")}`;
}

/** Rows that came into live after what the file has, in a sentence; undefined where there are none. */
export function newerVerdict(report: Report, tense: Tense): string | undefined {
  const newer = report.tables.filter((t) => (t.newerInLive ?? 0) > 0);
  if (newer.length === 0) return undefined;
  const n = sum(newer.map((t) => t.newerInLive!));
  const are = tense === "would" ? (n === 1 ? "is" : "are") : n === 1 ? "was" : "were";
  const lost = tense === "would" ? "and would be lost" : `so the restored database lacks ${n === 1 ? "it" : "them"}`;
  return `${plural(n, "row")} in ${plural(newer.length, "table")} of live ${are} newer than the newest in the file, ${lost}.`;
}

/** What it means for the schema, in a sentence. */
export function objectsVerdict(report: Report, tense: Tense): string {
  const objects = report.objects ?? [];
  if (objects.length === 0) {
    return tense === "would" ? "The schema is the same in live and in the copy." : "The schema was the same.";
  }
  if (report.leftOut !== undefined && report.leftOut.objects > 0) {
    return `${formatCount(objects.length + report.leftOut.objects)} schema objects differ.`;
  }
  const parts = (["added", "removed", "changed"] as const).flatMap((change) => {
    const kinds = new Map<string, number>();
    for (const o of objects) if (o.change === change) kinds.set(o.kind, (kinds.get(o.kind) ?? 0) + 1);
    if (kinds.size === 0) return [];
    const n = sum([...kinds.values()]);
    const what = list.format([...kinds].map(([kind, count]) => plural(count, kind, pluralKind(kind))));
    return [`${what} ${passive(n, tense, change === "added" ? "come" : change === "removed" ? "go" : "change")}`];
  });
  return `In the schema, ${parts.join("; ")}.`;
}

/** `policies`, `indexes`, `aggregates`. */
export function pluralKind(kind: string): string {
  if (kind === "statistics") return kind;
  if (kind.endsWith("y")) return `${kind.slice(0, -1)}ies`;
  return kind.endsWith("x") ? `${kind}es` : `${kind}s`;
}

export const changedTables = (report: Report) => report.tables.filter(isChanged).length;
