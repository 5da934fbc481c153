import { Button, Chip, Group, TextInput } from "@mantine/core";

import { isFiltered, states, type Filter } from "./filter";
import { isBackwards } from "../../ui/days";
import classes from "./Filters.module.css";

const labels: Record<(typeof states)[number], string> = {
  created: "Created",
  failed: "Failed",
  running: "Running",
  queued: "Queued",
};

interface Props {
  filter: Filter;
  onChange: (filter: Filter) => void;
}

/** Narrows the inventory down, by status and by day. */
export function Filters({ filter, onChange }: Props) {
  return (
    <div role="search" aria-label="Filter the backups" className={classes.bar}>
      <div role="group" aria-label="Status">
        <Chip.Group
          multiple
          value={filter.states}
          onChange={(chosen) => onChange({ ...filter, states: states.filter((s) => chosen.includes(s)) })}
        >
          <Group gap={6}>
            {states.map((state) => (
              <Chip key={state} value={state} size="sm" variant="outline">
                {labels[state]}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
      </div>
      <div className={classes.days}>
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
          <Button variant="subtle" size="compact-sm" onClick={() => onChange({ states: [] })}>
            Clear all filters
          </Button>
        )}
      </div>
    </div>
  );
}
