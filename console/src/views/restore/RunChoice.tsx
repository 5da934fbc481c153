import { Stack, Switch, Text } from "@mantine/core";
import { useState } from "react";

import { useMay } from "../../api/queries";
import { NameConfirmation } from "../../ui/NameConfirmation";
import { Notice } from "../../ui/Notice";

interface Props {
  database: string;
  dryRun: boolean;
  onDryRun: (yes: boolean) => void;
  confirm: string;
  onConfirm: (typed: string) => void;
  /** What is missing of the confirmation. */
  error?: string;
}

/** Whether the live database is replaced, and the name that confirms it. */
export function RunChoice({ database, dryRun, onDryRun, confirm, onConfirm, error }: Props) {
  const mayRun = useMay("restores:run");
  const [refused, setRefused] = useState(false);
  return (
    <Stack gap="md">
      <Switch
        size="md"
        label="Dry run"
        checked={dryRun}
        aria-disabled={!mayRun || undefined}
        onChange={(event) => {
          const yes = event.currentTarget.checked;
          setRefused(!yes && !mayRun);
          if (yes || mayRun) onDryRun(yes);
        }}
        description={
          dryRun
            ? `${database} is not touched. A copy is built beside it, loaded, verified and compared, and a report says what would change. What was rehearsed can then be applied as it stands.`
            : `A copy is built, loaded and verified beside ${database}, and then takes its place. The database as it is now is kept for an undo.`
        }
        styles={{ description: { maxWidth: "75ch", fontSize: "var(--mantine-font-size-sm)" }, label: { fontWeight: 600 } }}
      />
      {!mayRun && (
        <div role={refused ? "alert" : undefined}>
          <Notice
            tone={refused ? "warn" : "quiet"}
            title={refused ? "You can’t turn the dry run off" : "Only a dry run is possible"}
          >
            A real run needs the permission <code>restores:run</code>, which your role lacks.
          </Notice>
        </div>
      )}
      {!dryRun && (
        <Notice tone="bad" title={`This replaces the database ${database}`}>
          <Stack gap="sm" mt="xs" c="var(--mantine-color-text)">
            <Text size="sm">
              Everybody who uses {database} works on the restored data afterwards. What was written since the file was made is
              then only in the database that is kept. Sessions are ended for the moment of the exchange. If the restore fails,{" "}
              {database} stays as it is.
            </Text>
            <NameConfirmation
              database={database}
              value={confirm}
              onChange={onConfirm}
              error={error}
              maxLength={63}
              maw={400}
              data-field="target"
            />
          </Stack>
        </Notice>
      )}
    </Stack>
  );
}
