import { Center, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { useState } from "react";
import { Router } from "wouter";

import { newQueryClient } from "../api/queries";
import { SessionEnded } from "../auth/SessionEnded";
import { SessionProvider, useSession } from "../auth/session";
import { SignIn } from "../auth/SignIn";
import { theme } from "../theme";
import { Announcer } from "../ui/announce";
import { ProblemAlert } from "../ui/ProblemAlert";
import { LoadingPage } from "../ui/States";
import { ErrorBoundary } from "./ErrorBoundary";
import { useHashLocation } from "./hash";
import { Shell } from "./Shell";

// The page's policy takes only styles that carry the nonce which came with the page.
const nonce = () => document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";

export function App() {
  const [queries] = useState(newQueryClient);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={nonce}>
      <ErrorBoundary>
        <QueryClientProvider client={queries}>
          <SessionProvider>
            <Router hook={useHashLocation}>
              <Entrance />
            </Router>
          </SessionProvider>
        </QueryClientProvider>
      </ErrorBoundary>
      <Announcer />
    </MantineProvider>
  );
}

function Entrance() {
  const { state } = useSession();
  switch (state.status) {
    case "loading":
      return <LoadingPage label="Looking who you are" />;
    case "failed":
      return (
        <Center component="main" mih="100dvh" p="md">
          <div style={{ maxWidth: 560 }}>
            <ProblemAlert error={state.error} title="The sign-in did not work" onRetry={() => window.location.reload()} />
          </div>
        </Center>
      );
    case "signed-out":
      return <SignIn />;
    case "signed-in":
    case "ended":
      return (
        <>
          <Shell />
          <SessionEnded />
        </>
      );
  }
}
