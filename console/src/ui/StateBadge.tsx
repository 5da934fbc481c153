import { Badge } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBan,
  IconCheck,
  IconClock,
  IconEye,
  IconHourglass,
  IconLoader2,
  IconRotate2,
  IconTrash,
  IconX,
} from "./icons";

type Tone = "good" | "bad" | "warn" | "busy" | "quiet";

const looks: Record<string, { label: string; tone: Tone; icon: typeof IconCheck }> = {
  queued: { label: "Queued", tone: "quiet", icon: IconClock },
  running: { label: "Running", tone: "busy", icon: IconLoader2 },
  created: { label: "Created", tone: "good", icon: IconCheck },
  failed: { label: "Failed", tone: "bad", icon: IconX },
  pending: { label: "Waits for its file", tone: "quiet", icon: IconHourglass },
  received: { label: "Being inspected", tone: "busy", icon: IconLoader2 },
  accepted: { label: "Accepted", tone: "good", icon: IconCheck },
  rejected: { label: "Rejected", tone: "bad", icon: IconX },
  rehearsed: { label: "Rehearsed", tone: "good", icon: IconCheck },
  restored: { label: "Restored", tone: "good", icon: IconCheck },
  cancelled: { label: "Cancelled", tone: "quiet", icon: IconBan },
  expired: { label: "Expired", tone: "quiet", icon: IconHourglass },
  undone: { label: "Undone", tone: "warn", icon: IconRotate2 },
  requested: { label: "Asked for", tone: "quiet", icon: IconClock },
  deleted: { label: "Deleted", tone: "quiet", icon: IconTrash },
  revealed: { label: "Revealed", tone: "warn", icon: IconEye },
  regenerated: { label: "Replaced", tone: "warn", icon: IconRotate2 },
  done: { label: "Done", tone: "good", icon: IconCheck },
};

/** A state: by its word, its sign and its colour. */
export function StateBadge({ state }: { state: string }) {
  const look = looks[state] ?? { label: state, tone: "warn" as const, icon: IconAlertTriangle };
  const Icon = look.icon;
  return (
    <Badge
      size="lg"
      leftSection={<Icon size={14} aria-hidden />}
      style={{ background: `var(--${look.tone}-surface)`, color: `var(--${look.tone})`, fontWeight: 600, flexShrink: 0 }}
    >
      {look.label}
    </Badge>
  );
}
