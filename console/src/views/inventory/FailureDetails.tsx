import { Stack, Text, Title } from "@mantine/core";

import { useBackup, type Backup } from "../../api/queries";
import { formatClock, formatExactTime } from "../../ui/format";
import { Answer } from "../../ui/States";
import classes from "./BackupTable.module.css";

/** Everything there is to review of a failed backup. */
export function FailureDetails({ backup }: { backup: Backup }) {
  const detail = useBackup(backup.database, backup.id);
  return (
    <Stack gap="sm">
      {backup.failure?.hint !== undefined && <Text size="sm">What to do: {backup.failure.hint}</Text>}
      <Text size="sm" c="dimmed">
        {backup.startedAt !== undefined && <>Began {formatExactTime(backup.startedAt)}. </>}
        {backup.endedAt !== undefined && <>Failed {formatExactTime(backup.endedAt)}.</>}
      </Text>
      <Answer query={detail} label="Loading the log">
        {({ failure, log = [] }) => (
          <div className={classes.details}>
            <Log title="What the tool and the server said" text={failure?.log} />
            <Log title="What happened" text={log.map((line) => `${formatClock(line.at)}  ${line.text}`).join("\n")} />
          </div>
        )}
      </Answer>
    </Stack>
  );
}

function Log({ title, text }: { title: string; text: string | undefined }) {
  if (text === undefined || text === "") return null;
  return (
    <div>
      <Title order={3} size="h6" mb={4}>
        {title}
      </Title>
      {/* It scrolls, so the keyboard has to reach it. */}
      <Text component="pre" size="xs" ff="monospace" m={0} className={classes.log} tabIndex={0} role="region" aria-label={title}>
        {text}
      </Text>
    </div>
  );
}
