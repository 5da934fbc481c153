import { Group, Switch, Text, TextInput } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Fragment, useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";

import { formatCount, formatDifference, plural } from "../../../ui/format";
import { IconArrowDown, IconArrowUp, IconSearch } from "../../../ui/icons";
import { Panel } from "../../../ui/Panel";
import { SortHeading } from "../../../ui/SortHeading";
import { findTables, tableName } from "../../details/tables";
import { difference, isChanged, moment, sortChanges, worstFirst, type Column, type Order, type TableChange } from "./changes";
import classes from "./TableChanges.module.css";
import type { Tense } from "./verdict";

interface Props {
  tables: TableChange[];
  leftOut: number;
  tense: Tense;
}

/** The rows of each table as they are live and as they would be, or as they were and are. */
export function TableChanges({ tables, leftOut, tense }: Props) {
  const changed = useMemo(() => tables.filter(isChanged), [tables]);
  const [onlyChanged, setOnlyChanged] = useState(changed.length > 0);
  const [search, setSearch] = useState("");
  const [order, setOrder] = useState<Order>(worstFirst);
  const sorted = useMemo(() => sortChanges(onlyChanged ? changed : tables, order), [tables, changed, onlyChanged, order]);
  const found = useMemo(() => findTables(sorted, search), [sorted, search]);
  return (
    <Panel
      title="Tables"
      aside={
        <Text size="sm" c="dimmed" role="status">
          {found.length === tables.length
            ? plural(tables.length, "table")
            : `${formatCount(found.length)} of ${plural(tables.length, "table")}`}
        </Text>
      }
    >
      <Group gap="md" className={classes.tools}>
        <TextInput
          aria-label="Find a table"
          placeholder="Find a table"
          type="search"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          className={classes.search}
        />
        <Switch
          label={`Only what changes (${formatCount(changed.length)})`}
          checked={onlyChanged}
          onChange={(event) => setOnlyChanged(event.currentTarget.checked)}
        />
      </Group>
      {found.length === 0 ? (
        <Group mih={120} justify="center">
          <Text c="dimmed">{search === "" ? "No table changes." : "No table has that in its name."}</Text>
        </Group>
      ) : (
        <Changes tables={found} order={order} onOrder={setOrder} tense={tense} />
      )}
      {leftOut > 0 && (
        <Text size="sm" c="dimmed">
          And {plural(leftOut, "table")} more: they are in the downloaded report.
        </Text>
      )}
    </Panel>
  );
}

const columns: { column: Column; label: Record<Tense, string> }[] = [
  { column: "name", label: { would: "Table", did: "Table" } },
  { column: "live", label: { would: "Rows now", did: "Rows before" } },
  { column: "after", label: { would: "Rows after", did: "Rows after" } },
  { column: "difference", label: { would: "Difference", did: "Difference" } },
  { column: "newestLive", label: { would: "Newest row now", did: "Newest row before" } },
  { column: "newestAfter", label: { would: "Newest row after", did: "Newest row after" } },
  { column: "newer", label: { would: "Newer rows now", did: "Newer rows before" } },
];

// As many are shown one below the other; more scroll in a frame of their own.
const flowing = 60;

// Paper can't be scrolled.
function usePrinting(): boolean {
  const [printing, setPrinting] = useState(false);
  useEffect(() => {
    const begin = () => flushSync(() => setPrinting(true));
    const end = () => setPrinting(false);
    window.addEventListener("beforeprint", begin);
    window.addEventListener("afterprint", end);
    return () => {
      window.removeEventListener("beforeprint", begin);
      window.removeEventListener("afterprint", end);
    };
  }, []);
  return printing;
}

interface ChangesProps {
  tables: readonly TableChange[];
  order: Order;
  onOrder: (order: Order) => void;
  tense: Tense;
}

/** There may be thousands of tables, so only those that are in sight are there. */
function Changes({ tables, order, onOrder, tense }: ChangesProps) {
  const frame = useRef<HTMLDivElement>(null);
  const whole = usePrinting() || tables.length <= flowing;
  // The rule is for the React Compiler, which does not build this page.
  // eslint-disable-next-line react-hooks/incompatible-library
  const lines = useVirtualizer({
    count: tables.length,
    getScrollElement: () => frame.current,
    estimateSize: () => 38,
    overscan: 12,
  });
  const inSight = lines.getVirtualItems();
  const before = whole ? 0 : (inSight[0]?.start ?? 0);
  const after = whole ? 0 : lines.getTotalSize() - (inSight.at(-1)?.end ?? 0);
  const shown = whole ? tables.map((_, index) => index) : inSight.map(({ index }) => index);
  return (
    <div
      ref={frame}
      className={classes.frame}
      // Where it scrolls, it can be scrolled by keyboard.
      {...(!whole && { role: "group", "aria-label": "Tables, scrollable", tabIndex: 0, "data-scrolls": true })}
    >
      <table className={classes.table} aria-label="Rows of each table" aria-rowcount={tables.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ column, label }) => (
              <SortHeading
                key={column}
                column={column}
                order={order}
                onOrder={onOrder}
                label={label[tense]}
                descendingFirst={column !== "name" && column !== "difference"}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <Space height={before} />}
          {shown.map((index) => (
            <Line key={index} table={tables[index]!} index={index} measure={lines.measureElement} tense={tense} />
          ))}
          {after > 0 && <Space height={after} />}
        </tbody>
      </table>
    </div>
  );
}

/** Stands for the lines that are out of sight. */
const Space = ({ height }: { height: number }) => (
  <tr aria-hidden className={classes.space}>
    <td colSpan={columns.length} style={{ height }} />
  </tr>
);

interface LineProps {
  table: TableChange;
  index: number;
  measure: (element: Element | null) => void;
  tense: Tense;
}

function Line({ table: t, index, measure, tense }: LineProps) {
  const cell = (column: Column) => columns.find((c) => c.column === column)!.label[tense];
  return (
    <tr ref={measure} data-index={index} aria-rowindex={index + 2}>
      <th scope="row" className="breakable">
        <Name of={tableName(t)} />
      </th>
      <td data-label={cell("live")}>
        {t.live < 0 ? <Absent>{tense === "would" ? "not in live" : "was not there"}</Absent> : formatCount(t.live)}
      </td>
      <td data-label={cell("after")}>
        {t.after < 0 ? <Absent>{tense === "would" ? "no such table" : "removed"}</Absent> : formatCount(t.after)}
      </td>
      <td data-label={cell("difference")}>
        <Difference rows={difference(t)} />
      </td>
      <td data-label={cell("newestLive")} data-none={t.newestLive === undefined || undefined} className={classes.moment}>
        <Moment at={t.newestLive} column={t.column} />
      </td>
      <td data-label={cell("newestAfter")} data-none={t.newestAfter === undefined || undefined} className={classes.moment}>
        <Moment at={t.newestAfter} column={t.column} />
      </td>
      <td data-label={cell("newer")} data-none={t.newerInLive === undefined || undefined}>
        <Newer table={t} tense={tense} />
      </td>
    </tr>
  );
}

/** Breaks between the words of a name, where it has to. */
const Name = ({ of }: { of: string }) =>
  of.split(/(?<=[_.])/).map((word, i) => (
    <Fragment key={i}>
      {i > 0 && <wbr />}
      {word}
    </Fragment>
  ));

const Absent = ({ children }: { children: string }) => (
  <Text span size="sm" c="dimmed">
    {children}
  </Text>
);

const None = () => (
  <Text span c="dimmed">
    <span aria-hidden>–</span>
    <span className="visually-hidden">none</span>
  </Text>
);

function Difference({ rows }: { rows: number }) {
  if (rows === 0) return <Absent>same</Absent>;
  const Sign = rows < 0 ? IconArrowDown : IconArrowUp;
  return (
    <span className={rows < 0 ? classes.loss : classes.gain}>
      <Sign size={14} aria-hidden />
      {formatDifference(rows)}
    </span>
  );
}

function Moment({ at, column }: { at: string | undefined; column: string | undefined }) {
  if (at === undefined) return <None />;
  return (
    <span>
      {moment(at)}
      <span className="visually-hidden">, by {column}</span>
    </span>
  );
}

/** Rows that the file can't have, as they came after it. */
function Newer({ table: t, tense }: { table: TableChange; tense: Tense }) {
  if (t.newerInLive === undefined) return <None />;
  return (
    <span className={classes.loss}>
      {formatCount(t.newerInLive)}
      <span className="visually-hidden">
        {" "}
        {tense === "would" ? "in live come" : "in live came"} after the newest of the file, by {t.column}
      </span>
    </span>
  );
}
