import { Code, Group, Stack, Text } from "@mantine/core";

import { CopyButton } from "./Copy";
import { splitHint } from "./statements";

/** What to do, with the statements in it on lines of their own, to copy. */
export function Hint({ children }: { children: string }) {
  const parts = splitHint(children);
  if (parts.length === 1 && parts[0]?.sql === false) return <Text size="sm">{children}</Text>;
  return (
    <Stack gap="xs">
      {parts.map(({ text, sql }) =>
        sql ? (
          <Group key={text} gap="xs" align="flex-start">
            <Code block style={{ whiteSpace: "pre-wrap", flex: "1 1 16rem" }} className="breakable">
              {text}
            </Code>
            <CopyButton value={text} what={text.includes("\n") ? "the statements" : "the statement"} />
          </Group>
        ) : (
          <Text key={text} size="sm">
            {text}
          </Text>
        ),
      )}
    </Stack>
  );
}
