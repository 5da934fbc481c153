import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { usePreview, type BackupDetail, type Preview } from "../../api/queries";
import { formatCount, plural } from "../../ui/format";
import { Notice } from "../../ui/Notice";
import { Answer } from "../../ui/States";
import { firstRows, moreRows, readable, rowsShown } from "./preview";
import type { Table } from "./tables";
import classes from "./Preview.module.css";

interface Props {
  backup: BackupDetail;
  /** The table to show; undefined closes the dialog. */
  table: Table | undefined;
  onClose: () => void;
}

/** The first rows of a table, read out of the backup's file. */
export function PreviewDialog({ backup, table, onClose }: Props) {
  return (
    <Modal
      opened={table !== undefined}
      onClose={onClose}
      title={<span className="breakable">{table?.name}</span>}
      size="min(76rem, calc(100vw - 2rem))"
    >
      {table !== undefined && <FirstRows backup={backup} table={table} />}
    </Modal>
  );
}

function FirstRows({ backup, table }: { backup: BackupDetail; table: Table }) {
  const [limit, setLimit] = useState(firstRows);
  const preview = usePreview(backup.database, backup.id, table.name, limit);
  const more = preview.data !== undefined && limit < moreRows && table.rows > limit && preview.data.first.length === limit;
  return (
    <Stack gap="sm">
      <Answer query={preview} label={`Reading the first rows of ${table.name}`}>
        {(p) => (
          <>
            <Text size="sm" c="dimmed" role="status">
              {rowsShown(p, limit)}
            </Text>
            <Rows preview={p} />
          </>
        )}
      </Answer>
      {more && (
        <Group>
          <Button variant="default" size="xs" onClick={() => setLimit(moreRows)}>
            Show {formatCount(Math.min(moreRows, table.rows))} rows
          </Button>
        </Group>
      )}
    </Stack>
  );
}

// More columns than that make a page slow, and nobody reads them side by side.
const mostColumns = 200;

function Rows({ preview: p }: { preview: Preview }) {
  if (p.columns.length === 0) return <Notice tone="quiet" title="The table has no columns" />;
  const columns = p.columns.slice(0, mostColumns);
  return (
    <>
      {/* It scrolls, so it can be scrolled by keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className={classes.frame} role="group" aria-label={`Rows of ${p.name}, scrollable`} tabIndex={0}>
        <table className={classes.table} aria-label={`First rows of ${p.name}`}>
          <thead>
            <tr>
              {columns.map((c) => (
                <th key={c.name} scope="col">
                  {readable(c.name)}
                  <span className={classes.type}>
                    {[c.type, c.key === true && "key", c.notNull === true && c.key !== true && "not null"]
                      .filter(Boolean)
                      .join(", ")}
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {p.first.map((row, i) => (
              <tr key={i}>
                {columns.map((c, j) => (
                  <td key={c.name}>
                    <div className={classes.value}>
                      <Value value={row.values[j]} />
                    </div>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {columns.length < p.columns.length && (
        <Text size="sm" c="dimmed">
          Only the first {columns.length} of {plural(p.columns.length, "column")} are shown.
        </Text>
      )}
    </>
  );
}

function Value({ value }: { value: Preview["first"][number]["values"][number] | undefined }) {
  if (value === undefined) return <span className={classes.mark}>not read: the row is too large</span>;
  if (value.null === true) return <span className={classes.mark}>null</span>;
  if (value.text === "") return <span className="visually-hidden">empty</span>;
  return (
    <>
      {readable(value.text)}
      {value.cut === true && <span className={classes.mark}>… cut here</span>}
    </>
  );
}
