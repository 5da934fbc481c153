import { Dropzone } from "@mantine/dropzone";
import { Group, Stack, Text } from "@mantine/core";
import { useRef, useState } from "react";

import { useMay } from "../../api/queries";
import { refusalOfFiles } from "../../upload/file";
import { GuardedButton } from "../../ui/Guarded";
import { IconUpload } from "../../ui/icons";
import { Notice } from "./parts";
import classes from "./restore.module.css";

/** Takes a file by drag and drop or from a dialog. Another kind of file is refused before anything is sent. */
export function FilePicker({ onFile, describedBy }: { onFile: (file: File) => void; describedBy?: string }) {
  const open = useRef<() => void>(null);
  const [refusal, setRefusal] = useState<string>();
  const may = useMay("restores:rehearse");
  const take = (files: File[]) => {
    const why = refusalOfFiles(files);
    setRefusal(why);
    if (why === undefined) onFile(files[0]!);
  };
  return (
    <Stack gap="sm">
      {/* The button in it does for everybody what the area does for a mouse. */}
      <Dropzone
        openRef={open}
        onDrop={take}
        onDropAny={(taken, rejected) => take([...taken, ...rejected.map((r) => r.file)])}
        activateOnClick={false}
        activateOnKeyboard={false}
        useFsAccessApi={false}
        enablePointerEvents
        disabled={!may}
        className={classes.drop}
        inputProps={{ "aria-label": "File to restore from" }}
      >
        <Stack align="center" gap="xs" ta="center">
          <Group gap="xs" justify="center">
            <Text fw={600}>Drop a file here, or</Text>
            <GuardedButton
              needs="restores:rehearse"
              leftSection={<IconUpload size={16} aria-hidden />}
              onClick={() => open.current?.()}
              data-field="source"
              aria-describedby={describedBy}
            >
              Choose a file
            </GuardedButton>
          </Group>
          <Text size="sm" c="dimmed">
            A dump of PostgreSQL as SQL text: .sql, .gz or .sql.gz, of at most 100 GiB. It is inspected first, and nothing of it
            is run until you queue a restore.
          </Text>
        </Stack>
      </Dropzone>
      <div role="alert">
        {refusal !== undefined && (
          <Notice tone="bad" title="This file is not taken">
            {refusal}
          </Notice>
        )}
      </div>
    </Stack>
  );
}
