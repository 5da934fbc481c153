import { Group, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";

import { useMay, type BackupDetail } from "../../api/queries";
import { formatBytes, formatCount, plural } from "../../ui/format";
import { IconSearch } from "../../ui/icons";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { describeSelection } from "../../ui/selection";
import { SortHeading } from "../../ui/SortHeading";
import { Missing } from "../../ui/States";
import { PreviewDialog } from "./Preview";
import { findTables, sortTables, tableName, type Order, type Table } from "./tables";
import classes from "./Contents.module.css";

/** What a backup holds: its tables, to be searched and sorted, and the first rows of each. */
export function Contents({ backup }: { backup: BackupDetail }) {
  const tables = useMemo(() => backup.tables ?? [], [backup.tables]);
  const total = backup.tableCount ?? tables.length;
  const [search, setSearch] = useState("");
  const [order, setOrder] = useState<Order>({ column: "name", descending: false });
  const [shown, setShown] = useState<Table>();
  const mayShow = useMay("backups:download");
  const sorted = useMemo(() => sortTables(tables, order), [tables, order]);
  const found = useMemo(() => findTables(sorted, search), [sorted, search]);
  const canShow = mayShow && backup.indexed === true;
  return (
    <Panel
      title="Contents"
      aside={
        <Text size="sm" c="dimmed" role="status">
          {found.length === tables.length
            ? `${plural(total, "table")}${backup.rows === undefined ? "" : `, ${plural(backup.rows, "row")}`}`
            : `${formatCount(found.length)} of ${plural(total, "table")}`}
        </Text>
      }
    >
      {backup.partial !== undefined && (
        <Notice tone="warn" title="This backup is partial">
          {describeSelection(backup.partial)}. The schema is whole; the other tables are empty in a restore.
        </Notice>
      )}
      {tables.length > 0 && <HowToLook indexed={backup.indexed === true} may={mayShow} />}
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
          <Text c="dimmed">{tables.length === 0 ? "The backup has no tables." : "No table has that in its name."}</Text>
        </Group>
      ) : (
        <List tables={found} order={order} onOrder={setOrder} onShow={canShow ? setShown : undefined} />
      )}
      {tables.length < total && (
        <Text size="sm" c="dimmed">
          Only the first {formatCount(tables.length)} of {plural(total, "table")} are listed. All of them are in the file.
        </Text>
      )}
      <PreviewDialog backup={backup} table={shown} onClose={() => setShown(undefined)} />
    </Panel>
  );
}

/** How to see rows, or why they can't be seen. */
function HowToLook({ indexed, may }: { indexed: boolean; may: boolean }) {
  if (!indexed) {
    return (
      <Notice tone="quiet" title="Rows can’t be shown">
        The file of this backup has no index, so no single table can be read out of it. Backups that are created from now on have
        one.
      </Notice>
    );
  }
  if (!may) {
    return (
      <Notice tone="quiet" title="You may not see rows">
        <Missing permission="backups:download" /> Ask an administrator for a role that has it.
      </Notice>
    );
  }
  return (
    <Text size="sm" c="dimmed">
      Choose a table to see its first rows. It is recorded who looked at which.
    </Text>
  );
}

// As the style sheet makes it where the name fits one line, exactly: every correction of it would stop a scroll.
const lineHeight = 38;

interface ListProps {
  tables: readonly Table[];
  order: Order;
  onOrder: (order: Order) => void;
  /** Shows a table's rows, where that is possible. */
  onShow?: (table: Table) => void;
}

/** There may be 10,000 tables, so only those that are in sight are there. */
function List({ tables, order, onOrder, onShow }: ListProps) {
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
                <Name table={tables[index]!} onShow={onShow} />
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

function Name({ table, onShow }: { table: Table; onShow?: (table: Table) => void }) {
  const name = tableName(table);
  if (onShow === undefined) return name;
  return (
    <UnstyledButton
      className={classes.name}
      aria-label={`${name}: show the first rows`}
      aria-haspopup="dialog"
      onClick={() => onShow(table)}
    >
      {name}
    </UnstyledButton>
  );
}

/** Stands for the lines that are out of sight. */
const Space = ({ height }: { height: number }) => (
  <tr aria-hidden>
    <td colSpan={3} style={{ height, padding: 0, border: 0 }} />
  </tr>
);
