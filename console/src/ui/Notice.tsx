import type { ReactNode } from "react";

import { IconAlertTriangle, IconInfoCircle } from "./icons";
import classes from "./Notice.module.css";

interface Props {
  tone: "warn" | "quiet";
  title: ReactNode;
  children?: ReactNode;
  /** Has it read out when it appears. */
  urgent?: boolean;
}

/** Something to know that is no failure of the page: by its words, its sign and its colour. */
export function Notice({ tone, title, children, urgent = false }: Props) {
  const Icon = tone === "warn" ? IconAlertTriangle : IconInfoCircle;
  return (
    <div
      role={urgent ? "alert" : undefined}
      className={classes.notice}
      style={{ background: `var(--${tone}-surface)`, color: `var(--${tone})` }}
    >
      <Icon size={20} aria-hidden className={classes.icon} />
      <div className={`breakable ${classes.text}`}>
        <div className={classes.title}>{title}</div>
        {children !== undefined && <div>{children}</div>}
      </div>
    </div>
  );
}
