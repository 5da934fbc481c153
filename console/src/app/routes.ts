// Addresses within the page. They follow the #, since the API answers everything else under its host.

const at = (database: string) => `/databases/${encodeURIComponent(database)}`;

export const paths = {
  backups: (database: string) => `${at(database)}/backups`,
  backup: (database: string, id: string) => `${at(database)}/backups/${id}`,
  /** Restore Options, with a backup or an upload that is chosen already. */
  restoreOptions: (database: string, source: { backup?: string; upload?: string } = {}) => {
    const q = new URLSearchParams(Object.entries(source).filter(([, id]) => id !== undefined));
    return `${at(database)}/restore${q.size > 0 ? `?${q}` : ""}`;
  },
  restore: (database: string, id: string) => `${at(database)}/restores/${id}`,
  cronKey: "/cron-key",
  activity: "/activity",
};

/** The same as patterns. */
export const patterns = {
  backups: "/databases/:database/backups",
  backup: "/databases/:database/backups/:id",
  restoreOptions: "/databases/:database/restore",
  restore: "/databases/:database/restores/:id",
  cronKey: "/cron-key",
  activity: "/activity",
} as const;
