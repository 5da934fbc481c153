import { List } from "@mantine/core";

import type { Report } from "../../../api/queries";
import { plural } from "../../../ui/format";
import { Notice } from "../../../ui/Notice";

/** What the server, or the file, has made doubtful. */
export function Warnings({ report }: { report: Report }) {
  const warnings = report.warnings ?? [];
  const leftOut = report.leftOut?.warnings ?? 0;
  if (warnings.length === 0 && report.unproven !== true) return null;
  return (
    <Notice tone="warn" title="What you should know">
      <List size="sm" spacing="xs" maw="75ch">
        {report.unproven === true && (
          <List.Item>
            Nothing proves that the file is complete: it has no end mark of a tool that is known here. Look whether the rows below
            are what you expect.
          </List.Item>
        )}
        {warnings.map((w) => (
          <List.Item key={w} className="breakable">
            {w}
          </List.Item>
        ))}
        {leftOut > 0 && (
          <List.Item>And {plural(leftOut, "more warning", "more warnings")}: they are in the downloaded report.</List.Item>
        )}
      </List>
    </Notice>
  );
}
