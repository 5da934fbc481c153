import { Button, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { lazy, Suspense, useMemo } from "react";

import { useCreatedBackups } from "../../api/inventory";
import { formatBytes, formatDay, plural } from "../../ui/format";
import { IconChevronDown } from "../../ui/icons";
import { Notice } from "../../ui/Notice";
import { Answer } from "../../ui/States";
import { pointsOf, type Point } from "./history";

const History = lazy(() => import("./History"));

const count = 100;
// So many lines about shrinking are read; more are a table's matter.
const told = 2;
const chartHeight = 260;

const wide = () => window.matchMedia("(min-width: 62em)").matches;

/** How the backups of a database develop: in words where something looks wrong, and as a chart that can be folded away. */
export function HistoryPanel({ database }: { database: string }) {
  const created = useCreatedBackups(database, count);
  const points = useMemo(() => pointsOf(created.data ?? []), [created.data]);
  const [open, setOpen] = useLocalStorage<boolean>({ key: "chart", defaultValue: wide(), getInitialValueInEffect: false });
  return (
    <Stack component="section" className="surface" aria-labelledby="history" p="lg" gap="sm">
      <Group justify="space-between" wrap="nowrap">
        <Title order={2} size="h5" id="history">
          Size and duration
        </Title>
        <Button
          variant="subtle"
          size="compact-sm"
          aria-expanded={open}
          aria-label="Chart of size and duration"
          onClick={() => setOpen(!open)}
          rightSection={<IconChevronDown size={14} aria-hidden style={{ rotate: open ? "180deg" : undefined }} />}
        >
          Chart
        </Button>
      </Group>
      {created.isPending ? (
        open && <Skeleton height={chartHeight} />
      ) : (
        <Answer query={created} label="Loading the history">
          {() => (
            <>
              <Shrinks database={database} points={points} />
              {open && points.length > 1 && (
                <Suspense fallback={<Skeleton height={chartHeight} />}>
                  <History database={database} points={points} />
                </Suspense>
              )}
              {points.length < 2 && (
                <Text size="sm" c="dimmed">
                  From the second created backup on, this shows how size and duration develop.
                </Text>
              )}
            </>
          )}
        </Answer>
      )}
    </Stack>
  );
}

/** In words, the backups that are much smaller than those before them. */
function Shrinks({ database, points }: { database: string; points: Point[] }) {
  const shrunk = points.filter((p) => p.shrunkBy !== undefined).toReversed();
  if (shrunk.length === 0) return null;
  return (
    <Notice
      tone="warn"
      title={shrunk.slice(0, told).map((p) => (
        <div key={p.id}>
          {database} shrank by {Math.round(p.shrunkBy! * 100)} % on {formatDay(p.at)}, to {formatBytes(p.size)}
        </div>
      ))}
    >
      Compared with the median of the five backups before. If nobody deleted that much, rows may be missing from the database:
      compare it with an older backup by a rehearsal.
      {shrunk.length > told && ` ${plural(shrunk.length - told, "more backup")} shrank before.`}
    </Notice>
  );
}
