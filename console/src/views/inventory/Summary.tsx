import { Anchor, Group, Skeleton, Text, Title } from "@mantine/core";
import { Link } from "wouter";

import { paths } from "../../app/routes";
import { useDatabases, useNewestBackup, type Backup } from "../../api/queries";
import type { Schemas } from "../../api/client";
import { formatAgo, formatBytes, plural } from "../../ui/format";
import { IconAlertTriangle, IconShieldCheck } from "../../ui/icons";
import { Notice } from "../../ui/Notice";
import { Answer } from "../../ui/States";
import { Ago, Time, useNow } from "../../ui/Time";
import classes from "./Summary.module.css";

// Backups are made at least once a day, or something is wrong.
const fresh = 86_400_000;

/** What can be relied on now: the newest proven backup. */
export function Summary({ database, latest }: { database: string; latest: Backup | undefined }) {
  const newest = useNewestBackup(database);
  return (
    <section className={`surface ${classes.card}`} aria-labelledby="newest-backup">
      <Title order={2} size="h5" id="newest-backup">
        Newest proven backup
      </Title>
      {newest.isPending ? (
        <div aria-busy className={classes.waiting}>
          <Skeleton height={32} width="60%" />
          <Skeleton height={18} width="85%" />
          <Skeleton height={18} width="70%" />
        </div>
      ) : (
        <Answer query={newest} label="Looking for the newest backup">
          {(backup) => (backup === null ? <None database={database} /> : <Newest backup={backup} />)}
        </Answer>
      )}
      {latest?.state === "failed" && newest.data?.id !== latest.id && <LastFailed backup={latest} />}
      <HeldRoom database={database} />
    </section>
  );
}

function None({ database }: { database: string }) {
  return (
    <Notice tone="warn" title={`No backup of ${database} is proven yet`}>
      Until one is created, {database} can’t be brought back. Create a backup now.
    </Notice>
  );
}

function Newest({ backup }: { backup: Backup }) {
  const now = useNow(30);
  const old = now - new Date(backup.requestedAt).getTime() > fresh;
  const Icon = old ? IconAlertTriangle : IconShieldCheck;
  return (
    <>
      <div>
        <Group gap="0 0.75rem" c={old ? "var(--warn)" : "var(--good)"}>
          <span className={classes.ago}>
            <Icon size={26} aria-hidden />
            <Ago at={backup.requestedAt} />
          </span>
          <Text span size="sm" c="dimmed">
            <Time at={backup.requestedAt} />
          </Text>
        </Group>
        <Anchor component={Link} href={paths.backup(backup.database, backup.id)} className="breakable">
          {backup.filename}
        </Anchor>
      </div>
      {old && (
        <Notice tone="warn" title="It is older than a day">
          What changed since {formatAgo(backup.requestedAt, now)} is in no backup. Create a backup now, and look in the{" "}
          <Anchor component={Link} href={paths.activity} inherit c="inherit" td="underline">
            activity
          </Anchor>{" "}
          for why none was made.
        </Notice>
      )}
      <Text className={classes.facts}>
        {plural(backup.rows ?? 0, "row")} · {formatBytes(backup.size ?? 0)} ·{" "}
        {backup.lastRehearsalAt === undefined ? (
          "not rehearsed yet"
        ) : (
          <>
            rehearsed <Ago at={backup.lastRehearsalAt} />
          </>
        )}
      </Text>
    </>
  );
}

function LastFailed({ backup }: { backup: Backup }) {
  return (
    <Notice
      tone="warn"
      title={
        <>
          The last attempt, <Ago at={backup.requestedAt} />, failed
        </>
      }
    >
      {backup.failure?.reason}{" "}
      <Anchor
        component={Link}
        href={paths.backup(backup.database, backup.id)}
        inherit
        c="inherit"
        td="underline"
        aria-label={`Details of ${backup.filename}, which failed`}
      >
        Details
      </Anchor>
    </Notice>
  );
}

/** Registrations that make no sense: nobody backs those databases up. */
export function UnusableDatabases() {
  const { data } = useDatabases();
  return data?.unusable?.map((u) => (
    <Notice key={u.name} tone="warn" title={`The database “${u.name}” is registered, but it is not backed up`}>
      {u.reason} {u.hint}
    </Notice>
  ));
}

/** What restores keep on the database's server. */
function HeldRoom({ database }: { database: string }) {
  const { data } = useDatabases();
  const held = data?.items.find((d) => d.name === database)?.held;
  return held === undefined ? null : <Held database={database} held={held} />;
}

function Held({ database, held }: { database: string; held: Schemas["HeldRoom"] }) {
  return (
    <Text size="sm" c="dimmed">
      Restores keep {plural(held.databases, "copy", "copies")} beside {database}, until they are applied or undone or expire:{" "}
      {formatBytes(held.bytes)} of the server’s disk. <Link href={paths.restoreOptions(database)}>See the restores</Link>
    </Text>
  );
}
