// Package backup is the domain: what a backup and a restore are, which states they pass through and who may move them,
// what can go wrong, and the ports through which the rest of the world is reached.
//
// It knows nothing of AWS, HTTP or a database's protocol. Start with [Backup] and [Restore] for the records, then ports.go
// for what an adapter has to promise.
package backup
