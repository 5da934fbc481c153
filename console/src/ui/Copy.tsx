import { Button, type ButtonProps } from "@mantine/core";
import { useEffect, useState } from "react";

import { announce } from "./announce";
import { IconCheck, IconCopy } from "./icons";

interface Props extends ButtonProps {
  value: string;
  /** What is copied, for those who hear the button only: "the SHA-256". */
  what: string;
}

// So long the button says that it did it.
const said = 2_000;

/** Copies a text, and says whether it did. */
export function CopyButton({ value, what, ...rest }: Props) {
  const [outcome, setOutcome] = useState<"copied" | "refused">();
  useEffect(() => {
    if (outcome === undefined) return;
    const timer = window.setTimeout(() => setOutcome(undefined), said);
    return () => window.clearTimeout(timer);
  }, [outcome]);
  const copy = () => {
    navigator.clipboard.writeText(value).then(
      () => {
        setOutcome("copied");
        announce(`Copied ${what}.`);
      },
      () => {
        setOutcome("refused");
        announce(`The browser did not let ${what} be copied. Select the text and copy it.`);
      },
    );
  };
  return (
    <Button
      variant="default"
      size="compact-sm"
      leftSection={outcome === "copied" ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />}
      aria-label={`Copy ${what}`}
      // The widest of the three words: the button keeps its width.
      miw="7.2rem"
      {...rest}
      onClick={copy}
    >
      {outcome === "copied" ? "Copied" : outcome === "refused" ? "Not copied" : "Copy"}
    </Button>
  );
}
