/** The file that holds the key for curl, beside the crontab of who runs it. */
const file = "~/.backup-restore-cron";

/**
 * How cron starts the backups. The key is in a file that only its owner may read: on a command line everybody on the machine could see
 * it among the processes.
 */
export function recipe(origin: string, key: string) {
  const call = `curl -fsS -K ${file} -X POST ${origin}/cron/backups`;
  return {
    makeFile: `install -m 600 /dev/null ${file}`,
    line: `header = "X-Cron-Key: ${key}"`,
    // Repeated within a minute it starts nothing twice. Nothing is printed unless it fails: then cron sends its mail.
    crontab: `15 2 * * * curl -fsS --retry 3 -o /dev/null -K ${file} -X POST ${origin}/cron/backups`,
    call,
  };
}
