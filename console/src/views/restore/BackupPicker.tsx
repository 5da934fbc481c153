import { Radio, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { itemsOf, useBackups, type Backup } from "../../api/queries";
import { actorName } from "../../ui/actor";
import { BusyButton } from "../../ui/BusyButton";
import { formatBytes, formatCount, formatTime, plural } from "../../ui/format";
import { IconSearch } from "../../ui/icons";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { Failed, Loading } from "../../ui/States";
import { Ago } from "../../ui/Time";
import { Notice } from "../../ui/Notice";
import classes from "./restore.module.css";

interface Props {
  database: string;
  /** The one that is chosen, which may be older than those in the list. */
  chosen?: Backup;
  /** Why it can't be read, where it can't. */
  error: unknown;
  onChoose: (backup: Backup) => void;
  /** What keeps the restore from being queued, where it is the backup. */
  missing?: string;
}

const created: Backup["state"][] = ["created"];

/** The created backups, newest first. */
export function BackupPicker({ database, chosen, error, onChoose, missing }: Props) {
  const backups = useBackups(database, { state: created });
  const [search, setSearch] = useState("");
  const items = itemsOf(backups.data);
  const found = items.filter((b) => matches(b, search));
  const rows = chosen?.usable === true && !items.some((b) => b.id === chosen.id) ? [chosen, ...found] : found;

  if (backups.data === undefined) {
    if (backups.error === null) return <Loading label="Loading the backups" lines={5} />;
    return <Failed error={backups.error} onRetry={() => void backups.refetch()} />;
  }
  return (
    <Stack gap="sm">
      {error !== null && <ProblemAlert error={error} title="The backup that was asked for can’t be shown" />}
      {chosen !== undefined && !chosen.usable && (
        <Notice tone="warn" title={`${chosen.filename} can’t be restored`}>
          {[chosen.unusable?.reason, chosen.unusable?.hint].filter(Boolean).join(" ")}
        </Notice>
      )}
      {backups.error !== null && (
        <ProblemAlert
          error={backups.error}
          title="The backups could not be refreshed; they may be out of date"
          onRetry={() => void backups.refetch()}
        />
      )}
      {items.length === 0 && rows.length === 0 ? (
        <Notice tone="quiet" title="There is no backup to restore from">
          Create one in the inventory, or restore from an uploaded file.
        </Notice>
      ) : (
        <>
          <TextInput
            label="Search the backups"
            placeholder="Part of a name, a date or who asked for it"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
            data-field="source"
            error={missing}
          />
          <fieldset className={classes.choices}>
            <legend className="visually-hidden">Backup to restore</legend>
            <div className={classes.scroll}>
              {rows.map((b) => (
                <BackupRow key={b.id} backup={b} chosen={b.id === chosen?.id} onChoose={onChoose} />
              ))}
              {rows.length === 0 && (
                <Text size="sm" c="dimmed" p="md">
                  None of the {plural(items.length, "backup")} that were read matches “{search}”.
                </Text>
              )}
              {backups.hasNextPage && (
                <div className={classes.choice}>
                  <BusyButton
                    variant="default"
                    size="xs"
                    loading={backups.isFetchingNextPage}
                    onClick={() => void backups.fetchNextPage()}
                  >
                    Show older backups
                  </BusyButton>
                </div>
              )}
            </div>
          </fieldset>
          <Text size="xs" c="dimmed" role="status">
            {search.trim() === ""
              ? `${plural(items.length, "created backup")}${backups.hasNextPage ? ", and older ones" : ""}`
              : `${formatCount(found.length)} of ${plural(items.length, "backup")} ${found.length === 1 ? "matches" : "match"}${backups.hasNextPage ? "; older ones were not searched" : ""}`}
          </Text>
        </>
      )}
    </Stack>
  );
}

/** Whether every word is in the name, the time or the person. */
function matches(b: Backup, search: string): boolean {
  const text = [b.filename, formatTime(b.endedAt ?? b.requestedAt), b.requestedAt, actorName(b.requestedBy)]
    .join(" ")
    .toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function BackupRow({ backup: b, chosen, onChoose }: { backup: Backup; chosen: boolean; onChoose: (backup: Backup) => void }) {
  return (
    <div className={classes.choice} data-chosen={chosen || undefined}>
      <Radio
        className={classes.radio}
        name="backup"
        value={b.id}
        checked={chosen}
        onChange={() => onChoose(b)}
        label={
          <span className={classes.row}>
            <span className={`${classes.name} breakable`}>{b.filename}</span>
            <span className={classes.meta}>
              Created <Ago at={b.endedAt ?? b.requestedAt} />, {formatTime(b.endedAt ?? b.requestedAt)}, by{" "}
              {actorName(b.requestedBy)}
            </span>
            <span className={`${classes.end} ${classes.meta}`}>
              {b.size !== undefined && formatBytes(b.size)}
              {b.rows !== undefined && `, ${plural(b.rows, "row")}`}
              {b.partial !== undefined && ", partial"}
            </span>
          </span>
        }
      />
    </div>
  );
}
