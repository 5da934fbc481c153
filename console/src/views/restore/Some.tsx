import { Button } from "@mantine/core";
import { useState, type ReactNode } from "react";

import { formatCount } from "../../ui/format";

/** Shows some of many, and more when asked to. */
export function Some<T>({
  of,
  first,
  what,
  children,
}: {
  of: readonly T[];
  first: number;
  /** In the plural. */
  what: string;
  children: (shown: readonly T[]) => ReactNode;
}) {
  const [limit, setLimit] = useState(first);
  const step = Math.min(500, of.length - limit);
  return (
    <>
      {children(of.slice(0, limit))}
      {step > 0 && (
        <Button variant="default" size="xs" mt="xs" style={{ justifySelf: "start" }} onClick={() => setLimit(limit + step)}>
          Show {formatCount(step)} more {what}
        </Button>
      )}
    </>
  );
}
