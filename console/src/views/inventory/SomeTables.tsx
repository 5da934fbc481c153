import { Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { useRef, useState, type FormEvent } from "react";

import { useBackup, useNewestBackup } from "../../api/queries";
import { GuardedButton } from "../../ui/Guarded";
import { Notice } from "../../ui/Notice";
import { plural } from "../../ui/format";
import { ProblemAlert } from "../../ui/ProblemAlert";
import type { Selection } from "../../ui/selection";
import { patternsOf, patternsProblem, wantedTables } from "./patterns";

interface Props {
  database: string;
  opened: boolean;
  onClose: () => void;
  onCreate: (selection: Selection) => void;
  pending: boolean;
  error: unknown;
}

/** Asks of which tables a backup is to have the rows. */
export function SomeTablesDialog({ opened, onClose, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title="Back up only some tables" size="lg">
      <Question onClose={onClose} {...rest} />
    </Modal>
  );
}

function Question({ database, onClose, onCreate, pending, error }: Omit<Props, "opened">) {
  const [texts, setTexts] = useState({ include: "", exclude: "" });
  const [asked, setAsked] = useState(false);
  const includeField = useRef<HTMLTextAreaElement>(null);
  const excludeField = useRef<HTMLTextAreaElement>(null);
  const include = patternsOf(texts.include);
  const exclude = patternsOf(texts.exclude);
  const wrong = { include: patternsProblem(include), exclude: patternsProblem(exclude) };
  const empty = include.length + exclude.length === 0;
  const nothing = empty ? "Say which tables: a backup of all of them is made by Create Backup." : undefined;
  const missing = wrong.include ?? wrong.exclude ?? nothing;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (missing !== undefined)
      (wrong.include === undefined && wrong.exclude !== undefined ? excludeField : includeField).current?.focus();
    else if (!pending) onCreate({ ...(include.length > 0 && { include }), ...(exclude.length > 0 && { exclude }) });
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Text>
          The backup has the whole schema of {database} and the rows of the tables that you choose. It is marked as partial: a
          restore of it leaves all other tables empty. Tables whose rows refer to another table need that one, too. Use it to keep
          or move single tables, and a whole backup to be safe.
        </Text>
        <Textarea
          ref={includeField}
          label="Only the rows of"
          description="One on each line, as schema.table; * stands for any letters. Leave it empty for all tables."
          placeholder={"public.pupil\nschool.*"}
          autosize
          minRows={2}
          maxRows={8}
          value={texts.include}
          onChange={(event) => setTexts({ ...texts, include: event.currentTarget.value })}
          error={wrong.include ?? (asked ? nothing : undefined)}
          spellCheck={false}
          data-autofocus
        />
        <Textarea
          ref={excludeField}
          label="Without the rows of"
          description="In the same way. What stands here is left out, whatever stands above."
          placeholder="audit.log_*"
          autosize
          minRows={2}
          maxRows={8}
          value={texts.exclude}
          onChange={(event) => setTexts({ ...texts, exclude: event.currentTarget.value })}
          error={wrong.exclude}
          spellCheck={false}
        />
        {missing === undefined && <Foreseen database={database} include={include} exclude={exclude} />}
        {error !== null && <ProblemAlert error={error} title="The backup was not started" />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Go back
          </Button>
          <GuardedButton type="submit" needs="backups:create" loading={pending}>
            Create partial backup
          </GuardedButton>
        </Group>
      </Stack>
    </form>
  );
}

// So many names say what is meant.
const named = 8;

/** What the choice comes to with the tables that there were when the newest backup was made. */
function Foreseen({ database, include, exclude }: { database: string; include: string[]; exclude: string[] }) {
  const newest = useNewestBackup(database);
  const { data: backup } = useBackup(database, newest.data?.id);
  if (backup?.tables === undefined) return null;
  const wanted = wantedTables(backup.tables, { include, exclude });
  if (wanted.length === 0) {
    return (
      <Notice tone="warn" title="None of the tables that are known fits">
        The newest backup has {plural(backup.tables.length, "table")}, and the rows of none are chosen. Upper and lower case
        differ.
      </Notice>
    );
  }
  const names = wanted.slice(0, named).map((t) => t.name);
  return (
    <Text size="sm" role="status" className="breakable">
      {wanted.length} of the {plural(backup.tables.length, "table")} in the newest backup: {names.join(", ")}
      {wanted.length > named && ` and ${wanted.length - named} more`}.
    </Text>
  );
}
