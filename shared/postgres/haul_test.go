package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/postgres"
)

// comparable is what two ways of loading one text must have in common.
func comparable(l backup.Loaded) (out []string) {
	out = append(out, fmt.Sprint(l.Statements, " statements"))
	for _, t := range l.Tables {
		out = append(out, fmt.Sprint(t.Name(), " ", t.Rows))
	}
	for _, s := range l.Skipped {
		out = append(out, fmt.Sprint(s))
	}
	slices.Sort(out)
	return out
}

func TestStaged_PiecesRestoreWhatTheWholeDoes(t *testing.T) {
	t.Parallel()
	fills := map[string]func(*world){"school": (*world).school, "mesh": (*world).mesh}
	for name, fill := range fills {
		for _, l := range loaders {
			t.Run(name+" "+string(l.kind), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, append(l.options, with("BYPASSRLS"))...)
				fill(w)
				p, d := w.backup()
				before := w.state(w.name())
				before["schema"] = strings.ReplaceAll(before["schema"], " LEAKPROOF", "")
				first, wholly, err := w.loadText(t.Context(), attempt(1), backup.Need{}, whole(p), d.Tables)
				if err == nil {
					err = first.Discard(t.Context()) // a prepared login loads one copy at a time
				}
				if err != nil {
					t.Fatalf("the whole: %v", describe(err))
				}
				for _, text := range []*pieces{p, p.cut(700)} {
					a := attempt(1)
					s, loaded, err := w.loadText(t.Context(), a, backup.Need{}, text, d.Tables)
					if err != nil {
						t.Fatalf("%d pieces: %v", len(text.list), describe(err))
					}
					want, got := comparable(wholly), comparable(loaded)
					want[slices.Index(want, fmt.Sprint(wholly.Statements, " statements"))] = fmt.Sprint(wholly.Statements+int64(len(text.list)-len(p.list)), " statements")
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Errorf("%d pieces: loaded\n%s\nand from the whole\n%s", len(text.list), strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
					w.switchIn(s)
					same(t, "restored", w.state(w.name()), before)
					w.clean(a.Job)
				}
			})
		}
	}
}

// frozen are the tables whose pages are all known to be visible to everybody.
func (w *world) frozen(database string) (names []string) {
	w.t.Helper()
	conn := w.connect(database)
	if err := conn.QueryRow(w.t.Context(), `SELECT coalesce(array_agg(relname::text ORDER BY relname), '{}') FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relpages > 0 AND relallvisible = relpages`).Scan(&names); err != nil {
		w.t.Fatal(err)
	}
	return names
}

func TestStaged_LargeTablesAreWrittenFrozen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.super.PgConn().ParameterStatus("server_version") < "14" {
		t.Skip("COPY FREEZE marks pages as visible from PostgreSQL 14 on")
	}
	w.mesh()
	// Autovacuum would mark pages too.
	w.in("CREATE TABLE public.biggest AS TABLE public.big; ALTER TABLE public.biggest OWNER TO " + ident(w.app) + `; DO $$ DECLARE t regclass; BEGIN
		FOR t IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', t); END LOOP; END $$`)
	p, d := w.backup()
	a := attempt(1)
	if _, _, err := w.loadText(t.Context(), a, backup.Need{}, p.cut(7000), d.Tables); err != nil {
		t.Fatal(describe(err))
	}
	if got := w.frozen("br_" + a.Job + "_1"); !slices.Equal(got, []string{"big", "biggest", "entries", "passing"}) {
		t.Errorf("frozen are %q, want the four large tables", got)
	}
}

func TestStaged_OneHugeTableIsSharedByAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(fmt.Sprintf(`SET ROLE %s; CREATE TABLE public.huge AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 20000) i;
		CREATE TABLE public.small AS SELECT 1 AS one; ALTER TABLE public.huge ADD PRIMARY KEY (id)`, ident(w.app)))
	p, d := w.backup()
	before := w.state(w.name())
	p = p.cut(5000)
	// One piece of it ends only when another has begun.
	begun := make(chan struct{})
	p.open = func(i int, r io.Reader) io.Reader {
		switch i {
		case p.of(t, "public.huge"):
			return &after{r, begun}
		case p.of(t, "public.huge") + 3:
			close(begun)
		}
		return r
	}
	s, _, err := w.loadText(t.Context(), attempt(1), backup.Need{}, p, d.Tables)
	if err != nil {
		t.Fatal(describe(err))
	}
	w.switchIn(s)
	same(t, "restored", w.state(w.name()), before)
}

func TestStaged_AnalyzesAllThatAnalyzeDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mesh()
	p, d := w.backup()
	a := attempt(1)
	if _, _, err := w.loadText(t.Context(), a, backup.Need{}, p, d.Tables); err != nil {
		t.Fatal(describe(err))
	}
	conn := w.connect("br_" + a.Job + "_1")
	state := func() (s string) {
		if err := conn.QueryRow(t.Context(), `SELECT (SELECT string_agg(concat_ws(' ', starelid::regclass, staattnum, stainherit), ',' ORDER BY starelid::regclass::text, staattnum, stainherit)
			FROM pg_statistic WHERE starelid >= 16384) || (SELECT count(*) FROM pg_statistic_ext_data) || (SELECT string_agg(concat_ws(' ', oid::regclass, reltuples), ',' ORDER BY oid)
			FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'i', 'm'))`).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	ours := state()
	if _, err := conn.Exec(t.Context(), "ANALYZE"); err != nil {
		t.Fatal(err)
	}
	if theirs := state(); ours != theirs {
		t.Errorf("statistics are of\n%s\nand ANALYZE makes those of\n%s", ours, theirs)
	}
}

func TestStaged_FewConnectionsAreEnough(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ limit, wanted int }{{1, 2}, {2, 4}, {8, 4}} {
		for _, kind := range []string{"backup", "upload"} {
			t.Run(fmt.Sprintf("%d of %d for a %s", c.limit, c.wanted, kind), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, prepared())
				w.engine = postgres.New(postgres.Options{Processors: 8, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
				w.target.Credentials.Connections = c.wanted
				w.mesh()
				p, d := w.backup()
				before := w.state(w.name())
				need := backup.Need{}
				if kind == "upload" {
					need = ownDump(d)
				}
				a := attempt(1)
				s := w.stage(a, need)
				w.exec(fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT %d", ident(w.target.Credentials.RestoreUsername), c.limit))
				if _, err := s.Load(t.Context(), p, nil); err != nil {
					t.Fatal(describe(err))
				}
				if err := s.Verify(t.Context(), backup.Want{Tables: d.Tables, Exact: true}, nil); err != nil {
					t.Fatal(describe(err))
				}
				w.switchIn(s)
				same(t, "restored", w.state(w.name()), before)
				w.clean(a.Job)
			})
		}
	}
}

func TestStaged_ALoaderThatIsTheSecretsRoleLeavesItSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine = postgres.New(postgres.Options{Processors: 8, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	w.target.Credentials.Connections = 8
	w.mesh()
	p, d := w.backup()
	before := w.state(w.name())
	w.exec("ALTER ROLE " + ident(w.app) + " CONNECTION LIMIT 4") // what Stage asks for
	s, _, err := w.loadText(t.Context(), attempt(1), backup.Need{}, p, d.Tables)
	if err != nil {
		t.Fatal(describe(err))
	}
	if _, err := s.Compare(t.Context(), nil); err != nil {
		t.Fatal(describe(err))
	}
	w.switchIn(s)
	same(t, "restored", w.state(w.name()), before)
}

func TestStaged_PiecesThatFailLeaveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	w.mesh()
	p, d := w.backup()
	p = p.cut(3000)
	big, last := p.of(t, "public.big"), p.of(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	during := func(i int, do func()) *pieces {
		return &pieces{list: p.list, text: p.text, open: func(n int, r io.Reader) io.Reader {
			if n != i {
				return r
			}
			return &at{r, len(p.text[i]) / 2, do}
		}}
	}
	var job string
	kill := func() {
		if _, err := w.super.Exec(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE application_name ~ $1 AND query ~ '^COPY public.big'`, job); err != nil {
			t.Error(err)
		}
	}
	breaks := &pieces{list: p.list, text: p.text, open: func(n int, r io.Reader) io.Reader {
		if n != big+1 {
			return r
		}
		return io.MultiReader(io.LimitReader(r, 30000), &brokenReader{})
	}}
	cases := []struct {
		name string
		text *pieces
		code backup.Code
		says []string
	}{
		{"a row too few", p.recounted(big, 1), backup.CodeVerifyMismatch, []string{"public.big", "3000", "3001"}},
		{"a statement behind the rows", p.changed(big, "\n\\.\n", "\n\\.\nDROP TABLE public.log;\n"), backup.CodeLoadFailed, []string{"DROP TABLE public.log"}},
		{"a statement before the rows", p.changed(big, "COPY public.big", "SELECT 1;\nCOPY public.big"), backup.CodeLoadFailed, []string{"SELECT 1"}},
		{"rows of another table", p.changed(big, "COPY public.big (id, a, b, during)", "COPY public.log"), backup.CodeLoadFailed, []string{"COPY public.log"}},
		{"an option", p.changed(big, "FROM stdin;", "FROM stdin WHERE a > 3;"), backup.CodeLoadFailed, []string{"WHERE a > 3"}},
		{"a program", p.changed(big, "FROM stdin;", "FROM PROGRAM 'id';"), backup.CodeLoadFailed, []string{"PROGRAM"}},
		{"a command for psql", p.changed(big, "COPY public.big", "\\! touch /tmp/bad\nCOPY public.big"), backup.CodeLoadFailed, []string{`\! touch`}},
		{"no rows", p.changed(big, string(p.text[big]), "-- nothing\n"), backup.CodeVerifyMismatch, []string{"0 rows", "public.big"}},
		{"cut in rows", p.changed(big, "\n\\.\n", "\n"), backup.CodeFileCut, nil},
		{"cut before the mark", p.changed(last, "-- PostgreSQL database dump complete", "--"), backup.CodeFileCut, nil},
		{"a bad row", p.changed(big+1, "\t[", "\tnothing["), backup.CodeLoadFailed, []string{"COPY public.big", "nothing"}},
		{"a bad index", p.changed(last, "(a)", "(no_such_column)"), backup.CodeLoadFailed, []string{"no_such_column", "42703"}},
		{"a killed session", during(big+1, kill), backup.CodeUnreachable, []string{"line"}},
		{"a source that breaks", breaks, "", nil},
		{"a cancelled context", during(big, cancel), "", nil},
	}
	for _, c := range cases {
		a := attempt(1)
		job = a.Job
		w.untouched(c.name, a.Job, func() {
			s, _, err := w.loadText(ctx, a, backup.Need{}, c.text, d.Tables)
			switch {
			case c.code != "":
				failed(t, c.name, err, c.code, c.says...)
			case !errors.Is(err, errBroken) && !errors.Is(err, context.Canceled):
				t.Errorf("%s: error is %v, want its cause in the chain", c.name, err)
			}
			if err := s.Discard(context.Background()); err != nil {
				t.Errorf("%s: discard: %v", c.name, describe(err))
			}
		})
	}
}

func TestStaged_ErrorsOfPiecesNameTheLineOfTheWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mesh()
	p, d := w.backup()
	last := p.of(t, "")
	for name, text := range map[string]*pieces{
		"a bad row":        p.changed(p.of(t, "public.people"), "\n1\t", "\none\t"),
		"a key twice":      p.changed(p.of(t, "public.people"), "\n2\t", "\n1\t"),
		"a check fails":    p.changed(p.of(t, "public.entries"), "\n7\t8\t", "\n7\t3001\t"),
		"a key to nowhere": p.changed(p.of(t, "public.points_0"), "\n1\t2025-", "\n1\t1025-"),
		"a bad index":      p.changed(last, "(val)", "(no_such_column)"),
		"a bad statement":  p.changed(last, "CREATE TRIGGER", "CREATE TIGER"),
		"a bad comment":    p.changed(last, "COMMENT ON CONSTRAINT big_apart", "COMMENT ON CONSTRAINT big_anything"),
	} {
		_, _, one := w.loadText(t.Context(), attempt(1), backup.Need{}, whole(text), d.Tables)
		_, _, other := w.loadText(t.Context(), attempt(1), backup.Need{}, text, d.Tables)
		if one == nil || other == nil || said(one) != said(other) || !strings.Contains(said(one), "line ") {
			t.Errorf("%s: the whole fails with\n%v\nand its pieces with\n%v", name, one, other)
		}
	}
}

func TestStaged_AnUploadOfOurOwnIsLoadedInPieces(t *testing.T) {
	t.Parallel()
	for _, u := range uploaders {
		t.Run(string(u.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, append(u.options, with("BYPASSRLS"))...)
			w.school()
			p, d := w.backup()
			before := w.state(w.name())
			before["schema"] = strings.ReplaceAll(before["schema"], " LEAKPROOF", "")
			a := attempt(1)
			s, _, err := w.loadText(t.Context(), a, ownDump(d), p.cut(900), d.Tables)
			if err != nil {
				t.Fatal(describe(err))
			}
			w.switchIn(s)
			same(t, "uploaded", w.state(w.name()), before)
			w.clean(a.Job)
		})
	}
}

func TestStaged_PiecesOfAnUploadAreJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	w.mesh()
	p, d := w.backup()
	big := p.of(t, "public.big")
	cases := []struct {
		name string
		text *pieces
		code backup.Code
		says []string
	}{
		{"a statement", p.changed(big, "\n\\.\n", "\n\\.\nDROP TABLE public.log;\n"), backup.CodeDangerous, []string{"DROP TABLE public.log"}},
		{"a program", p.changed(big, "FROM stdin;", "FROM PROGRAM 'id';"), backup.CodeDangerous, []string{"PROGRAM"}},
		{"a catalog", p.changed(big, "COPY public.big (id, a, b, during)", "COPY pg_catalog.pg_proc"), backup.CodeDangerous, []string{"pg_proc"}},
		{"a partitioned table", retold(p.changed(p.of(t, "public.parted_1"), "COPY public.parted_1 ", "COPY public.parted "), p.of(t, "public.parted_1"), "parted"),
			backup.CodeDangerous, []string{"COPY public.parted "}},
		{"other rows", p.recounted(big, -1), backup.CodeVerifyMismatch, []string{"public.big"}},
	}
	for _, c := range cases {
		a := attempt(1)
		w.untouched(c.name, a.Job, func() {
			s, _, err := w.loadText(t.Context(), a, ownDump(d), c.text, d.Tables)
			failed(t, c.name, err, c.code, c.says...)
			if err := s.Discard(context.Background()); err != nil {
				t.Errorf("%s: discard: %v", c.name, describe(err))
			}
		})
	}
}

// retold says that a piece has rows of another table.
func retold(p *pieces, i int, table string) *pieces {
	p.list[i].Table.Table = table
	return p
}

func TestStaged_AnUploadWithTriggersKeepsItsOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	w.mesh()
	p, d := w.backup()
	// Each row of people takes the number of rows that there are of big, which come first.
	schema := append(bytes.Clone(p.text[0]), []byte(`CREATE FUNCTION public.count_big() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	NEW.boss := NULL; NEW.big := (SELECT count(*) FROM public.big); RETURN NEW; END $$;
CREATE TRIGGER counts BEFORE INSERT ON public.people FOR EACH ROW EXECUTE FUNCTION public.count_big();
`)...)
	ordered := &pieces{}
	ordered.add(backup.TableRows{}, schema)
	for _, name := range []string{"public.people", "public.big"} {
		ordered.add(p.list[p.of(t, name)].Table, p.text[p.of(t, name)])
	}
	for i := 1; i < len(p.list); i++ {
		if n := p.list[i].Table.Name(); n != "public.people" && n != "public.big" {
			ordered.add(p.list[i].Table, p.text[i])
		}
	}
	a := attempt(1)
	_, _, err := w.loadText(t.Context(), a, ownDump(d), ordered, d.Tables)
	failed(t, "people before big", err, backup.CodeLoadFailed, "Key (big)=(0) is not present")
}

func TestStaged_ATableWhoseCheckReadsAnotherIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(fmt.Sprintf(`SET ROLE %s; CREATE TABLE public.a_known (id int); INSERT INTO public.a_known VALUES (1);
		CREATE FUNCTION public.known(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM public.a_known WHERE id = $1); END';
		CREATE TABLE public.b_large (id int CHECK (public.known(id)), pad text); INSERT INTO public.b_large SELECT 1, repeat('x', 100) FROM generate_series(1, 5000)`, ident(w.app)))
	p, d := w.backup()
	before := w.state(w.name())
	// The small table comes when the large one has failed already.
	known, failedOnce := p.of(t, "public.a_known"), make(chan struct{})
	opened := 0
	p.open = func(i int, r io.Reader) io.Reader {
		if i == known {
			return &after{r, failedOnce}
		}
		if p.list[i].Table.Table == "b_large" {
			if opened++; opened == 1 {
				return &closing{r, failedOnce}
			}
		}
		return r
	}
	s, _, err := w.loadText(t.Context(), attempt(1), backup.Need{}, p, d.Tables)
	if err != nil {
		t.Fatal(describe(err))
	}
	if opened != 2 {
		t.Errorf("the large table was loaded %d times", opened)
	}
	w.switchIn(s)
	same(t, "restored", w.state(w.name()), before)
}

// after reads when another has been read.
type after struct {
	io.Reader
	c <-chan struct{}
}

func (a *after) Read(p []byte) (int, error) {
	<-a.c
	return a.Reader.Read(p)
}

// closing says when it is closed.
type closing struct {
	io.Reader
	c chan struct{}
}

func (r *closing) Close() error {
	close(r.c)
	return nil
}

// said is what an operator is told.
func said(err error) string {
	var e *backup.Error
	if errors.As(err, &e) {
		return e.Text
	}
	return ""
}
