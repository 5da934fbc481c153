import type { ReactNode } from "react";

import classes from "./Steps.module.css";

/** Things to do, one below the other; each is an <li>. */
export function Steps({ children }: { children: ReactNode }) {
  return <ol className={classes.steps}>{children}</ol>;
}
