import type { Backup, Upload } from "../../api/queries";
import { nameMissing } from "../../ui/NameConfirmation";
import type { Transfer } from "../../upload/transfers";

/** What the operator has decided so far. */
export interface Plan {
  database: string;
  way: "backup" | "upload";
  /** What is chosen, as far as it was read. */
  backup?: Pick<Backup, "filename" | "state" | "usable" | "unusable" | "partial">;
  upload?: Pick<Upload, "filename" | "state" | "usable" | "unusable" | "needsAcknowledgement">;
  /** A file that is being sent now. */
  transfer?: Pick<Transfer, "phase">;
  acknowledged: boolean;
  /** That the other tables of a partial backup are empty afterwards. */
  partialAccepted: boolean;
  dryRun: boolean;
  /** As it was typed. */
  confirm: string;
}

export type Field = "source" | "acknowledgement" | "partial" | "target";

export interface Missing {
  field: Field;
  message: string;
}

/** Whether what is chosen has the rows of some tables only. */
export const isPartial = (plan: Plan) => plan.way === "backup" && plan.backup?.partial !== undefined;

/** What keeps the restore from being queued, in the order of the page. */
export function whatIsMissing(plan: Plan): Missing[] {
  const missing: Missing[] = [];
  const source = plan.way === "backup" ? missingBackup(plan) : missingFile(plan);
  if (source !== undefined) missing.push({ field: "source", message: source });
  else if (plan.way === "upload" && plan.upload?.needsAcknowledgement === true && !plan.acknowledged) {
    missing.push({ field: "acknowledgement", message: "Nothing proves that the file is complete: tick that you know this." });
  }
  // A dry run changes nothing: there it is only needed for who wants to apply it.
  if (source === undefined && isPartial(plan) && !plan.dryRun && !plan.partialAccepted) {
    missing.push({ field: "partial", message: "The backup is partial: tick that you know which tables will be empty." });
  }
  const target = plan.dryRun ? undefined : nameMissing(plan.database, plan.confirm);
  if (target !== undefined) missing.push({ field: "target", message: target });
  return missing;
}

function missingBackup({ backup }: Plan): string | undefined {
  if (backup === undefined) return "No backup is chosen. Choose one.";
  if (backup.usable) return undefined;
  return [backup.unusable?.reason, backup.unusable?.hint ?? "Choose another one."].filter(Boolean).join(" ");
}

function missingFile({ upload, transfer }: Plan): string | undefined {
  if (upload?.usable === true) return undefined;
  if (transfer !== undefined && transfer.phase === "stopped")
    return "The file has not arrived. Try again, or choose another one.";
  if (transfer !== undefined && transfer.phase !== "sent") return "The file is still being sent. Wait until it was inspected.";
  if (upload === undefined) return "No file is chosen. Choose one, or one of the earlier uploads.";
  switch (upload.state) {
    case "pending":
      return `${upload.filename} has not arrived. Choose the file again to go on with it.`;
    case "received":
      return `${upload.filename} is being inspected. Wait until it is accepted.`;
    default:
      return `${upload.filename} was rejected. Read why, then choose another file.`;
  }
}
