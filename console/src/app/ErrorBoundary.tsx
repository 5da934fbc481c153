import { Center } from "@mantine/core";
import { Component, type ReactNode } from "react";

import { ProblemAlert } from "../ui/ProblemAlert";

/** Stands in for a page that broke. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error?: unknown }> {
  override state: { error?: unknown } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return (
      <Center component="main" mih="100dvh" p="md">
        <ProblemAlert error={this.state.error} title="The page stopped" onRetry={() => window.location.reload()} />
      </Center>
    );
  }
}
