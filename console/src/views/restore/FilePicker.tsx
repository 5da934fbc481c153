import { FileButton, Group, Stack, Text } from "@mantine/core";
import { useEffect, useEffectEvent, useRef, useState } from "react";

import { useMay } from "../../api/queries";
import { refusalOfFiles } from "../../upload/file";
import { GuardedButton } from "../../ui/Guarded";
import { IconUpload } from "../../ui/icons";
import { Notice } from "../../ui/Notice";
import classes from "./restore.module.css";

/** Takes a file that is dropped on the page or chosen in a dialog. Another kind of file is refused before anything is sent. */
export function FilePicker({ onFile, describedBy }: { onFile: (file: File) => void; describedBy?: string }) {
  const [refusal, setRefusal] = useState<string>();
  const may = useMay("restores:rehearse");
  const take = (files: File[]) => {
    const why = refusalOfFiles(files);
    setRefusal(why);
    if (why === undefined) onFile(files[0]!);
  };
  const over = useFileDrag(may, take);
  const reset = useRef<() => void>(null);
  return (
    <Stack gap="sm">
      <div className={classes.drop} data-over={over || undefined}>
        <Stack align="center" gap="xs" ta="center">
          <Group gap="xs" justify="center">
            <Text fw={600}>{over ? "Let go, and the file is uploaded" : "Drop a file here, or"}</Text>
            <FileButton
              resetRef={reset}
              onChange={(file) => {
                if (file !== null) take([file]);
                // The same file can be chosen again: it may have been repaired.
                reset.current?.();
              }}
              inputProps={{ "aria-label": "File to restore from" }}
            >
              {(props) => (
                <GuardedButton
                  needs="restores:rehearse"
                  leftSection={<IconUpload size={16} aria-hidden />}
                  data-field="source"
                  aria-describedby={describedBy}
                  {...props}
                >
                  Choose a file
                </GuardedButton>
              )}
            </FileButton>
          </Group>
          <Text size="sm" c="dimmed" maw="70ch">
            A dump of PostgreSQL as SQL text: .sql, .gz or .sql.gz, of at most 100 GiB. It is inspected first, and nothing of it
            is run until you queue a restore.
          </Text>
        </Stack>
      </div>
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

/** Takes files that are dropped anywhere on the page: a browser that is not asked opens them in its place. */
function useFileDrag(enabled: boolean, take: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const drop = useEffectEvent((files: FileList) => enabled && take([...files]));
  const allowed = useEffectEvent(() => enabled);
  useEffect(() => {
    const onDrag = (event: DragEvent) => {
      if (event.dataTransfer === null || !event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = allowed() ? "copy" : "none";
      setOver(allowed());
    };
    const onLeave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const onDrop = (event: DragEvent) => {
      if (event.dataTransfer === null || event.dataTransfer.files.length === 0) return;
      event.preventDefault();
      setOver(false);
      drop(event.dataTransfer.files);
    };
    document.addEventListener("dragover", onDrag);
    document.addEventListener("dragleave", onLeave);
    document.addEventListener("drop", onDrop);
    return () => {
      document.removeEventListener("dragover", onDrag);
      document.removeEventListener("dragleave", onLeave);
      document.removeEventListener("drop", onDrop);
    };
  }, []);
  return over;
}
