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
 * disabled for those who press it, not for those who look for it.
 */
export function GuardedButton({ needs, refusal, onClick, children, ...rest }: Props) {
  const may = useMay(needs);
  const why = !may ? `Your role lacks the permission ${needs}.` : refusal;
  if (why === undefined || why === false || why === "") {
    return (
      <Button onClick={onClick} {...rest}>
        {children}
      </Button>
    );
  }
  return (
    <Tooltip label={why}>
      <Button
        {...rest}
        loading={false}
        data-disabled
        aria-disabled
        // A name of its own would hide the reason.
        aria-label={rest["aria-label"] === undefined ? undefined : `${rest["aria-label"]}: ${why}`}
        onClick={(event) => event.preventDefault()}
      >
        {children}
        <span className="visually-hidden">: {why}</span>
      </Button>
    </Tooltip>
  );
}
