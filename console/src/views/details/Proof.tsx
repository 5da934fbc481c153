import { Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "wouter";

import { paths } from "../../app/routes";
import type { BackupDetail } from "../../api/queries";
import { CopyButton } from "../../ui/Copy";
import { Fact, Facts } from "../../ui/Facts";
import { formatBytes, formatCount, plural } from "../../ui/format";
import { IconCheck, IconClock } from "../../ui/icons";
import { Panel } from "../../ui/Panel";
import { Time } from "../../ui/Time";
import classes from "./Proof.module.css";

const engines: Record<BackupDetail["engine"], string> = { postgres: "PostgreSQL", mysql: "MySQL" };

/** What is proved of a created backup, and by what. */
export function Proof({ backup: b }: { backup: BackupDetail }) {
  const engine = engines[b.engine];
  return (
    <Panel title="Proof">
      <ol className={classes.steps}>
        <Step proved title="Stored">
          S3 holds {b.size === undefined ? "the file" : `its ${formatBytes(b.size)}`} and confirmed the checksum.
        </Step>
        <Step proved title="Complete">
          The dump ended cleanly{b.rows !== undefined && `, with ${plural(b.rows, "row")}`}
          {b.tableCount !== undefined && ` in ${plural(b.tableCount, "table")}`}
          {b.rows !== undefined && " counted"}.
        </Step>
        <Step
          proved={b.lastRehearsalAt !== undefined}
          title={b.lastRehearsalAt === undefined ? "Not rehearsed yet" : "Rehearsed"}
        >
          {b.lastRehearsalAt === undefined ? (
            <>
              A dry run restores it beside the live database and proves that it can be restored.{" "}
              <Link href={paths.restoreOptions(b.database, { backup: b.id })}>Rehearse it</Link>.
            </>
          ) : (
            <>
              A restore of it was verified on <Time at={b.lastRehearsalAt} />.
            </>
          )}
        </Step>
      </ol>
      <Facts>
        {b.sha256 !== undefined && (
          <Fact term="SHA-256">
            <Checksum value={b.sha256} what="the SHA-256" />
          </Fact>
        )}
        {b.crc64nvme !== undefined && (
          <Fact term="CRC-64/NVME">
            <Checksum value={b.crc64nvme} what="the CRC-64/NVME" />
          </Fact>
        )}
        {b.size !== undefined && <Fact term="File">{exactBytes(b.size)}</Fact>}
        {b.sqlBytes !== undefined && (
          <Fact term="SQL text">
            {exactBytes(b.sqlBytes)}
            {b.size !== undefined && b.size > 0 && `, ${ratio.format(b.sqlBytes / b.size)} times the file`}
          </Fact>
        )}
        {b.serverVersion !== undefined && (
          <Fact term="Server">
            {engine} {b.serverVersion}
          </Fact>
        )}
        {b.toolVersion !== undefined && (
          <Fact term="Dump program">{b.engine === "postgres" ? `pg_dump ${b.toolVersion}` : b.toolVersion}</Fact>
        )}
      </Facts>
    </Panel>
  );
}

const ratio = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

function exactBytes(bytes: number): string {
  return bytes < 1000 ? formatBytes(bytes) : `${formatBytes(bytes)} (${formatCount(bytes)} bytes)`;
}

function Step({ proved, title, children }: { proved: boolean; title: string; children: ReactNode }) {
  const Icon = proved ? IconCheck : IconClock;
  return (
    <li className={classes.step} data-proved={proved}>
      <span className={classes.sign}>
        <Icon size={16} aria-hidden />
      </span>
      <div>
        <Text fw={600}>{title}</Text>
        <Text size="sm" c="dimmed">
          {children}
        </Text>
      </div>
    </li>
  );
}

function Checksum({ value, what }: { value: string; what: string }) {
  return (
    <Group gap="sm" justify="space-between" align="flex-start">
      <code className={classes.checksum}>{value}</code>
      <CopyButton value={value} what={what} />
    </Group>
  );
}
