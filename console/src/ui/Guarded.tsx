import { Tooltip } from "@mantine/core";

import type { Permission } from "../api/problem";
import { useMay } from "../api/queries";
import { BusyButton, type BusyButtonProps } from "./BusyButton";

interface Props extends BusyButtonProps {
  /** The permission that it needs. */
  needs?: Permission;
  /** Why it can't be used now, where there is a reason besides the permission. */
  refusal?: string | false;
}

/**
 * A button that says why it can't be used. It stays in the order of the keyboard then, so that the reason can be reached: it is
 * disabled for those who press it, not for those who look for it. It is one button either way, so that it keeps the focus.
 */
export function GuardedButton({ needs, refusal, loading, onClick, children, ...rest }: Props) {
  const may = useMay(needs);
  const why = (may ? refusal : `Your role lacks the permission ${needs}.`) || undefined;
  const refused = why !== undefined;
  const label = rest["aria-label"];
  return (
    <Tooltip label={why} disabled={!refused}>
      <BusyButton
        {...rest}
        loading={!refused && loading}
        data-disabled={refused || undefined}
        aria-disabled={refused || undefined}
        // A name of its own would hide the reason.
        aria-label={refused && label !== undefined ? `${label}: ${why}` : label}
        onClick={refused ? (event) => event.preventDefault() : onClick}
      >
        {children}
        {refused && <span className="visually-hidden">: {why}</span>}
      </BusyButton>
    </Tooltip>
  );
}
