import { Group, Stack, Text, Title } from "@mantine/core";
import { useEffect, useRef, type RefObject } from "react";
import { Link } from "wouter";

import { isOpen, useRestore, type RestoreDetail } from "../../api/queries";
import { paths } from "../../app/routes";
import { useTitle } from "../../app/title";
import { actorName } from "../../ui/actor";
import { announce } from "../../ui/announce";
import { plural } from "../../ui/format";
import { IconArrowLeft } from "../../ui/icons";
import { StateBadge } from "../../ui/StateBadge";
import { Answer } from "../../ui/States";
import { Time, useNow } from "../../ui/Time";
import { FailurePanel } from "../details/FailurePanel";
import { LogPanel } from "../details/LogPanel";
import { Actions } from "./Actions";
import { FollowUpPanel, InDoubt, StopWanted } from "./FollowUp";
import { outcome, secondsLeft } from "./outcome";
import { Particulars } from "./Particulars";
import { ReportView } from "./report/ReportView";
import classes from "./RestoreRun.module.css";
import { Rescued } from "./Rescued";
import { meaningOf, stageNames, Stages } from "./Stages";

export default function RestoreRun({ database, id }: { database: string; id: string }) {
  const restore = useRestore(database, id);
  useTitle(restore.data === undefined ? "Restore" : `${kindOf(restore.data)} of ${restore.data.filename}`);
  useChangesAnnounced(restore.data);
  return (
    <Stack gap="lg">
      <Link href={paths.restoreOptions(database)} className={classes.back}>
        <IconArrowLeft size={16} aria-hidden />
        Restore Options
      </Link>
      <Answer query={restore} label="Loading the restore">
        {(r) => <Run restore={r} />}
      </Answer>
    </Stack>
  );
}

/** What it is, in a heading. */
function kindOf({ dryRun, rescue }: RestoreDetail): string {
  if (rescue === undefined) return dryRun ? "Dry run" : "Restore";
  return `${dryRun ? "Dry run of a rescue" : "Rescue"} of ${plural(rescue.tableCount, "table")}`;
}

/** Says each stage, and the end, to those who do not see them. How far a stage is would be too much. */
function useChangesAnnounced(r: RestoreDetail | undefined) {
  const before = useRef<string>(undefined);
  useEffect(() => {
    if (r === undefined) return;
    const now = [r.state, isOpen(r) && r.progress?.stage, r.followUp?.id, r.followUp?.state, r.inDoubt].join(" ");
    if (before.current !== undefined && before.current !== now) announce(changeOf(r));
    before.current = now;
  }, [r]);
}

function changeOf(r: RestoreDetail): string {
  const f = r.followUp;
  if (isOpen(r))
    return r.progress?.stage === undefined
      ? "The restore has begun."
      : `${stageNames[r.progress.stage]}: ${meaningOf(r, r.progress.stage)}.`;
  if (f?.state === "queued" || f?.state === "running")
    return `The ${f.kind} ${f.state === "queued" ? "waits for its turn" : "is under way"}.`;
  const ending =
    f === undefined || f.state === "done"
      ? `${r.state.charAt(0).toUpperCase()}${r.state.slice(1)}.`
      : `The ${f.kind} ${f.state === "failed" ? "failed" : "was cancelled"}.`;
  return `${ending} ${outcome(r, Date.now())}`;
}

function Run({ restore: r }: { restore: RestoreDetail }) {
  const said = useRef<HTMLParagraphElement>(null);
  return (
    <>
      <Heading restore={r} said={said} />
      <InDoubt restore={r} />
      <StopWanted restore={r} />
      <FollowUpPanel restore={r} />
      <div className={classes.columns}>
        <Stack gap="lg" className={classes.main}>
          <Stages restore={r} />
          {r.failure !== undefined && r.state === "failed" && <FailurePanel failure={r.failure} />}
          {r.rescue !== undefined && <Rescued restore={r} rescue={r.rescue} />}
          {r.rescue === undefined && r.report !== undefined && <ReportView restore={r} report={r.report} />}
        </Stack>
        <Stack gap="lg">
          <Particulars restore={r} />
          <LogPanel lines={r.log ?? []} />
        </Stack>
      </div>
    </>
  );
}

function Heading({ restore: r, said }: { restore: RestoreDetail; said: RefObject<HTMLParagraphElement | null> }) {
  const now = useClock(r);
  return (
    <Stack className="surface" p={{ base: "md", sm: "lg" }} gap="sm">
      <Group justify="space-between" align="flex-start" gap="md">
        <Stack gap={4} className={classes.name}>
          <Text size="sm" c="dimmed">
            {r.rescue === undefined ? `${r.dryRun ? "Dry run of a restore" : "Restore"} of` : `${kindOf(r)}, into`} {r.database} ·
            asked for by {actorName(r.requestedBy)}, <Time at={r.requestedAt} />
          </Text>
          <Group gap="sm">
            <Title order={1} size="h2" className="breakable">
              {r.filename}
            </Title>
            <StateBadge state={r.state} />
          </Group>
        </Stack>
        <Actions restore={r} said={said} over={r.held !== undefined && secondsLeft(r.held.until, now) === 0} />
      </Group>
      <Text ref={said} tabIndex={-1} size="lg" maw="75ch" className={`${classes.outcome} breakable`}>
        {outcome(r, now)}
      </Text>
    </Stack>
  );
}

/** The time, as often as what is left of a window is told anew. The end of a window is told to those who do not see it before it comes. */
function useClock(r: RestoreDetail): number {
  const slow = useNow(10);
  const last = r.held !== undefined && secondsLeft(r.held.until, slow) <= 130;
  const fast = useNow(last ? 1 : 10);
  const now = Math.max(slow, fast);
  const ends = (r.can?.apply.allowed === true || r.can?.undo.allowed === true) && last && secondsLeft(r.held!.until, now) > 0;
  const wasFar = useRef(false);
  useEffect(() => {
    if (ends && wasFar.current) announce(`The time to ${r.can?.apply.allowed === true ? "apply" : "undo"} ends in two minutes.`);
    wasFar.current = !last;
  }, [ends, last, r.can?.apply.allowed]);
  return now;
}
