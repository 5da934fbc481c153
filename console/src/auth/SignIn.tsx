import { Center, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import { Brand } from "../ui/Brand";
import { BusyButton } from "../ui/BusyButton";
import { ProblemAlert } from "../ui/ProblemAlert";
import { useSession } from "./session";

/** What somebody sees who is not signed in. */
export function SignIn() {
  const { signIn } = useSession();
  const [error, setError] = useState<unknown>();
  const [leaving, setLeaving] = useState(false);
  return (
    <Center component="main" mih="100dvh" p="md">
      <Stack className="surface" p="xl" maw={420} w="100%" gap="lg">
        <Brand />
        <div>
          <Title order={1} size="h2">
            Sign in
          </Title>
          <Text c="dimmed" mt="xs">
            Back up the school’s databases, prove the backups, and bring a damaged database back whole.
          </Text>
        </div>
        {error !== undefined && <ProblemAlert error={error} />}
        <BusyButton
          size="md"
          loading={leaving}
          onClick={() => {
            setLeaving(true);
            signIn().catch((e: unknown) => {
              setError(e);
              setLeaving(false);
            });
          }}
        >
          Sign in
        </BusyButton>
      </Stack>
    </Center>
  );
}
