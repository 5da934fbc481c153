import { Button, Text } from "@mantine/core";
import { Fragment, useState, type ReactNode } from "react";

import { formatCount } from "../../ui/format";
import { IconAlertTriangle, IconCheck, IconInfoCircle, IconX } from "../../ui/icons";
import classes from "./restore.module.css";

const signs = { good: IconCheck, warn: IconAlertTriangle, bad: IconX, danger: IconAlertTriangle, quiet: IconInfoCircle };

/** Something to know, in a colour, with a sign and in words. */
export function Notice({ tone, title, children }: { tone: keyof typeof signs; title: ReactNode; children?: ReactNode }) {
  const Sign = signs[tone];
  return (
    <div className={classes.notice} data-tone={tone === "danger" ? "bad" : tone}>
      <div className={classes.noticeTitle}>
        <Sign size={18} aria-hidden />
        <span className="breakable">{title}</span>
      </div>
      {children !== undefined && (
        <Text size="sm" mt={4} maw="75ch" component="div" className="breakable">
          {children}
        </Text>
      )}
    </div>
  );
}

/** Names and values; what has no value is left out. */
export function Facts({ of }: { of: [name: string, value: ReactNode][] }) {
  return (
    <dl className={classes.facts}>
      {of.map(([name, value]) =>
        value === undefined || value === null || value === "" ? null : (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Fragment>
        ),
      )}
    </dl>
  );
}

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
        <Button variant="default" size="xs" mt="xs" onClick={() => setLimit(limit + step)}>
          Show {formatCount(step)} more {what}
        </Button>
      )}
    </>
  );
}
