import type { BackupDetail } from "../../api/queries";

/** A word for a POSIX shell, whatever is in it. */
export const shellWord = (text: string) => (/^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

export interface Step {
  title: string;
  command: string;
}

/** How a created backup is restored without this tool, from its place in S3; undefined where something for that is not known. */
export function stepsByHand(b: BackupDetail): Step[] | undefined {
  if (b.location === undefined || b.sha256 === undefined || b.engine !== "postgres") return undefined;
  const { bucket, key, versionId } = b.location;
  const file = shellWord(b.filename);
  const target = shellWord(`${b.database}_restored`);
  return [
    {
      title: "Download the file",
      command: [
        "aws s3api get-object",
        `--bucket ${shellWord(bucket)}`,
        `--key ${shellWord(key)}`,
        `--version-id ${shellWord(versionId)} ${file}`,
      ].join(" \\\n  "),
    },
    {
      title: "Check that it is the file that was proved",
      command: `echo ${shellWord(`${b.sha256}  ${b.filename}`)} | sha256sum -c`,
    },
    { title: "Create an empty database", command: `createdb --template template0 ${target}` },
    {
      title: "Restore into it",
      command: `gunzip -c ${file} |\n  psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -d ${target}`,
    },
  ];
}
