package postgres_test

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// archive is a backup's file with its index.
type archive struct {
	w     *world
	bytes []byte
	index *dumpfile.Index
}

// archive makes a backup.
func (w *world) archive() *archive {
	w.t.Helper()
	var file bytes.Buffer
	if _, err := w.engine.Dump(context.Background(), w.target, attempt(1), backup.Selection{}, &file, nil); err != nil {
		w.t.Fatalf("dump: %v", describe(err))
	}
	a := &archive{w: w, bytes: file.Bytes()}
	var err error
	if a.index, err = dumpfile.ReadIndex(a.open, int64(len(a.bytes))); err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (f *archive) open(offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(f.bytes[offset : offset+length])), nil
}

// plan is the rescue of the tables that are wanted.
func (f *archive) plan(job string, wanted func(dumpfile.Table) bool) backup.RescuePlan {
	f.w.t.Helper()
	var rows []backup.TableRows
	p := backup.RescuePlan{Encoding: f.index.Encoding}
	for i, t := range f.index.Tables {
		if !wanted(t) {
			continue
		}
		rows = append(rows, backup.TableRows{Schema: t.Schema, Table: t.Name, Rows: t.Rows, Bytes: t.Bytes})
		s := backup.TableSource{Key: t.Key}
		for _, c := range t.Columns {
			s.Columns = append(s.Columns, backup.Column{Name: c.Name, Type: c.Type, NotNull: c.NotNull})
		}
		var members []dumpfile.Member
		for _, m := range f.index.Members {
			if m.Kind == dumpfile.Data && m.Table == i {
				members = append(members, m)
			}
		}
		s.Pieces = len(members)
		s.Piece = func(_ context.Context, n int) (io.ReadCloser, error) {
			m := members[n]
			return m.Open(bytes.NewReader(f.bytes[m.Offset : m.Offset+m.Length])), nil
		}
		p.Sources = append(p.Sources, s)
	}
	p.Rescue = *backup.NewRescue(job, backup.Backup{Job: backup.Job{ID: backup.NewID()}, Filename: "school.sql.gz"}, rows)
	return p
}

func all(dumpfile.Table) bool { return true }

func table(names ...string) func(dumpfile.Table) bool {
	return func(t dumpfile.Table) bool { return slices.Contains(names, t.Schema+"."+t.Name) }
}

// planned makes a backup, and the plan of an attempt at a rescue of tables of it.
func (w *world) planned(wanted func(dumpfile.Table) bool) (backup.Attempt, backup.RescuePlan) {
	w.t.Helper()
	a := attempt(1)
	return a, w.archive().plan(a.Job, wanted)
}
