import { Box, Button, Group, Stack, Title } from "@mantine/core";
import { useRef, useState } from "react";
import { useLocation, useSearch } from "wouter";

import { useInventory } from "../../api/inventory";
import { useCreateBackup, type Backup } from "../../api/queries";
import { paths } from "../../app/routes";
import { useTitle } from "../../app/title";
import { announce } from "../../ui/announce";
import { DeleteBackupDialog } from "../../ui/DeleteBackup";
import { GuardedButton } from "../../ui/Guarded";
import { IconPlus, IconRefresh } from "../../ui/icons";
import { ProblemAlert } from "../../ui/ProblemAlert";
import type { Selection } from "../../ui/selection";
import { Answer, Empty } from "../../ui/States";
import { Updated } from "../../ui/Updated";
import { BackupTable } from "./BackupTable";
import { isFiltered, queryOf, readFilter, writeFilter, type Filter } from "./filter";
import { isBackwards } from "../../ui/days";
import { Filters } from "./Filters";
import { HistoryPanel } from "./HistoryPanel";
import classes from "./Inventory.module.css";
import { SomeTablesDialog } from "./SomeTables";
import { Summary, UnusableDatabases } from "./Summary";

/** The backups of a database: what can be relied on, and all there are. */
export default function Inventory({ database }: { database: string }) {
  useTitle(`Backup Inventory of ${database}`);
  const [filter, setFilter] = useFilter(database);
  const { query, more, refresh } = useInventory(database, queryOf(filter), !isBackwards(filter));
  const create = useCreateBackup(database);
  const starting = useRef(false);
  const [doomed, setDoomed] = useState<Backup>();
  const [choosing, setChoosing] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const items = query.data?.items ?? [];
  const filtered = isFiltered(filter);

  const start = (selection?: Selection) => {
    // A second press before the first one's answer is no second backup, however fast it comes.
    if (starting.current) return;
    starting.current = true;
    create.mutate(selection, {
      onSettled: () => {
        starting.current = false;
      },
      onSuccess: (backup) => {
        setChoosing(false);
        if (filtered) setFilter({ states: [] });
        announce(`The backup ${backup.filename} is queued.${filtered ? " The filters were cleared to show it." : ""}`);
      },
    });
  };
  const createButton = (
    <GuardedButton
      needs="backups:create"
      refusal={refusalToCreate(items)}
      loading={create.isPending}
      onClick={() => start()}
      leftSection={<IconPlus size={18} aria-hidden />}
    >
      Create Backup
    </GuardedButton>
  );

  return (
    <Stack gap="sm">
      <Group justify="space-between" gap="sm">
        <Group gap="0 1rem" align="baseline">
          <Title order={1} size="h2">
            Backup Inventory
          </Title>
          {/* As wide as its words may become, so that it is on its line before they are there. */}
          <Box miw="11rem">
            <Updated at={query.dataUpdatedAt} />
          </Box>
        </Group>
        <Group gap="sm">
          <GuardedButton
            variant="default"
            loading={refresh.isPending}
            onClick={() => refresh.mutate()}
            leftSection={<IconRefresh size={18} aria-hidden />}
          >
            Refresh
          </GuardedButton>
          <GuardedButton
            variant="default"
            needs="backups:create"
            refusal={refusalToCreate(items)}
            aria-haspopup="dialog"
            onClick={() => {
              create.reset();
              setChoosing(true);
            }}
          >
            Back up some tables…
          </GuardedButton>
          {createButton}
        </Group>
      </Group>
      <UnusableDatabases />
      {create.isError && !choosing && (
        <ProblemAlert error={create.error} title="The backup was not started" onRetry={() => start(create.variables)} />
      )}
      {refresh.isError && (
        <ProblemAlert
          error={refresh.error}
          title="The inventory could not be refreshed; it may be out of date"
          onRetry={() => refresh.mutate()}
        />
      )}
      <div className={classes.top}>
        <Summary
          database={database}
          latest={filtered ? undefined : items.find((b) => b.state === "created" || b.state === "failed")}
        />
        <HistoryPanel database={database} />
      </div>
      <section className="surface" aria-labelledby="all-backups">
        <Group justify="space-between" className={classes.bar}>
          <Title order={2} size="h5" id="all-backups" tabIndex={-1} ref={heading} className={classes.title}>
            Backups
          </Title>
          <Filters filter={filter} onChange={setFilter} />
        </Group>
        {isBackwards(filter) ? (
          <NoMatch filter={filter} onChange={setFilter} />
        ) : (
          <Answer query={query} label="Loading the backups">
            {({ items: rows, next }) =>
              rows.length > 0 || next !== undefined ? (
                <BackupTable database={database} items={rows} hasMore={next !== undefined} more={more} onDelete={setDoomed} />
              ) : filtered ? (
                <NoMatch filter={filter} onChange={setFilter} />
              ) : (
                <Empty title={`No backup of ${database} yet`}>
                  <Stack align="center">
                    A backup is a file from which {database} can be brought back whole.
                    {createButton}
                  </Stack>
                </Empty>
              )
            }
          </Answer>
        )}
      </section>
      {/* Where the row that had the focus is gone, the list's heading takes it. */}
      <SomeTablesDialog
        database={database}
        opened={choosing}
        onClose={() => setChoosing(false)}
        onCreate={start}
        pending={create.isPending}
        error={create.error}
      />
      <DeleteBackupDialog backup={doomed} onClose={() => setDoomed(undefined)} onDeleted={() => heading.current?.focus()} />
    </Stack>
  );
}

/** The filter lives in the address: it survives a reload, and can be handed on. */
function useFilter(database: string): [Filter, (filter: Filter) => void] {
  const [, go] = useLocation();
  const filter = readFilter(useSearch());
  return [filter, (next) => go(`${paths.backups(database)}${writeFilter(next)}`, { replace: true })];
}

/**
 * One that is queued holds everything up to when it begins, so a second one would be the same. One that runs may lack what was just
 * changed: another can be queued behind it.
 */
function refusalToCreate(items: Backup[]): string | undefined {
  const queued = items.find((b) => b.state === "queued" && b.partial === undefined);
  return queued && `The backup ${queued.filename} is queued already. It will hold everything up to when it begins.`;
}

function NoMatch({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  const hasDays = filter.from !== undefined || filter.to !== undefined;
  return (
    <Empty title={isBackwards(filter) ? "To is before From" : "No backup matches the filters"}>
      <Stack align="center">
        {isBackwards(filter) ? "No day lies between them." : "There are backups, or may be, that the filters hide."}
        <Group justify="center">
          {filter.states.length > 0 && (
            <Button variant="default" onClick={() => onChange({ ...filter, states: [] })}>
              Clear the status
            </Button>
          )}
          {hasDays && (
            <Button variant="default" onClick={() => onChange({ states: filter.states })}>
              Clear the days
            </Button>
          )}
        </Group>
      </Stack>
    </Empty>
  );
}
