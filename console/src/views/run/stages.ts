import type { RestoreDetail } from "../../api/queries";

export const stages = ["inspect", "stage", "load", "verify", "compare", "switch"] as const;
export type Stage = (typeof stages)[number];
export type StepState = "done" | "running" | "waiting" | "skipped" | "stopped";

export interface Step {
  stage: Stage;
  state: StepState;
  /** How long it took, where that is known. */
  seconds?: number;
}

type Run = Pick<RestoreDetail, "state" | "dryRun" | "progress" | "report" | "log" | "followUp" | "rescue">;

/** The stages that a restore has: one of single tables is compared with nothing, and replaces nothing. */
export const stagesOf = (r: Pick<Run, "rescue">): readonly Stage[] => (r.rescue === undefined ? stages : stages.slice(0, 4));

const isStage = (word: string | undefined): word is Stage => (stages as readonly (string | undefined)[]).includes(word);

/** What the log says of the stages of the last attempt: a restore that came to no good end has no report that would. */
function logged(lines: RestoreDetail["log"]): Map<Stage, Step> {
  let steps = new Map<Stage, Step>();
  for (const { text } of lines ?? []) {
    if (/^Attempt \d+ began/.test(text)) steps = new Map();
    const [, stage, how, seconds] = /^The stage (\w+) (took|stopped after) ([\d.]+) s\.$/.exec(text) ?? [];
    if (isStage(stage)) steps.set(stage, { stage, state: how === "took" ? "done" : "stopped", seconds: Number(seconds) });
  }
  return steps;
}

/** Where a restore stands, stage by stage. */
export function stepsOf(r: Run): Step[] {
  const told = logged(r.log);
  const took = new Map(r.report?.stages.map((s) => [s.stage, s.seconds]));
  const succeeded = r.state !== "failed" && r.state !== "cancelled" && r.state !== "queued" && r.state !== "running";
  const current = r.state === "running" ? stages.indexOf(r.progress?.stage ?? "inspect") : -1;
  return stagesOf(r).map((stage, i): Step => {
    const seconds = took.get(stage);
    if (stage === "switch" && r.dryRun) return switchOfDryRun(r);
    if (succeeded) return { stage, state: "done", seconds };
    if (r.state === "running") return { stage, state: i < current ? "done" : i === current ? "running" : "waiting" };
    return told.get(stage) ?? { stage, state: "waiting" };
  });
}

/** A dry run does not replace live; to apply its copy does. */
function switchOfDryRun(r: Run): Step {
  const stage = "switch";
  if (r.state === "restored" || r.state === "undone") return { stage, state: "done" };
  if (r.followUp?.kind === "apply" && r.followUp.state === "running") return { stage, state: "running" };
  return { stage, state: "skipped" };
}
