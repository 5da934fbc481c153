import { Checkbox, Code, Group, Stack, Text, Title } from "@mantine/core";
import { useId } from "react";

import type { Schemas } from "../../api/client";
import type { UploadDetail } from "../../api/queries";
import { CopyButton } from "../../ui/Copy";
import { formatBytes, formatCount, plural } from "../../ui/format";
import { Hint } from "../../ui/Hint";
import { Some } from "./Some";
import { Notice } from "../../ui/Notice";
import { Fact, Facts } from "../../ui/Facts";
import classes from "./restore.module.css";

interface Props {
  upload: UploadDetail;
  acknowledged: boolean;
  onAcknowledge: (yes: boolean) => void;
  /** What is missing of the acknowledgement. */
  error?: string;
}

/** What was found in an uploaded file: the verdict first, then what leads to it. */
export function InspectionResult({ upload, acknowledged, onAcknowledge, error }: Props) {
  const found = upload.inspection;
  const why = useId();
  return (
    <Stack gap="md">
      <Verdict upload={upload} />
      {upload.needsAcknowledgement && upload.usable && (
        <Checkbox
          checked={acknowledged}
          onChange={(event) => onAcknowledge(event.currentTarget.checked)}
          label="I know that nothing proves this file to be complete"
          error={error === undefined ? undefined : <span id={why}>{error}</span>}
          aria-invalid={error !== undefined || undefined}
          aria-describedby={error === undefined ? undefined : why}
          data-field="acknowledgement"
        />
      )}
      {found !== undefined && <Hazards found={found} />}
      {found !== undefined && <Found upload={upload} found={found} />}
    </Stack>
  );
}

const rejections: Record<string, string> = {
  file_not_sql: "Rejected: it is not SQL text",
  file_incomplete: "Rejected: it is cut short",
  file_dangerous: "Rejected: it has dangerous content",
  file_wrong_engine: "Rejected: it is for another kind of database server",
  file_over_limit: "Rejected: it is larger than is taken",
  file_changed: "Rejected: it is not the file that was announced",
  upload_never_arrived: "Its file never arrived",
};

function Verdict({ upload }: { upload: UploadDetail }) {
  const found = upload.inspection;
  const holds = found === undefined ? "" : `It has ${plural(found.tableCount, "table")} with ${rowsOf(found)}.`;
  if (upload.state === "accepted" && found?.completeness === "proven") {
    return (
      <Notice tone="good" title="Accepted: it can be restored">
        {holds} It is complete: the end mark of {found.tool ?? "the tool that wrote it"} is there.
      </Notice>
    );
  }
  if (upload.state === "accepted") {
    return (
      <Notice tone="warn" title="Accepted, but nothing proves that it is complete">
        {holds} It has no end mark, as pg_dump writes one. If it was cut between two statements, what followed is missing and
        nobody can tell. Check where it comes from, and make a dry run.
      </Notice>
    );
  }
  const failure = upload.failure;
  if (failure === undefined) return null;
  // Its hint is that of the first hazard: below, each has its own.
  const dangerous = failure.code === "file_dangerous";
  const reason = dangerous ? dangers(found) : failure.reason;
  return (
    <Notice tone="bad" title={rejections[failure.code] ?? "Rejected"}>
      <Stack gap="xs">
        <span>{reason}</span>
        {failure.hint !== undefined && !dangerous && <Hint>{failure.hint}</Hint>}
      </Stack>
    </Notice>
  );
}

function dangers(found: Schemas["Inspection"] | undefined): string {
  const n = found?.hazardCount ?? 0;
  return `It has ${plural(n, "thing")} in it that must not be run, or can’t be. Nothing of it was run.`;
}

function rowsOf(found: Schemas["Inspection"]): string {
  if (found.rowsInexact === undefined) return plural(found.rows, "row");
  return `at least ${plural(found.rows, "row")} (from line ${formatCount(found.rowsInexact)} on the text does not tell)`;
}

function Hazards({ found }: { found: Schemas["Inspection"] }) {
  const hazards = found.hazards ?? [];
  const all = found.hazardCount ?? hazards.length;
  if (hazards.length === 0) return null;
  return (
    <section>
      <Title order={4} size="h5">
        What must not be run
      </Title>
      {all > hazards.length && (
        <Text size="sm" c="dimmed">
          The first {formatCount(hazards.length)} of {formatCount(all)}.
        </Text>
      )}
      <Some of={sameReason(hazards)} first={10} what="reasons">
        {(shown) => (
          <ol className={classes.list}>
            {shown.map((group) => (
              <li key={group[0].line} className={classes.hazard}>
                <Some of={group} first={5} what="lines with the same reason">
                  {(lines) =>
                    lines.map((h, i) => (
                      <div key={i}>
                        <Text size="sm" fw={650}>
                          Line {formatCount(h.line)}
                        </Text>
                        <Code className={classes.statement}>{h.text}</Code>
                      </div>
                    ))
                  }
                </Some>
                <Text size="sm" maw="75ch" className="breakable">
                  <b>Why:</b> {group[0].why}.
                </Text>
                {group[0].hint !== undefined && (
                  <Text size="sm" maw="75ch" className="breakable">
                    <b>What to do:</b> {group[0].hint}
                  </Text>
                )}
              </li>
            ))}
          </ol>
        )}
      </Some>
    </section>
  );
}

type Hazard = Schemas["Hazard"];

/** Puts hazards together that follow each other and have the same reason, which is said once then. */
function sameReason(hazards: readonly Hazard[]): [Hazard, ...Hazard[]][] {
  const groups: [Hazard, ...Hazard[]][] = [];
  for (const h of hazards) {
    const last = groups.at(-1);
    if (last?.[0].why === h.why && last[0].hint === h.hint) last.push(h);
    else groups.push([h]);
  }
  return groups;
}

const completeness = {
  proven: "Proven by its end mark",
  unproven: "Not proven",
  cut: "Cut short",
};

const engines = { postgres: "PostgreSQL", mysql: "MySQL or MariaDB" };

function Found({ upload, found }: { upload: UploadDetail; found: Schemas["Inspection"] }) {
  const cut =
    found.cutAt === undefined
      ? ""
      : ` at line ${formatCount(found.cutAt)}${found.cutIn === undefined ? "" : `, inside ${found.cutIn}`}`;
  const ignored = found.ignored ?? [];
  const tables = found.tables ?? [];
  return (
    <>
      <Facts>
        <Fact term="Complete">{completeness[found.completeness] + cut}</Fact>
        <Fact term="Tables">{formatCount(found.tableCount)}</Fact>
        <Fact term="Rows">{found.rowsInexact === undefined ? formatCount(found.rows) : rowsOf(found)}</Fact>
        <Fact term="Written by">
          {found.tool === undefined
            ? "A tool that is not known, or by hand"
            : [found.tool, found.toolVersion].filter(Boolean).join(" ")}
        </Fact>
        {found.engine !== undefined && (
          <Fact term="Made for">{[engines[found.engine], found.serverVersion].filter(Boolean).join(" ")}</Fact>
        )}
        {found.fileDatabase !== undefined && (
          <Fact term="Its database">
            {found.fileDatabase} (restored into {upload.database})
          </Fact>
        )}
        {found.encoding !== undefined && <Fact term="Encoding">{found.encoding}</Fact>}
        {found.extensions !== undefined && <Fact term="Extensions">{found.extensions.join(", ")}</Fact>}
        <Fact term="File">
          {formatBytes(found.bytes)}
          {found.compressed && `, ${formatBytes(found.sqlBytes)} unpacked`}
        </Fact>
        <Fact term="Lines">{formatCount(found.lines)}</Fact>
        {upload.sha256 !== undefined && (
          <Fact term="SHA-256">
            <Group gap="xs">
              <Code className="breakable">{upload.sha256}</Code>
              <CopyButton value={upload.sha256} what="the SHA-256" />
            </Group>
          </Fact>
        )}
      </Facts>
      {tables.length > 0 && (
        <details className={classes.disclosure}>
          <summary>Tables and their rows ({formatCount(found.tableCount)})</summary>
          <Some of={tables} first={200} what="tables">
            {(shown) => (
              <table className={classes.tables}>
                <thead>
                  <tr>
                    <th scope="col">Table</th>
                    <th scope="col">Rows</th>
                  </tr>
                </thead>
                <tbody>
                  {shown.map((t) => (
                    <tr key={`${t.schema}.${t.table}`}>
                      <td>
                        {t.schema}.{t.table}
                      </td>
                      <td>{formatCount(t.rows)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </Some>
        </details>
      )}
      {ignored.length > 0 && (
        <details className={classes.disclosure}>
          <summary>Lines that are not run, and do no harm ({formatCount(found.ignoredCount ?? ignored.length)})</summary>
          <Some of={ignored} first={50} what="lines">
            {(shown) => (
              <ol className={classes.list}>
                {shown.map((s, i) => (
                  <li key={`${s.line} ${i}`} className={classes.hazard}>
                    <Text size="sm" fw={650}>
                      Line {formatCount(s.line)}
                    </Text>
                    <Code className={classes.statement}>{s.text}</Code>
                    <Text size="sm" c="dimmed">
                      {s.why}
                    </Text>
                  </li>
                ))}
              </ol>
            )}
          </Some>
        </details>
      )}
    </>
  );
}
