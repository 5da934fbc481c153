import type { Schemas } from "../api/client";

const others: Partial<Record<Schemas["Actor"]["kind"], string>> = {
  "cron-key": "the cron key",
  schedule: "the schedule",
  system: "the service itself",
};

/** Who it was, for a sentence. */
export const actorName = (actor: Schemas["Actor"]) => others[actor.kind] ?? actor.name;
