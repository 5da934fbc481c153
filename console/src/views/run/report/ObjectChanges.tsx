import { Button, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import type { Schemas } from "../../../api/client";
import { formatCount, plural } from "../../../ui/format";
import { IconMinus, IconPencil, IconPlus } from "../../../ui/icons";
import { Panel } from "../../../ui/Panel";
import { compareDefinitions, type Parts } from "./diff";
import { groupBy } from "./group";
import classes from "./ObjectChanges.module.css";
import { pluralKind } from "./verdict";

type ObjectChange = Schemas["ObjectChange"];

const looks = {
  added: { label: "Added", icon: IconPlus },
  removed: { label: "Removed", icon: IconMinus },
  changed: { label: "Changed", icon: IconPencil },
} as const;

/** What the copy has more, less or otherwise than live in its schema, by kind. */
export function ObjectChanges({ objects, leftOut }: { objects: ObjectChange[]; leftOut: number }) {
  const kinds = groupBy(objects, (o) => o.kind);
  return (
    <Panel
      title="Schema"
      aside={
        <Text size="sm" c="dimmed">
          {objects.length === 0 ? "No differences" : plural(objects.length + leftOut, "difference")}
        </Text>
      }
    >
      {objects.length === 0 && (
        <Text>Tables, columns, indexes, functions and all else are the same in live and in the copy.</Text>
      )}
      {kinds.map(([kind, list]) => (
        <Kind key={kind} kind={kind} objects={list} />
      ))}
      {leftOut > 0 && (
        <Text size="sm" c="dimmed">
          And {plural(leftOut, "difference")} more, of which the downloaded report may list some.
        </Text>
      )}
    </Panel>
  );
}

// So many of a kind are shown at once.
const glance = 20;

function Kind({ kind, objects }: { kind: string; objects: ObjectChange[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? objects : objects.slice(0, glance);
  const name = pluralKind(kind);
  return (
    <Stack gap="xs">
      <Title order={3} size="h6">
        {name.charAt(0).toUpperCase() + name.slice(1)}{" "}
        <Text span c="dimmed" size="sm">
          {formatCount(objects.length)}
        </Text>
      </Title>
      <ul className={classes.list}>
        {shown.map((o) => (
          <Line key={`${o.change} ${o.name}`} object={o} />
        ))}
      </ul>
      {shown.length < objects.length && (
        <Button variant="default" size="compact-sm" onClick={() => setAll(true)} className={classes.more}>
          Show all {formatCount(objects.length)} {name}
        </Button>
      )}
    </Stack>
  );
}

function Line({ object: o }: { object: ObjectChange }) {
  const look = looks[o.change];
  const Icon = look.icon;
  const told = o.live !== undefined || o.after !== undefined;
  return (
    <li className={classes.line}>
      <span className={classes.change} data-change={o.change}>
        <Icon size={14} aria-hidden />
        {look.label}
      </span>
      <div className={classes.object}>
        <code className="breakable">{o.name}</code>
        {told && <Definitions object={o} />}
      </div>
    </li>
  );
}

function Definitions({ object: o }: { object: ObjectChange }) {
  const parts = compareDefinitions(o.live ?? "", o.after ?? "");
  return (
    <details className={classes.details}>
      <summary>
        Definitions<span className="visually-hidden"> of {o.name}</span>
      </summary>
      <div className={classes.definitions}>
        <Definition title="Live" parts={parts.live} mark="removed" />
        <Definition title="In the copy" parts={parts.after} mark="added" />
      </div>
    </details>
  );
}

function Definition({
  title,
  parts: [before, differs, after],
  mark,
}: {
  title: string;
  parts: Parts;
  mark: "added" | "removed";
}) {
  const Mark = mark === "removed" ? "del" : "ins";
  return (
    <div>
      <Text size="xs" c="dimmed">
        {title}
      </Text>
      <pre className={classes.definition}>
        {before}
        {differs !== "" && <Mark data-change={mark}>{differs}</Mark>}
        {after}
      </pre>
    </div>
  );
}
