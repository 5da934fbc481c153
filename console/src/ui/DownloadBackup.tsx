import { Button, Group, Popover, Stack, type ButtonProps } from "@mantine/core";
import { useRef, type ReactNode } from "react";

import { useDownloadBackup, type Backup } from "../api/queries";
import { announce } from "./announce";
import { refusalOf } from "./backup";
import classes from "./DownloadBackup.module.css";
import { GuardedButton } from "./Guarded";
import { ProblemAlert } from "./ProblemAlert";

interface Props extends ButtonProps {
  backup: Backup;
  children?: ReactNode;
}

/** Saves a backup's file. What goes wrong is said at the button. */
export function DownloadBackupButton({ backup, children = "Download", ...rest }: Props) {
  const download = useDownloadBackup(backup.database);
  const button = useRef<HTMLButtonElement>(null);
  const start = () => download.mutate(backup.id, { onSuccess: () => announce(`The download of ${backup.filename} has begun.`) });
  const close = () => {
    download.reset();
    button.current?.focus();
  };
  return (
    <span className={classes.place}>
      <GuardedButton
        ref={button}
        variant="default"
        {...rest}
        needs="backups:download"
        refusal={refusalOf(backup)}
        loading={download.isPending}
        aria-label={typeof children === "string" ? `${children} ${backup.filename}` : undefined}
        onClick={start}
      >
        {children}
      </GuardedButton>
      {/* Not around the button: a list has hundreds, of which hardly one ever has something to say. */}
      {download.isError && (
        <Popover
          opened
          onChange={(open) => !open && close()}
          width={360}
          position="bottom-end"
          withArrow
          shadow="md"
          trapFocus
          withRoles={false}
        >
          <Popover.Target>
            <span className={classes.anchor} />
          </Popover.Target>
          <Popover.Dropdown role="dialog" aria-label="The download did not work" p="sm" maw="calc(100vw - 2rem)">
            <Stack gap="sm">
              <ProblemAlert error={download.error} title={`${backup.filename} could not be downloaded`} onRetry={start} />
              <Group justify="flex-end">
                <Button size="xs" variant="default" onClick={close}>
                  Close
                </Button>
              </Group>
            </Stack>
          </Popover.Dropdown>
        </Popover>
      )}
    </span>
  );
}
