import { Button, FileButton, Group, Radio, Stack, Text, Title } from "@mantine/core";
import { useEffect, useRef, useState } from "react";

import { useUpload, useUploads, type Upload, type UploadDetail } from "../../api/queries";
import { refusalOfFiles } from "../../upload/file";
import { memory } from "../../upload/memory";
import { startTransfer, useTransfer } from "../../upload/transfers";
import { announce } from "../../ui/announce";
import { actorName } from "../../ui/actor";
import { formatBytes, formatTime, plural } from "../../ui/format";
import { GuardedButton } from "../../ui/Guarded";
import { JobProgress } from "../../ui/JobProgress";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { StateBadge } from "../../ui/StateBadge";
import { Failed, Loading } from "../../ui/States";
import { Ago } from "../../ui/Time";
import { InspectionResult } from "./InspectionResult";
import { Notice } from "../../ui/Notice";
import classes from "./restore.module.css";

interface Props {
  database: string;
  chosen: string | undefined;
  onChoose: (id: string) => void;
  acknowledged: boolean;
  onAcknowledge: (yes: boolean) => void;
  acknowledgementError?: string;
}

const few = 5;

/** The files that were uploaded: to choose from, to read why one was rejected, to go on with one that was half sent. */
export function Uploads(props: Props) {
  const { database, chosen } = props;
  const uploads = useUploads(database);
  const detail = useUpload(database, chosen);
  const transfer = useTransfer(database);
  const [all, setAll] = useState(false);
  const [abandoned, setAbandoned] = useState(() => abandonedOnes(database));
  useVerdict(detail.data);

  if (uploads.data === undefined) {
    if (uploads.error === null) return <Loading label="Loading the uploads" lines={3} />;
    return <Failed error={uploads.error} onRetry={() => void uploads.refetch()} />;
  }
  const sending = transfer !== undefined && transfer.phase !== "sent" ? transfer.upload : undefined;
  const listed = uploads.data.items.filter(
    (u) => u.id !== sending && !(abandoned.has(u.id) && (u.state === "pending" || u.failure?.code === "upload_never_arrived")),
  );
  const known = detail.data !== undefined && !listed.some((u) => u.id === chosen) && chosen !== sending;
  const items = known ? [detail.data, ...listed] : listed;
  const place = items.findIndex((u) => u.id === chosen);
  const shown = all ? items : items.slice(0, Math.max(few, place + 1));
  return (
    <Stack gap="sm">
      <Title order={3} size="h5">
        Uploaded files
      </Title>
      {detail.error !== null && <ProblemAlert error={detail.error} title="The upload that was asked for can’t be shown" />}
      {uploads.error !== null && (
        <ProblemAlert
          error={uploads.error}
          title="The uploads could not be refreshed; they may be out of date"
          onRetry={() => void uploads.refetch()}
        />
      )}
      {items.length === 0 ? (
        <Text size="sm" c="dimmed">
          Nothing has been uploaded for {database} yet.
        </Text>
      ) : (
        <fieldset className={classes.choices}>
          <legend className="visually-hidden">Uploaded file to restore</legend>
          {shown.map((u) => (
            <UploadRow
              key={u.id}
              {...props}
              upload={u}
              detail={u.id === chosen ? detail.data : undefined}
              onAbandon={() => {
                memory.abandon(database, u.id);
                setAbandoned(abandonedOnes(database));
                announce(`${u.filename} was abandoned.`);
              }}
            />
          ))}
        </fieldset>
      )}
      {items.length > shown.length && (
        <Group>
          <Button variant="default" size="xs" onClick={() => setAll(true)}>
            Show {items.length - shown.length} more
          </Button>
        </Group>
      )}
      {all && uploads.data.next !== undefined && (
        <Text size="sm" c="dimmed">
          These are the newest {plural(items.length, "upload")}.
        </Text>
      )}
    </Stack>
  );
}

const abandonedOnes = (database: string) =>
  new Set(
    memory
      .all(database)
      .filter((r) => r.abandoned)
      .map((r) => r.id),
  );

/** Says the verdict when the inspection of the chosen upload ends while it is looked at. */
function useVerdict(upload: UploadDetail | undefined) {
  const before = useRef<[id: string, state: string]>(undefined);
  useEffect(() => {
    if (upload === undefined) return;
    const [id, state] = before.current ?? [];
    before.current = [upload.id, upload.state];
    if (id !== upload.id || state === upload.state) return;
    if (upload.state === "accepted") announce(`${upload.filename} was accepted. It can be restored.`);
    if (upload.state === "rejected") announce(`${upload.filename} was rejected. The reason is shown.`);
  }, [upload]);
}

interface RowProps extends Props {
  upload: Upload;
  detail: UploadDetail | undefined;
  onAbandon: () => void;
}

function UploadRow({ upload, detail, chosen, onChoose, onAbandon, acknowledged, onAcknowledge, acknowledgementError }: RowProps) {
  const here = upload.id === chosen;
  const u = detail ?? upload;
  return (
    <div>
      <div className={classes.choice} data-chosen={here || undefined}>
        <Radio
          className={classes.radio}
          name="upload"
          value={u.id}
          checked={here}
          onChange={() => onChoose(u.id)}
          label={
            <span className={classes.row}>
              <span className={`${classes.name} breakable`}>{u.filename}</span>
              <span className={classes.meta}>
                {formatBytes(u.size)}, uploaded <Ago at={u.requestedAt} />, {formatTime(u.requestedAt)}, by{" "}
                {actorName(u.requestedBy)}
              </span>
              <span className={classes.end}>
                <StateBadge state={u.state} />
              </span>
            </span>
          }
        />
      </div>
      {here && (
        <div className={classes.detail}>
          {u.state === "pending" && <Pending upload={u} onAbandon={onAbandon} />}
          {u.state === "received" && <Inspecting upload={u} />}
          {detail === undefined && (u.state === "accepted" || u.state === "rejected") && (
            <Loading label="Loading what was found in it" lines={3} />
          )}
          {detail !== undefined && (u.state === "accepted" || u.state === "rejected") && (
            <InspectionResult
              upload={detail}
              acknowledged={acknowledged}
              onAcknowledge={onAcknowledge}
              error={acknowledgementError}
            />
          )}
        </div>
      )}
    </div>
  );
}

/** A worker that has it is past waiting: the record stays received until the inspection ends. */
function Inspecting({ upload }: { upload: Upload }) {
  const job = upload.startedAt === undefined ? upload : { ...upload, state: "running" };
  return (
    <Stack gap="xs">
      <Text size="sm">
        The file has arrived, and is read from its beginning to its end. Nothing of it is run. You can go to other views
        meanwhile.
      </Text>
      <JobProgress job={job} label={`Inspection of ${upload.filename}`} />
    </Stack>
  );
}

function Pending({ upload, onAbandon }: { upload: Upload; onAbandon: () => void }) {
  const [refusal, setRefusal] = useState<string>();
  const kept = memory.all(upload.database).find((r) => r.id === upload.id);
  const transfer = useTransfer(upload.database);
  const busy = transfer !== undefined && transfer.phase !== "sent" && transfer.phase !== "stopped";
  const take = (file: File | null) => {
    if (file === null) return;
    const other =
      file.size === upload.size
        ? refusalOfFiles([file])
        : `“${file.name}” has ${formatBytes(file.size)}; this upload waits for ${formatBytes(upload.size)}. Choose the same file as before, or upload this one as a new file above.`;
    setRefusal(other);
    if (other === undefined) startTransfer(upload.database, file, upload.id);
  };
  return (
    <Stack gap="sm">
      <Text size="sm" maw="75ch">
        Its file has not arrived whole. Choose the same file again to go on
        {kept !== undefined && kept.parts.length > 0 ? `: ${plural(kept.parts.length, "part")} of it need not be sent again` : ""}
        {upload.expiresAt === undefined ? "" : `. Its link ends ${formatTime(upload.expiresAt)}, and is renewed as you go on`}. If
        you don’t need it, abandon it: what has arrived is removed within a day.
      </Text>
      {refusal !== undefined && (
        <div role="alert">
          <Notice tone="bad" title="This is another file">
            {refusal}
          </Notice>
        </div>
      )}
      <Group gap="xs">
        <FileButton onChange={take} accept=".sql,.gz" inputProps={{ "aria-label": `File for ${upload.filename}` }}>
          {(props) => (
            <GuardedButton
              needs="restores:rehearse"
              refusal={busy && "Another file is being sent. Wait for it, or cancel it."}
              size="sm"
              {...props}
            >
              Choose the file again
            </GuardedButton>
          )}
        </FileButton>
        <GuardedButton needs="restores:rehearse" size="sm" variant="default" onClick={onAbandon}>
          Abandon the upload
        </GuardedButton>
      </Group>
    </Stack>
  );
}
