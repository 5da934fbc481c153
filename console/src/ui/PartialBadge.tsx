import { Badge } from "@mantine/core";

import { IconAlertTriangle } from "./icons";
import { describeSelection, type Selection } from "./selection";

/** Says that a backup has the rows of some tables only, where it has. */
export function PartialBadge({ partial }: { partial: Selection | undefined }) {
  if (partial === undefined) return null;
  return (
    <Badge
      size="lg"
      leftSection={<IconAlertTriangle size={14} aria-hidden />}
      title={describeSelection(partial)}
      style={{ background: "var(--warn-surface)", color: "var(--warn)", fontWeight: 600, flexShrink: 0 }}
    >
      Partial
    </Badge>
  );
}
