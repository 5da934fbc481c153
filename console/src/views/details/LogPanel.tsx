import { Text, Tooltip } from "@mantine/core";

import type { Schemas } from "../../api/client";
import { formatClock, formatFullDay, formatExactTime } from "../../ui/format";
import { Panel } from "../../ui/Panel";
import classes from "./LogPanel.module.css";

/** What happened to it, line by line. */
export function LogPanel({ lines }: { lines: Schemas["LogLine"][] }) {
  return (
    <Panel title="Log">
      {lines.length === 0 ? (
        <Text c="dimmed">Nothing has been written yet. What an attempt did is here once it has ended.</Text>
      ) : (
        <ol className={classes.lines}>
          {lines.map((line, i) => (
            <li key={i} className={classes.line}>
              {/* A job seldom lasts over midnight: the day is said once, and where it changes. */}
              {(i === 0 || formatFullDay(line.at) !== formatFullDay(lines[i - 1]!.at)) && (
                <Text size="sm" c="dimmed" className={classes.day}>
                  {formatFullDay(line.at)}
                </Text>
              )}
              <Tooltip label={formatExactTime(line.at)}>
                <time dateTime={line.at} className={classes.time}>
                  {formatClock(line.at)}
                </time>
              </Tooltip>
              <span className="breakable">{line.text}</span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
