import { Group, Stack, Title } from "@mantine/core";
import { useId, type ReactNode } from "react";

/** A part of a view under its heading. */
export function Panel({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <Stack component="section" className="surface" aria-labelledby={id} p={{ base: "md", sm: "lg" }} gap="md">
      <Group justify="space-between" gap="sm">
        <Title order={2} size="h4" id={id}>
          {title}
        </Title>
        {aside}
      </Group>
      {children}
    </Stack>
  );
}
