import { Title } from "@mantine/core";

import { useTitle } from "../../app/title";

export default function BackupDetails({ id }: { database: string; id: string }) {
  useTitle("Backup");
  return (
    <Title order={1} size="h2">
      Backup {id}
    </Title>
  );
}
