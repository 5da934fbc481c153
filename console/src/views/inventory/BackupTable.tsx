import { Center, Group, Loader, Text } from "@mantine/core";
import { defaultRangeExtractor, useWindowVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import { useOpenBackups, type useInventory } from "../../api/inventory";
import type { Backup } from "../../api/queries";
import { plural } from "../../ui/format";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { BackupRow } from "./BackupRow";
import classes from "./BackupTable.module.css";

const columns = ["File", "Created", "Status", "Size", "Proof", "Duration", "Actions"];

// So many rows before the end the next page is fetched.
const ahead = 30;

interface Props {
  database: string;
  items: Backup[];
  hasMore: boolean;
  more: ReturnType<typeof useInventory>["more"];
  /** The question whether to delete it is somebody else's: it stays when the last row goes, and the table with it. */
  onDelete: (backup: Backup) => void;
}

/** The rows, however many. Only those in sight are in the document; the one with the focus stays there. */
export function BackupTable({ database, items, hasMore, more, onDelete }: Props) {
  const open = useOpenBackups(database, items);
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const [focused, setFocused] = useState<string>();
  const { body, rows } = useRows(items, focused);

  const expand = useCallback((id: string) => {
    setExpanded((before) => {
      const after = new Set(before);
      if (!after.delete(id)) after.add(id);
      return after;
    });
  }, []);

  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const { mutate: fetchMore, isPending, isError, error } = more;
  const near = hasMore && last >= items.length - ahead;
  useEffect(() => {
    if (near && !isPending && !isError) fetchMore();
  }, [near, isPending, isError, fetchMore]);

  return (
    <div className={classes.table}>
      <div role="table" aria-label={`Backups of ${database}`} aria-rowcount={hasMore ? -1 : items.length + 1}>
        <div role="rowgroup">
          <div role="row" aria-rowindex={1} className={classes.head}>
            {columns.map((name) => (
              <div key={name} role="columnheader">
                {name}
              </div>
            ))}
          </div>
        </div>
        {/* Focus events of the rows bubble to here: nothing here is pressed. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
        <div
          role="rowgroup"
          ref={body}
          className={classes.body}
          style={{ height: rows.getTotalSize() }}
          onFocus={(event) => setFocused(items[Number(event.target.closest<HTMLElement>("[data-index]")?.dataset.index)]?.id)}
        >
          {shown.map(({ index, start }) => {
            const item = items[index];
            if (item === undefined) return null;
            return (
              <BackupRow
                key={item.id}
                backup={open.get(item.id) ?? item}
                index={index}
                top={start - rows.options.scrollMargin}
                expanded={expanded.has(item.id)}
                onExpand={expand}
                onDelete={onDelete}
                measure={rows.measureElement}
              />
            );
          })}
        </div>
      </div>
      <End items={items} hasMore={hasMore} error={isError ? error : undefined} onMore={() => fetchMore()} />
    </div>
  );
}

/** Which rows are in sight, and where. */
function useRows(items: Backup[], focused: string | undefined) {
  const body = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  // What is above the list comes, goes and folds.
  useLayoutEffect(() => {
    const place = () => setTop((body.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
    place();
    const observer = new ResizeObserver(place);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);

  const kept = focused === undefined ? -1 : items.findIndex((item) => item.id === focused);
  const rows = useWindowVirtualizer({
    count: items.length,
    estimateSize: () => 84,
    overscan: 3,
    useFlushSync: false,
    scrollMargin: top,
    getItemKey: (index) => items[index]?.id ?? index,
    rangeExtractor: (range) => {
      const indexes = defaultRangeExtractor(range);
      return kept === -1 || indexes.includes(kept) ? indexes : [...indexes, kept].sort((a, b) => a - b);
    },
  });
  // On the way up rows are measured above what is in sight; to make up for their height by scrolling would stop the way, a Home in its
  // middle as well. The library takes this by no other way.
  // eslint-disable-next-line react-hooks/immutability
  rows.shouldAdjustScrollPositionOnItemSizeChange = ({ start }, _, { scrollOffset, scrollDirection }) =>
    scrollDirection !== "backward" && start < (scrollOffset ?? 0);
  return { body, rows };
}

function End({ items, hasMore, error, onMore }: { items: Backup[]; hasMore: boolean; error: unknown; onMore: () => void }) {
  if (error !== undefined) {
    return (
      <div style={{ padding: "1rem" }}>
        <ProblemAlert error={error} title="The older backups could not be loaded" onRetry={onMore} />
      </div>
    );
  }
  if (hasMore) {
    return (
      <Center p="md" mih={64}>
        <Group gap="sm">
          <Loader size="xs" aria-hidden />
          <Text size="sm" c="dimmed">
            Loading older backups
          </Text>
        </Group>
      </Center>
    );
  }
  return (
    <Center p="md" mih={64}>
      <Text size="sm" c="dimmed">
        {items.length === 1 ? "This is the only one." : `These are all: ${plural(items.length, "backup")}.`}
      </Text>
    </Center>
  );
}
