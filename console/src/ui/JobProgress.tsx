import { Progress, Stack, Text } from "@mantine/core";

import type { Schemas } from "../api/client";
import { formatBytes, formatCount, formatDuration } from "./format";
import { useNow } from "./Time";

type Job = Pick<Schemas["Backup"], "progress" | "waitingFor" | "startedAt" | "attempt"> & { state: string };

const stages: Record<string, string> = {
  inspect: "Inspecting the file",
  stage: "Preparing a copy beside the live database",
  load: "Loading the copy",
  verify: "Verifying the copy",
  compare: "Comparing the copy with the live database",
  switch: "Replacing the live database",
};

/** The kinds of jobs, for a sentence. */
export const jobKinds: Record<string, string> = {
  backup: "a backup",
  restore: "a restore",
  inspect: "the inspection of an upload",
  apply: "the application of a rehearsal",
  undo: "an undo",
  drop: "the removal of a kept copy",
};

/** What a queued job waits for. */
export function waitingText(w: Schemas["WaitingFor"] | undefined): string {
  if (w === undefined) return "A worker takes it in a moment.";
  const others = w.before - (w.running === undefined ? 0 : 1);
  const first = w.running === undefined ? undefined : `${jobKinds[w.running.kind] ?? "a job"} that runs now`;
  const more = others > 0 ? `${formatCount(others)} more before it` : undefined;
  return `Waits for ${[first, more].filter((part) => part !== undefined).join(" and ")}.`;
}

function done(p: Schemas["Progress"]): string {
  const parts: string[] = [];
  if (p.tablesTotal !== undefined) parts.push(`${formatCount(p.tablesDone)} of ${formatCount(p.tablesTotal)} tables`);
  if (p.rows > 0) parts.push(`${formatCount(p.rows)} rows`);
  if (p.bytes > 0) {
    parts.push(
      p.bytesTotal === undefined ? formatBytes(p.bytes) : `${formatBytes(p.bytes)} of about ${formatBytes(p.bytesTotal)}`,
    );
  }
  return parts.join(", ");
}

// So many seconds after its foretold end an estimate is no estimate any more.
const overdue = 5;

function left(p: Schemas["Progress"], now: number): string {
  const seconds = p.endsAt === undefined ? undefined : (new Date(p.endsAt).getTime() - now) / 1000;
  // Once all that was expected is done, what is foretold is that it ends now, whatever comes after.
  const reached = p.bytesTotal !== undefined && p.bytes >= p.bytesTotal;
  if (seconds === undefined || seconds < -overdue || reached) return "Time left: not known yet";
  return seconds < 2 ? "Almost done" : `About ${formatDuration(seconds)} left`;
}

/** How far a job is: what it does, how much of it is done, and an estimate of what is left. */
export function JobProgress({ job, label }: { job: Job; label: string }) {
  const now = useNow(1);
  if (job.state === "queued" || job.state === "received") {
    return (
      <Text size="sm" c="dimmed">
        {waitingText(job.waitingFor)}
      </Text>
    );
  }
  const p = job.progress;
  const share =
    p?.bytesTotal === undefined || p.bytesTotal === 0 ? undefined : Math.min(99, Math.floor((100 * p.bytes) / p.bytesTotal));
  return (
    <Stack gap={4} miw={160}>
      <Progress.Root size="sm">
        <Progress.Section
          value={share ?? 100}
          striped={share === undefined}
          animated={share === undefined}
          aria-label={label}
          // Mantine's own attributes would say 100 % of what is not known.
          withAria={share !== undefined}
          {...(share === undefined && { role: "progressbar", "aria-valuetext": "under way" })}
        />
      </Progress.Root>
      <Text size="xs" c="dimmed" className="breakable">
        {[
          p?.stage === undefined ? undefined : stages[p.stage],
          p === undefined ? "Begins" : done(p),
          p === undefined ? undefined : left(p, now),
          job.attempt > 1 ? `attempt ${job.attempt}` : undefined,
        ]
          .filter((part) => part !== undefined && part !== "")
          .join(" · ")}
      </Text>
    </Stack>
  );
}
