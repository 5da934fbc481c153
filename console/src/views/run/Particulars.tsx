import { Anchor, Text } from "@mantine/core";
import { Link } from "wouter";

import type { RestoreDetail } from "../../api/queries";
import { paths } from "../../app/routes";
import { actorName } from "../../ui/actor";
import { Fact, Facts } from "../../ui/Facts";
import { formatBytes, formatCount, formatDuration, secondsBetween } from "../../ui/format";
import { Panel } from "../../ui/Panel";
import { Time, useNow } from "../../ui/Time";

const loaders = {
  prepared: "a login prepared for restores",
  "throw-away": "a login made for this restore",
  owner: "the owner of the database",
} as const;

/** Where it comes from, when and by whom it was done, how long it took, and what it takes of the server. */
export function Particulars({ restore: r }: { restore: RestoreDetail }) {
  const report = r.report;
  return (
    <Panel title="Particulars">
      <Facts>
        <Fact term="File">
          {r.source.backup !== undefined ? (
            <Anchor component={Link} href={paths.backup(r.database, r.source.backup)}>
              Details of the backup
            </Anchor>
          ) : (
            <Anchor component={Link} href={paths.restoreOptions(r.database, { upload: r.source.upload })}>
              The upload in Restore Options
            </Anchor>
          )}
          {report?.fileDatabase !== undefined && (
            <Text size="sm" c="dimmed">
              It names its database {report.fileDatabase}.
            </Text>
          )}
        </Fact>
        <Fact term="Kind">{kindOf(r)}</Fact>
        <Fact term="Asked for">
          <Time at={r.requestedAt} /> by {actorName(r.requestedBy)}
        </Fact>
        {r.startedAt !== undefined && (
          <Fact term="Duration">
            {r.endedAt === undefined ? <SoFar since={r.startedAt} /> : formatDuration(secondsBetween(r.startedAt, r.endedAt))}
            {r.attempt > 1 && `, attempt ${r.attempt}`}
          </Fact>
        )}
        {r.switchedAt !== undefined && (
          <Fact term="Replaced">
            <Time at={r.switchedAt} />
            {r.followUp?.kind === "apply" && r.followUp.state === "done" && ` by ${actorName(r.followUp.requestedBy)}`}
          </Fact>
        )}
        {r.undoneAt !== undefined && (
          <Fact term="Undone">
            <Time at={r.undoneAt} />
            {r.followUp?.kind === "undo" && r.followUp.state === "done" && ` by ${actorName(r.followUp.requestedBy)}`}
          </Fact>
        )}
        {r.held !== undefined && (
          <Fact term="Kept">
            <code>{r.held.name}</code>
            {r.held.bytes !== undefined && `, ${formatBytes(r.held.bytes)}`}, until <Time at={r.held.until} />
          </Fact>
        )}
        {report?.realSeconds !== undefined && (r.state === "rehearsed" || r.state === "expired") && (
          <Fact term="A real run">would take about {formatDuration(report.realSeconds)}</Fact>
        )}
        {report?.applySeconds !== undefined && r.rescue === undefined && r.state === "rehearsed" && (
          <Fact term="To apply">takes about {formatDuration(report.applySeconds)}</Fact>
        )}
        {report !== undefined && r.rescue === undefined && (
          <Fact term="Disk">
            {report.copyBytes === undefined ? "The copy’s size is not known" : `${formatBytes(report.copyBytes)} for the copy`};{" "}
            {report.liveBytes === undefined ? "live could not be asked" : `${formatBytes(report.liveBytes)} for live`}
          </Fact>
        )}
        {r.summary !== undefined && (
          <Fact term="Loaded">
            {formatCount(r.summary.rows)} rows
            {r.rescue === undefined && ` by ${formatCount(r.summary.statements)} statements`}
            {report !== undefined && `, as ${loaders[report.loader]}`}
          </Fact>
        )}
        <Fact term="Id">
          <code>{r.id}</code>
        </Fact>
      </Facts>
    </Panel>
  );
}

function kindOf({ dryRun, rescue }: RestoreDetail): string {
  if (rescue !== undefined)
    return dryRun ? "Dry run of a rescue: leaves nothing behind" : "Rescue: adds a schema, replaces nothing";
  return dryRun ? "Dry run: replaces nothing by itself" : "Real: replaces the live database";
}

function SoFar({ since }: { since: string }) {
  const now = useNow(1);
  // The service's clock may be ahead of this one.
  return `${formatDuration(Math.max(1, Math.floor((now - new Date(since).getTime()) / 1000)))} so far`;
}
