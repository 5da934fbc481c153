import { useMutation, useQuery, useQueryClient, type QueryKey } from "@tanstack/react-query";

import { readOn, withHead, withMore, type Item, type Known, type Page } from "./list";
import { later } from "./queries";

interface Options<T extends Item> {
  queryKey: QueryKey;
  /** Reads a page of the list. */
  read: (signal: AbortSignal) => (cursor?: string) => Promise<Page<T>>;
  enabled?: boolean;
}

/**
 * A list, newest first, as far as it was read. By itself only the newest page is read again, however many are known; refresh reads all
 * of them.
 */
export function useKnownList<T extends Item>({ queryKey, read, enabled = true }: Options<T>) {
  const queries = useQueryClient();
  const known = () => queries.getQueryData<Known<T>>(queryKey);
  const never = () => new AbortController().signal;
  const query = useQuery({
    queryKey,
    queryFn: async ({ signal }): Promise<Known<T>> => {
      const head = await readOn(read(signal), 1);
      return withHead(known(), head);
    },
    enabled,
    refetchInterval: later,
  });

  const more = useMutation({
    mutationFn: async () => {
      const before = known();
      if (before?.next === undefined) return;
      const page = await readOn(read(never()), 1, before.next);
      // A refresh may have changed where the list goes on.
      queries.setQueryData<Known<T>>(queryKey, (now) =>
        now?.next === before.next && now !== undefined ? withMore(now, page) : now,
      );
    },
  });

  const readAgain = async () => {
    await queries.cancelQueries({ queryKey });
    const wanted = Math.max(known()?.items.length ?? 0, 1);
    queries.setQueryData<Known<T>>(queryKey, await readOn(read(never()), wanted));
  };

  return { query, more, readAgain };
}
