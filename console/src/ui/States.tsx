import { Center, Loader, Skeleton, Stack, Text, Title } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { asProblem } from "../api/problem";
import { ProblemAlert } from "./ProblemAlert";

/** A place with nothing in it yet: what would be here, and how it comes about. */
export function Empty({ icon, title, children }: { icon?: ReactNode; title: string; children?: ReactNode }) {
  return (
    <Center py={64} px="md">
      <Stack align="center" gap="xs" maw={460} ta="center">
        {icon !== undefined && <div aria-hidden>{icon}</div>}
        <Title order={3} size="h4">
          {title}
        </Title>
        {children !== undefined && (
          <Text c="dimmed" component="div">
            {children}
          </Text>
        )}
      </Stack>
    </Center>
  );
}

/** Takes the room that the content will take, so that nothing jumps. */
export function Loading({ label, lines = 6 }: { label: string; lines?: number }) {
  return (
    <Stack p="lg" gap="md" aria-busy>
      <span className="visually-hidden" role="status">
        {label}
      </span>
      {Array.from({ length: lines }, (_, i) => (
        <Skeleton key={i} height={22} width={i % 3 === 2 ? "72%" : "100%"} />
      ))}
    </Stack>
  );
}

export function LoadingPage({ label }: { label: string }) {
  return (
    <Center mih="60dvh">
      <Stack align="center" gap="sm">
        <Loader aria-hidden />
        <Text c="dimmed" role="status">
          {label}
        </Text>
      </Stack>
    </Center>
  );
}

/** A view's failure, with the way on: forbidden, not found, or another try. */
export function Failed({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const p = asProblem(error);
  if (p.status === 403) {
    return (
      <Empty title="You may not see this">
        {p.permission === undefined ? p.message : <Missing permission={p.permission} />} {p.hint}
      </Empty>
    );
  }
  if (p.status === 404) {
    return (
      <Empty title="Not found">
        {p.message} {p.hint}
      </Empty>
    );
  }
  return <ProblemAlert error={error} onRetry={onRetry} />;
}

export const Missing = ({ permission }: { permission: string }) => (
  <>
    Your role lacks the permission <code>{permission}</code>.
  </>
);

// What is gone, or must not be seen any more.
const over = new Set([403, 404]);

/**
 * A query's answer, or what there is in its place. Data that was there stays when a refresh fails, under a word about it, unless it is
 * not there any more.
 */
export function Answer<T>({
  query,
  label,
  children,
}: {
  query: UseQueryResult<T>;
  label: string;
  children: (data: T) => ReactNode;
}) {
  const gone = query.error !== null && over.has(asProblem(query.error).status);
  if (query.data === undefined || gone) {
    if (query.error === null) return <Loading label={label} />;
    return <Failed error={query.error} onRetry={() => void query.refetch()} />;
  }
  return (
    <>
      {query.error !== null && (
        <ProblemAlert
          error={query.error}
          title="This could not be refreshed; it may be out of date"
          onRetry={() => void query.refetch()}
        />
      )}
      {children(query.data)}
    </>
  );
}
