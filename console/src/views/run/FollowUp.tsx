import { Stack, Text } from "@mantine/core";

import { isOpen, type Restore, type RestoreDetail } from "../../api/queries";
import { actorName } from "../../ui/actor";
import { JobProgress } from "../../ui/JobProgress";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { Time } from "../../ui/Time";
import { FailurePanel } from "../details/FailurePanel";

type FollowUp = NonNullable<Restore["followUp"]>;

const running: Record<FollowUp["kind"], string> = {
  apply: "The rehearsed copy takes the live database’s place",
  undo: "The replaced database is brought back",
  drop: "The database whose time has ended is removed",
};

const failed: Record<FollowUp["kind"], string> = {
  apply: "Why the apply failed",
  undo: "Why the undo failed",
  drop: "Why the kept database was not removed",
};

/** What is done with the restore after its end: how far it is, or why it came to nothing. What was done is told by the restore itself. */
export function FollowUpPanel({ restore: r }: { restore: RestoreDetail }) {
  const f = r.followUp;
  if (f === undefined || f.state === "done") return null;
  if (isOpen(f)) {
    return (
      <Panel title={running[f.kind]}>
        <Text size="sm" c="dimmed">
          Asked for by {actorName(f.requestedBy)}, <Time at={f.requestedAt} />
        </Text>
        <JobProgress job={f} label={running[f.kind]} />
      </Panel>
    );
  }
  if (f.state === "cancelled") {
    return (
      <Notice tone="quiet" title={`The ${f.kind} was stopped`}>
        {f.cancelRequest !== undefined && `${actorName(f.cancelRequest.by)} asked for that. `}
        The live database {r.database} is as it was before it.
      </Notice>
    );
  }
  return f.failure === undefined ? null : <FailurePanel title={failed[f.kind]} failure={f.failure} />;
}

/** The one case in which the page can't say what is live. */
export function InDoubt({ restore: r }: { restore: RestoreDetail }) {
  if (r.inDoubt === undefined) return null;
  return (
    <Notice urgent tone="warn" title="Wait until it is known">
      <Stack gap="xs" maw="75ch">
        <Text size="sm">
          The database’s server did not answer when it was asked what came of the {r.inDoubt}. It is asked again by itself as soon
          as it can be reached, and this page says then what was found.
        </Text>
        <Text size="sm">
          Until then look into {r.database} before you rely on it, start no other restore of it, and do not drop any database on
          the server whose name begins with <code>br_</code>: one of them may be the only copy of what was live.
        </Text>
      </Stack>
    </Notice>
  );
}

/** Who wants it to be stopped, and whether that was in time. */
export function StopWanted({ restore: r }: { restore: RestoreDetail }) {
  const job = r.followUp ?? r;
  const wish = job.cancelRequest;
  if (wish === undefined || job.state === "cancelled") return null;
  const tooLate = !isOpen(job) && job.state !== "failed";
  return (
    <Notice tone="quiet" title={tooLate ? "It was too late to stop it" : isOpen(job) ? "Being stopped" : "It was to be stopped"}>
      {actorName(wish.by)} asked for that, <Time at={wish.at} />.{" "}
      {tooLate &&
        `${r.rescue === undefined ? `${r.database} was being replaced` : "It was at its end"} already, so it ended as if nobody had asked.`}
      {isOpen(job) &&
        r.rescue === undefined &&
        `Once ${r.database} is being replaced it is too late: then it ends as if nobody had asked.`}
      {job.state === "failed" && "It failed before that."}
    </Notice>
  );
}
