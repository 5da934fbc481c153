// Package jobs starts, runs and looks after backups and restores.
//
// A job is its record. [Desk] writes one and rings; a [Runner] that hears the bell takes the database's lock and runs
// what is open, oldest first, with a heartbeat; [Sweeper] rings again for jobs whose worker is gone. The bell is an SQS
// message that names a database and nothing else, so it may come twice, late, or not at all.
package jobs
