import { Stack } from "@mantine/core";

import { isOpen, type RestoreDetail } from "../../api/queries";
import { formatDuration } from "../../ui/format";
import { IconBan, IconCheck, IconLoader2, IconX } from "../../ui/icons";
import { JobProgress } from "../../ui/JobProgress";
import { Panel } from "../../ui/Panel";
import { stepsOf, type Stage, type Step } from "./stages";
import classes from "./Stages.module.css";

export const stageNames: Record<Stage, string> = {
  inspect: "Inspect",
  stage: "Stage",
  load: "Load",
  verify: "Verify",
  compare: "Compare",
  switch: "Switch",
};

const stageMeanings: Record<Stage, string> = {
  inspect: "The file is checked",
  stage: "An empty copy is made beside live",
  load: "The file is loaded into the copy",
  verify: "Every table’s rows are counted",
  compare: "The copy is compared with live",
  switch: "The copy takes live’s place",
};

const meaningsOfRescue: Partial<Record<Stage, string>> = {
  inspect: "The index of the file is read",
  stage: "A schema is made in live, unseen",
  load: "The tables are made and loaded",
  verify: "Every table’s rows are counted",
};

/** What a stage of a restore does. */
export const meaningOf = (r: Pick<RestoreDetail, "rescue">, stage: Stage) =>
  (r.rescue === undefined ? undefined : meaningsOfRescue[stage]) ?? stageMeanings[stage];

const signs = { done: IconCheck, running: IconLoader2, waiting: undefined, skipped: IconBan, stopped: IconX };

/** How far the restore is, stage by stage. */
export function Stages({ restore: r }: { restore: RestoreDetail }) {
  return (
    <Panel title="Stages">
      <ol className={classes.steps}>
        {stepsOf(r).map((step, i) => (
          <Line key={step.stage} step={step} number={i + 1} meaning={meaningOf(r, step.stage)} />
        ))}
      </ol>
      {isOpen(r) && (
        <Stack mih={44} justify="center">
          <JobProgress job={r} label={r.dryRun ? "Progress of the dry run" : "Progress of the restore"} />
        </Stack>
      )}
    </Panel>
  );
}

function Line({ step, number, meaning }: { step: Step; number: number; meaning: string }) {
  const Sign = signs[step.state];
  return (
    <li className={classes.step} data-state={step.state} aria-current={step.state === "running" ? "step" : undefined}>
      <span className={classes.sign} aria-hidden>
        {Sign === undefined ? number : <Sign size={16} />}
      </span>
      <span className={classes.text}>
        <span className={classes.name}>
          {stageNames[step.stage]}
          <span className="visually-hidden">: </span>
        </span>
        <span className={classes.state}>{stateOf(step)}</span>
        <span className={classes.meaning}>{meaning}</span>
      </span>
    </li>
  );
}

function stateOf({ state, seconds }: Step): string {
  const took = seconds === undefined ? "" : ` ${state === "stopped" ? "after" : "in"} ${formatDuration(seconds)}`;
  switch (state) {
    case "done":
      return `Done${took}`;
    case "running":
      return "Under way";
    case "waiting":
      return "Not begun";
    case "skipped":
      return "Not in a dry run";
    case "stopped":
      return `Stopped${took}`;
  }
}
