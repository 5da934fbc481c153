import { Button, Loader, type ButtonProps } from "@mantine/core";
import type { ComponentPropsWithRef } from "react";

import classes from "./BusyButton.module.css";

export interface BusyButtonProps extends ButtonProps, Omit<ComponentPropsWithRef<"button">, keyof ButtonProps> {}

/**
 * A button that is busy while loading, and keeps the focus: one that is disabled then, as Mantine's own is, drops it, and whoever works
 * by keyboard begins at the top again. It keeps its width, too.
 */
export function BusyButton({ loading = false, onClick, leftSection, children, ...rest }: BusyButtonProps) {
  const hidden = loading ? classes.hidden : undefined;
  return (
    <Button
      {...rest}
      leftSection={leftSection !== undefined && <span className={hidden}>{leftSection}</span>}
      aria-disabled={loading || rest["aria-disabled"]}
      aria-busy={loading || undefined}
      onClick={loading ? (event) => event.preventDefault() : onClick}
    >
      <span className={hidden}>{children}</span>
      {loading && (
        <span className={classes.loader} aria-hidden>
          <Loader size={18} color="currentColor" />
        </span>
      )}
    </Button>
  );
}
