import { Button, Group, Skeleton, Text, Title } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { lazy, Suspense, useId, useMemo, useState } from "react";

import { useCreatedBackups } from "../../api/inventory";
import { formatBytes, formatDay, formatDuration, formatTime, plural } from "../../ui/format";
import { IconAlertTriangle, IconChevronDown } from "../../ui/icons";
import { Answer } from "../../ui/States";
import classes from "./HistoryPanel.module.css";
import { HistoryTable } from "./HistoryTable";
import { percent, pointsOf, type Point } from "./history";

const HistoryChart = lazy(() => import("./HistoryChart"));

const count = 100;

const wide = () => window.matchMedia("(min-width: 62em)").matches;

/** How the backups of a database develop: in words where something looks wrong, and as a chart that can be folded away. */
export function HistoryPanel({ database }: { database: string }) {
  const created = useCreatedBackups(database, count);
  const points = useMemo(() => pointsOf(created.data ?? []), [created.data]);
  const [open, setOpen] = useLocalStorage<boolean>({ key: "chart", defaultValue: wide(), getInitialValueInEffect: false });
  const [picked, setPicked] = useState<number>();
  const [asTable, setAsTable] = useState(false);
  const table = useId();
  const enough = points.length > 1;
  const charted = open && (created.isPending || enough);
  return (
    <section className={`surface ${classes.panel}`} aria-labelledby="history">
      <div className={classes.head}>
        <Title order={2} size="h5" id="history">
          Size and duration
        </Title>
        {open && enough && <Readout point={points[Math.min(picked ?? Infinity, points.length - 1)]!} />}
        <Group gap={4} wrap="nowrap" className={classes.folds}>
          {charted && (
            <Fold open={asTable} controls={table} onClick={() => setAsTable(!asTable)}>
              As a table
            </Fold>
          )}
          <Fold open={open} label="Chart of size and duration" onClick={() => setOpen(!open)}>
            Chart
          </Fold>
        </Group>
      </div>
      {created.isPending ? (
        <div className={classes.verdict} aria-busy>
          <Skeleton height={16} width="60%" />
        </div>
      ) : (
        <Answer query={created} label="Loading the history">
          {() => <Verdict database={database} points={points} />}
        </Answer>
      )}
      {charted && (
        <div className={classes.room}>
          {created.isPending ? (
            <Skeleton height="100%" />
          ) : (
            <Suspense fallback={<Skeleton height="100%" />}>
              <HistoryChart database={database} points={points} picked={picked} onPick={setPicked} />
            </Suspense>
          )}
        </div>
      )}
      {charted && asTable && enough && <HistoryTable id={table} points={points} />}
    </section>
  );
}

/** The backup that is picked in the chart, else the newest. */
const Readout = ({ point }: { point: Point }) => (
  <Text size="sm" className={classes.readout}>
    <b>{formatBytes(point.size)}</b> in <b>{formatDuration(point.seconds)}</b>, {formatTime(new Date(point.at))}
  </Text>
);

interface FoldProps {
  open: boolean;
  label?: string;
  controls?: string;
  onClick: () => void;
  children: string;
}

const Fold = ({ open, label, controls, onClick, children }: FoldProps) => (
  <Button
    variant="subtle"
    size="compact-sm"
    flex="none"
    aria-expanded={open}
    aria-controls={open ? controls : undefined}
    aria-label={label}
    onClick={onClick}
    rightSection={<IconChevronDown size={14} aria-hidden style={{ rotate: open ? "180deg" : undefined }} />}
  >
    {children}
  </Button>
);

/**
 * Whether a backup is much smaller than those before it, in a line that is always there: one that came with a later look would push the
 * list under the eyes of whoever reads it.
 */
function Verdict({ database, points }: { database: string; points: Point[] }) {
  const [explained, setExplained] = useState(false);
  const more = useId();
  const shrunk = points.filter((p) => p.shrunkBy !== undefined);
  const last = shrunk.at(-1);
  if (last === undefined) {
    return (
      <Text size="sm" c="dimmed" className={classes.verdict}>
        {points.length < 2
          ? "From the second created backup on, this shows how size and duration develop."
          : `None of the last ${points.length} backups is much smaller than those before it.`}
      </Text>
    );
  }
  return (
    <>
      <div className={`${classes.verdict} ${classes.shrunk}`}>
        <IconAlertTriangle size={18} aria-hidden className={classes.sign} />
        <span className="breakable">
          {database} shrank by {percent(last)} on {formatDay(last.at)}, to {formatBytes(last.size)}
        </span>
        <Fold open={explained} controls={more} onClick={() => setExplained(!explained)}>
          What to do
        </Fold>
      </div>
      {explained && (
        <Text size="sm" id={more} className={classes.advice}>
          Compared with the median of the five backups before. If nobody deleted that much, rows may be missing from the database:
          compare it with an older backup by a rehearsal.
          {shrunk.length > 1 && ` ${plural(shrunk.length - 1, "more backup")} shrank before: see the table.`}
        </Text>
      )}
    </>
  );
}
