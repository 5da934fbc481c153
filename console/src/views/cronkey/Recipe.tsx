import { Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { useMay } from "../../api/queries";
import { Command } from "../../ui/Command";
import { Panel } from "../../ui/Panel";
import { Steps } from "../../ui/Steps";
import { recipe } from "./cron";

/** How an outside scheduler uses the key: with the key where it is shown, ready to be copied. */
export function Recipe({ keyText, masked }: { keyText: string | undefined; masked: string }) {
  const may = useMay("cron-key:reveal");
  const r = recipe(window.location.origin, keyText ?? masked);
  return (
    <Panel title="Start backups by cron">
      <Text maw="75ch">
        Each call starts a backup of every database. However often it is made within a minute, each database gets one.
      </Text>
      <Steps>
        <Step n={1} title="Make a file that only you can read">
          <Command text={r.makeFile} what="command 1" />
        </Step>
        <Step
          n={2}
          title="Write this line into it, with an editor"
          note={
            keyText !== undefined
              ? "The key is in it, ready to be copied."
              : may
                ? "Reveal the key to have it in the line, ready to be copied."
                : "Whoever may reveal the key has it here, ready to be copied."
          }
        >
          <Command text={r.line} what={keyText === undefined ? undefined : "the line with the key"} />
        </Step>
        <Step n={3} title="Try it: this starts a backup now">
          <Command text={r.call} what="command 3" />
        </Step>
        <Step
          n={4}
          title="Add this line by crontab -e"
          note="Every night at 02:15, by the clock of that machine. It prints nothing unless it fails."
        >
          <Command text={r.crontab} what="the crontab line" />
        </Step>
      </Steps>
      <Text size="sm" c="dimmed" maw="75ch">
        The key is in the file rather than in the command, since everybody on a machine can see the commands that run. Other
        schedulers send the same: a POST with the header <code>X-Cron-Key</code>.
      </Text>
    </Panel>
  );
}

function Step({ n, title, note, children }: { n: number; title: string; note?: string; children: ReactNode }) {
  return (
    <Stack component="li" gap={4}>
      <Text size="sm" fw={600}>
        {n}. {title}
      </Text>
      {children}
      {note !== undefined && (
        <Text size="sm" c="dimmed">
          {note}
        </Text>
      )}
    </Stack>
  );
}
