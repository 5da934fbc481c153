import { Text, Title } from "@mantine/core";

import type { RestoreDetail } from "../../api/queries";
import { Command } from "../../ui/Command";
import { formatBytes, formatCount, plural } from "../../ui/format";
import { Panel } from "../../ui/Panel";
import { Steps } from "../../ui/Steps";
import { useReportDownload } from "./report/useReportDownload";
import { Warnings } from "./report/Warnings";
import classes from "./Rescued.module.css";

export type Rescue = NonNullable<RestoreDetail["rescue"]>;

/** Which tables are rescued, and once they are there, what can be done with them. */
export function Rescued({ restore: r, rescue }: { restore: RestoreDetail; rescue: Rescue }) {
  return (
    <>
      {r.report !== undefined && <Warnings report={r.report} />}
      <Tables restore={r} rescue={rescue} />
      {r.state === "restored" && <NextSteps database={r.database} rescue={rescue} />}
    </>
  );
}

function Tables({ restore: r, rescue }: { restore: RestoreDetail; rescue: Rescue }) {
  const download = useReportDownload(r);
  return (
    <Panel title="Rescued tables" aside={r.report !== undefined && download.button}>
      {download.problem}
      <Text size="sm">
        Schema <code className="breakable">{rescue.schema}</code>
        {r.state === "restored"
          ? ` in the live database ${r.database}.`
          : r.dryRun
            ? ": a dry run leaves none of it behind."
            : ": it is there when all of it is."}
      </Text>
      {/* It scrolls, so it can be scrolled by keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className={classes.frame} role="group" aria-label="Rescued tables, scrollable" tabIndex={0}>
        <table className={classes.table} aria-label="Rescued tables">
          <thead>
            <tr>
              <th scope="col">Table</th>
              <th scope="col">Rows</th>
              <th scope="col">SQL text</th>
            </tr>
          </thead>
          <tbody>
            {rescue.tables.map((t) => (
              <tr key={t.name}>
                <th scope="row" className="breakable">
                  {t.name}
                  {t.as !== t.table && <span className={classes.as}>as {t.as}</span>}
                </th>
                <td>{formatCount(t.rows)}</td>
                <td>{formatBytes(t.bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

/** SQL for whoever administers the database: this page does not write into live tables. */
function NextSteps({ database, rescue }: { database: string; rescue: Rescue }) {
  const told = rescue.tables.filter((t) => t.bringBack !== undefined);
  return (
    <Panel title="What to do with them">
      <Text size="sm" c="dimmed" maw="75ch">
        The tables belong to the user that backs {database} up, and nobody else can see them. An administrator of the database
        runs what is wanted of this in {database}. Look first at what would come back, with a SELECT in the place of the INSERT:
        only you know what was deleted for good.
      </Text>
      <Steps>
        {told.map((t) => (
          <li key={t.name}>
            <Title order={3} size="h6" mb={4} className="breakable">
              Bring rows of {t.name} back
            </Title>
            <Command text={t.bringBack!} what={`the SQL for ${t.name}`} />
          </li>
        ))}
        {rescue.drop !== undefined && (
          <li>
            <Title order={3} size="h6" mb={4}>
              Remove the rescued tables
            </Title>
            <Command text={rescue.drop} what="the SQL that removes the schema" />
          </li>
        )}
      </Steps>
      {told.length < rescue.tables.length && (
        <Text size="sm" c="dimmed">
          There is no room here for the SQL of {plural(rescue.tables.length - told.length, "table")}.
        </Text>
      )}
    </Panel>
  );
}
