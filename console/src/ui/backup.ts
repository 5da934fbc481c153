import type { Backup } from "../api/queries";

/** Why a backup can't be downloaded, restored or deleted, and what to do; undefined where it can. */
export function refusalOf(backup: Pick<Backup, "unusable">): string | undefined {
  if (backup.unusable === undefined) return undefined;
  return [backup.unusable.reason, backup.unusable.hint].filter(Boolean).join(" ");
}
