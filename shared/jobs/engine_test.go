package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// engine dumps and restores a text of its own on a server of its own, of which it knows which databases there are. Each hook, where set,
// runs in place of the step or before it.
type engine struct {
	selected                                                      atomic.Pointer[backup.Selection] // of the last dump
	dumps, recoveries, stagings, discards, switches, undos, drops atomic.Int64

	dump     func(ctx context.Context, w io.Writer) error
	recover  *backup.Switched // what Recover returns in place of what it finds
	lostTo   error            // what Recover returns
	indexed  bool             // dumps have an index
	load     error
	verify   error
	onSwitch func(ctx context.Context) error
	// at is called at each step of a restore and what follows it, before it has any effect: an error is what the step ends in.
	at     func(ctx context.Context, step string) error
	loaded atomic.Pointer[[]byte]
	pieces atomic.Int64 // in which it came

	mu        sync.Mutex
	databases map[string]string // name → whose content it has
	need      backup.Need       // of the last Stage
	want      backup.Want       // of the last Verify
	resumed   backup.Parked     // by the last Resume
}

const live = "school"

// original is the content of the live database before anything is restored.
const original = "original"

func newEngine() *engine { return &engine{databases: map[string]string{live: original}} }

const dumpText = "-- a dump\nCOPY t FROM stdin;\n1\n2\n\\.\n"

var dumpTables = []backup.TableRows{{Schema: "public", Table: "t", Rows: 2}}

const memo = `{"how":"to take it up"}`

func stagedName(a backup.Attempt) string { return fmt.Sprintf("br_%s_%d", a.Job, a.Number) }
func keptName(job string) string         { return "br_" + job + "_kept" }

func (e *engine) step(ctx context.Context, name string) error {
	if e.at != nil {
		if err := e.at(ctx, name); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// names are the server's databases besides live.
func (e *engine) names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := slices.Sorted(maps.Keys(e.databases))
	return slices.DeleteFunc(all, func(n string) bool { return n == live })
}

// content is that of a database, "" where there is none.
func (e *engine) content(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.databases[name]
}

// change alters the server at once, as a transaction does.
func (e *engine) change(do func(databases map[string]string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	do(e.databases)
}

func (e *engine) Dump(ctx context.Context, _ backup.Target, _ backup.Attempt, s backup.Selection, w io.Writer, report func(backup.Progress)) (backup.Dumped, error) {
	e.dumps.Add(1)
	e.selected.Store(&s)
	report(backup.Progress{Table: "public.t", TablesTotal: 1, BytesTotal: 100})
	d := backup.Dumped{ConnectedAt: time.Now(), ServerVersion: "15.18", ToolVersion: "16.1"}
	if e.dump != nil {
		if err := e.dump(ctx, w); err != nil {
			return d, err
		}
	}
	var err error
	if e.indexed {
		d.Indexed, err = true, writeIndexed(w)
	} else {
		_, err = w.Write(gzipped(dumpText))
	}
	d.SQLBytes, d.Tables, d.Connections, d.SnapshotHeld = int64(len(dumpText)), dumpTables, 2, 1500*time.Millisecond
	return d, err
}

func (e *engine) Recover(ctx context.Context, _ backup.Target, a backup.Attempt) (*backup.Switched, error) {
	e.recoveries.Add(1)
	if err := e.step(ctx, "recover"); err != nil {
		return nil, err
	}
	if e.recover != nil || e.lostTo != nil {
		return e.recover, e.lostTo
	}
	ours := regexp.MustCompile("^br_" + a.Job + "_[0-9]+$")
	e.change(func(databases map[string]string) {
		maps.DeleteFunc(databases, func(name, _ string) bool { return ours.MatchString(name) && name != stagedName(a) })
	})
	if e.content(keptName(a.Job)) != "" {
		return &backup.Switched{Kept: keptName(a.Job), KeptBytes: 5}, nil
	}
	return nil, nil
}

func (e *engine) Stage(ctx context.Context, _ backup.Target, a backup.Attempt, need backup.Need) (backup.Staged, error) {
	e.stagings.Add(1)
	if err := e.step(ctx, "stage"); err != nil {
		return nil, err
	}
	e.change(func(databases map[string]string) { databases[stagedName(a)] = a.Job })
	e.mu.Lock()
	defer e.mu.Unlock()
	e.need = need
	return &staged{e: e, a: a, name: stagedName(a)}, nil
}

func (e *engine) Resume(ctx context.Context, _ backup.Target, a backup.Attempt, p backup.Parked) (backup.Staged, error) {
	if err := e.step(ctx, "resume"); err != nil {
		return nil, err
	}
	if e.content(p.Name) == "" {
		return nil, errors.New("there is no such copy")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resumed = p
	return &staged{e: e, a: a, name: p.Name, parked: true}, nil
}

func (e *engine) Undo(ctx context.Context, _ backup.Target, a backup.Attempt, kept string, confirm func(context.Context) error) (backup.Switched, error) {
	if err := errors.Join(e.step(ctx, "undo"), confirm(ctx)); err != nil {
		return backup.Switched{}, err
	}
	if e.content(kept) == "" {
		return backup.Switched{}, fmt.Errorf("there is no database %s", kept)
	}
	e.undos.Add(1)
	e.change(func(d map[string]string) {
		d[keptName(a.Job)], d[live] = d[live], d[kept]
		delete(d, kept)
	})
	return backup.Switched{Kept: keptName(a.Job), KeptBytes: 7, Downtime: 2 * time.Millisecond}, e.step(ctx, "undone")
}

func (e *engine) Drop(ctx context.Context, _ backup.Target, _ backup.Attempt, name string) error {
	if err := e.step(ctx, "drop"); err != nil {
		return err
	}
	if !strings.HasPrefix(name, "br_") {
		return fmt.Errorf("refuse to drop %s", name)
	}
	e.drops.Add(1)
	e.change(func(databases map[string]string) { delete(databases, name) })
	return nil
}

type staged struct {
	e      *engine
	a      backup.Attempt
	name   string
	parked bool
}

func (s *staged) Warnings() []string    { return []string{"mind the slots"} }
func (s *staged) Loader() backup.Loader { return backup.LoaderPrepared }
func (s *staged) ByHand() []string      { return []string{"ALTER ROLE x"} }

func (s *staged) Load(ctx context.Context, t backup.Text, _ func(backup.Progress)) (backup.Loaded, error) {
	text, err := readText(ctx, t)
	if err != nil {
		return backup.Loaded{}, &backup.Error{Code: backup.CodeLoadFailed, Text: "the loader got no more", Cause: err}
	}
	s.e.pieces.Store(int64(len(t.Pieces())))
	s.e.loaded.Store(&text)
	if err := s.e.step(ctx, "load"); err != nil {
		return backup.Loaded{}, err
	}
	return backup.Loaded{Statements: 2, Tables: dumpTables, Skipped: []backup.Skipped{{Line: 7, Text: "CREATE ROLE y", Why: "loader"}}}, s.e.load
}

func (s *staged) Verify(ctx context.Context, want backup.Want, _ func(backup.Progress)) error {
	if len(want.Tables) != 1 || want.Tables[0].Rows != 2 {
		return &backup.Error{Code: backup.CodeVerifyMismatch, Text: "the counts did not arrive"}
	}
	s.e.mu.Lock()
	s.e.want = want
	s.e.mu.Unlock()
	return errors.Join(s.e.step(ctx, "verify"), s.e.verify)
}

func (s *staged) Compare(ctx context.Context, _ func(backup.Progress)) (backup.Comparison, error) {
	return backup.Comparison{
		Tables:    []backup.TableChange{{Schema: "public", Table: "t", Live: 5, After: 2}},
		Objects:   []backup.ObjectChange{{Kind: "index", Name: "public.t_pkey", Change: backup.Added}},
		LiveBytes: 50, CopyBytes: 20,
	}, s.e.step(ctx, "compare")
}

func (s *staged) Park(ctx context.Context) (backup.Parked, error) {
	if err := s.e.step(ctx, "park"); err != nil {
		return backup.Parked{}, err
	}
	if err := s.e.step(ctx, "parked"); err != nil {
		return backup.Parked{}, err
	}
	s.parked = true
	return backup.Parked{Name: s.name, Bytes: 12_345_678, Memo: []byte(memo)}, nil
}

func (s *staged) Switch(ctx context.Context, confirm func(context.Context) error) (backup.Switched, error) {
	if s.e.onSwitch != nil {
		if err := s.e.onSwitch(ctx); err != nil {
			return backup.Switched{}, err
		}
	}
	if err := s.e.step(ctx, "switch"); err != nil {
		return backup.Switched{}, err
	}
	if err := confirm(ctx); err != nil {
		return backup.Switched{}, err
	}
	s.e.switches.Add(1)
	s.e.change(func(d map[string]string) {
		d[keptName(s.a.Job)], d[live] = d[live], d[s.name]
		delete(d, s.name)
	})
	return backup.Switched{Kept: keptName(s.a.Job), KeptBytes: 5, Downtime: time.Millisecond}, s.e.step(ctx, "switched")
}

func (s *staged) Discard(ctx context.Context) error {
	s.e.discards.Add(1)
	if s.parked {
		return nil
	}
	if err := s.e.step(ctx, "discard"); err != nil {
		return err
	}
	s.e.change(func(databases map[string]string) { delete(databases, s.name) })
	return nil
}
