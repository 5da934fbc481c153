import { useMutation, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { announce } from "../ui/announce";
import { useKnownList } from "./knownList";
import { readOn, withItem, type Known } from "./list";
import { backupQuery, isOpen, keys, listBackups, type Backup, type BackupFilter } from "./queries";

const pageSize = 100;

// More jobs than these are hardly open at a time.
const mostOpen = 12;

/** The inventory, newest first. */
export function useInventory(database: string, filter: BackupFilter, enabled = true) {
  const queries = useQueryClient();
  const { query, more, readAgain } = useKnownList<Backup>({
    queryKey: [...keys.inventory(database), filter],
    read: (signal) => listBackups(database, filter, pageSize, signal),
    enabled,
  });
  const refresh = useMutation({
    mutationFn: async () => {
      await readAgain();
      await Promise.all([
        queries.invalidateQueries({ queryKey: keys.backups(database), predicate: (q) => q.queryKey[2] !== "inventory" }),
        queries.invalidateQueries({ queryKey: keys.databases }),
      ]);
    },
    onSuccess: () => announce("Refreshed."),
  });
  return { query, more, refresh };
}

/** The jobs among them that go on, each as it is now. When one ends, that is said, and all that lists backups is read again. */
export function useOpenBackups(database: string, items: Backup[]): Map<string, Backup> {
  const queries = useQueryClient();
  const open = items.filter(isOpen).slice(0, mostOpen);
  const now = useQueries({
    queries: open.map((b) => backupQuery(database, b.id)),
    combine: (results) => results.flatMap((r) => r.data ?? []),
  });

  useEffect(() => {
    for (const backup of now) {
      if (isOpen(backup)) continue;
      let noticed = false;
      queries.setQueriesData<Known<Backup>>({ queryKey: keys.inventory(database) }, (known) => {
        const listed = known?.items.find((b) => b.id === backup.id);
        if (known === undefined || listed === undefined || !isOpen(listed)) return known;
        noticed = true;
        return withItem(known, backup);
      });
      if (!noticed) continue;
      announce(
        backup.state === "created"
          ? `The backup ${backup.filename} was created.`
          : `The backup ${backup.filename} failed. ${backup.failure?.reason ?? ""}`,
      );
      void queries.invalidateQueries({ queryKey: keys.backups(database) });
    }
  }, [now, queries, database]);

  return new Map(now.map((b) => [b.id, b]));
}

/** Created backups, the newest so many of them. */
export function useCreatedBackups(database: string, count: number) {
  return useQuery({
    queryKey: [...keys.backups(database), "created", count],
    queryFn: async ({ signal }) => {
      const list = await readOn(listBackups(database, { state: ["created"] }, Math.min(count, pageSize), signal), count);
      return list.items.slice(0, count);
    },
    staleTime: 60_000,
  });
}
