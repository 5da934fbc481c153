import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { BusyButton } from "../../ui/BusyButton";
import type { Schemas } from "../../api/client";
import { useMay, useRegenerateCronKey } from "../../api/queries";
import { GuardedButton } from "../../ui/Guarded";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { Missing } from "../../ui/States";
import { Ago } from "../../ui/Time";

interface Props {
  current: Schemas["CronKeyMasked"];
  onRegenerated: (key: Schemas["CronKeyRevealed"]) => void;
}

/** Replaces the key, after a warning. */
export function Regenerate({ current, onRegenerated }: Props) {
  const [asked, setAsked] = useState(false);
  const may = useMay("cron-key:regenerate");
  const close = () => setAsked(false);
  return (
    <Group>
      <GuardedButton needs="cron-key:regenerate" variant="light" color="red" onClick={() => setAsked(true)}>
        Regenerate Cron Key
      </GuardedButton>
      {!may && (
        <Text size="sm" c="dimmed">
          <Missing permission="cron-key:regenerate" />
        </Text>
      )}
      <Modal opened={asked} onClose={close} title="Regenerate the cron key?" size="lg">
        <Question
          current={current}
          onClose={close}
          onRegenerated={(key) => {
            close();
            onRegenerated(key);
          }}
        />
      </Modal>
    </Group>
  );
}

function Question({ current, onClose, onRegenerated }: Props & { onClose: () => void }) {
  const regenerate = useRegenerateCronKey();
  const press = () =>
    regenerate.mutate(undefined, {
      onSuccess: (key) => {
        // The mutation would keep the key.
        regenerate.reset();
        onRegenerated(key);
      },
    });
  return (
    <Stack>
      <Text>
        A new key takes the place of the one that ends in <code>{current.masked.slice(-4)}</code>. Every integration that holds
        the old key must be given the new one: it is refused at once, or after the grace period where one is configured, and then
        starts no backups.
      </Text>
      <Text>
        {current.lastUsedAt === undefined ? (
          "This key has not been used yet."
        ) : (
          <>
            This key was last used <Ago at={current.lastUsedAt} />: something holds it.
          </>
        )}
      </Text>
      {regenerate.isError && <ProblemAlert error={regenerate.error} title="The key was not replaced" />}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose} data-autofocus>
          Keep the key
        </Button>
        <BusyButton color="red" onClick={press} loading={regenerate.isPending}>
          Regenerate the key
        </BusyButton>
      </Group>
    </Stack>
  );
}
