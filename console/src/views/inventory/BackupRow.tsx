import { Anchor, Button, Group, Text } from "@mantine/core";
import { memo, useId, type Ref } from "react";
import { Link, useLocation } from "wouter";

import { paths } from "../../app/routes";
import { isOpen, type Backup } from "../../api/queries";
import { refusalOf } from "../../ui/backup";
import { DeleteBackupButton } from "../../ui/DeleteBackup";
import { DownloadBackupButton } from "../../ui/DownloadBackup";
import { formatBytes, formatDuration, secondsBetween } from "../../ui/format";
import { GuardedButton } from "../../ui/Guarded";
import { IconChevronDown } from "../../ui/icons";
import { JobProgress } from "../../ui/JobProgress";
import { PartialBadge } from "../../ui/PartialBadge";
import { StateBadge } from "../../ui/StateBadge";
import { Time } from "../../ui/Time";
import classes from "./BackupTable.module.css";
import { FailureDetails } from "./FailureDetails";
import { Proof } from "./Proof";

interface Props {
  backup: Backup;
  /** Where it is in the list, from 0. */
  index: number;
  /** Pixels from the top of the list. */
  top: number;
  expanded: boolean;
  onExpand: (id: string) => void;
  onDelete: (backup: Backup) => void;
  measure: Ref<HTMLDivElement>;
}

const byline: Record<Backup["requestedBy"]["kind"], (name: string) => string> = {
  operator: (name) => `By ${name}`,
  "cron-key": () => "By the cron key",
  schedule: () => "By the schedule",
  system: () => "By the system",
};

/** A backup in the inventory. */
export const BackupRow = memo(function BackupRow({ backup, index, top, expanded, onExpand, onDelete, measure }: Props) {
  const more = useId();
  const seconds =
    backup.startedAt === undefined || backup.endedAt === undefined ? undefined : secondsBetween(backup.startedAt, backup.endedAt);
  return (
    <div
      role="row"
      // The head is the first row.
      aria-rowindex={index + 2}
      data-index={index}
      ref={measure}
      className={classes.row}
      style={{ transform: `translateY(${top}px)` }}
    >
      <div role="cell" className={classes.file}>
        <Anchor component={Link} href={paths.backup(backup.database, backup.id)} fw={600} className="breakable" inherit>
          {backup.filename}
        </Anchor>
        <Text size="sm" c="dimmed" className="breakable">
          {byline[backup.requestedBy.kind](backup.requestedBy.name)}
        </Text>
      </div>
      <div role="cell" className={classes.created}>
        <Time at={backup.requestedAt} />
      </div>
      <div role="cell" className={classes.state}>
        <Group gap={6}>
          <StateBadge state={backup.state} />
          <PartialBadge partial={backup.partial} />
        </Group>
      </div>
      <Measure name="Size" className={classes.size} value={backup.size === undefined ? undefined : formatBytes(backup.size)} />
      <div role="cell" className={classes.proof}>
        {isOpen(backup) && <JobProgress job={backup} label={`Progress of ${backup.filename}`} />}
        {backup.state === "created" && <Proof backup={backup} />}
        {backup.state === "failed" && (
          <>
            <Text size="sm" className="breakable">
              {backup.failure?.reason ?? "It failed; the reason is not known."}
            </Text>
            <Button
              variant="subtle"
              size="compact-sm"
              ml={-8}
              aria-expanded={expanded}
              aria-controls={expanded ? more : undefined}
              aria-label={`What happened to ${backup.filename}`}
              onClick={() => onExpand(backup.id)}
              rightSection={<IconChevronDown size={14} aria-hidden style={{ rotate: expanded ? "180deg" : undefined }} />}
            >
              What happened
            </Button>
          </>
        )}
      </div>
      <Measure name="Duration" className={classes.duration} value={seconds === undefined ? undefined : formatDuration(seconds)} />
      <Actions backup={backup} onDelete={onDelete} />
      {expanded && (
        <div role="cell" id={more} className={classes.more}>
          <FailureDetails backup={backup} />
        </div>
      )}
    </div>
  );
});

/** A number of a backup, with its name where the table's head is not shown. */
function Measure({ name, className, value }: { name: string; className: string | undefined; value: string | undefined }) {
  if (value === undefined) {
    return (
      <div role="cell" className={`${className} ${classes.empty}`}>
        <span aria-hidden>–</span>
        <span className="visually-hidden">Not known yet</span>
      </div>
    );
  }
  return (
    <div role="cell" className={className}>
      <span className={classes.label} aria-hidden>
        {name}{" "}
      </span>
      {value}
    </div>
  );
}

function Actions({ backup, onDelete }: Pick<Props, "backup" | "onDelete">) {
  const [, go] = useLocation();
  const { database, id, filename } = backup;
  return (
    <div role="cell" className={classes.actions}>
      <DownloadBackupButton backup={backup} size="compact-sm" />
      <GuardedButton
        variant="default"
        size="compact-sm"
        needs="restores:rehearse"
        refusal={refusalOf(backup)}
        aria-label={`Restore ${filename}`}
        onClick={() => go(paths.restoreOptions(database, { backup: id }))}
      >
        Restore…
      </GuardedButton>
      <DeleteBackupButton backup={backup} size="compact-sm" variant="subtle" onPress={() => onDelete(backup)} />
      <Button
        component={Link}
        href={paths.backup(database, id)}
        variant="subtle"
        size="compact-sm"
        aria-label={`Details of ${filename}`}
      >
        Details
      </Button>
    </div>
  );
}
