import { Alert, Button, Group, List, Stack, Text } from "@mantine/core";
import { Hint } from "./Hint";
import { IconAlertTriangle } from "./icons";

import { asProblem } from "../api/problem";

interface Props {
  error: unknown;
  title?: string;
  /** Shown where trying again may help. */
  onRetry?: () => void;
}

/** Says what went wrong and what to do. It is read out when it appears. */
export function ProblemAlert({ error, title, onRetry }: Props) {
  const p = asProblem(error);
  return (
    <Alert
      role="alert"
      color="red"
      icon={<IconAlertTriangle aria-hidden />}
      title={title ?? p.message}
      variant="light"
      className="alert-bad"
    >
      <Stack gap="xs">
        {title !== undefined && <Text size="sm">{p.message}</Text>}
        {p.errors.length > 0 && (
          <List size="sm">
            {p.errors.map((e) => (
              <List.Item key={e.location + e.message}>
                {e.location}: {e.message}
              </List.Item>
            ))}
          </List>
        )}
        {p.hint !== undefined && <Hint>{p.hint}</Hint>}
        {p.requestId !== undefined && p.status >= 500 && (
          <Text size="xs" className="breakable">
            Request id for the log: {p.requestId}
          </Text>
        )}
        {onRetry !== undefined && (
          <Group>
            <Button size="xs" variant="default" onClick={onRetry}>
              Try again
            </Button>
          </Group>
        )}
      </Stack>
    </Alert>
  );
}
