import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { BusyButton } from "../ui/BusyButton";
import { ProblemAlert } from "../ui/ProblemAlert";
import { useSession } from "./session";

/** Lies over the page when the session has ended. The page below keeps what was typed. */
export function SessionEnded() {
  const { state, signInAgain, signOut } = useSession();
  const [error, setError] = useState<unknown>();
  const [waiting, setWaiting] = useState(false);
  const again = () => {
    setWaiting(true);
    setError(undefined);
    signInAgain()
      .catch(setError)
      .finally(() => setWaiting(false));
  };
  return (
    <Modal
      opened={state.status === "ended"}
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="Your session has ended"
    >
      <Stack>
        <Text>Sign in again to go on. What you typed is still here, and jobs that you started go on without you.</Text>
        {error !== undefined && <ProblemAlert error={error} title="You are not signed in" />}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => void signOut()}>
            Sign out
          </Button>
          <BusyButton onClick={again} loading={waiting} data-autofocus>
            Sign in again
          </BusyButton>
        </Group>
      </Stack>
    </Modal>
  );
}
