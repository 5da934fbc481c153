import { Group, Text, TextInput } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";

import { formatBytes, formatCount, plural } from "../../ui/format";
import { IconSearch } from "../../ui/icons";
import { Panel } from "../../ui/Panel";
import { SortHeading } from "../../ui/SortHeading";
import { findTables, sortTables, tableName, type Order, type Table } from "./tables";
import classes from "./Tables.module.css";

/** The tables of a backup, to be searched and sorted. There may be 10,000, so only those that are in sight are there. */
export function Tables({ tables, total }: { tables: Table[]; total: number }) {
  const [search, setSearch] = useState("");
  const [order, setOrder] = useState<Order>({ column: "name", descending: false });
  const sorted = useMemo(() => sortTables(tables, order), [tables, order]);
  const found = useMemo(() => findTables(sorted, search), [sorted, search]);
  return (
    <Panel
      title="Tables"
      aside={
        <Text size="sm" c="dimmed" role="status">
          {found.length === tables.length ? plural(total, "table") : `${formatCount(found.length)} of ${plural(total, "table")}`}
        </Text>
      }
    >
      <TextInput
        aria-label="Find a table"
        placeholder="Find a table"
        type="search"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
      />
      {found.length === 0 ? (
        <Group mih={120} justify="center">
          <Text c="dimmed">{tables.length === 0 ? "The database has no tables." : "No table has that in its name."}</Text>
        </Group>
      ) : (
        <List tables={found} order={order} onOrder={setOrder} />
      )}
      {tables.length < total && (
        <Text size="sm" c="dimmed">
          Only the first {formatCount(tables.length)} of {plural(total, "table")} are listed. All of them are in the file.
        </Text>
      )}
    </Panel>
  );
}

// As the style sheet makes it where the name fits one line, exactly: every correction of it would stop a scroll.
const lineHeight = 38;

function List({ tables, order, onOrder }: { tables: readonly Table[]; order: Order; onOrder: (order: Order) => void }) {
  const frame = useRef<HTMLDivElement>(null);
  // The rule is for the React Compiler, which does not build this page.
  // eslint-disable-next-line react-hooks/incompatible-library
  const lines = useVirtualizer({
    count: tables.length,
    getScrollElement: () => frame.current,
    estimateSize: () => lineHeight,
    overscan: 12,
  });
  const shown = lines.getVirtualItems();
  const before = shown[0]?.start ?? 0;
  const after = lines.getTotalSize() - (shown.at(-1)?.end ?? 0);
  return (
    // It scrolls, so it can be scrolled by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={frame} className={classes.frame} role="group" aria-label="Tables, scrollable" tabIndex={0}>
      <table className={classes.table} aria-label="Tables of the backup" aria-rowcount={tables.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <SortHeading column="name" order={order} onOrder={onOrder} label="Table" />
            <SortHeading descendingFirst column="rows" order={order} onOrder={onOrder} label="Rows" />
            <SortHeading descendingFirst column="bytes" order={order} onOrder={onOrder} label="SQL text" />
          </tr>
        </thead>
        <tbody>
          {before > 0 && <Space height={before} />}
          {shown.map(({ index, key }) => (
            <tr key={key} ref={lines.measureElement} data-index={index} aria-rowindex={index + 2}>
              <th scope="row" className="breakable">
                {tableName(tables[index]!)}
              </th>
              <td>{formatCount(tables[index]!.rows)}</td>
              <td>{tables[index]!.bytes === undefined ? "unknown" : formatBytes(tables[index]!.bytes)}</td>
            </tr>
          ))}
          {after > 0 && <Space height={after} />}
        </tbody>
      </table>
    </div>
  );
}

/** Stands for the lines that are out of sight. */
const Space = ({ height }: { height: number }) => (
  <tr aria-hidden>
    <td colSpan={3} style={{ height, padding: 0, border: 0 }} />
  </tr>
);
