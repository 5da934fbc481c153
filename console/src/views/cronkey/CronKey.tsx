import { Title } from "@mantine/core";

import { useTitle } from "../../app/title";

export default function CronKey() {
  useTitle("Cron Secret Key");
  return (
    <Title order={1} size="h2">
      Cron Secret Key
    </Title>
  );
}
