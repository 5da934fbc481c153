import type { Schemas } from "../api/client";

const others: Partial<Record<Schemas["Actor"]["kind"], string>> = {
  "cron-key": "the cron key",
  schedule: "the schedule",
  system: "the service itself",
};

/** Who it was, for a sentence, or for its beginning. */
export function actorName(actor: Schemas["Actor"], begins = false): string {
  const name = others[actor.kind];
  if (name === undefined) return actor.name;
  return begins ? name.charAt(0).toUpperCase() + name.slice(1) : name;
}
