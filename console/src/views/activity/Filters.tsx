import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useEffect, useState, type ChangeEvent } from "react";

import { useDatabases } from "../../api/queries";
import { isBackwards } from "../../ui/days";
import { actions, results } from "./entries";
import { isFiltered, type Filter } from "./filter";
import classes from "./Filters.module.css";

interface Props {
  filter: Filter;
  onChange: (filter: Filter) => void;
}

const actionChoices = actions.map(({ group, items }) => ({
  group,
  items: items.map(({ name, label }) => ({ value: name, label })),
}));

const all = { value: "", label: "All" };

/** Narrows the log down. */
export function Filters({ filter, onChange }: Props) {
  const databases = useDatabases();
  const names = databases.data?.items.map((d) => d.name) ?? [];
  const choice = (name: "action" | "result" | "database") => ({
    value: filter[name] ?? "",
    onChange: (event: ChangeEvent<HTMLSelectElement>) => onChange({ ...filter, [name]: event.currentTarget.value || undefined }),
    size: "xs" as const,
  });
  return (
    <div role="search" aria-label="Filter the activity" className={classes.bar}>
      <Who value={filter.actor ?? ""} onChange={(actor) => onChange({ ...filter, actor: actor || undefined })} />
      <NativeSelect label="What" data={[all, ...actionChoices]} {...choice("action")} />
      <NativeSelect label="Result" data={[all, ...results]} {...choice("result")} />
      {names.length > 1 && <NativeSelect label="Database" data={[all, ...names]} {...choice("database")} />}
      <TextInput
        type="date"
        label="From"
        size="xs"
        value={filter.from ?? ""}
        max={filter.to}
        onChange={(event) => onChange({ ...filter, from: event.currentTarget.value || undefined })}
      />
      <TextInput
        type="date"
        label="To"
        size="xs"
        value={filter.to ?? ""}
        min={filter.from}
        error={isBackwards(filter) && "To is before From."}
        onChange={(event) => onChange({ ...filter, to: event.currentTarget.value || undefined })}
      />
      {isFiltered(filter) && (
        <Button variant="subtle" size="xs" onClick={() => onChange({})}>
          Clear all filters
        </Button>
      )}
    </div>
  );
}

// So long after the last key the log is searched: not for each letter.
const pause = 350;

/** A name, or a part of it. */
function Who({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  const [before, setBefore] = useState(value);
  if (value !== before) {
    // The address changed otherwise than by typing here.
    setBefore(value);
    if (value !== text.trim()) setText(value);
  }
  const wanted = text.trim();
  useEffect(() => {
    if (wanted === value) return;
    const timer = window.setTimeout(() => onChange(wanted), pause);
    return () => window.clearTimeout(timer);
  }, [wanted, value, onChange]);
  return (
    <TextInput
      label="Who"
      placeholder="Part of a name"
      type="search"
      size="xs"
      value={text}
      maxLength={200}
      onChange={(event) => setText(event.currentTarget.value)}
    />
  );
}
