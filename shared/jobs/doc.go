// Package jobs starts, runs and looks after backups and restores.
//
// A job is its record. [Desk] writes one and rings; a [Runner] that hears the bell takes the database's lock and runs
// what is open, oldest first, with a heartbeat; [Sweeper] rings again for jobs whose worker is gone. The bell is an SQS
// message that names a database and nothing else, so it may come twice, late, or not at all.
//
// What is done with a restore afterwards (apply, undo, drop) is a job too, on the restore's record. Whether two databases were
// exchanged is never taken from a record but asked of the server, where the exchange itself says so. What a restore keeps there is led
// to by a holding, from before it makes anything until nothing of it is left.
package jobs
