import { CopyButton } from "./Copy";
import classes from "./Command.module.css";

/**
 * Text for a terminal or a file, to be copied as it stands. It breaks where it is too long to be seen, which is not copied. What can’t
 * be used as it stands has no button.
 */
export function Command({ text, what }: { text: string; what?: string }) {
  return (
    <div className={classes.command}>
      <pre className={classes.text}>
        <code>{text}</code>
      </pre>
      {what !== undefined && <CopyButton value={text} what={what} />}
    </div>
  );
}
