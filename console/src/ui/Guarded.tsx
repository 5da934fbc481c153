import { Button, Tooltip, type ButtonProps } from "@mantine/core";
import type { ComponentPropsWithRef } from "react";

import type { Permission } from "../api/problem";
import { useMay } from "../api/queries";

interface Props extends ButtonProps, Omit<ComponentPropsWithRef<"button">, keyof ButtonProps> {
  /** The permission that it needs. */
  needs?: Permission;
  /** Why it can't be used now, where there is a reason besides the permission. */
  refusal?: string | false;
}

/**
 * A button that says why it can't be used. It stays in the order of the keyboard then, so that the reason can be reached: it is
 * disabled for those who press it, not for those who look for it. It keeps the focus too, while what it started is under way.
 */
export function GuardedButton({ needs, refusal, onClick, children, loading = false, ...rest }: Props) {
  const may = useMay(needs);
  const why = (may ? refusal : `Your role lacks the permission ${needs}.`) || undefined;
  const usable = why === undefined && !loading;
  const name = rest["aria-label"];
  return (
    <Tooltip label={why} disabled={why === undefined}>
      <Button
        {...rest}
        loading={loading && why === undefined}
        // A browser takes the focus from a button that is disabled.
        renderRoot={(props) => <button {...props} disabled={false} />}
        data-disabled={why !== undefined || undefined}
        aria-disabled={!usable || undefined}
        aria-busy={loading || undefined}
        // A name of its own would hide the reason.
        aria-label={name !== undefined && why !== undefined ? `${name}: ${why}` : name}
        onClick={usable ? onClick : (event) => event.preventDefault()}
      >
        {children}
        {why !== undefined && <span className="visually-hidden">: {why}</span>}
      </Button>
    </Tooltip>
  );
}
