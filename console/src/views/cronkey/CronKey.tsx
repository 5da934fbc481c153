import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";

import type { Schemas } from "../../api/client";
import { useCronKey, useMay, useRevealCronKey } from "../../api/queries";
import { useTitle } from "../../app/title";
import { actorName } from "../../ui/actor";
import { announce } from "../../ui/announce";
import { Notice } from "../../ui/Notice";
import { CopyButton } from "../../ui/Copy";
import { Fact, Facts } from "../../ui/Facts";
import { formatCount, formatTime } from "../../ui/format";
import { GuardedButton } from "../../ui/Guarded";
import { IconEye, IconEyeOff, IconRefresh } from "../../ui/icons";
import { Panel } from "../../ui/Panel";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { Answer, Missing } from "../../ui/States";
import { Ago, Time, useNow } from "../../ui/Time";
import { Updated } from "../../ui/Updated";
import classes from "./CronKey.module.css";
import { Recipe } from "./Recipe";
import { Regenerate } from "./Regenerate";
import { isNewer, useShownKey } from "./useShownKey";

type Masked = Schemas["CronKeyMasked"];

export default function CronKey() {
  useTitle("Cron Secret Key");
  const key = useCronKey();
  const refresh = () => void key.refetch().then((result) => result.isSuccess && announce("Refreshed."));
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end" gap="sm">
        <div>
          <Title order={1} size="h2">
            Cron Secret Key
          </Title>
          <Text c="dimmed">With it an outside scheduler starts backups, without a sign-in.</Text>
        </div>
        <Group gap="sm">
          <Updated at={key.dataUpdatedAt} />
          <Button variant="default" onClick={refresh} leftSection={<IconRefresh size={18} aria-hidden />}>
            Refresh
          </Button>
        </Group>
      </Group>
      <Answer query={key} label="Loading the cron key">
        {(masked) => <View masked={masked} />}
      </Answer>
    </Stack>
  );
}

function View({ masked }: { masked: Masked }) {
  const [known, setKnown] = useState(masked);
  const { shown, show, hide } = useShownKey(masked);
  const [fresh, setFresh] = useState<Masked>();
  // After a regeneration the answer to it is newer than what was read last.
  const current = shown !== undefined && isNewer(shown.key, masked) ? shown.key : masked;
  const replaced = isNewer(current, known);
  useEffect(() => {
    if (replaced) announce(`The cron key was replaced by ${actorName(current.createdBy)}.`);
  }, [replaced, current.createdBy]);
  const regenerated = (key: Schemas["CronKeyRevealed"]) => {
    setKnown(key);
    setFresh(key);
    show(key);
    announce("The key was replaced. The new one is shown.");
  };
  return (
    <div className={classes.columns}>
      <Stack gap="lg">
        {replaced && (
          <Notice tone="warn" title="The key was replaced elsewhere">
            {actorName(current.createdBy, true)} replaced it on {formatTime(current.createdAt)}. What was shown here before is the
            old key: integrations need the new one.
            <div>
              <Button size="xs" variant="default" mt="xs" onClick={() => setKnown(current)}>
                Understood
              </Button>
            </div>
          </Notice>
        )}
        {fresh !== undefined && !isNewer(current, fresh) && (
          <Notice tone="warn" title="Give the new key to every integration now">
            {current.oldUntil === undefined
              ? "The old key is refused already: what still holds it starts no backups."
              : `The old key is accepted until ${formatTime(current.oldUntil)}, then it is refused.`}
          </Notice>
        )}
        <KeyPanel current={current} shown={shown} onShow={show} onHide={hide} />
        <Panel title="Replace the key">
          <Text maw="75ch">
            Replace it when somebody may have seen it who should not, or when somebody leaves who knew it. Every integration that
            holds the old key must then be given the new one.
          </Text>
          <Regenerate current={current} onRegenerated={regenerated} />
        </Panel>
      </Stack>
      <Recipe keyText={shown?.key.key} masked={current.masked} />
    </div>
  );
}

type ShownKey = ReturnType<typeof useShownKey>;

function KeyPanel({
  current,
  shown,
  onShow,
  onHide,
}: {
  current: Masked;
  shown: ShownKey["shown"];
  onShow: ShownKey["show"];
  onHide: () => void;
}) {
  const reveal = useRevealCronKey();
  const may = useMay("cron-key:reveal");
  const press = () =>
    reveal.mutate(undefined, {
      onSuccess: (key) => {
        onShow(key);
        // The mutation would keep it.
        reveal.reset();
        announce("The key is shown.");
      },
    });
  return (
    <Panel title="Key">
      <div className={classes.key}>
        <div className={classes.keyText}>
          {shown === undefined ? (
            <>
              <span className="visually-hidden">Masked. It ends in {current.masked.slice(-4)}.</span>
              <code aria-hidden>{current.masked}</code>
            </>
          ) : (
            <code>{shown.key.key}</code>
          )}
        </div>
      </div>
      <Group gap="sm" mih={36}>
        {/* One button for both, so that the focus stays on it. */}
        <GuardedButton
          needs={shown === undefined ? "cron-key:reveal" : undefined}
          variant={shown === undefined ? "filled" : "default"}
          loading={reveal.isPending}
          onClick={shown === undefined ? press : onHide}
          leftSection={shown === undefined ? <IconEye size={18} aria-hidden /> : <IconEyeOff size={18} aria-hidden />}
        >
          {shown === undefined ? "Reveal" : "Hide"}
        </GuardedButton>
        {shown !== undefined && <CopyButton value={shown.key.key} what="the cron key" size="sm" />}
        <Text size="sm" c="dimmed">
          {!may ? (
            <Missing permission="cron-key:reveal" />
          ) : shown === undefined ? (
            "It is recorded who reveals it."
          ) : (
            <HidesIn until={shown.until} />
          )}
        </Text>
      </Group>
      {reveal.isError && <ProblemAlert error={reveal.error} title="The key could not be revealed" onRetry={press} />}
      <KeyFacts current={current} />
    </Panel>
  );
}

function KeyFacts({ current }: { current: Masked }) {
  return (
    <Facts>
      <Fact term={current.rotations === 0 ? "Made" : "Last replaced"}>
        <Time at={current.createdAt} /> by {actorName(current.createdBy)}
      </Fact>
      <Fact term="Replaced">
        {current.rotations === 0 ? "Never" : current.rotations === 1 ? "Once" : `${formatCount(current.rotations)} times`}
      </Fact>
      <Fact term="Last used">
        {current.lastUsedAt === undefined ? (
          "Not yet"
        ) : (
          <>
            <Time at={current.lastUsedAt} />{" "}
            <Text span c="dimmed">
              (<Ago at={current.lastUsedAt} />)
            </Text>
          </>
        )}
      </Fact>
      <Fact term="Old key">
        {current.oldUntil === undefined ? (
          current.rotations === 0 ? (
            "There is none"
          ) : (
            "Refused"
          )
        ) : (
          <>
            Accepted until <Time at={current.oldUntil} />
          </>
        )}
      </Fact>
    </Facts>
  );
}

function HidesIn({ until }: { until: number }) {
  const now = useNow(1);
  return `It hides again in ${Math.max(1, Math.ceil((until - now) / 1000))} s.`;
}
