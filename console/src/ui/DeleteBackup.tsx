import { Button, Group, Modal, Stack, Text, type ButtonProps } from "@mantine/core";
import { useState } from "react";

import { BusyButton } from "./BusyButton";
import { asProblem } from "../api/problem";
import { useDeleteBackup, useNewestBackup, type Backup } from "../api/queries";
import { announce } from "./announce";
import { refusalOf } from "./backup";
import { formatBytes, formatTime } from "./format";
import { GuardedButton } from "./Guarded";
import { Notice } from "./Notice";
import { ProblemAlert } from "./ProblemAlert";

interface DialogProps {
  /** The backup that is to be deleted; undefined closes the dialog. */
  backup: Backup | undefined;
  onClose: () => void;
  /** It is gone, and the dialog is closed. */
  onDeleted?: (backup: Backup) => void;
}

/** Asks whether a backup is really to be deleted, and deletes it. A list has one for all its rows. */
export function DeleteBackupDialog({ backup, onClose, onDeleted }: DialogProps) {
  return (
    <Modal opened={backup !== undefined} onClose={onClose} title="Delete this backup?" size="lg">
      {backup !== undefined && <Question backup={backup} onClose={onClose} onDeleted={onDeleted} />}
    </Modal>
  );
}

function Question({ backup, onClose, onDeleted }: DialogProps & { backup: Backup }) {
  const remove = useDeleteBackup(backup.database);
  const newest = useNewestBackup(backup.database);
  const leave = () => {
    onClose();
    onDeleted?.(backup);
  };
  const confirm = async () => {
    try {
      await remove.mutateAsync(backup.id);
    } catch {
      return; // it is shown
    }
    // Here rather than in a callback of the mutation: with the last row the list goes, and what was called back with it.
    announce(`${backup.filename} was deleted.`);
    leave();
  };
  if (remove.isError && asProblem(remove.error).status === 404) return <Gone backup={backup} onLeave={leave} />;
  return (
    <Stack>
      <Text className="breakable" fw={600}>
        {backup.filename}
      </Text>
      <Text>
        This backup of {backup.database} from {formatTime(backup.requestedAt)}
        {backup.size !== undefined && ` (${formatBytes(backup.size)})`} is removed from the inventory together with its file.
        Nobody can restore it or download it any more, and it can’t be brought back.
      </Text>
      {newest.data?.id === backup.id && (
        <Text c="var(--warn)" fw={600}>
          It is the newest backup of {backup.database}. Create another one first, unless you are sure.
        </Text>
      )}
      {remove.isError && <ProblemAlert error={remove.error} title="The backup was not deleted" />}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose} data-autofocus>
          Keep it
        </Button>
        <BusyButton color="red" onClick={() => void confirm()} loading={remove.isPending}>
          Delete the backup
        </BusyButton>
      </Group>
    </Stack>
  );
}

/** Somebody else was faster. There is nothing to decide any more. */
function Gone({ backup, onLeave }: { backup: Backup; onLeave: () => void }) {
  return (
    <Stack>
      <Notice tone="warn" urgent title={`${backup.filename} is gone already`}>
        It was deleted meanwhile, by somebody else or in another tab: see the activity. You deleted nothing.
      </Notice>
      <Group justify="flex-end">
        <Button variant="default" onClick={onLeave} ref={(button) => button?.focus()}>
          Leave
        </Button>
      </Group>
    </Stack>
  );
}

interface ButtonOwnProps extends ButtonProps {
  backup: Backup;
  /** What opens the dialog, where that is somebody else's; else the button brings its own. */
  onPress?: () => void;
  onDeleted?: (backup: Backup) => void;
}

/** The button that asks for it. */
export function DeleteBackupButton({ backup, onPress, onDeleted, ...rest }: ButtonOwnProps) {
  const [asked, setAsked] = useState(false);
  return (
    <>
      <GuardedButton
        variant="light"
        color="red"
        {...rest}
        needs="backups:delete"
        refusal={refusalOf(backup)}
        aria-label={`Delete ${backup.filename}`}
        onClick={onPress ?? (() => setAsked(true))}
      >
        Delete
      </GuardedButton>
      {onPress === undefined && (
        <DeleteBackupDialog backup={asked ? backup : undefined} onClose={() => setAsked(false)} onDeleted={onDeleted} />
      )}
    </>
  );
}
