package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// tiny fills the database with next to nothing.
func (w *world) tiny() {
	w.t.Helper()
	w.in(fmt.Sprintf("SET ROLE %s; CREATE TABLE public.one (id int PRIMARY KEY); CREATE TABLE public.two (a int); INSERT INTO public.two VALUES (1), (2)", ident(w.app)))
}

// hostile are texts of a forged index.
var hostile = []string{
	"int); DROP TABLE public.one; --", "int--", "int -- x\n", "int/**/", "int DEFAULT pg_sleep(10)", "int CHECK (true)", "int REFERENCES public.one", "int, b int",
	"int COLLATE \"C\"", "int PRIMARY KEY", "int GENERATED ALWAYS AS (1) STORED", "int) INHERITS (public.one", "serial", "int'", "int\x00", "\"\"", "\"int", "int\"x\"", "SETOF int",
	"pg_catalog.int4; SELECT 1", "public.one%TYPE", "unknown", "record", "anyelement", "23", "-", "", " int", "$1", "int[1]", "int[][", "numeric(1,2", "((int))", "numeric((1))", "E'x'", "U&\"x\"",
}

func TestRescue_ATypeOfAForgedIndexIsNoStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tiny()
	f := w.archive()
	for _, text := range hostile {
		a := attempt(1)
		p := f.plan(a.Job, table("public.two"))
		p.Sources[0].Columns[0].Type = text
		w.untouched(text, a.Job, func() {
			_, _, err := w.rescue(a, p)
			var told *backup.Error
			if !errors.As(err, &told) || told.Code != backup.CodeUnsupported && told.Code != backup.CodeLoadFailed {
				t.Errorf("%q: %v", text, describe(err))
			}
		})
	}
}

func TestRescue_NamesOfAForgedIndexAreNoStatements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tiny()
	f := w.archive()
	for _, name := range []string{`x"); DROP TABLE public.one; --`, "a\nb", `\`, "'", "a) TO PROGRAM 'false", "$$", "x\" int); DROP SCHEMA public CASCADE; --"} {
		a := attempt(1)
		p := f.plan(a.Job, table("public.two"))
		p.Sources[0].Columns[0].Name, p.Sources[0].Key = name, []string{name}
		p.Tables[0].As, p.Tables[0].Table, p.Tables[0].Schema = name, name, name
		p.Comment = name
		before := w.rows(w.name())
		tables := w.rescued(a, p)
		for _, r := range tables { // it has no live table: what is told is run up to that
			if conn := w.connect(w.name()); !strings.Contains(r.BringBack, "SET SCHEMA") {
				t.Errorf("SQL: %s", r.BringBack)
			} else if _, err := conn.Exec(context.Background(), r.BringBack); sqlState(err) != "3F000" {
				t.Errorf("%s: %v", r.BringBack, err)
			}
		}
		same(t, name, without(w.rows(w.name()), p.Schema), before)
		w.clean(a.Job)
	}
}

func sqlState(err error) string {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState()
	}
	return ""
}

func TestRescue_WhatIsDamagedOrDoesNotAgreeLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.small()
	w.in("CREATE TYPE public.mood AS ENUM ('ok', 'sad'); CREATE TABLE public.moods (m public.mood); INSERT INTO public.moods VALUES ('sad'); GRANT ALL ON public.moods TO " + ident(w.app))
	f := w.archive()
	w.in("ALTER TABLE public.moods ALTER m TYPE text; DROP TYPE public.mood; CREATE TYPE public.mood AS ENUM ('ok')")
	piece := func(p *backup.RescuePlan, text string, end error) {
		p.Sources[0].Piece = func(context.Context, int) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(text), endsIn{end})), nil
		}
		p.Sources[0].Pieces, p.Tables[0].Rows = 1, 2
	}
	damaged := errors.New("it does not have the checksum of the index")
	for name, tt := range map[string]struct {
		table  string
		change func(*backup.RescuePlan)
		code   backup.Code
		says   string
	}{
		"other rows than the index says": {"public.one", func(p *backup.RescuePlan) { p.Tables[0].Rows++ }, backup.CodeVerifyMismatch, "50001"},
		"damaged behind the rows":        {"public.two", func(p *backup.RescuePlan) { piece(p, "COPY x FROM stdin;\n1\n2\n\\.\n", damaged) }, backup.CodeFileChanged, "damaged"},
		"damaged among the rows":         {"public.two", func(p *backup.RescuePlan) { piece(p, "COPY x FROM stdin;\n1\n", damaged) }, backup.CodeFileChanged, "damaged"},
		"damage that the server meets":   {"public.two", func(p *backup.RescuePlan) { piece(p, "COPY x FROM stdin;\n1\nx\n\\.\n", damaged) }, backup.CodeFileChanged, "damaged"},
		"rows that the server refuses":   {"public.two", func(p *backup.RescuePlan) { piece(p, "COPY x FROM stdin;\n1\nx\n\\.\n", io.EOF) }, backup.CodeLoadFailed, "invalid input"},
		"more than rows": {"public.two", func(p *backup.RescuePlan) {
			piece(p, "COPY x FROM stdin;\n1\n2\n\\.\nDROP TABLE public.one;\n", io.EOF)
		}, backup.CodeFileChanged, "damaged"},
		"no rows at all":      {"public.two", func(p *backup.RescuePlan) { piece(p, "DROP TABLE public.one;\n", io.EOF) }, backup.CodeFileChanged, "damaged"},
		"rows without an end": {"public.two", func(p *backup.RescuePlan) { piece(p, "COPY x FROM stdin;\n1\n2\n", io.EOF) }, backup.CodeFileChanged, "damaged"},
		"the storage's own words": {"public.two", func(p *backup.RescuePlan) {
			piece(p, "COPY x FROM stdin;\n1\n", &backup.Error{Code: backup.CodeStorage, Text: "S3 is away", Hint: "Wait."})
		}, backup.CodeStorage, "S3 is away"},
		"an enum that lost a value": {"public.moods", func(*backup.RescuePlan) {}, backup.CodeLoadFailed, `"sad"`},
		"a key that is double": {"public.two", func(p *backup.RescuePlan) {
			piece(p, "COPY x FROM stdin;\n1\n1\n\\.\n", io.EOF)
			p.Sources[0].Key = []string{"a"}
		}, backup.CodeLoadFailed, "primary key"},
	} {
		a := attempt(1)
		p := f.plan(a.Job, table(tt.table))
		tt.change(&p)
		w.untouched(name, a.Job, func() {
			r, _, err := w.rescue(a, p)
			failed(t, name, err, tt.code, tt.says)
			if r != nil {
				r.Discard(context.Background())
			}
		})
		if n := w.schemas(); n != 0 {
			t.Errorf("%s: %d schemas are left", name, n)
		}
	}
}

type endsIn struct{ err error }

func (r endsIn) Read([]byte) (int, error) { return 0, r.err }
