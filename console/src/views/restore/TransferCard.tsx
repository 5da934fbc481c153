import { Button, Group, Progress, Stack, Text, Title } from "@mantine/core";

import { dismissTransfer, retryTransfer, stopTransfer, type Transfer } from "../../upload/transfers";
import { formatBytes, formatDuration } from "../../ui/format";
import { ProblemAlert } from "../../ui/ProblemAlert";
import classes from "./restore.module.css";

const doing = {
  announcing: "Announcing the file",
  sending: "Sending the file",
  completing: "The file has been sent; its arrival is being confirmed",
  stopped: "The file has not arrived",
  sent: "The file has arrived",
};

/** A file on its way: how far it is, and how to stop it or try again. */
export function TransferCard({ transfer: t }: { transfer: Transfer }) {
  const share = Math.floor((100 * t.sent) / t.file.size);
  const left = t.perSecond === undefined || t.perSecond < 1 ? undefined : (t.file.size - t.sent) / t.perSecond;
  const words = [
    `${formatBytes(t.sent)} of ${formatBytes(t.file.size)}`,
    t.perSecond === undefined ? undefined : `${formatBytes(t.perSecond)} a second`,
    left === undefined || t.phase !== "sending" ? undefined : `about ${formatDuration(Math.max(1, left))} left`,
  ];
  return (
    <div className={classes.transfer}>
      <Stack gap="sm">
        <div>
          <Title order={3} size="h5" className="breakable">
            {t.file.name}
          </Title>
          <Text size="sm" c="dimmed">
            {t.signedOut === true ? "Sign in again to go on; what has been sent stays" : doing[t.phase]}
          </Text>
        </div>
        {t.phase === "stopped" ? (
          <ProblemAlert error={t.problem} />
        ) : (
          <>
            <Progress.Root size="lg">
              <Progress.Section
                value={t.phase === "completing" ? 100 : share}
                striped={t.phase !== "sending"}
                animated={t.phase !== "sending"}
                aria-label={`${t.file.name}: ${doing[t.phase]}`}
                withAria
                // At nothing per cent it is there too.
                miw={8}
              />
            </Progress.Root>
            <Text size="sm">{words.filter((part) => part !== undefined).join(" · ")}</Text>
            {t.resumedAt > 0 && (
              <Text size="sm" c="dimmed">
                It goes on where it stopped: {formatBytes(t.resumedAt)} had arrived before.
              </Text>
            )}
            <Text size="sm" c="dimmed">
              You can go to other views meanwhile. Keep this tab open.
            </Text>
          </>
        )}
        <Group gap="xs">
          {t.phase === "stopped" && <Button onClick={() => retryTransfer(t.database)}>Try again</Button>}
          <Button
            variant="default"
            onClick={() => (t.phase === "stopped" ? dismissTransfer(t.database) : stopTransfer(t.database))}
          >
            Cancel the upload
          </Button>
        </Group>
      </Stack>
    </div>
  );
}
