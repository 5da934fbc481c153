import { TextInput, type TextInputProps } from "@mantine/core";
import type { RefAttributes } from "react";

import { IconCheck } from "./icons";

/** Whether what was typed is the database's name, to the letter: the API compares them so. */
export const isName = (database: string, typed: string) => typed === database;

/** What is missing where it is not. */
export function nameMissing(database: string, typed: string): string | undefined {
  if (isName(database, typed)) return undefined;
  if (typed === "") return `Type ${database} first.`;
  if (typed.trim().toLowerCase() === database.toLowerCase()) {
    return `The name is ${database}: capital letters and spaces count.`;
  }
  return `This is not the database’s name. It is ${database}.`;
}

interface Props extends Omit<TextInputProps, "onChange" | "value" | "label">, RefAttributes<HTMLInputElement> {
  database: string;
  value: string;
  onChange: (typed: string) => void;
}

/** The field into which the name of the database is typed that is about to be replaced. */
export function NameConfirmation({ database, value, onChange, ...rest }: Props) {
  const right = isName(database, value);
  return (
    <TextInput
      label={
        <>
          Type the database’s name, <code>{database}</code>, to confirm
        </>
      }
      autoComplete="off"
      autoCapitalize="none"
      autoCorrect="off"
      spellCheck={false}
      rightSection={right ? <IconCheck size={18} color="var(--good)" aria-hidden /> : undefined}
      {...rest}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
