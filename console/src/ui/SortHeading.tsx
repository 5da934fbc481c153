import { UnstyledButton } from "@mantine/core";

import { IconArrowDown, IconArrowsSort, IconArrowUp } from "./icons";
import classes from "./SortHeading.module.css";

interface Props<Column extends string> {
  column: Column;
  order: { column: Column; descending: boolean };
  onOrder: (order: { column: Column; descending: boolean }) => void;
  label: string;
  /** Of numbers the largest are looked for first, of names the first. */
  descendingFirst?: boolean;
  className?: string;
}

/** The heading of a column by which a table can be sorted. */
export function SortHeading<Column extends string>({
  column,
  order,
  onOrder,
  label,
  descendingFirst = false,
  className,
}: Props<Column>) {
  const here = order.column === column;
  const Icon = !here ? IconArrowsSort : order.descending ? IconArrowDown : IconArrowUp;
  return (
    <th scope="col" aria-sort={here ? (order.descending ? "descending" : "ascending") : undefined} className={className}>
      <UnstyledButton
        className={classes.sort}
        onClick={() => onOrder({ column, descending: here ? !order.descending : descendingFirst })}
      >
        {label}
        <Icon size={14} aria-hidden />
      </UnstyledButton>
    </th>
  );
}
