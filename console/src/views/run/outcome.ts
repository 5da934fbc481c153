import type { Restore } from "../../api/queries";
import { formatDuration, formatTime, plural } from "../../ui/format";
import { actorName } from "../../ui/actor";

/** Seconds until a window ends; 0 afterwards. */
export const secondsLeft = (until: string, now: number) => Math.max(0, (new Date(until).getTime() - now) / 1000);

/** Time left in minutes, and in seconds where there are only two minutes more. */
export function formatLeft(seconds: number): string {
  return formatDuration(seconds > 120 ? Math.floor(seconds / 60) * 60 : Math.ceil(seconds));
}

const unreached = (seconds: number | undefined) =>
  seconds === undefined ? "" : ` It could not be reached for ${formatDuration(seconds)}.`;

/** What became of the live database, and what can be done with it yet. */
export function outcome(r: Restore, now: number): string {
  const live = `The live database ${r.database}`;
  if (r.rescue !== undefined) return outcomeOfRescue(r, r.rescue);
  if (r.inDoubt !== undefined) return `It is not known whether the ${r.inDoubt} replaced ${r.database}.`;
  switch (r.state) {
    case "queued":
      return r.dryRun ? `Not begun. ${live} will not be touched.` : `Not begun. ${live} is as it was.`;
    case "running":
      if (r.dryRun) return `The file is loaded into a copy and compared. ${live} is not touched.`;
      if (r.progress?.stage === "switch") return `${live} is being replaced now.`;
      return `A copy is built and verified beside ${r.database}, which is as it was. It is replaced at the end.`;
    case "rehearsed":
      return `${live} was not touched. ${copyKept(r, now)}`;
    case "restored":
      return `${replaced(r)}${unreached(r.downtimeSeconds)} ${oldKept(r, now)}`;
    case "undone":
      return `The replaced database was brought back${at(r.undoneAt)}.${unreached(r.undoDowntimeSeconds)} ${undoneKept(r, now)}`;
    case "failed":
      return `${live} is as it was.`;
    case "cancelled":
      return `Stopped${r.cancelRequest === undefined ? "" : `, as ${actorName(r.cancelRequest.by)} asked`}. ${live} is as it was.`;
    case "expired":
      return `${live} was not touched. The rehearsed copy is not kept any more, so it can’t be applied.`;
  }
}

/** What became of a rescue. It replaces nothing, so nothing of it has a window. */
function outcomeOfRescue(r: Restore, rescue: NonNullable<Restore["rescue"]>): string {
  const tables = plural(rescue.tableCount, "table");
  const untouched = `The live database ${r.database} is as it was.`;
  switch (r.state) {
    case "queued":
      return `Not begun. ${untouched}`;
    case "running":
      return r.dryRun
        ? `The tables are loaded in ${r.database}, out of everybody’s sight, and taken back at the end.`
        : `The tables are loaded in ${r.database}, out of everybody’s sight. All of them can be seen at the end, or none.`;
    case "rehearsed":
      return `${tables} can be rescued: all rows were loaded and counted, and taken back. ${untouched}`;
    case "restored":
      return `${tables} in the new schema ${rescue.schema} of ${r.database}. Nothing else was touched.`;
    case "cancelled":
      return `Stopped${r.cancelRequest === undefined ? "" : `, as ${actorName(r.cancelRequest.by)} asked`}. ${untouched}`;
    case "failed":
      // Where the worker lost the server at the very end, the reason says what to look for.
      return r.failure?.code === "database_unreachable" || r.failure?.code === "worker_lost"
        ? "Nothing was rescued, unless the reason says that this is not known."
        : untouched;
    case "expired":
    case "undone":
      return untouched;
  }
}

const at = (time: string | undefined) => (time === undefined ? "" : ` on ${formatTime(time)}`);
const replaced = (r: Restore) => `${r.database} was replaced${at(r.switchedAt)}.`;

function copyKept(r: Restore, now: number): string {
  if (r.followUp?.kind === "apply" && (r.followUp.state === "queued" || r.followUp.state === "running")) {
    return "The rehearsed copy is about to take its place.";
  }
  if (r.held === undefined) return "The copy could not be kept, so it can’t be applied.";
  const left = secondsLeft(r.held.until, now);
  return left === 0 ? "The time to apply the copy has ended." : `The copy can be applied for ${formatLeft(left)}.`;
}

function oldKept(r: Restore, now: number): string {
  if (r.followUp?.kind === "undo" && (r.followUp.state === "queued" || r.followUp.state === "running")) {
    return "The database that it replaced is about to come back.";
  }
  const left = r.held === undefined ? 0 : secondsLeft(r.held.until, now);
  return left === 0
    ? "The database that it replaced is not kept any more."
    : `The database that it replaced is kept for ${formatLeft(left)}: until then this can be undone.`;
}

function undoneKept(r: Restore, now: number): string {
  const left = r.held === undefined ? 0 : secondsLeft(r.held.until, now);
  if (left === 0) return "The restored database is not kept any more.";
  return `The restored database is kept on the server as ${r.held!.name} for ${formatLeft(left)}.`;
}
