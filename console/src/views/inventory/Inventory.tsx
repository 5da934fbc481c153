import { Title } from "@mantine/core";

import { useTitle } from "../../app/title";

export default function Inventory({ database }: { database: string }) {
  useTitle("Backup Inventory");
  return (
    <Title order={1} size="h2">
      Backup Inventory {database}
    </Title>
  );
}
