// Package postgres dumps and restores PostgreSQL 13 to 18: it implements [backup.Engine].
//
// A dump takes a snapshot under locks (snapshot.go, catalog.go), has pg_dump write the schema (schema.go, largeobjects.go), and reads the rows
// by several COPYs at the same time (dump.go, pieces.go, copyout.go, copied.go) into a file of shared/dumpfile. A restore looks for what would stop it later (preflight.go, need.go, room.go),
// builds a copy beside the live database by a login that can do nothing else (loader.go), over the wire protocol and without psql
// (load.go, policy.go; upload.go for what others wrote) and by several sessions where that changes nothing (session.go; haul.go for rows,
// beside.go, locks.go and schedule.go for indexes and constraints), checks it (verify.go, count.go), compares it with live (compare.go,
// objects.go, newest.go), hands it to the owner of live (handover.go) and exchanges the two in one transaction (switch.go, exchange.go). A
// rehearsed copy is parked instead and can be taken up later (park.go); a replaced database can be brought back (held.go). What a
// worker that died left behind is found by its name: sessions by application_name, staged databases and throw-away logins by
// br_<job>_<attempt>
// (recover.go).
package postgres

import (
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// Options are the engine's settings.
type Options struct {
	// BinDirs is a glob of the folders that hold pg_dump, one for each major version: /usr/lib/postgresql/*/bin where empty.
	// Debian's pg_dump on the PATH is a wrapper that chooses by cluster, so the versioned programs are called.
	BinDirs string
	// RootCert is a file of certificates to trust, for sslmode verify-ca and verify-full; the libraries' own where empty.
	RootCert string
	// Processors is how many this process may keep busy: as many sessions read or load at the same time, at most. Default: those of the machine.
	Processors int
	// Level says how hard dump files are compressed.
	Level  dumpfile.Level
	Logger *slog.Logger
}

// Engine works on PostgreSQL. It is safe for concurrent use.
type Engine struct {
	binDirs     string
	rootCert    string
	preparedAge time.Duration
	largeTable  int64
	rangeBytes  int64
	processors  int
	level       dumpfile.Level
	log         *slog.Logger
}

var _ backup.Engine = (*Engine)(nil)

// New returns an engine.
func New(o Options) *Engine {
	if o.BinDirs == "" {
		o.BinDirs = "/usr/lib/postgresql/*/bin"
	}
	if o.Processors == 0 {
		o.Processors = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Engine{binDirs: o.BinDirs, rootCert: o.RootCert, preparedAge: preparedAge, largeTable: largeTable, rangeBytes: rangeBytes,
		processors: o.Processors, level: o.Level, log: o.Logger}
}

// prefix begins the names of what a restore makes on the server.
const prefix = "br_"

// stagedName is the name of an attempt's staged database, and of its throw-away login. It has at most 40 characters of the 63
// that a name may have.
func stagedName(a backup.Attempt) string { return fmt.Sprintf("%s%s_%d", prefix, a.Job, a.Number) }

// keptName is the name under which the database is kept that a job has replaced: a restore, an apply or an undo.
func keptName(job string) string { return prefix + job + "_kept" }

// parseName takes a name apart that this tool gives to a database: job and number of the attempt that made it, 0 for a kept one. It is
// false for every other name.
func parseName(name string) (job string, attempt int, ok bool) {
	job, end, _ := strings.Cut(strings.TrimPrefix(name, prefix), "_")
	if !backup.ValidID(job) {
		return "", 0, false
	}
	if name == keptName(job) {
		return job, 0, true
	}
	n, err := strconv.Atoi(end)
	if err != nil || n < 1 || name != stagedName(backup.Attempt{Job: job, Number: n}) {
		return "", 0, false
	}
	return job, n, true
}

// sessions begins the application names of a job's sessions, whichever the attempt.
func sessions(job string) string { return "backup-restore " + job + "/" }

func applicationName(a backup.Attempt) string { return fmt.Sprintf("%s%d", sessions(a.Job), a.Number) }

// ident quotes names and joins them with dots.
func ident(names ...string) string { return pgx.Identifier(names).Sanitize() }

// literal quotes a text for a statement that takes no parameters. It holds whatever standard_conforming_strings says.
func literal(s string) string {
	s = strings.ReplaceAll(s, "\x00", "")
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
