import { Button, Group, Modal, Stack, Switch, Text } from "@mantine/core";
import { useRef, useState, type FormEvent } from "react";

import { useMay, type BackupDetail } from "../../api/queries";
import { FormButtons } from "../../ui/FormButtons";
import { GuardedButton } from "../../ui/Guarded";
import { formatBytes, plural } from "../../ui/format";
import { isName, NameConfirmation, nameMissing } from "../../ui/NameConfirmation";
import { Notice } from "../../ui/Notice";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { useQueueRestore } from "../../ui/useQueueRestore";
import { tooMany } from "./tables";
import type { Table } from "./tables";
import classes from "./Rescue.module.css";

interface BarProps {
  /** How many tables are chosen. */
  count: number;
  onClear: () => void;
  onRescue: () => void;
}

/** What can be done with the tables that are chosen. */
export function RescueBar({ count, onClear, onRescue }: BarProps) {
  return (
    <Group justify="space-between" gap="sm">
      <Text size="sm" c="dimmed" maw="60ch">
        {count === 0
          ? "To bring single tables back beside the live ones, choose them."
          : `${plural(count, "table")} chosen to be rescued.`}
      </Text>
      <Group gap="xs">
        {count > 0 && (
          <Button variant="subtle" size="xs" onClick={onClear}>
            Choose none
          </Button>
        )}
        <GuardedButton
          variant="default"
          size="xs"
          needs="restores:rehearse"
          refusal={count === 0 ? "Choose tables in the list first." : tooMany(count)}
          onClick={onRescue}
        >
          Rescue…
        </GuardedButton>
      </Group>
    </Group>
  );
}

interface DialogProps {
  backup: BackupDetail;
  tables: readonly Table[];
  opened: boolean;
  onClose: () => void;
}

/** Asks how tables are to be rescued. */
export function RescueDialog({ opened, onClose, tables, ...rest }: DialogProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={`Rescue ${plural(tables.length, "table")}`} size="lg">
      <Question onClose={onClose} tables={tables} {...rest} />
    </Modal>
  );
}

function Question({ backup: b, tables, onClose }: Omit<DialogProps, "opened">) {
  const mayRun = useMay("restores:run");
  const [dryRun, setDryRun] = useState(true);
  const [typed, setTyped] = useState("");
  const [asked, setAsked] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const queue = useQueueRestore(b.database);
  const missing = dryRun ? undefined : nameMissing(b.database, typed);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!dryRun && !isName(b.database, typed)) {
      setAsked(true);
      field.current?.focus();
      return;
    }
    queue.send({
      source: { backup: b.id },
      tables: tables.map((t) => t.name),
      dryRun,
      confirm: dryRun ? undefined : typed,
    });
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Text>
          The tables are put into a new schema, <code>rescue_…</code>, in the live database {b.database}, with their rows as they
          were in this backup. Nothing else is touched: live tables are neither changed nor locked, and what to bring back of the
          rescued rows is yours to decide. It is all there at the end, or nothing.
        </Text>
        <Chosen tables={tables} />
        <Switch
          size="md"
          label="Dry run"
          checked={dryRun}
          disabled={!mayRun}
          onChange={(event) => setDryRun(event.currentTarget.checked)}
          description={
            dryRun
              ? "The tables are made, loaded and counted in the live database, and then taken back before anybody can see them: it shows that a rescue would work."
              : "The schema stays until you drop it. The page of the rescue has the SQL for that, and for bringing rows back."
          }
          styles={{ description: { fontSize: "var(--mantine-font-size-sm)" }, label: { fontWeight: 600 } }}
        />
        {!mayRun && (
          <Notice tone="quiet" title="Only a dry run is possible">
            A real run needs the permission <code>restores:run</code>, which your role lacks.
          </Notice>
        )}
        {!dryRun && (
          <NameConfirmation
            ref={field}
            database={b.database}
            value={typed}
            onChange={setTyped}
            error={asked ? missing : undefined}
            maxLength={63}
          />
        )}
        {queue.error !== null && <ProblemAlert error={queue.error} title="The rescue was not queued" />}
        <FormButtons
          onClose={onClose}
          needs={dryRun ? "restores:rehearse" : "restores:run"}
          missing={missing}
          pending={queue.sending}
        >
          {dryRun ? "Start the dry run" : `Rescue into ${b.database}`}
        </FormButtons>
      </Stack>
    </form>
  );
}

function Chosen({ tables }: { tables: readonly Table[] }) {
  return (
    // It scrolls, so it can be scrolled by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className={classes.chosen} role="group" aria-label="Chosen tables, scrollable" tabIndex={0}>
      <ul>
        {tables.map((t) => (
          <li key={t.name}>
            <span className="breakable">{t.name}</span>
            <span className={classes.size}>
              {plural(t.rows, "row")}
              {t.bytes !== undefined && `, ${formatBytes(t.bytes)}`}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
