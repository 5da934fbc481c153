import { Text } from "@mantine/core";

import type { Report, RestoreDetail } from "../../../api/queries";
import { plural } from "../../../ui/format";
import { Panel } from "../../../ui/Panel";
import { Time } from "../../../ui/Time";
import { ObjectChanges } from "./ObjectChanges";
import classes from "./ReportView.module.css";
import { ByHand, SkippedStatements } from "./Statements";
import { TableChanges } from "./TableChanges";
import { useReportDownload } from "./useReportDownload";
import { newerVerdict, objectsVerdict, tablesVerdict, type Tense } from "./verdict";
import { Warnings } from "./Warnings";

const none = { tables: 0, objects: 0, skipped: 0, byHand: 0, warnings: 0 };

/** What was found before the live database would be replaced, or was. */
export function ReportView({ restore: r, report }: { restore: RestoreDetail; report: Report }) {
  const tense: Tense = r.state === "restored" || r.state === "undone" ? "did" : "would";
  const leftOut = report.leftOut ?? none;
  return (
    <>
      <Verdict restore={r} report={report} tense={tense} />
      <Warnings report={report} />
      <TableChanges tables={report.tables} leftOut={leftOut.tables} tense={tense} />
      <ObjectChanges objects={report.objects ?? []} leftOut={leftOut.objects} />
      <ByHand statements={report.byHand ?? []} leftOut={leftOut.byHand} />
      <SkippedStatements skipped={report.skipped ?? []} leftOut={leftOut.skipped} />
    </>
  );
}

function Verdict({ restore: r, report, tense }: { restore: RestoreDetail; report: Report; tense: Tense }) {
  const download = useReportDownload(r);
  const newer = newerVerdict(report, tense);
  const compared = report.stages.find((s) => s.stage === "compare");
  return (
    <Panel
      title={
        r.state === "undone" ? "What had changed, before it was undone" : tense === "would" ? "What would change" : "What changed"
      }
      aside={download.button}
    >
      {download.problem}
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
