import type { ReactNode } from "react";

import { IconAlertTriangle, IconCheck, IconInfoCircle } from "./icons";
import classes from "./Notice.module.css";

const signs = { good: IconCheck, warn: IconAlertTriangle, bad: IconAlertTriangle, quiet: IconInfoCircle };

interface Props {
  tone: keyof typeof signs;
  title: ReactNode;
  children?: ReactNode;
  /** Has it read out when it appears. */
  urgent?: boolean;
}

/** Something to know that is no failure of the page: by its words, its sign and its colour. */
export function Notice({ tone, title, children, urgent = false }: Props) {
  const Icon = signs[tone];
  return (
    <div
      role={urgent ? "alert" : undefined}
      className={classes.notice}
      style={{ background: `var(--${tone}-surface)`, color: `var(--${tone})` }}
    >
      <Icon size={20} aria-hidden className={classes.icon} />
      <div className={`breakable ${classes.text}`}>
        <div className={classes.title}>{title}</div>
        {children !== undefined && <div className={classes.text}>{children}</div>}
      </div>
    </div>
  );
}
