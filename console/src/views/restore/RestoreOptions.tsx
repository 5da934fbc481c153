import { Title } from "@mantine/core";

import { useTitle } from "../../app/title";

export default function RestoreOptions({ database }: { database: string }) {
  useTitle("Restore Options");
  return (
    <Title order={1} size="h2">
      Restore Options {database}
    </Title>
  );
}
