import { Group, Stack, Text, Title } from "@mantine/core";
import { useEffect, useRef } from "react";
import { Link, useLocation } from "wouter";

import { paths } from "../../app/routes";
import { useTitle } from "../../app/title";
import { isOpen, useBackup, type BackupDetail } from "../../api/queries";
import { actorName } from "../../ui/actor";
import { announce } from "../../ui/announce";
import { refusalOf } from "../../ui/backup";
import { DeleteBackupButton } from "../../ui/DeleteBackup";
import { DownloadBackupButton } from "../../ui/DownloadBackup";
import { Fact, Facts } from "../../ui/Facts";
import { formatDuration, plural, secondsBetween } from "../../ui/format";
import { GuardedButton } from "../../ui/Guarded";
import { IconArrowLeft } from "../../ui/icons";
import { JobProgress } from "../../ui/JobProgress";
import { Panel } from "../../ui/Panel";
import { PartialBadge } from "../../ui/PartialBadge";
import { StateBadge } from "../../ui/StateBadge";
import { Answer } from "../../ui/States";
import { Ago, Time, useNow } from "../../ui/Time";
import classes from "./BackupDetails.module.css";
import { ByHand } from "./ByHand";
import { Contents } from "./Contents";
import { FailurePanel } from "./FailurePanel";
import { LogPanel } from "./LogPanel";
import { Proof } from "./Proof";

export default function BackupDetails({ database, id }: { database: string; id: string }) {
  const backup = useBackup(database, id);
  useTitle(backup.data?.filename ?? "Backup");
  useEndAnnounced(backup.data);
  return (
    <Stack gap="lg">
      <Link href={paths.backups(database)} className={classes.back}>
        <IconArrowLeft size={16} aria-hidden />
        Backup Inventory
      </Link>
      <Answer query={backup} label="Loading the backup">
        {(b) => <Details backup={b} />}
      </Answer>
    </Stack>
  );
}

/** Says that the backup ended to those who do not see it. */
function useEndAnnounced(backup: BackupDetail | undefined) {
  const before = useRef<BackupDetail["state"]>(undefined);
  useEffect(() => {
    if (backup === undefined) return;
    if (before.current !== undefined && before.current !== backup.state && !isOpen(backup)) {
      announce(backup.state === "created" ? `${backup.filename} was created.` : `${backup.filename} failed.`);
    }
    before.current = backup.state;
  }, [backup]);
}

function Details({ backup: b }: { backup: BackupDetail }) {
  return (
    <>
      <Heading backup={b} />
      <div className={classes.columns}>
        <Stack gap="lg">
          {isOpen(b) && (
            <Panel title="Progress">
              <JobProgress job={b} label={`Progress of ${b.filename}`} />
            </Panel>
          )}
          {b.failure !== undefined && <FailurePanel failure={b.failure} />}
          {b.state === "created" && <Proof backup={b} />}
          {b.tables !== undefined && <Contents backup={b} />}
          <LogPanel lines={b.log ?? []} />
        </Stack>
        <Stack gap="lg">
          <Course backup={b} />
          <ByHand backup={b} />
        </Stack>
      </div>
    </>
  );
}

function Heading({ backup: b }: { backup: BackupDetail }) {
  const [, go] = useLocation();
  return (
    <Group justify="space-between" gap="md" align="flex-start">
      <Group gap="sm" className={classes.name}>
        <Title order={1} size="h2" className="breakable">
          {b.filename}
        </Title>
        <StateBadge state={b.state} />
        <PartialBadge partial={b.partial} />
      </Group>
      <Group gap="xs">
        <GuardedButton
          needs="restores:rehearse"
          refusal={refusalOf(b)}
          aria-label={`Restore ${b.filename}`}
          onClick={() => go(paths.restoreOptions(b.database, { backup: b.id }))}
        >
          Restore…
        </GuardedButton>
        <DownloadBackupButton backup={b} />
        <DeleteBackupButton backup={b} onDeleted={() => go(paths.backups(b.database), { replace: true })} />
      </Group>
    </Group>
  );
}

/** When it was asked for, by whom, and how long it took. */
function Course({ backup: b }: { backup: BackupDetail }) {
  return (
    <Panel title="Course">
      <Facts>
        <Fact term="Database">{b.database}</Fact>
        <Fact term="Requested">
          <Time at={b.requestedAt} /> by {actorName(b.requestedBy)}
        </Fact>
        <Fact term="Started">{b.startedAt === undefined ? "Not yet" : <Time at={b.startedAt} />}</Fact>
        <Fact term="Ended">{b.endedAt === undefined ? "Not yet" : <Ended at={b.endedAt} />}</Fact>
        <Fact term="Duration">
          <Duration backup={b} />
        </Fact>
        <Fact term="Attempt">
          {b.attempt === 0 ? "None yet" : b.attempt === 1 ? "The first" : `${b.attempt}: the worker of the one before died`}
        </Fact>
        {b.snapshotSeconds !== undefined && (
          <Fact term="Snapshot">
            The server kept this moment for {formatDuration(b.snapshotSeconds)}
            {b.connections !== undefined && `, while ${plural(b.connections, "connection")} read it`}
          </Fact>
        )}
        {b.cancelRequest !== undefined && (
          <Fact term="Asked to stop">
            <Time at={b.cancelRequest.at} /> by {actorName(b.cancelRequest.by)}
          </Fact>
        )}
      </Facts>
    </Panel>
  );
}

const Ended = ({ at }: { at: string }) => (
  <>
    <Time at={at} />{" "}
    <Text span c="dimmed">
      (<Ago at={at} />)
    </Text>
  </>
);

function Duration({ backup: b }: { backup: BackupDetail }) {
  if (b.startedAt === undefined) return "Not known yet";
  if (b.endedAt === undefined) return <SoFar since={b.startedAt} />;
  return formatDuration(secondsBetween(b.startedAt, b.endedAt));
}

function SoFar({ since }: { since: string }) {
  const now = useNow(1);
  // The service's clock may be ahead of this one.
  return `${formatDuration(Math.max(1, Math.floor((now - new Date(since).getTime()) / 1000)))} so far`;
}
