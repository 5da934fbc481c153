import { Text } from "@mantine/core";

import { formatAgo } from "./format";
import { useNow } from "./Time";

/** When what is shown was read; nothing where it was not yet. */
export function Updated({ at }: { at: number }) {
  const now = useNow(5);
  if (at === 0) return null;
  return (
    <Text size="sm" c="dimmed">
      Updated {formatAgo(new Date(at), Math.max(now, at))}
    </Text>
  );
}
