import { List, Text } from "@mantine/core";

import type { Report, RestoreDetail } from "../../../api/queries";
import { useDownloadReport } from "../../../api/queries";
import { announce } from "../../../ui/announce";
import { BusyButton } from "../../../ui/BusyButton";
import { plural } from "../../../ui/format";
import { IconDownload } from "../../../ui/icons";
import { Notice } from "../../../ui/Notice";
import { Panel } from "../../../ui/Panel";
import { ProblemAlert } from "../../../ui/ProblemAlert";
import { Time } from "../../../ui/Time";
import { ObjectChanges } from "./ObjectChanges";
import classes from "./ReportView.module.css";
import { ByHand, SkippedStatements } from "./Statements";
import { TableChanges } from "./TableChanges";
import { newerVerdict, objectsVerdict, tablesVerdict, type Tense } from "./verdict";

const none = { tables: 0, objects: 0, skipped: 0, byHand: 0, warnings: 0 };

/** What was found before the live database would be replaced, or was. */
export function ReportView({ restore: r, report }: { restore: RestoreDetail; report: Report }) {
  const tense: Tense = r.state === "restored" || r.state === "undone" ? "did" : "would";
  const leftOut = report.leftOut ?? none;
  return (
    <>
      <Verdict restore={r} report={report} tense={tense} />
      <Warnings report={report} leftOut={leftOut.warnings} />
      <TableChanges tables={report.tables} leftOut={leftOut.tables} tense={tense} />
      <ObjectChanges objects={report.objects ?? []} leftOut={leftOut.objects} />
      <ByHand statements={report.byHand ?? []} leftOut={leftOut.byHand} />
      <SkippedStatements skipped={report.skipped ?? []} leftOut={leftOut.skipped} />
    </>
  );
}

function Verdict({ restore: r, report, tense }: { restore: RestoreDetail; report: Report; tense: Tense }) {
  const download = useDownloadReport(r.database, r.id);
  const newer = newerVerdict(report, tense);
  const compared = report.stages.find((s) => s.stage === "compare");
  const start = () => download.mutate(undefined, { onSuccess: () => announce("The report was downloaded.") });
  return (
    <Panel
      title={
        r.state === "undone" ? "What had changed, before it was undone" : tense === "would" ? "What would change" : "What changed"
      }
      aside={
        <BusyButton
          variant="default"
          size="xs"
          leftSection={<IconDownload size={16} aria-hidden />}
          loading={download.isPending}
          onClick={start}
          className={classes.download}
        >
          Download the report
        </BusyButton>
      }
    >
      {download.isError && <ProblemAlert error={download.error} title="The report could not be downloaded" onRetry={start} />}
      <div className={classes.verdict}>
        <p>{tablesVerdict(report, tense)}</p>
        {newer !== undefined && <p className={classes.newer}>{newer}</p>}
        <p>{objectsVerdict(report, tense)}</p>
      </div>
      {report.leftOut !== undefined && report.leftOut.tables > 0 && (
        <Text size="sm">
          This is of the {plural(report.tables.length, "table")} listed below; {plural(report.leftOut.tables, "table")} more are
          in the downloaded report.
        </Text>
      )}
      <Text size="sm" c="dimmed" maw="75ch">
        Rows were counted
        {compared !== undefined && (
          <>
            {" "}
            on <Time at={compared.startedAt} />
          </>
        )}
        , not compared one by one. The newest row of a table is told by a column that holds its time, where there is one.
      </Text>
    </Panel>
  );
}

function Warnings({ report, leftOut }: { report: Report; leftOut: number }) {
  const warnings = report.warnings ?? [];
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
