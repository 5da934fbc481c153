import { Button, Group } from "@mantine/core";
import type { ReactNode } from "react";

import type { Permission } from "../api/problem";
import { GuardedButton } from "./Guarded";

interface Props {
  onClose: () => void;
  needs: Permission;
  /** What the form lacks, if it does. */
  missing: string | undefined;
  pending: boolean;
  color?: "red";
  /** What the button does. */
  children: ReactNode;
}

/** The buttons below a form in a dialog. */
export function FormButtons({ onClose, needs, missing, pending, color, children }: Props) {
  return (
    <Group justify="flex-end">
      <Button variant="default" onClick={onClose}>
        Go back
      </Button>
      {/* Without a button that submits, Enter still does: it says then what is missing. */}
      <GuardedButton
        color={color}
        type={missing === undefined ? "submit" : "button"}
        needs={needs}
        refusal={missing}
        loading={pending}
      >
        {children}
      </GuardedButton>
    </Group>
  );
}
