import { Alert, List, Text } from "@mantine/core";

import type { Backup, Upload } from "../../api/queries";
import { actorName } from "../../ui/actor";
import { formatBytes, formatCount, formatTime } from "../../ui/format";
import { GuardedButton } from "../../ui/Guarded";
import { IconAlertTriangle } from "../../ui/icons";
import { Panel } from "../../ui/Panel";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { describeSelection } from "../../ui/selection";
import { StateBadge } from "../../ui/StateBadge";
import type { Missing, Plan } from "./missing";
import { Fact, Facts } from "../../ui/Facts";
import classes from "./restore.module.css";

interface Props {
  plan: Plan;
  backup?: Backup;
  upload?: Upload;
  /** What was missing when the button was pressed, as far as it still is. */
  missing: Missing[];
  error: unknown;
  sending: boolean;
  onQueue: () => void;
}

/** What is about to happen, and the button that has it happen. */
export function Review({ plan, backup, upload, missing, error, sending, onQueue }: Props) {
  const { database, dryRun } = plan;
  return (
    <div className={classes.review}>
      <Panel title="Review">
        <Facts>
          {plan.way === "backup" ? <BackupFacts backup={backup} /> : <UploadFacts upload={upload} />}
          <Fact term="Target">
            <b>{database}</b>
          </Fact>
          <Fact term="Run">{dryRun ? `Dry run: ${database} stays as it is` : `Real run: ${database} is replaced`}</Fact>
        </Facts>
        {missing.length > 0 && (
          <Alert
            role="alert"
            color="red"
            icon={<IconAlertTriangle aria-hidden />}
            title={missing.length === 1 ? "One thing is missing" : `${missing.length} things are missing`}
            className="alert-bad"
          >
            <List size="sm">
              {missing.map((m) => (
                <List.Item key={m.field}>{m.message}</List.Item>
              ))}
            </List>
            <Text size="sm" mt="xs">
              Nothing has been queued.
            </Text>
          </Alert>
        )}
        {error !== null && <ProblemAlert error={error} title="The restore was not queued" />}
        <GuardedButton
          needs="restores:rehearse"
          size="md"
          fullWidth
          color={dryRun ? undefined : "red"}
          loading={sending}
          onClick={onQueue}
        >
          {plan.way === "upload" ? "Queue Upload Restore" : "Queue Restore"}
        </GuardedButton>
        <Text size="sm" c="dimmed">
          {dryRun
            ? "It runs by itself and ends with a report."
            : `It runs by itself and replaces ${database} at its end. Until then it can be cancelled.`}
        </Text>
      </Panel>
    </div>
  );
}

function BackupFacts({ backup }: { backup: Backup | undefined }) {
  if (backup === undefined) return <Fact term="File">No backup is chosen yet</Fact>;
  return (
    <>
      <Fact term="File">{backup.filename}</Fact>
      {backup.size !== undefined && <Fact term="Size">{formatBytes(backup.size)}</Fact>}
      <Fact term="Created">{formatTime(backup.endedAt ?? backup.requestedAt)}</Fact>
      <Fact term="By">{actorName(backup.requestedBy)}</Fact>
      {backup.rows !== undefined && <Fact term="Rows">{formatCount(backup.rows)}</Fact>}
      {backup.partial !== undefined && <Fact term="Partial">{describeSelection(backup.partial)}</Fact>}
    </>
  );
}

function UploadFacts({ upload }: { upload: Upload | undefined }) {
  if (upload === undefined) return <Fact term="File">No uploaded file is chosen yet</Fact>;
  return (
    <>
      <Fact term="File">{upload.filename}</Fact>
      <Fact term="Size">{formatBytes(upload.size)}</Fact>
      <Fact term="Uploaded">{formatTime(upload.requestedAt)}</Fact>
      <Fact term="By">{actorName(upload.requestedBy)}</Fact>
      {upload.usable && upload.summary !== undefined && <Fact term="Rows">{formatCount(upload.summary.rows)}</Fact>}
      {upload.usable ? (
        <Fact term="Complete">{upload.needsAcknowledgement ? "Not proven" : "Proven"}</Fact>
      ) : (
        <Fact term="State">
          <StateBadge state={upload.state} />
        </Fact>
      )}
    </>
  );
}
