import { Stack, Text } from "@mantine/core";

import type { Schemas } from "../../../api/client";
import { Command } from "../../../ui/Command";
import { CopyButton } from "../../../ui/Copy";
import { formatCount, plural } from "../../../ui/format";
import { Panel } from "../../../ui/Panel";
import { groupBy } from "./group";
import classes from "./Statements.module.css";

/** Statements of the file that were not run: why, and which. */
export function SkippedStatements({ skipped, leftOut }: { skipped: Schemas["Skipped"][]; leftOut: number }) {
  if (skipped.length === 0) return null;
  return (
    <Panel
      title="Not run"
      aside={
        <Text size="sm" c="dimmed">
          {plural(skipped.length + leftOut, "statement")}
        </Text>
      }
    >
      <Stack gap="xs">
        {groupBy(skipped, (s) => s.why).map(([why, list]) => (
          <details key={why} className={classes.reason}>
            <summary>
              <span className="breakable">{why.charAt(0).toUpperCase() + why.slice(1)}</span>{" "}
              <Text span size="sm" c="dimmed">
                {plural(list.length, "statement")}
              </Text>
            </summary>
            <ul className={classes.statements}>
              {list.map((s) => (
                <li key={s.line}>
                  <span className={classes.line}>Line {formatCount(s.line)}</span>
                  <code className="breakable">{s.text}</code>
                </li>
              ))}
            </ul>
          </details>
        ))}
      </Stack>
      {leftOut > 0 && (
        <Text size="sm" c="dimmed">
          And {plural(leftOut, "statement")} more: they are in the downloaded report.
        </Text>
      )}
    </Panel>
  );
}

/** SQL that an administrator may want to run afterwards. */
export function ByHand({ statements, leftOut }: { statements: string[]; leftOut: number }) {
  if (statements.length === 0) return null;
  return (
    <Panel
      title="To be done by hand"
      aside={statements.length > 1 && <CopyButton value={statements.join("\n")} what="all statements" />}
    >
      <Text maw="75ch">
        The live database has settings that are not carried over to the copy by themselves. Where they are still wanted, an
        administrator of the server runs this after the live database has been replaced.
      </Text>
      <Stack gap="xs">
        {statements.map((sql, i) => (
          <Command key={i} text={sql} what={statements.length === 1 ? "the statement" : `statement ${i + 1}`} />
        ))}
      </Stack>
      {leftOut > 0 && (
        <Text size="sm" c="dimmed">
          And {plural(leftOut, "statement")} more: they are in the downloaded report.
        </Text>
      )}
    </Panel>
  );
}
