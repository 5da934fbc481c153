import {
  keepPreviousData,
  QueryClient,
  queryOptions,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type InfiniteData,
} from "@tanstack/react-query";

import { answer, api, type Schemas } from "./client";
import { readOn, withItem, without, type Known } from "./list";
import { asProblem, type Permission } from "./problem";

export type Backup = Schemas["Backup"];
export type BackupDetail = Schemas["BackupDetail"];
export type Upload = Schemas["Upload"];
export type UploadDetail = Schemas["UploadDetail"];
export type Restore = Schemas["Restore"];
export type RestoreDetail = Schemas["RestoreDetail"];
export type Report = Schemas["Report"];
export type Preview = Schemas["Preview"];

export function newQueryClient() {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 2_000,
        retry: (failures, error) => failures < 2 && asProblem(error).passes,
        // What the browser says of its connection may be wrong; asking tells.
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
}

// Seconds between looks: at what changes by itself, and at what may change.
export const soon = 1_500;
export const later = 15_000;

const ended = new Set([
  "created",
  "failed",
  "accepted",
  "rejected",
  "rehearsed",
  "restored",
  "cancelled",
  "expired",
  "undone",
  "done",
]);

/** Whether a job goes on by itself, so that its record is worth another look soon. */
export const isOpen = (job: { state: string }) => !ended.has(job.state) && job.state !== "pending";

/** Whether a restore goes on: itself, or what follows it. */
export const restoreIsOpen = (r: Restore) => isOpen(r) || (r.followUp !== undefined && isOpen(r.followUp));

export const keys = {
  me: ["me"] as const,
  databases: ["databases"] as const,
  backups: (database: string) => ["backups", database] as const,
  inventory: (database: string) => ["backups", database, "inventory"] as const,
  backup: (database: string, id: string) => ["backup", database, id] as const,
  preview: (database: string, id: string, table: string, limit: number) => ["preview", database, id, table, limit] as const,
  uploads: (database: string) => ["uploads", database] as const,
  upload: (database: string, id: string) => ["upload", database, id] as const,
  restores: (database: string) => ["restores", database] as const,
  restore: (database: string, id: string) => ["restore", database, id] as const,
  cronKey: ["cron-key"] as const,
  activity: ["activity"] as const,
};

const path = (database: string) => ({ path: { database } });
const record = (database: string, id: string) => ({ path: { database, id } });

// Who is there, and what may they do.

export function useMe() {
  return useQuery({ queryKey: keys.me, queryFn: ({ signal }) => answer(api.GET("/api/me", { signal })), staleTime: 300_000 });
}

/** Whether the operator has a permission. While that is not known: no. */
export function useMay(permission: Permission | undefined): boolean {
  const me = useMe();
  return permission === undefined || (me.data?.permissions.includes(permission) ?? false);
}

export function useDatabases() {
  return useQuery({
    queryKey: keys.databases,
    queryFn: ({ signal }) => answer(api.GET("/api/databases", { signal })),
    refetchInterval: 60_000,
  });
}

// Backups.

export interface BackupFilter {
  state?: Backup["state"][];
  from?: string;
  to?: string;
}

type Page<T> = { items: T[]; next?: string };

/** All items of the pages that were read, each once: between two reads a new record moves the others down. */
export function itemsOf<T extends { id: string }>(data: InfiniteData<Page<T>> | undefined): T[] {
  const seen = new Map<string, T>();
  for (const page of data?.pages ?? []) for (const item of page.items) if (!seen.has(item.id)) seen.set(item.id, item);
  return [...seen.values()];
}

const pageSize = 100;

/** The inventory, page by page, newest first. */
export function useBackups(database: string, filter: BackupFilter = {}) {
  return useInfiniteQuery({
    queryKey: [...keys.backups(database), filter],
    queryFn: ({ pageParam, signal }) =>
      answer(
        api.GET("/api/databases/{database}/backups", {
          params: { ...path(database), query: { limit: pageSize, cursor: pageParam, ...filter } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next,
    // All pages that were read are read again: more than a few are only looked at when somebody asks.
    refetchInterval: (query) => {
      const pages = query.state.data?.pages ?? [];
      if (pages.length > 3) return false;
      return pages.some((page) => page.items.some(isOpen)) ? soon : later;
    },
  });
}

/** One page of the backups that a filter lets through. */
export const listBackups = (database: string, filter: BackupFilter, limit: number, signal: AbortSignal) => (cursor?: string) =>
  answer(
    api.GET("/api/databases/{database}/backups", { params: { ...path(database), query: { limit, cursor, ...filter } }, signal }),
  );

/** The newest created backup of the whole database, whatever the inventory shows: from a partial one it could not be brought back. */
export function useNewestBackup(database: string) {
  return useQuery({
    queryKey: [...keys.backups(database), "newest"],
    queryFn: async ({ signal }) => {
      const read = listBackups(database, { state: ["created"] }, 1, signal);
      for (let cursor: string | undefined; ;) {
        const page = await readOn(read, 1, cursor);
        const whole = page.items.find((b) => b.partial === undefined);
        if (whole !== undefined || page.next === undefined) return whole ?? null;
        cursor = page.next;
      }
    },
    refetchInterval: later,
  });
}

export const backupQuery = (database: string, id: string) =>
  queryOptions({
    queryKey: keys.backup(database, id),
    queryFn: ({ signal }) => answer(api.GET("/api/databases/{database}/backups/{id}", { params: record(database, id), signal })),
    refetchInterval: (query) => (query.state.data !== undefined && isOpen(query.state.data) ? soon : false),
  });

export function useBackup(database: string, id: string | undefined) {
  return useQuery({ ...backupQuery(database, id ?? ""), enabled: id !== undefined });
}

/**
 * The first rows of a table in a backup. They are somebody's data, and it is recorded who looks: they are asked for once, and not kept
 * when nobody looks at them any more.
 */
export function usePreview(database: string, id: string, table: string, limit: number) {
  return useQuery({
    queryKey: keys.preview(database, id, table, limit),
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/databases/{database}/backups/{id}/contents/{table}", {
          // Encoded once more than the client does: the gateway decodes a path before it looks at it.
          params: { path: { database, id, table: encodeURIComponent(table) }, query: { limit } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 0,
  });
}

/** An Idempotency-Key for one intention: a call that is sent twice is carried out once. */
const intention = () => ({ "Idempotency-Key": crypto.randomUUID() });

export function useCreateBackup(database: string) {
  const queries = useQueryClient();
  return useMutation({
    /** Of some tables only where a selection is given. */
    mutationFn: (body: Schemas["Selection"] | undefined) =>
      answer(api.POST("/api/databases/{database}/backups", { params: { ...path(database), header: intention() }, body })),
    // The row is there at once.
    onSuccess: (backup) =>
      queries.setQueryData<Known<Backup>>([...keys.inventory(database), {}], (known) => known && withItem(known, backup)),
    // Not waited for: its end, which may come with that, is to be told after its beginning.
    onSettled: () => void queries.invalidateQueries({ queryKey: keys.backups(database) }),
  });
}

export function useDeleteBackup(database: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => answer(api.DELETE("/api/databases/{database}/backups/{id}", { params: record(database, id) })),
    // Far down the inventory nothing else would notice.
    onSuccess: (_, id) => {
      queries.setQueriesData<Known<Backup>>({ queryKey: keys.inventory(database) }, (known) => known && without(known, id));
      // Who goes to its address is told that it is gone.
      queries.removeQueries({ queryKey: keys.backup(database, id) });
    },
    onSettled: () => queries.invalidateQueries({ queryKey: keys.backups(database) }),
  });
}

/** Makes a short-lived link and has the browser save what is behind it. */
export function useDownloadBackup(database: string) {
  return useMutation({
    mutationFn: async (id: string) => {
      const link = await answer(api.POST("/api/databases/{database}/backups/{id}/download", { params: record(database, id) }));
      const a = document.createElement("a");
      a.href = link.url;
      a.download = link.filename;
      a.click();
      return link;
    },
  });
}

// Uploads.

export function useUploads(database: string) {
  return useQuery({
    queryKey: keys.uploads(database),
    queryFn: ({ signal }) =>
      answer(api.GET("/api/databases/{database}/uploads", { params: { ...path(database), query: { limit: 50 } }, signal })),
    refetchInterval: (query) => (query.state.data?.items.some(isOpen) === true ? soon : later),
  });
}

export function useUpload(database: string, id: string | undefined) {
  return useQuery({
    queryKey: keys.upload(database, id ?? ""),
    queryFn: ({ signal }) =>
      answer(api.GET("/api/databases/{database}/uploads/{id}", { params: record(database, id ?? ""), signal })),
    enabled: id !== undefined,
    refetchInterval: (query) => (query.state.data !== undefined && isOpen(query.state.data) ? soon : false),
  });
}

// Restores.

export function useRestores(database: string) {
  return useInfiniteQuery({
    queryKey: keys.restores(database),
    queryFn: ({ pageParam, signal }) =>
      answer(
        api.GET("/api/databases/{database}/restores", {
          params: { ...path(database), query: { limit: 20, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next,
    refetchInterval: (query) => (query.state.data?.pages.some((page) => page.items.some(restoreIsOpen)) === true ? soon : later),
  });
}

export function useRestore(database: string, id: string) {
  return useQuery({
    queryKey: keys.restore(database, id),
    queryFn: ({ signal }) => answer(api.GET("/api/databases/{database}/restores/{id}", { params: record(database, id), signal })),
    refetchInterval: (query) => {
      const r = query.state.data;
      if (r === undefined) return false;
      if (restoreIsOpen(r)) return soon;
      return r.held === undefined && r.inDoubt === undefined ? false : later;
    },
  });
}

export function useCreateRestore(database: string) {
  const queries = useQueryClient();
  return useMutation({
    // The key is the caller's: when no answer came, the same intention is sent again under the same key.
    mutationFn: ({ key, body }: { key: string; body: Schemas["RestoreRequest"] }) =>
      answer(
        api.POST("/api/databases/{database}/restores", {
          params: { ...path(database), header: { "Idempotency-Key": key } },
          body,
        }),
      ),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.restores(database) }),
  });
}

/** What can be done with a restore that is there: apply and undo take the database's name as it was typed. */
export function useRestoreActions(database: string, id: string) {
  const queries = useQueryClient();
  const onSettled = async () => {
    await Promise.all([
      queries.invalidateQueries({ queryKey: keys.restore(database, id) }),
      queries.invalidateQueries({ queryKey: keys.restores(database) }),
    ]);
  };
  const confirmed = () => ({ params: { ...record(database, id), header: intention() } });
  const apply = useMutation({
    mutationFn: (confirm: string) =>
      answer(api.POST("/api/databases/{database}/restores/{id}/apply", { ...confirmed(), body: { confirm } })),
    onSettled,
  });
  const undo = useMutation({
    mutationFn: (confirm: string) =>
      answer(api.POST("/api/databases/{database}/restores/{id}/undo", { ...confirmed(), body: { confirm } })),
    onSettled,
  });
  const cancel = useMutation({
    mutationFn: () => answer(api.POST("/api/databases/{database}/restores/{id}/cancel", { params: record(database, id) })),
    onSettled,
  });
  return { apply, undo, cancel };
}

/** Has the browser save a restore's report, whole. The call needs the token, so a link alone would not do. */
export function useDownloadReport(database: string, id: string) {
  return useMutation({
    mutationFn: async () => {
      const call = await api.GET("/api/databases/{database}/restores/{id}/report", {
        params: record(database, id),
        parseAs: "blob",
      });
      const file: Blob = await answer(Promise.resolve(call));
      const named = /filename="([^"]+)"/.exec(call.response.headers.get("Content-Disposition") ?? "");
      const a = document.createElement("a");
      a.href = URL.createObjectURL(file);
      a.download = named?.[1] ?? `${database}-restore-${id}.json`;
      a.click();
      URL.revokeObjectURL(a.href);
    },
  });
}

// The cron key. A revealed one is never kept in the cache: it lives in the component that shows it.

export function useCronKey() {
  return useQuery({
    queryKey: keys.cronKey,
    queryFn: ({ signal }) => answer(api.GET("/api/cron-key", { signal })),
    refetchInterval: 30_000,
  });
}

export function useRevealCronKey() {
  return useMutation({ mutationFn: () => answer(api.POST("/api/cron-key/reveal")), gcTime: 0 });
}

export function useRegenerateCronKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => answer(api.POST("/api/cron-key/regenerate")),
    gcTime: 0,
    onSettled: () => queries.invalidateQueries({ queryKey: keys.cronKey }),
  });
}
