import { Alert, List, Stack, Text, Title } from "@mantine/core";

import type { ReactNode } from "react";

import type { Backup, Upload } from "../../api/queries";
import { formatBytes, formatCount, formatTime } from "../../ui/format";
import { GuardedButton } from "../../ui/Guarded";
import { IconAlertTriangle } from "../../ui/icons";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { StateBadge } from "../../ui/StateBadge";
import type { Missing, Plan } from "./missing";
import { Facts } from "./parts";
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
    <section className={`surface ${classes.card} ${classes.review}`} aria-labelledby="review">
      <Stack gap="md">
        <Title order={2} size="h4" id="review">
          Review
        </Title>
        <Facts
          of={[...fileFacts(plan, backup, upload), ["Target", <b key="target">{database}</b>], ["Run", run(dryRun, database)]]}
        />
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
      </Stack>
    </section>
  );
}

const run = (dryRun: boolean, database: string) =>
  dryRun ? `Dry run: ${database} stays as it is` : `Real run: ${database} is replaced`;

function fileFacts({ way }: Plan, backup: Backup | undefined, upload: Upload | undefined): [string, ReactNode][] {
  if (way === "backup") {
    if (backup === undefined) return [["File", "No backup is chosen yet"]];
    return [
      ["File", backup.filename],
      ["Size", backup.size === undefined ? undefined : formatBytes(backup.size)],
      ["Created", formatTime(backup.endedAt ?? backup.requestedAt)],
      ["By", backup.requestedBy.name],
      ["Rows", backup.rows === undefined ? undefined : formatCount(backup.rows)],
    ];
  }
  if (upload === undefined) return [["File", "No uploaded file is chosen yet"]];
  return [
    ["File", upload.filename],
    ["Size", formatBytes(upload.size)],
    ["Uploaded", formatTime(upload.requestedAt)],
    ["By", upload.requestedBy.name],
    ["State", upload.usable ? undefined : <StateBadge key="state" state={upload.state} />],
    ["Rows", upload.usable && upload.summary !== undefined ? formatCount(upload.summary.rows) : undefined],
    ["Complete", upload.usable ? (upload.needsAcknowledgement ? "Not proven" : "Proven") : undefined],
  ];
}
