package postgres

import "github.com/backup-restore/backup-restore/shared/backup"

// defaultConnections is how many sessions read or load a database at the same time where its secret does not say: few enough for the
// smallest server.
const defaultConnections = 2

// connections is how many sessions work on a database at the same time: as many as its secret allows, and no more than this
// process has processors, as each keeps one busy.
func (e *Engine) connections(t backup.Target) int {
	n := t.Credentials.Connections
	if n == 0 {
		n = defaultConnections
	}
	return max(1, min(n, e.processors))
}
