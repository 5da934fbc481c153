import type { ReactNode } from "react";

import classes from "./Facts.module.css";

/** What is known of a thing: terms beside their values, above them where there is little room. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className={classes.facts}>{children}</dl>;
}

export function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <div className={classes.fact}>
      <dt>{term}</dt>
      <dd className="breakable">{children}</dd>
    </div>
  );
}
