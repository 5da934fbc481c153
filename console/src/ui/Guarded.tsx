import { Tooltip } from "@mantine/core";
import { useMergedRef } from "@mantine/hooks";
import { useRef, useState, type KeyboardEvent } from "react";

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
 * disabled for those who press it, not for those who look for it.
 */
export function GuardedButton({ needs, refusal, loading, onClick, children, ref, ...rest }: Props) {
  const may = useMay(needs);
  const why = (may ? refusal : `Your role lacks the permission ${needs}.`) || undefined;
  const refused = why !== undefined;
  // A name of its own would hide the reason; one that is put together of elements has a space before the colon.
  const label = rest["aria-label"] ?? (typeof children === "string" ? children : undefined);
  const { button, looked, ...look } = useLooked();
  return (
    <>
      <BusyButton
        {...rest}
        {...look}
        ref={useMergedRef(button, ref)}
        loading={!refused && loading}
        data-disabled={refused || undefined}
        aria-disabled={refused || undefined}
        aria-label={refused && label !== undefined ? `${label}: ${why}` : rest["aria-label"]}
        onClick={refused ? (event) => event.preventDefault() : onClick}
      >
        {children}
        {refused && label === undefined && <span className="visually-hidden">: {why}</span>}
      </BusyButton>
      {/* Only while somebody looks: a list has hundreds of buttons, and a tooltip costs more than all else of one. */}
      {refused && looked && <Tooltip label={why} target={button} opened />}
    </>
  );
}

/** Whether somebody looks for what a button has to say, by pointer or by keyboard. */
function useLooked() {
  const button = useRef<HTMLButtonElement>(null);
  const [looked, setLooked] = useState(false);
  const look = () => setLooked(true);
  const leave = () => setLooked(false);
  return {
    button,
    looked,
    onMouseEnter: look,
    onMouseLeave: leave,
    onFocus: look,
    onBlur: leave,
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key === "Escape") leave();
    },
  };
}
