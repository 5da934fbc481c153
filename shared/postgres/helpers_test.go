package postgres_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/postgres"
)

func TestStaged_OneBuilderHasTheOthersHelpersAndNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(fmt.Sprintf(`SET ROLE %s; CREATE FUNCTION public.told(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;
		CREATE TABLE public.t AS SELECT 1 AS a; CREATE INDEX told ON public.t (public.told(a))`, ident(w.app)))
	p, d := w.backup()
	p = p.changed(0, "RETURN $1;", "RAISE EXCEPTION '% helpers', current_setting('max_parallel_maintenance_workers');")
	for _, n := range []int{1, 2, 5} {
		w.target.Credentials.Connections = n
		_, _, err := w.loadText(t.Context(), attempt(1), backup.Need{}, p, d.Tables)
		if err == nil || !strings.Contains(fmt.Sprint(describe(err)), fmt.Sprintf("%d helpers", n-1)) {
			t.Errorf("with %d connections the build is told %v", n, describe(err))
		}
	}
}

func TestStaged_ABuilderBesideAnotherHasNoMoreHelpersThanAreLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(fmt.Sprintf(`SET ROLE %s; CREATE FUNCTION public.told(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;
		CREATE TABLE public.t AS SELECT 1 AS a; CREATE TABLE public.u AS SELECT 1 AS a; CREATE INDEX first ON public.t (a); CREATE INDEX told ON public.u (public.told(a))`, ident(w.app)))
	p, d := w.backup()
	p = p.changed(0, "RETURN $1;", "RAISE EXCEPTION '% helpers', current_setting('max_parallel_maintenance_workers');")
	// The server builds, so that the worker's processors are no bound.
	w.target.Credentials.Connections, w.engine = 5, postgres.New(postgres.Options{Processors: 1})
	a := attempt(1)
	p.open = func(i int, r io.Reader) io.Reader {
		if i == p.of(t, "") { // the first of the two waits for the table
			conn := w.connect("br_" + a.Job + "_1")
			if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE public.t IN ROW EXCLUSIVE MODE"); err != nil {
				t.Error(err)
			}
		}
		return r
	}
	_, _, err := w.loadText(t.Context(), a, backup.Need{}, p, d.Tables)
	if err == nil || !strings.Contains(fmt.Sprint(describe(err)), " 0 helpers") {
		t.Errorf("beside one that has all four helpers the build is told %v", describe(err))
	}
}
