import { Text } from "@mantine/core";

import type { Backup } from "../../api/queries";
import { CopyButton } from "../../ui/Copy";
import { plural } from "../../ui/format";
import { Ago } from "../../ui/Time";

// So much of a checksum tells two files apart at a glance; the whole is copied.
const shown = 8;

/** What proves a created backup: its rows, its checksum, and when a restore of it was last verified. */
export function Proof({ backup }: { backup: Backup }) {
  return (
    <>
      <Text size="sm">
        {plural(backup.rows ?? 0, "row")}
        {backup.tableCount !== undefined && ` in ${plural(backup.tableCount, "table")}`}
      </Text>
      {backup.sha256 !== undefined && (
        <Text
          size="sm"
          component="div"
          c="dimmed"
          style={{ display: "flex", alignItems: "center", gap: 6, whiteSpace: "nowrap" }}
        >
          <span>SHA-256</span> <code>{backup.sha256.slice(0, shown)}…</code>
          <CopyButton
            value={backup.sha256}
            what={`the SHA-256 of ${backup.filename}`}
            size="compact-xs"
            variant="subtle"
            miw="6rem"
          />
        </Text>
      )}
      <Text size="sm" c={backup.lastRehearsalAt === undefined ? "dimmed" : "var(--good)"}>
        {backup.lastRehearsalAt === undefined ? (
          "Not rehearsed yet"
        ) : (
          <>
            Rehearsed <Ago at={backup.lastRehearsalAt} />
          </>
        )}
      </Text>
    </>
  );
}
