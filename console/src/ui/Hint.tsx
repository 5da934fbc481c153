import { Stack, Text } from "@mantine/core";

import { Command } from "./Command";
import { splitHint } from "./statements";

/** What to do, with the statements in it on lines of their own, to copy. */
export function Hint({ children }: { children: string }) {
  const parts = splitHint(children);
  if (parts.length === 1 && parts[0]?.sql === false) return <Text size="sm">{children}</Text>;
  return (
    <Stack gap="xs">
      {parts.map(({ text, sql }) =>
        sql ? (
          <Command key={text} text={text} what={text.includes("\n") ? "the statements" : "the statement"} />
        ) : (
          <Text key={text} size="sm">
            {text}
          </Text>
        ),
      )}
    </Stack>
  );
}
