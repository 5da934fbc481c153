package postgres

import "github.com/backup-restore/backup-restore/shared/backup"

// defaultConnections is how many sessions read or load a database at the same time where its secret does not say: few enough for the
// smallest server.
const defaultConnections = 2

// allowed is how many sessions may work on a database at the same time, by its secret.
func allowed(t backup.Target) int {
	if t.Credentials.Connections == 0 {
		return defaultConnections
	}
	return t.Credentials.Connections
}

// connections is how many sessions read or send rows at the same time: as many as are allowed, and no more than this process has
// processors, as each keeps one busy.
func (e *Engine) connections(t backup.Target) int {
	return max(1, min(allowed(t), e.processors))
}
