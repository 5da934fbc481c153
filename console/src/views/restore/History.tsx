import { Group, Text, Title } from "@mantine/core";
import { Link } from "wouter";

import { itemsOf, restoreIsOpen, useRestores, type Restore } from "../../api/queries";
import { paths } from "../../app/routes";
import { actorName } from "../../ui/actor";
import { BusyButton } from "../../ui/BusyButton";
import { formatDuration, formatTime, plural } from "../../ui/format";
import { JobProgress } from "../../ui/JobProgress";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { StateBadge } from "../../ui/StateBadge";
import { Empty, Failed, Loading } from "../../ui/States";
import { Ago, useNow } from "../../ui/Time";
import classes from "./restore.module.css";

/** The restores of a database, newest first, each with what came of it. */
export function History({ database }: { database: string }) {
  const restores = useRestores(database);
  const items = itemsOf(restores.data);
  return (
    <section className="surface" aria-labelledby="history">
      <Title order={2} size="h4" id="history" className={classes.heading}>
        Earlier restores
      </Title>
      {restores.data === undefined && restores.error === null && <Loading label="Loading the restores" lines={4} />}
      {restores.error !== null && (
        <div style={{ padding: "0 1.25rem 1.25rem" }}>
          {restores.data === undefined ? (
            <Failed error={restores.error} onRetry={() => void restores.refetch()} />
          ) : (
            <ProblemAlert
              error={restores.error}
              title="The restores could not be refreshed; they may be out of date"
              onRetry={() => void restores.refetch()}
            />
          )}
        </div>
      )}
      {restores.data !== undefined && items.length === 0 && (
        <Empty title="No restore yet">
          A dry run of the newest backup is a good first one: it proves that the backup can be restored.
        </Empty>
      )}
      <ul className={classes.list}>
        {items.map((r) => (
          <Past key={r.id} restore={r} />
        ))}
      </ul>
      {restores.hasNextPage && (
        <Group p="md" justify="center">
          <BusyButton variant="default" loading={restores.isFetchingNextPage} onClick={() => void restores.fetchNextPage()}>
            Show older restores
          </BusyButton>
        </Group>
      )}
    </section>
  );
}

function Past({ restore: r }: { restore: Restore }) {
  return (
    <li className={classes.past}>
      <div style={{ minWidth: 0 }}>
        <Link href={paths.restore(r.database, r.id)} className={`${classes.name} breakable`}>
          {r.filename}
        </Link>
        <Text size="sm" c="dimmed">
          {kindOf(r)}
        </Text>
      </div>
      <Text size="sm" c="dimmed" className="breakable">
        <Ago at={r.requestedAt} />, {formatTime(r.requestedAt)}, by {actorName(r.requestedBy)}
      </Text>
      <div>
        <StateBadge state={r.state} />
      </div>
      <Outcome restore={r} />
    </li>
  );
}

function kindOf({ dryRun, rescue, source }: Restore): string {
  if (rescue === undefined)
    return `${dryRun ? "Dry run" : "Real run"} of ${source.upload === undefined ? "a backup" : "an upload"}`;
  const names = rescue.tables.map((t) => t.name).join(", ");
  const more = rescue.tableCount - rescue.tables.length;
  return `${dryRun ? "Dry run of a rescue" : "Rescue"} of ${names}${more > 0 ? ` and ${more} more` : ""}`;
}

function Outcome({ restore: r }: { restore: Restore }) {
  const now = useNow(30);
  if (restoreIsOpen(r)) {
    const job = r.followUp !== undefined && r.state !== "queued" && r.state !== "running" ? r.followUp : r;
    return <JobProgress job={job} label={`Restore of ${r.filename}`} />;
  }
  const left = r.held === undefined ? undefined : (new Date(r.held.until).getTime() - now) / 1000;
  const can = r.state === "restored" ? "Can be undone for" : r.state === "rehearsed" ? "Can be applied for" : undefined;
  return (
    <Text size="sm" component="div" className="breakable">
      {r.failure !== undefined && <div>{r.failure.reason}</div>}
      {r.summary !== undefined && (
        <div>
          {plural(r.summary.rows, "row")}
          {r.rescue === undefined &&
            `; ${r.summary.changed === 0 ? "no table changed" : `${plural(r.summary.changed, "table")} changed`}`}
        </div>
      )}
      {can !== undefined && left !== undefined && left > 0 && (
        <div style={{ fontWeight: 600 }}>
          {can} {formatDuration(left)}
        </div>
      )}
    </Text>
  );
}
