import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useEffect, useRef, useState, type FocusEvent, type RefObject } from "react";
import { Link, useLocation } from "wouter";

import type { Schemas } from "../../api/client";
import { isOpen, restoreIsOpen, useRestoreActions, type RestoreDetail } from "../../api/queries";
import { paths } from "../../app/routes";
import { announce } from "../../ui/announce";
import { BusyButton } from "../../ui/BusyButton";
import { ConfirmByName } from "../../ui/ConfirmByName";
import { formatDuration, formatTime } from "../../ui/format";
import { GuardedButton } from "../../ui/Guarded";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { newerVerdict, tablesVerdict } from "./report/verdict";
import classes from "./Actions.module.css";

/** What the API says of something that can't be done. */
function refusalOf(p: Schemas["Possible"] | undefined): string | false {
  return p === undefined || p.allowed ? false : [p.reason, p.hint].filter(Boolean).join(" ");
}

interface Props {
  restore: RestoreDetail;
  /** Takes the focus where the button is gone that had it. */
  said: RefObject<HTMLElement | null>;
  /** The window of what is kept has ended by the clock, whatever the API said before. */
  over: boolean;
}

/** Calls back when the element inside that had the focus is gone. */
function useFocusSaved(save: () => void) {
  const focused = useRef<Element>(null);
  useEffect(() => {
    if (focused.current === null || focused.current.isConnected) return;
    focused.current = null;
    save();
  });
  return {
    onFocus: (event: FocusEvent) => {
      focused.current = event.target;
    },
    onBlur: (event: FocusEvent) => {
      // What is being taken away is no longer there for who leaves it.
      if (event.target.isConnected) focused.current = null;
    },
  };
}

/** What can be done with a restore in its state. */
export function Actions({ restore: r, said, over }: Props) {
  const [asked, setAsked] = useState<"apply" | "undo" | "cancel">();
  const [, go] = useLocation();
  const close = () => setAsked(undefined);
  const closed = () => {
    if (document.activeElement === null || document.activeElement === document.body) said.current?.focus();
  };
  const focused = useFocusSaved(closed);
  const stopped = r.state === "failed" || r.state === "cancelled" || r.state === "expired";
  return (
    <Group gap="xs" className={classes.actions} {...focused}>
      {restoreIsOpen(r) && r.followUp?.kind !== "drop" && (
        <GuardedButton
          variant="default"
          refusal={r.can?.cancel.allowed === true && wanted(r) ? "It is being stopped already." : refusalOf(r.can?.cancel)}
          onClick={() => setAsked("cancel")}
        >
          Stop {newest(r)}…
        </GuardedButton>
      )}
      {r.state === "rehearsed" && r.rescue === undefined && (
        <GuardedButton
          color="red"
          refusal={refusalOf(r.can?.apply) || (over && "The time to apply the copy has ended.")}
          onClick={() => setAsked("apply")}
        >
          Apply…
        </GuardedButton>
      )}
      {r.state === "restored" && r.rescue === undefined && (
        <GuardedButton
          color="red"
          variant="light"
          refusal={refusalOf(r.can?.undo) || (over && "The time to undo the restore has ended.")}
          onClick={() => setAsked("undo")}
        >
          Undo…
        </GuardedButton>
      )}
      {r.rescue !== undefined && !restoreIsOpen(r) && r.source.backup !== undefined && (
        <Button variant="default" component={Link} href={paths.backup(r.database, r.source.backup)}>
          Rescue out of this backup again
        </Button>
      )}
      {stopped && r.rescue === undefined && (
        <GuardedButton
          needs="restores:rehearse"
          refusal={r.inDoubt !== undefined && `It is not known yet whether ${r.database} was replaced.`}
          variant="default"
          onClick={() => go(paths.restoreOptions(r.database, r.source))}
        >
          Restore this file again…
        </GuardedButton>
      )}
      <ApplyDialog restore={r} opened={asked === "apply"} onClose={close} onClosed={closed} />
      <UndoDialog restore={r} opened={asked === "undo"} onClose={close} onClosed={closed} />
      <CancelDialog restore={r} opened={asked === "cancel"} onClose={close} onClosed={closed} />
    </Group>
  );
}

const newest = (r: RestoreDetail) =>
  isOpen(r) ? (r.dryRun ? "the dry run" : r.rescue === undefined ? "the restore" : "the rescue") : `the ${r.followUp?.kind}`;
const wanted = (r: RestoreDetail) => (isOpen(r) ? r.cancelRequest : r.followUp?.cancelRequest) !== undefined;

interface DialogProps {
  restore: RestoreDetail;
  opened: boolean;
  onClose: () => void;
  onClosed: () => void;
}

function ApplyDialog({ restore: r, opened, onClose, onClosed }: DialogProps) {
  const { apply } = useRestoreActions(r.database, r.id);
  const close = () => {
    apply.reset();
    onClose();
  };
  const newer = r.report === undefined ? undefined : newerVerdict(r.report, "would");
  return (
    <ConfirmByName
      opened={opened}
      onClose={close}
      onClosed={onClosed}
      title={`Replace ${r.database} with the rehearsed copy?`}
      database={r.database}
      action={`Replace ${r.database}`}
      needs="restores:run"
      onConfirm={(typed) => apply.mutate(typed, { onSuccess: onClose })}
      pending={apply.isPending}
      error={apply.error}
      errorTitle="The copy was not applied"
    >
      <Text>
        The live database {r.database} is replaced by the copy of {r.filename}
        {r.endedAt !== undefined && ` that was rehearsed on ${formatTime(r.endedAt)}`}, as it stands. That takes
        {r.report?.applySeconds === undefined ? " some seconds" : ` about ${formatDuration(r.report.applySeconds)}`}; at its end
        sessions are cut off for a moment.
      </Text>
      {r.report !== undefined && (
        <Text>
          When it was rehearsed: {tablesVerdict(r.report, "would")} {newer}
        </Text>
      )}
      <Text>
        Rows that were written since the rehearsal are not in the copy. They stay in the database that is replaced, which is kept
        for an undo.
      </Text>
    </ConfirmByName>
  );
}

function UndoDialog({ restore: r, opened, onClose, onClosed }: DialogProps) {
  const { undo } = useRestoreActions(r.database, r.id);
  const close = () => {
    undo.reset();
    onClose();
  };
  return (
    <ConfirmByName
      opened={opened}
      onClose={close}
      onClosed={onClosed}
      title={`Bring the replaced ${r.database} back?`}
      database={r.database}
      action="Undo the restore"
      needs="restores:run"
      onConfirm={(typed) => undo.mutate(typed, { onSuccess: onClose })}
      pending={undo.isPending}
      error={undo.error}
      errorTitle="The restore was not undone"
    >
      <Text>
        {r.database} becomes again what it was
        {r.switchedAt === undefined ? " before this restore" : ` on ${formatTime(r.switchedAt)}, before this restore`}. Sessions
        are cut off for a moment.
      </Text>
      <Text>
        Rows that were written since the restore are not in it. They stay in the restored database, which is kept on the server in
        turn, under another name, until its own time ends. An undo can’t be undone from this page.
      </Text>
    </ConfirmByName>
  );
}

function CancelDialog({ restore: r, opened, onClose, onClosed }: DialogProps) {
  const { cancel } = useRestoreActions(r.database, r.id);
  const close = () => {
    cancel.reset();
    onClose();
  };
  const stop = () =>
    cancel.mutate(undefined, {
      onSuccess: () => {
        announce("It is being stopped.");
        onClose();
      },
    });
  return (
    <Modal opened={opened} onClose={close} onExitTransitionEnd={onClosed} title={`Stop ${newest(r)}?`}>
      <Stack>
        <Text>
          {restoreIsOpen(r) ? "It stops within seconds" : "It has ended"}, and the live database {r.database} stays as it is.
          {r.rescue === undefined &&
            !(r.dryRun && isOpen(r)) &&
            ` Once ${r.database} is being replaced, it is too late: then it ends as if nobody had asked.`}
        </Text>
        {cancel.isError && <ProblemAlert error={cancel.error} title="It was not stopped" />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>
            Let it run
          </Button>
          <BusyButton color="red" onClick={stop} loading={cancel.isPending}>
            Stop it
          </BusyButton>
        </Group>
      </Stack>
    </Modal>
  );
}
