package postgres

import (
	"sync"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// userTables are the tables whose rows a dump holds: not the system's, not temporary ones, not a partitioned table's own
// (empty) heap. c is pg_class, n is pg_namespace.
const userTables = `c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
	AND n.nspname !~ '^pg_(toast|temp)'`

// extensionMember tells the tables that an extension brought: a dump holds those of their rows that the extension's author
// named, or none.
const extensionMember = `EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
	AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')`

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
