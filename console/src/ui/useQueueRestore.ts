import { useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { useLocation } from "wouter";

import type { Schemas } from "../api/client";
import { keys, useCreateRestore } from "../api/queries";
import { paths } from "../app/routes";
import { announce } from "./announce";

/** Sends a plan once, however often the button is pressed, and goes to the restore that came of it. */
export function useQueueRestore(database: string) {
  const create = useCreateRestore(database);
  const queries = useQueryClient();
  const [, go] = useLocation();
  const busy = useRef(false);
  const intention = useRef({ body: "", key: "" });
  const send = (body: Schemas["RestoreRequest"]) => {
    // Two clicks may come before the button is drawn as busy.
    if (busy.current) return;
    busy.current = true;
    // The same plan again is the same intention: when no answer came, it may have been queued all the same.
    const text = JSON.stringify(body);
    if (intention.current.body !== text) intention.current = { body: text, key: crypto.randomUUID() };
    create.mutate(
      { key: intention.current.key, body },
      {
        onSuccess: (restore) => {
          announce(`The ${restore.rescue === undefined ? "restore" : "rescue"} of ${restore.filename} was queued.`);
          go(paths.restore(database, restore.id));
        },
        // What was refused may look otherwise than what is shown.
        onError: () => {
          void queries.invalidateQueries({ queryKey: keys.backups(database) });
          void queries.invalidateQueries({ queryKey: keys.uploads(database) });
        },
        onSettled: () => (busy.current = false),
      },
    );
  };
  return { send, error: create.error, sending: create.isPending, reset: create.reset };
}
