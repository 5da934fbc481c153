import type { Activity } from "../../api/activity";
import { paths } from "../../app/routes";
import { jobKinds } from "../../ui/JobProgress";

interface Action {
  /** What the API calls it. */
  name: string;
  label: string;
}

/** All that is recorded, in groups. */
export const actions: { group: string; items: Action[] }[] = [
  {
    group: "Backups",
    items: [
      { name: "backup.create", label: "Backup requested" },
      { name: "backup.end", label: "Backup ended" },
      { name: "backup.download", label: "Download of a backup" },
      { name: "backup.preview", label: "Look into a table of a backup" },
      { name: "backup.delete", label: "Deletion of a backup" },
    ],
  },
  {
    group: "Restores",
    items: [
      { name: "restore.rehearse", label: "Dry run requested" },
      { name: "restore.run", label: "Restore requested" },
      { name: "restore.end", label: "Restore or dry run ended" },
      { name: "restore.apply", label: "Application of a dry run requested" },
      { name: "apply.end", label: "Application of a dry run ended" },
      { name: "restore.undo", label: "Undo of a restore requested" },
      { name: "undo.end", label: "Undo of a restore ended" },
      { name: "restore.cancel", label: "Cancellation requested" },
      { name: "restore.supersede", label: "Dry run superseded" },
      { name: "drop.end", label: "Removal of a kept copy ended" },
    ],
  },
  {
    group: "Uploads",
    items: [
      { name: "upload.create", label: "Upload announced" },
      { name: "upload.links", label: "Fresh links for an upload" },
      { name: "inspect.end", label: "Inspection of an upload ended" },
    ],
  },
  {
    group: "Cron key",
    items: [
      { name: "cron-key.reveal", label: "Cron key revealed" },
      { name: "cron-key.regenerate", label: "Cron key regenerated" },
    ],
  },
];

const labels = new Map(actions.flatMap(({ items }) => items.map(({ name, label }) => [name, label])));

export const actionLabel = (action: string) => labels.get(action) ?? action;

/** All results that an entry can have, with what they are called. */
export const results = [
  { value: "accepted", label: "Asked for, or upload accepted" },
  { value: "created", label: "Created" },
  { value: "failed", label: "Failed" },
  { value: "rehearsed", label: "Rehearsed" },
  { value: "restored", label: "Restored" },
  { value: "undone", label: "Undone" },
  { value: "cancelled", label: "Cancelled" },
  { value: "expired", label: "Expired" },
  { value: "rejected", label: "Upload rejected" },
  { value: "deleted", label: "Deleted" },
  { value: "done", label: "Done" },
  { value: "revealed", label: "Key revealed" },
  { value: "regenerated", label: "Key replaced" },
];

/** The state that its badge shows: what was accepted is only asked for yet, but for an upload that was inspected. */
export const resultState = (e: Activity) => (e.result === "accepted" && e.action !== "inspect.end" ? "requested" : e.result);

/** More about it, for people. */
export function detailOf(e: Activity): string | undefined {
  if (e.action === "restore.cancel" && e.detail !== undefined) return `Of ${jobKinds[e.detail] ?? e.detail}`;
  return e.detail === "" ? undefined : e.detail;
}

/** The view of what it is about; undefined where there is none. */
export function targetOf(e: Activity): string | undefined {
  if (e.action.startsWith("cron-key.")) return paths.cronKey;
  if (e.database === undefined || e.target === undefined || e.action === "backup.delete") return undefined;
  if (e.action.startsWith("backup.")) return paths.backup(e.database, e.target);
  if (e.action.startsWith("upload.") || e.action === "inspect.end") return paths.restoreOptions(e.database, { upload: e.target });
  if (/^(restore|apply|undo|drop)\./.test(e.action)) return paths.restore(e.database, e.target);
  return undefined;
}

/** The entries of each day, in their order. */
export function byDay<T extends { at: string }>(entries: readonly T[]): { day: string; entries: T[] }[] {
  const days: { day: string; entries: T[] }[] = [];
  for (const entry of entries) {
    const at = new Date(entry.at);
    const day = new Date(at.getFullYear(), at.getMonth(), at.getDate()).toISOString();
    const last = days.at(-1);
    if (last?.day === day) last.entries.push(entry);
    else days.push({ day, entries: [entry] });
  }
  return days;
}
