import { Text } from "@mantine/core";

import { formatAgo } from "./format";
import { useNow } from "./Time";

/** When what is shown was read. Where it was not yet, the line's room is kept. */
export function Updated({ at }: { at: number }) {
  const now = useNow(5);
  return (
    <Text size="sm" c="dimmed">
      {at === 0 ? "\u00a0" : `Updated ${formatAgo(new Date(at), Math.max(now, at))}`}
    </Text>
  );
}
