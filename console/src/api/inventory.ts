import { useMutation, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

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

const endOf = ({ filename, state, failure }: Backup) =>
  state === "created" ? `The backup ${filename} was created.` : `The backup ${filename} failed. ${failure?.reason ?? ""}`;

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
      queries.setQueriesData<Known<Backup>>({ queryKey: keys.inventory(database) }, (known) => {
        const listed = known?.items.find((b) => b.id === backup.id);
        return known === undefined || listed === undefined || !isOpen(listed) ? known : withItem(known, backup);
      });
    }
  }, [now, queries, database]);

  // The list may be read again before the job is: the end is said whichever tells of it first.
  const going = useRef(new Set<string>());
  useEffect(() => {
    for (const backup of items) {
      if (isOpen(backup)) {
        going.current.add(backup.id);
      } else if (going.current.delete(backup.id)) {
        announce(endOf(backup));
        void queries.invalidateQueries({ queryKey: keys.backups(database) });
      }
    }
  }, [items, queries, database]);

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
