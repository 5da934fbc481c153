package postgres

import "github.com/backup-restore/backup-restore/shared/backup"

// connections is how many sessions may work on a database's server at the same time.
func (e *Engine) connections(backup.Target) int { return 2 }
