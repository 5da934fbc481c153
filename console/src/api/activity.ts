import { useMutation } from "@tanstack/react-query";

import { announce } from "../ui/announce";
import { answer, api, type Schemas } from "./client";
import { useKnownList } from "./knownList";
import { keys } from "./queries";

export type Activity = Schemas["Activity"];

export interface ActivityFilter {
  database?: string;
  actor?: string;
  action?: string;
  result?: string;
  from?: string;
  to?: string;
}

const pageSize = 50;

/** Who did what, newest first. */
export function useActivity(filter: ActivityFilter, enabled: boolean) {
  const { query, more, readAgain } = useKnownList<Activity>({
    queryKey: [...keys.activity, filter],
    read: (signal) => (cursor) =>
      answer(api.GET("/api/activity", { params: { query: { limit: pageSize, cursor, ...filter } }, signal })),
    enabled,
  });
  const refresh = useMutation({ mutationFn: readAgain, onSuccess: () => announce("Refreshed.") });
  return { query, more, refresh };
}
