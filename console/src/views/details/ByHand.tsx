import { Stack, Text, Title } from "@mantine/core";

import type { BackupDetail } from "../../api/queries";
import { Command } from "../../ui/Command";
import { CopyButton } from "../../ui/Copy";
import { Fact, Facts } from "../../ui/Facts";
import { Panel } from "../../ui/Panel";
import { Steps } from "../../ui/Steps";
import classes from "./ByHand.module.css";
import { stepsByHand } from "./commands";

/** Where the file lies, and how it is restored when this page is not there. */
export function ByHand({ backup: b }: { backup: BackupDetail }) {
  if (b.location === undefined) return null;
  const url = `s3://${b.location.bucket}/${b.location.key}`;
  const steps = stepsByHand(b);
  return (
    <Panel title="Where the file lies">
      <Facts>
        <Fact term="Object">
          <div className={classes.copied}>
            <code>{url}</code>
            <CopyButton value={url} what="the object’s address" />
          </div>
        </Fact>
        <Fact term="Version">
          <div className={classes.copied}>
            <code>{b.location.versionId}</code>
            <CopyButton value={b.location.versionId} what="the version" />
          </div>
        </Fact>
      </Facts>
      {steps !== undefined && (
        <Stack gap="sm" mt="xs">
          <Title order={3} size="h5">
            Restore it by hand
          </Title>
          <Text size="sm" c="dimmed" maw="75ch">
            The file is plain SQL, compressed by gzip. Whoever may read the bucket can restore it without this page, with the AWS
            command line and the programs of PostgreSQL.
          </Text>
          <Steps>
            {steps.map((step, i) => (
              <li key={step.title}>
                <Text size="sm" fw={600} mb={4}>
                  {i + 1}. {step.title}
                </Text>
                <Command text={step.command} what={`command ${i + 1}: ${step.title}`} />
              </li>
            ))}
          </Steps>
          <Text size="sm" c="dimmed" maw="75ch">
            Where the last one stops with an error, nothing but the new database is touched: drop it, mend what the error says,
            such as a role or an extension that the server lacks, and create it again.
          </Text>
        </Stack>
      )}
    </Panel>
  );
}
