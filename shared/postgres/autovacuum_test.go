package postgres_test

import (
	"slices"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// toldOff are the tables of a copy whose storage parameters say something of autovacuum.
func (w *world) toldOff(database string) (names []string) {
	w.t.Helper()
	if err := w.connect(database).QueryRow(w.t.Context(), `SELECT coalesce(array_agg(relname || ' ' || o ORDER BY relname), '{}') FROM pg_class, unnest(reloptions) o
		WHERE relkind IN ('r', 'p') AND o LIKE 'autovacuum%'`).Scan(&names); err != nil {
		w.t.Fatal(err)
	}
	return names
}

func TestStaged_KeepsAutovacuumAwayWhileItWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mesh()
	p, d := w.backup()
	for name, text := range map[string]*pieces{"whole tables": p, "tables in parts": p.cut(700)} {
		t.Run(name, func(t *testing.T) {
			a := attempt(1)
			s := w.stage(a, backup.Need{})
			if _, err := s.Load(t.Context(), text, nil); err != nil {
				t.Fatal(describe(err))
			}
			const theirOwn = "passing autovacuum_enabled=on"
			want := []string{"big autovacuum_enabled=false", "entries autovacuum_enabled=false", theirOwn}
			if got := w.toldOff("br_" + a.Job + "_1"); !slices.Equal(got, want) {
				t.Errorf("after the load autovacuum is told %q, want %q", got, want)
			}
			if err := s.Verify(t.Context(), backup.Want{Tables: d.Tables, Exact: true}, nil); err != nil {
				t.Fatal(describe(err))
			}
			if got := w.toldOff("br_" + a.Job + "_1"); !slices.Equal(got, []string{theirOwn}) {
				t.Errorf("after the verification autovacuum is told %q, want what the file says alone", got)
			}
		})
	}
}
