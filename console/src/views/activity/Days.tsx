import { Title, Tooltip } from "@mantine/core";
import { memo, useId } from "react";
import { Link } from "wouter";

import type { Activity } from "../../api/activity";
import { actorName } from "../../ui/actor";
import { formatClock, formatExactTime, formatFullDay } from "../../ui/format";
import { StateBadge } from "../../ui/StateBadge";
import classes from "./Days.module.css";
import { actionLabel, byDay, detailOf, resultState, targetOf } from "./entries";

/** The entries, under the days on which they were written. */
export function Days({ entries }: { entries: Activity[] }) {
  return byDay(entries).map(({ day, entries: ofDay }) => <Day key={day} day={day} entries={ofDay} />);
}

function Day({ day, entries }: { day: string; entries: Activity[] }) {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <Title order={2} size="h6" id={id} className={classes.day}>
        {formatFullDay(day)}
      </Title>
      <ol className={classes.entries}>
        {entries.map((e) => (
          <Entry key={e.id} entry={e} />
        ))}
      </ol>
    </section>
  );
}

const Entry = memo(function Entry({ entry: e }: { entry: Activity }) {
  const target = targetOf(e);
  const detail = detailOf(e);
  return (
    <li className={classes.entry}>
      <Tooltip label={formatExactTime(e.at)}>
        <time dateTime={e.at} className={classes.time}>
          {formatClock(e.at)}
        </time>
      </Tooltip>
      <div className={classes.what}>
        <div className={classes.label}>
          {target === undefined ? actionLabel(e.action) : <Link href={target}>{actionLabel(e.action)}</Link>}
        </div>
        {detail !== undefined && <div className={`${classes.detail} breakable`}>{detail}</div>}
      </div>
      <div className={`${classes.who} breakable`}>
        <span className="visually-hidden">by </span>
        {actorName(e.actor, true)}
      </div>
      <div className={`${classes.database} breakable`}>
        {e.database !== undefined && <span className="visually-hidden">database </span>}
        {e.database}
      </div>
      <div className={classes.result}>
        <StateBadge state={resultState(e)} />
      </div>
    </li>
  );
});
