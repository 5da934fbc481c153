import { Stack, Text } from "@mantine/core";

import type { Schemas } from "../../api/client";
import { Hint } from "../../ui/Hint";
import { Panel } from "../../ui/Panel";
import classes from "./FailurePanel.module.css";

/** Why it failed, what to do, and the tool's own words. */
export function FailurePanel({ title = "Why it failed", failure }: { title?: string; failure: Schemas["Failure"] }) {
  return (
    <Panel title={title}>
      <Stack gap="xs" maw="75ch">
        <Text className="breakable" fw={600} c="var(--bad)">
          {failure.reason}
        </Text>
        {failure.hint !== undefined && <Hint>{failure.hint}</Hint>}
        <Text size="sm" c="dimmed">
          Code for whoever runs this service: <code>{failure.code}</code>
        </Text>
      </Stack>
      {failure.log !== undefined && failure.log !== "" && (
        <Stack gap={6}>
          <Text size="sm" fw={600}>
            What the server and its tools said last
          </Text>
          {/* It scrolls, so it can be scrolled by keyboard. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <pre className={classes.log} tabIndex={0} role="group" aria-label="What the server and its tools said last">
            {failure.log}
          </pre>
        </Stack>
      )}
    </Panel>
  );
}
