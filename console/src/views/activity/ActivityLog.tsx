import { Title } from "@mantine/core";

import { useTitle } from "../../app/title";

export default function ActivityLog() {
  useTitle("Activity");
  return (
    <Title order={1} size="h2">
      Activity
    </Title>
  );
}
