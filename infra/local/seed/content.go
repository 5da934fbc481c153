package seed

import (
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// table is a table as it is in the newest backup.
type table struct {
	backup.TableRows
	width   int64 // bytes of a row
	grows   bool
	shrinks bool // in the backup at ShrunkAt
}

func of(schema, name string, rows, width int64) table {
	return table{TableRows: backup.TableRows{Schema: schema, Table: name, Rows: rows}, width: width, grows: rows > 100}
}

func shrinking(t table) table { t.shrinks = true; return t }

// tables are some of the demo database.
var tables = []table{
	of("finance", "invoice", 21_156, 96), of("finance", "invoice_line", 33_710, 74), of("finance", "payment", 17_352, 88),
	of("library", "book", 2_500, 140), of("library", "loan", 12_000, 62), shrinking(of("public", "attendance", 545_283, 58)),
	of("public", "audit_log", 24_029, 210), of("public", "class", 80, 55), of("public", "exam", 2_160, 80), of("public", "grade", 61_008, 52),
	of("public", "guardian", 2_100, 120), of("public", "message", 7_000, 420), of("public", "message_recipient", 42_000, 40),
	of("public", "staff", 80, 160), of("public", "student", 1_300, 180), of("public", "subject", 10, 70),
}

type failure struct {
	backup.Failure
	attempts int
	after    time.Duration // from the last attempt's beginning
}

// failures are in the words that the worker has for them.
var failures = []failure{
	{backup.Failure{Code: backup.CodeUnreachable, Reason: "No connection to the database server at db.school.example:5432.",
		Hint: "Check that the server runs, host and port in the secret, and the network between (security groups, VPC).",
		Log:  "dial tcp 10.0.12.7:5432: connect: connection refused"}, 1, 6 * time.Second},
	{backup.Failure{Code: backup.CodePermission, Reason: "User school_app may not read the table public.health_note, so a backup would not be complete.",
		Hint: "GRANT SELECT ON TABLE public.health_note TO school_app;",
		Log: "pg_dump: error: query failed: ERROR:  permission denied for table health_note\n" +
			"pg_dump: detail: Query was: LOCK TABLE public.health_note IN ACCESS SHARE MODE"}, 1, 2 * time.Second},
	{backup.Failure{Code: backup.CodeToolFailed, Reason: "Somebody holds a table locked, and pg_dump waited two minutes for it.",
		Hint: "Look for long ALTER TABLE, VACUUM FULL or LOCK statements, and create a new backup after them.",
		Log: "pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout\n" +
			"pg_dump: detail: Query was: LOCK TABLE public.attendance IN ACCESS SHARE MODE"}, 1, 2 * time.Minute},
	{backup.Failure{Code: backup.CodeWorkerLost, Reason: "The worker ended unexpectedly 3 times while it ran this job.",
		Hint: "Nothing was changed. Look up this job's id in the worker's log: most often the worker ran out of memory."},
		backup.MaxAttempts + 1, time.Second},
	{backup.Failure{Code: backup.CodeLoginRefused, Reason: `The server db.school.example:5432 refused the login of user "school_app".`,
		Hint: "Check the username and password in the database's secret, and the server's pg_hba.conf.",
		Log:  `FATAL: password authentication failed for user "school_app" (SQLSTATE 28P01)`}, 1, time.Second},
}
