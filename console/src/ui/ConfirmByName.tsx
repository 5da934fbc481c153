import { Modal, Stack } from "@mantine/core";
import { useRef, useState, type FormEvent, type ReactNode } from "react";

import type { Permission } from "../api/problem";
import { FormButtons } from "./FormButtons";
import { isName, NameConfirmation, nameMissing } from "./NameConfirmation";
import { ProblemAlert } from "./ProblemAlert";

interface Props {
  opened: boolean;
  onClose: () => void;
  title: string;
  database: string;
  /** What will happen. */
  children: ReactNode;
  /** What the button does: "Replace school". */
  action: string;
  needs: Permission;
  /** Is given the name as it was typed. */
  onConfirm: (typed: string) => void;
  pending: boolean;
  error: unknown;
  /** What did not happen, where there is an error. */
  errorTitle: string;
  /** Is called when the dialog is gone and the focus is back, where what opened it is still there. */
  onClosed?: () => void;
}

/** Asks for a database's name before it is replaced. */
export function ConfirmByName({ opened, onClose, onClosed, title, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} onExitTransitionEnd={onClosed} title={title} size="lg">
      <Question onClose={onClose} {...rest} />
    </Modal>
  );
}

type QuestionProps = Omit<Props, "opened" | "title" | "onClosed">;

function Question({ onClose, database, children, action, needs, onConfirm, pending, error, errorTitle }: QuestionProps) {
  const [typed, setTyped] = useState("");
  const [asked, setAsked] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const missing = nameMissing(database, typed);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (pending) return;
    if (isName(database, typed)) return onConfirm(typed);
    setAsked(true);
    field.current?.focus();
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        {children}
        <NameConfirmation
          ref={field}
          database={database}
          value={typed}
          onChange={setTyped}
          error={asked ? missing : undefined}
          data-autofocus
        />
        {error !== null && <ProblemAlert error={error} title={errorTitle} />}
        <FormButtons onClose={onClose} needs={needs} missing={missing} pending={pending} color="red">
          {action}
        </FormButtons>
      </Stack>
    </form>
  );
}
