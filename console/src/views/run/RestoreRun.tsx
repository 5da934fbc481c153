import { Title } from "@mantine/core";

import { useTitle } from "../../app/title";

export default function RestoreRun({ id }: { database: string; id: string }) {
  useTitle("Restore");
  return (
    <Title order={1} size="h2">
      Restore {id}
    </Title>
  );
}
