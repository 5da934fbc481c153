import { Checkbox, Stack, Text } from "@mantine/core";
import { useId } from "react";

import { Notice } from "../../ui/Notice";
import { describeSelection, type Selection } from "../../ui/selection";

interface Props {
  partial: Selection;
  dryRun: boolean;
  accepted: boolean;
  onAccept: (yes: boolean) => void;
  /** What is missing of it. */
  error?: string;
}

/** What a restore of a partial backup does, and that one knows it. */
export function PartialChoice({ partial, dryRun, accepted, onAccept, error }: Props) {
  const why = useId();
  return (
    <Notice tone="warn" title="This backup is partial">
      <Stack gap="sm" mt="xs" c="var(--mantine-color-text)">
        <Text size="sm">
          {describeSelection(partial)}. A restore of it makes a whole database in which all other tables are empty.{" "}
          {dryRun && "A dry run shows what that means; without the tick below it can’t be applied."}
        </Text>
        <Checkbox
          checked={accepted}
          onChange={(event) => onAccept(event.currentTarget.checked)}
          label="I know that all other tables will be empty"
          error={error === undefined ? undefined : <span id={why}>{error}</span>}
          aria-invalid={error !== undefined || undefined}
          aria-describedby={error === undefined ? undefined : why}
          data-field="partial"
        />
      </Stack>
    </Notice>
  );
}
