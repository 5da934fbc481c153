package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// estimate is how large a dump is going to be.
type estimate struct {
	tables int
	bytes  int64 // of SQL text; 0 where unknown
}

// userTables are the tables whose rows a dump holds: not the system's, not temporary ones, not a partitioned table's own
// (empty) heap. c is pg_class, n is pg_namespace.
const userTables = `c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
	AND n.nspname !~ '^pg_(toast|temp)'`

// extensionMember tells the tables that an extension brought: a dump holds those of their rows that the extension's author
// named, or none.
const extensionMember = `EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
	AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')`

// A row takes 24 bytes of header, 4 of line pointer and some padding in its page, and only tabs and a newline in a dump. Values
// out of line are compressed there to about two thirds and are not in the dump. A large object's bytes become hex digits.
const estimateQuery = `SELECT
	(SELECT count(*)::int FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ` + userTables + ` AND NOT ` + extensionMember + `),
	(SELECT coalesce(sum(
		greatest(pg_relation_size(c.oid) - 32 * greatest(c.reltuples, 0), pg_relation_size(c.oid) / 4)
		+ coalesce(1.5 * pg_relation_size(nullif(c.reltoastrelid, 0)), 0) + 2000)::bigint, 0)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ` + userTables + ` AND NOT ` + extensionMember + `)
	+ 2 * pg_relation_size('pg_largeobject')`

// readEstimate asks the server for sizes. It is a courtesy: where the server takes too long, there is none.
func (e *Engine) readEstimate(ctx context.Context, conn *pgx.Conn) (out estimate) {
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := conn.QueryRow(limited, estimateQuery).Scan(&out.tables, &out.bytes); err != nil {
		e.log.WarnContext(ctx, "dump not estimated", "error", err)
		return estimate{}
	}
	return out
}

// reportEvery keeps reports to a few in a second: each may become a write of a record.
const reportEvery = 400 * time.Millisecond

// meter counts what went by and reports it. It may be fed by one goroutine and read by another.
type meter struct {
	report func(backup.Progress)
	began  time.Time
	mu     sync.Mutex
	p      backup.Progress
	last   time.Time
}

func newMeter(p backup.Progress, report func(backup.Progress)) *meter {
	if report == nil {
		report = func(backup.Progress) {}
	}
	return &meter{report: report, began: time.Now(), p: p}
}

// note changes the progress and reports it if the last report is old enough.
func (m *meter) note(change func(*backup.Progress)) {
	m.mu.Lock()
	change(&m.p)
	now := time.Now()
	if now.Sub(m.last) < reportEvery {
		m.mu.Unlock()
		return
	}
	m.last = now
	p := m.current(now)
	m.mu.Unlock()
	m.report(p)
}

// finish reports the last state whatever was reported before.
func (m *meter) finish() {
	m.mu.Lock()
	p := m.current(time.Now())
	m.mu.Unlock()
	m.report(p)
}

// current is the progress with its end foretold from the rate so far.
func (m *meter) current(now time.Time) backup.Progress {
	p := m.p
	if p.BytesTotal > 0 && p.BytesTotal < p.Bytes {
		p.BytesTotal = p.Bytes // the estimate was too low
	}
	p.TablesTotal = max(p.TablesTotal, p.TablesDone)
	if elapsed := now.Sub(m.began); p.BytesTotal > 0 && p.Bytes > 0 && elapsed > 2*time.Second {
		left := float64(elapsed) * float64(p.BytesTotal-p.Bytes) / float64(p.Bytes)
		p.EndsAt = now.Add(time.Duration(left)).UTC().Truncate(time.Second)
	}
	return p
}
