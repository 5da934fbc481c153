import { Table, Text } from "@mantine/core";

import { formatBytes, formatDuration, formatTime } from "../../ui/format";
import { percent, type Point } from "./history";
import classes from "./History.module.css";

/** What the chart shows, in numbers. */
export function HistoryTable({ id, points }: { id: string; points: Point[] }) {
  return (
    // It scrolls, so the keyboard has to reach it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div id={id} className={classes.table} role="region" aria-label="Size and duration as a table" tabIndex={0}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Backup</Table.Th>
            <Table.Th>Size</Table.Th>
            <Table.Th>Duration</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {points.toReversed().map((p) => (
            <Table.Tr key={p.id}>
              <Table.Td className="breakable">
                {p.filename}
                <Text size="xs" c="dimmed">
                  {formatTime(new Date(p.at))}
                  {p.shrunkBy !== undefined && ` · ${percent(p)} smaller than before`}
                </Text>
              </Table.Td>
              <Table.Td>{formatBytes(p.size)}</Table.Td>
              <Table.Td>{formatDuration(p.seconds)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
