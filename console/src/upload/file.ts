import { formatBytes } from "../ui/format";

/** How the name of a file ends that can be restored. The last is the first two in one, and is named all the same. */
export const acceptedEndings = [".sql", ".gz", ".sql.gz"] as const;

/** The largest file that is taken, in bytes: 100 GiB. */
export const largestFile = 100 * 2 ** 30;

const accepted = "Choose a file whose name ends in .sql, .gz or .sql.gz.";

const endsWell = (name: string) => acceptedEndings.some((end) => name.length > end.length && name.toLowerCase().endsWith(end));

function ending(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? `its name ends in ${name.slice(dot)}` : "its name has no ending";
}

/** Why these files can't be uploaded, before anything is sent; undefined where it is one file that can. */
export function refusalOfFiles(files: readonly Pick<File, "name" | "size">[]): string | undefined {
  const file = files[0];
  if (file === undefined) return `No file was chosen. ${accepted}`;
  if (files.length > 1) return `${files.length} files were chosen, and a restore takes one. Choose one file.`;
  if (!endsWell(file.name)) return `“${file.name}” can’t be restored: ${ending(file.name)}. ${accepted}`;
  if (file.size === 0) return `“${file.name}” is empty. Check how it was made, then choose it again.`;
  if (file.size > largestFile) {
    return `“${file.name}” is larger than 100 GiB (${formatBytes(largestFile)}), which is the most that can be restored here. Restore a file of this size with psql, on a machine near the database.`;
  }
  if (file.name.length > 255) return "The file’s name is longer than 255 characters. Rename it, then choose it again.";
  return undefined;
}
