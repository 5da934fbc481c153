import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { useCallback, useEffect, useRef } from "react";
import { useLocation, useSearch } from "wouter";

import { BusyButton } from "../../ui/BusyButton";
import { useActivity } from "../../api/activity";
import { useMay } from "../../api/queries";
import { paths } from "../../app/routes";
import { useTitle } from "../../app/title";
import { isBackwards } from "../../ui/days";
import { IconRefresh } from "../../ui/icons";
import { ProblemAlert } from "../../ui/ProblemAlert";
import { Answer, Empty, Missing } from "../../ui/States";
import { Updated } from "../../ui/Updated";
import { Days } from "./Days";
import { isFiltered, queryOf, readFilter, writeFilter, type Filter } from "./filter";
import { Filters } from "./Filters";

/** Who did what, when, to which, and how it ended. */
export default function ActivityLog() {
  useTitle("Activity");
  const may = useMay("activity:read");
  if (may) return <Log />;
  return (
    <>
      <Title order={1} size="h2">
        Activity
      </Title>
      <Empty title="You may not see this">
        <Missing permission="activity:read" /> Auditors and super admins have it.
      </Empty>
    </>
  );
}

function Log() {
  const search = useSearch();
  const [, go] = useLocation();
  const filter = readFilter(search);
  const backwards = isBackwards(filter);
  const { query, more, refresh } = useActivity(queryOf(filter), !backwards);
  const setFilter = useCallback((next: Filter) => go(paths.activity + writeFilter(next), { replace: true }), [go]);
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end" gap="sm">
        <Title order={1} size="h2">
          Activity
        </Title>
        <Group gap="sm">
          <Updated at={query.dataUpdatedAt} />
          <BusyButton
            variant="default"
            loading={refresh.isPending}
            onClick={() => refresh.mutate()}
            leftSection={<IconRefresh size={18} aria-hidden />}
          >
            Refresh
          </BusyButton>
        </Group>
      </Group>
      <Filters filter={filter} onChange={setFilter} />
      {refresh.isError && (
        <ProblemAlert error={refresh.error} title="The log could not be refreshed" onRetry={() => refresh.mutate()} />
      )}
      <div className="surface">
        {backwards ? (
          <Empty title="To is before From">No day lies between them.</Empty>
        ) : (
          <Answer query={query} label="Loading the activity">
            {(known) => (
              <>
                {known.items.length === 0 ? <Nothing filter={filter} onChange={setFilter} /> : <Days entries={known.items} />}
                <More end={known.next === undefined} empty={known.items.length === 0} more={more} />
              </>
            )}
          </Answer>
        )}
      </div>
    </Stack>
  );
}

function Nothing({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  if (!isFiltered(filter)) {
    return <Empty title="Nothing has happened yet">What operators, the schedule and the cron key do is listed here.</Empty>;
  }
  return (
    <Empty title="Nothing matches the filters">
      <Button variant="default" mt="xs" onClick={() => onChange({})}>
        Clear all filters
      </Button>
    </Empty>
  );
}

/** Reads on where the list's end comes into sight, or when asked. */
function More({ end, empty, more }: { end: boolean; empty: boolean; more: ReturnType<typeof useActivity>["more"] }) {
  const place = useRef<HTMLDivElement>(null);
  const { mutate, isPending, isError, error } = more;
  useEffect(() => {
    if (end || isPending || isError || place.current === null) return;
    const observer = new IntersectionObserver((seen) => seen.some((s) => s.isIntersecting) && mutate(), { rootMargin: "600px" });
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [end, isPending, isError, mutate]);
  if (end) {
    return empty ? null : (
      <Text size="sm" c="dimmed" ta="center" p="lg">
        That is all.
      </Text>
    );
  }
  return (
    <Stack ref={place} p="lg" align="center">
      {isError && <ProblemAlert error={error} title="Earlier entries could not be loaded" />}
      <BusyButton variant="default" loading={isPending} onClick={() => mutate()}>
        Show earlier
      </BusyButton>
    </Stack>
  );
}
