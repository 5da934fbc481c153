package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// uploaders are the ways in which an upload can be loaded.
var uploaders = []struct {
	kind    backup.Loader
	options []option
}{
	{backup.LoaderThrowAway, []option{with("CREATEROLE")}},
	{backup.LoaderPrepared, []option{prepared()}},
}

// upload is what an inspection says of a hand-made script.
func upload() backup.Need {
	return backup.Need{Inspection: &backup.Inspection{Engine: "postgres", Completeness: backup.Unproven}}
}

// rows is what an inspection counts.
func rows(table string, n int64) backup.TableRows {
	return backup.TableRows{Schema: "public", Table: table, Rows: n}
}

// load stages, loads and verifies an upload. Discard is the caller's where the result is not nil.
func (w *world) load(a backup.Attempt, script string, exact bool, want ...backup.TableRows) (backup.Staged, backup.Loaded, error) {
	w.t.Helper()
	return w.loadWithin(w.t.Context(), a, script, exact, want...)
}

func (w *world) loadWithin(ctx context.Context, a backup.Attempt, script string, exact bool, want ...backup.TableRows) (backup.Staged, backup.Loaded, error) {
	w.t.Helper()
	s, err := w.engine.Stage(ctx, w.target, a, upload())
	if err != nil {
		w.t.Fatalf("stage: %v", describe(err))
	}
	loaded, err := s.Load(ctx, plainText{strings.NewReader(script)}, nil)
	if err == nil {
		err = s.Verify(ctx, backup.Want{Tables: want, Exact: exact}, nil)
	}
	return s, loaded, err
}

// loads wants a script to be loaded and throws the copy away.
func (w *world) loads(script string, exact bool, want ...backup.TableRows) backup.Loaded {
	w.t.Helper()
	a := attempt(1)
	s, loaded, err := w.load(a, script, exact, want...)
	if err != nil {
		w.t.Errorf("%s: %v", script[:min(len(script), 200)], describe(err))
	}
	if err := s.Discard(context.Background()); err != nil {
		w.t.Errorf("discard: %v", describe(err))
	}
	w.clean(a.Job)
	return loaded
}

// refuses wants a script to fail, and to leave live as it was and nothing behind.
func (w *world) refuses(name, script string, code backup.Code, says ...string) {
	w.t.Helper()
	w.refusesRows(name, script, false, nil, code, says...)
}

func (w *world) refusesRows(name, script string, exact bool, want []backup.TableRows, code backup.Code, says ...string) {
	w.t.Helper()
	a := attempt(1)
	w.untouched(name, a.Job, func() {
		s, _, err := w.load(a, script, exact, want...)
		failed(w.t, name, err, code, says...)
		if err := s.Discard(context.Background()); err != nil {
			w.t.Errorf("%s: discard: %v", name, describe(err))
		}
	})
}

func TestStaged_AScriptByHandIsLoaded(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../infra/local/e2e/testdata/chinook.sql")
	if err != nil {
		t.Fatal(err)
	}
	want := []backup.TableRows{rows("album", 347), rows("artist", 275), rows("customer", 59), rows("employee", 8), rows("genre", 25), rows("invoice", 412),
		rows("invoice_line", 2240), rows("media_type", 5), rows("playlist", 18), rows("playlist_track", 8715), rows("track", 3503)}
	for _, u := range uploaders {
		t.Run(string(u.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, u.options...)
			w.small()
			a := attempt(1)
			s, loaded, err := w.load(a, string(script), true, want...)
			if err != nil {
				t.Fatal(describe(err))
			}
			if s.Loader() != u.kind {
				t.Errorf("loaded by %s", s.Loader())
			}
			got := slices.Clone(loaded.Tables)
			for i := range got {
				got[i].Bytes = 0
			}
			slices.SortFunc(got, func(a, b backup.TableRows) int { return strings.Compare(a.Table, b.Table) })
			if !slices.Equal(got, want) {
				t.Errorf("loaded %v, want %v", got, want)
			}
			if len(loaded.Skipped) != 3 || loaded.Skipped[2].Text != `\c chinook;` { // what makes a database of its own, and enters it
				t.Errorf("skipped %v", loaded.Skipped)
			}
			switched, err := s.Switch(t.Context(), yes)
			if err != nil {
				t.Fatal(describe(err))
			}
			t.Cleanup(func() { w.drop(switched.Kept) })
			if err := s.Discard(t.Context()); err != nil {
				t.Fatal(describe(err))
			}
			w.clean(a.Job)
			conn := w.connectAs(w.name(), "test")
			var n int
			if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM public.track JOIN public.album USING (album_id)`).Scan(&n); err != nil || n != 3503 {
				t.Errorf("live has %d tracks: %v", n, err)
			}
		})
	}
}

func TestStaged_AnUploadedDumpIsEqual(t *testing.T) {
	t.Parallel()
	for _, u := range uploaders {
		t.Run(string(u.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, append(u.options, with("BYPASSRLS"))...)
			w.school()
			a := attempt(1)
			text, d := w.dump(a)
			before := w.state(w.name())
			w.in(`TRUNCATE public.student CASCADE`)
			need := backup.Need{Inspection: &backup.Inspection{Completeness: backup.Proven}, Tables: d.Tables}
			s, err := w.engine.Stage(t.Context(), w.target, a, need)
			if err != nil {
				t.Fatal(describe(err))
			}
			loaded, err := s.Load(t.Context(), plainText{bytes.NewReader(text)}, nil)
			if err != nil {
				t.Fatal(describe(err))
			}
			if err := s.Verify(t.Context(), backup.Want{Tables: d.Tables, Exact: true}, nil); err != nil {
				t.Fatal(describe(err))
			}
			switched, err := s.Switch(t.Context(), yes)
			if err != nil {
				t.Fatal(describe(err))
			}
			t.Cleanup(func() { w.drop(switched.Kept) })
			before["schema"] = strings.ReplaceAll(before["schema"], " LEAKPROOF", "")
			same(t, "uploaded", w.state(w.name()), before)
			for _, skipped := range loaded.Skipped {
				t.Logf("skipped %+v", skipped)
			}
		})
	}
}

func TestStaged_WhatScriptsDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	const table = "CREATE TABLE t (a int, b text);\n"
	for _, c := range []struct {
		name, script string
		exact        bool
		want         []backup.TableRows
	}{
		{"a transaction", table + "BEGIN;\nINSERT INTO t VALUES (1, 'x');\nCOMMIT;", true, []backup.TableRows{rows("t", 1)}},
		{"rows in many ways", table + "INSERT INTO t VALUES (1, 'x'), (2, '(3), (4)');\nINSERT INTO public.t (b, a) VALUES ('y', 3);\nINSERT INTO t DEFAULT VALUES;\n" +
			"INSERT INTO t AS x (a) VALUES (5) RETURNING *;\nCOPY t FROM stdin;\n6\tx\n7\t\\N\n\\.\n", true, []backup.TableRows{rows("t", 7)}},
		{"a search_path of its own", "CREATE SCHEMA s;\nSET search_path TO s, public;\n" + table + "INSERT INTO t VALUES (1, 'x');\nCREATE TABLE public.t (a int);\nINSERT INTO public.t VALUES (1), (2);",
			true, []backup.TableRows{{Schema: "s", Table: "t", Rows: 1}, rows("t", 2)}},
		{"partitions", "CREATE TABLE p (a int) PARTITION BY RANGE (a);\nCREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10) PARTITION BY LIST (a);\nCREATE TABLE p11 PARTITION OF p1 DEFAULT;\n" +
			"CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);\nINSERT INTO p VALUES (1), (11);\nINSERT INTO p1 VALUES (2);\nCOPY p2 FROM stdin;\n12\n\\.\n",
			true, []backup.TableRows{rows("p", 2), rows("p1", 1), rows("p2", 1)}},
		{"a table that is renamed", table + "INSERT INTO t VALUES (1, 'x');\nALTER TABLE t RENAME TO u;", true, []backup.TableRows{rows("t", 1)}},
		{"a temporary table in a real one's place", table + "INSERT INTO t VALUES (1, 'x');\nCREATE TEMP TABLE t (a int);\nINSERT INTO t VALUES (1), (2), (3);", true, []backup.TableRows{rows("t", 1)}},
		{"rows that the text does not tell", table + "INSERT INTO t SELECT i, 'x' FROM generate_series(1, 100) i;\nUPDATE t SET b = 'y';\nDELETE FROM t WHERE a > 50;", false, nil},
		{"CSV", table + "COPY t FROM stdin (FORMAT csv, HEADER);\na,b\n1,\"x\ny\"\n\\.\n", false, nil},
		{"a conflict", "CREATE TABLE t (a int PRIMARY KEY);\nINSERT INTO t VALUES (1), (2) ON CONFLICT DO NOTHING;\nINSERT INTO t VALUES (2), (3) ON CONFLICT (a) DO NOTHING;", false, nil},
		{"DO and CALL", table + "CREATE PROCEDURE fill() LANGUAGE sql AS $$ INSERT INTO t VALUES (1, 'x') $$;\nCALL fill();\nDO $$ BEGIN INSERT INTO t VALUES (2, 'y'); END $$;", false, nil},
		{"PREPARE", table + "PREPARE p (int) AS INSERT INTO t VALUES ($1, 'x');\nEXECUTE p(1);\nDEALLOCATE p;", false, nil},
		{"savepoints", table + "BEGIN;\nSAVEPOINT a;\nINSERT INTO t VALUES (1, 'x');\nRELEASE SAVEPOINT a;\nCOMMIT;", true, []backup.TableRows{rows("t", 1)}},
		{"a cursor, a lock", table + "BEGIN;\nLOCK TABLE t;\nDECLARE c CURSOR FOR SELECT 1;\nFETCH c;\nCOMMIT;\nVACUUM t;\nEXPLAIN SELECT 1;", true, []backup.TableRows{rows("t", 0)}},
		{"DISCARD ALL", table + "SET client_min_messages = debug5;\nDISCARD ALL;\nINSERT INTO t VALUES (1, 'x');", true, []backup.TableRows{rows("t", 1)}},
		{"row security by halves", table + "INSERT INTO t VALUES (1, 'x');\nALTER TABLE t ENABLE ROW LEVEL SECURITY;\nALTER TABLE t FORCE ROW LEVEL SECURITY;\nCREATE POLICY p ON t USING (false);\n" +
			"CREATE TABLE u ();\nALTER TABLE u ENABLE ROW LEVEL SECURITY;\nDROP TABLE u;", true, []backup.TableRows{rows("t", 1)}},
		{"a view that is read at once", table + "INSERT INTO t VALUES (1, 'x');\nCREATE MATERIALIZED VIEW m AS SELECT * FROM t WITH NO DATA;\nREFRESH MATERIALIZED VIEW m;\nCREATE TABLE u AS SELECT * FROM m;", false, nil},
		{"rows through a view", table + "CREATE VIEW v AS SELECT a FROM t;\nINSERT INTO v VALUES (1);", true, []backup.TableRows{rows("t", 0)}},
		{"many rows that nobody reads", "SELECT i, repeat('x', 100) FROM generate_series(1, 200000) i;", true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := *w
			w.t = t
			if loaded := w.loads(c.script, c.exact, c.want...); len(loaded.Skipped) > 0 {
				t.Errorf("skipped %+v", loaded.Skipped)
			}
		})
	}
}

func TestStaged_WhatAScriptNamesIsHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	script := fmt.Sprintf(`CREATE SCHEMA s;
SET search_path TO s;
CREATE TABLE t (a int);
GRANT SELECT ON t TO %[1]s;
ALTER TABLE t OWNER TO %[2]s;
SET search_path TO public;
CREATE TABLE t (a int);
ALTER TABLE t OWNER TO CURRENT_USER;
GRANT SELECT ON t TO nobody_of_this_name;
ALTER TABLE t OWNER TO pg_read_all_data;
SET application_name = 'hidden';
`, ident(w.reader), ident(w.other))
	a := attempt(1)
	s, loaded, err := w.load(a, script, true, rows("t", 0))
	if err != nil {
		t.Fatal(describe(err))
	}
	switched, err := s.Switch(t.Context(), yes)
	if err != nil {
		t.Fatal(describe(err))
	}
	t.Cleanup(func() { w.drop(switched.Kept) })
	var lines []int64
	for _, skipped := range loaded.Skipped {
		lines = append(lines, skipped.Line)
	}
	if !slices.Equal(lines, []int64{9, 10, 11}) {
		t.Errorf("skipped %+v", loaded.Skipped)
	}
	conn := w.connect(w.name())
	var got string
	if err := conn.QueryRow(t.Context(), `SELECT string_agg(concat_ws(' ', relnamespace::regnamespace, pg_get_userbyid(relowner), has_table_privilege($1, c.oid, 'SELECT')), ', ' ORDER BY relnamespace::regnamespace::text)
		FROM pg_class c WHERE relname = 't'`, w.reader).Scan(&got); err != nil || got != fmt.Sprintf("public %s f, s %s t", w.app, w.other) {
		t.Errorf("owners and rights: %s, %v", got, err)
	}
	_ = conn.Close(context.Background())
	w.clean(a.Job)
}

func TestStaged_ASequenceBehindItsKeysIsListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	loaded := w.loads("CREATE TABLE t (id serial PRIMARY KEY);\nINSERT INTO t VALUES (1), (2);", true, rows("t", 2))
	if len(loaded.Skipped) != 1 || !strings.Contains(loaded.Skipped[0].Text, "t_id_seq") || !strings.Contains(loaded.Skipped[0].Why, "behind") {
		t.Errorf("skipped %+v", loaded.Skipped)
	}
}

func TestStaged_UploadsThatFailSayWhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	w.small()
	many := "CREATE TABLE t (a int PRIMARY KEY);\n"
	for i := range 100 {
		many += fmt.Sprintf("INSERT INTO t VALUES (%d);\n", i)
	}
	for _, c := range []struct {
		name, script string
		code         backup.Code
		says         []string
	}{
		{"a row among many", many + "INSERT INTO t\nVALUES (7);\nINSERT INTO t VALUES (1000);", backup.CodeLoadFailed, []string{"line 102", "INSERT INTO t VALUES (7)"}},
		{"an unreadable row among many", many + "INSERT INTO t VALUES ('ü')\n, 5;\nINSERT INTO t VALUES (1000);", backup.CodeLoadFailed, []string{"line 102"}},
		{"a missing table among many", many + "INSERT INTO u VALUES (7);\nINSERT INTO t VALUES (1000);", backup.CodeLoadFailed, []string{"line 102", "INSERT INTO u"}},
		{"a constraint at the end", "CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED);\nBEGIN;\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);\nCOMMIT;", backup.CodeLoadFailed, []string{"line 5", "COMMIT"}},
		{"a transaction without an end", "BEGIN;\nCREATE TABLE t ();", backup.CodeLoadFailed, []string{"BEGIN", "upload"}},
		{"ROLLBACK", "CREATE TABLE t (a int);\nBEGIN;\nINSERT INTO t VALUES (1);\nROLLBACK;", backup.CodeDangerous, []string{"Line 4", "ROLLBACK"}},
		{"ABORT", "BEGIN;\nABORT;", backup.CodeDangerous, []string{"Line 2", "ABORT"}},
		{"PREPARE TRANSACTION", "BEGIN;\nCREATE TABLE t ();\nPREPARE TRANSACTION 'x';", backup.CodeDangerous, []string{"Line 3"}},
		{"SET ROLE", "SET ROLE postgres;", backup.CodeDangerous, []string{"Line 1"}},
		{"CREATE ROLE", "SELECT 1;\nCREATE ROLE x SUPERUSER;", backup.CodeDangerous, []string{"Line 2"}},
		{"GRANT of a role", "GRANT pg_read_all_data TO CURRENT_USER;", backup.CodeDangerous, []string{"Line 1"}},
		{"a command for psql", "SELECT 1;\n\\! id\n", backup.CodeDangerous, []string{"Line 2"}},
		{"a cut in rows", "CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n", backup.CodeFileCut, []string{"upload"}},
		{"a trigger that takes rows", "CREATE TABLE t (a int);\nCREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;\n" +
			"CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();\nINSERT INTO t VALUES (1);", backup.CodeVerifyMismatch, []string{"Line 4", "t", "1 rows", "took 0"}},
		{"a rule that takes rows", "CREATE TABLE t (a int);\nCREATE RULE g AS ON INSERT TO t DO INSTEAD NOTHING;\nINSERT INTO t VALUES (1);", backup.CodeVerifyMismatch, []string{"Line 3"}},
		{"a trigger that takes copied rows", "CREATE TABLE t (a int);\nCREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;\n" +
			"CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();\nCOPY t FROM stdin;\n1\n\\.\n", backup.CodeVerifyMismatch, []string{"Line 4"}},
	} {
		w.refuses(c.name, c.script, c.code, c.says...)
	}
	w.refusesRows("other rows than inspected", "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);", true, []backup.TableRows{rows("t", 2)}, backup.CodeVerifyMismatch, "t: 2 rows when", "1 when")
	w.refusesRows("rows that a trigger takes at the end", `CREATE TABLE t (a int);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f();
INSERT INTO t VALUES (1), (2);`, true, []backup.TableRows{rows("t", 2)}, backup.CodeVerifyMismatch, "public.t: 2 rows in the file, 0 in the copy")
	w.refusesRows("rows that nobody sent", `CREATE TABLE t (a int);
CREATE TABLE u (a int);
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ INSERT INTO u VALUES (1) RETURNING a $$;
INSERT INTO t VALUES (f());`, true, []backup.TableRows{rows("t", 1)}, backup.CodeVerifyMismatch, "public.u: 0 rows in the file, 1 in the copy")
}

func TestEngine_StageRefusesAnUploadWithoutALoginOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := attempt(1)
	w.untouched("no login", a.Job, func() {
		_, err := w.engine.Stage(t.Context(), w.target, a, upload())
		failed(t, "no login", err, backup.CodePermission, "CREATE ROLE "+ident(w.app+"_restore")+" LOGIN PASSWORD", "GRANT "+ident(w.app+"_restore")+" TO "+ident(w.app),
			"restoreUsername", "ALTER ROLE "+ident(w.app)+" CREATEROLE")
	})
	w.exec("ALTER ROLE " + ident(w.app) + " SUPERUSER")
	a = attempt(1)
	w.untouched("live of a superuser", a.Job, func() {
		_, err := w.engine.Stage(t.Context(), w.target, a, upload())
		failed(t, "live of a superuser", err, backup.CodePermission, "superuser", "OWNER TO")
	})
}

func TestEngine_StageRefusesAPreparedLoginThatReachesFurther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prepared())
	login, app, group := ident(w.app+"_restore"), ident(w.app), ident("group"+w.id)
	w.role("group"+w.id, "")
	w.in("SET ROLE " + app + "; CREATE TABLE public.t (a int)")
	for _, c := range []struct {
		name, setup, undo string
		says              []string
	}{
		{"reads files", "GRANT pg_read_server_files TO " + login, "REVOKE pg_read_server_files FROM " + login, []string{`REVOKE "pg_read_server_files" FROM ` + login}},
		{"runs programs", "GRANT pg_execute_server_program TO " + login, "REVOKE pg_execute_server_program FROM " + login, nil},
		{"ends sessions", "GRANT pg_signal_backend TO " + login, "REVOKE pg_signal_backend FROM " + login, nil},
		{"reads everything", "GRANT pg_read_all_data TO " + login, "REVOKE pg_read_all_data FROM " + login, nil},
		{"through a group", "GRANT pg_monitor TO " + group + "; GRANT " + group + " TO " + login, "REVOKE " + group + " FROM " + login + "; REVOKE pg_monitor FROM " + group, []string{`"pg_monitor"`}},
		{"through a group that may make roles", "ALTER ROLE " + group + " CREATEROLE; GRANT " + group + " TO " + login, "REVOKE " + group + " FROM " + login, nil},
	} {
		w.exec(c.setup)
		a := attempt(1)
		w.untouched(c.name, a.Job, func() {
			_, err := w.engine.Stage(t.Context(), w.target, a, upload())
			failed(t, c.name, err, backup.CodePermission, append(c.says, "rights beyond its own copy")...)
		})
		w.exec(c.undo)
	}
	w.in("GRANT SELECT ON public.t TO " + login)
	a := attempt(1)
	_, err := w.engine.Stage(t.Context(), w.target, a, upload())
	failed(t, "rights in live", err, backup.CodePermission, "rights beyond its own copy", "DROP OWNED BY "+login)
	w.in("DROP OWNED BY " + login)
	w.loads("CREATE TABLE t (a int);", true, rows("t", 0))
}

// A row of its own for every INSERT is how many tools write.
func TestStaged_ManySmallInserts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	const n = 50000
	var script strings.Builder
	script.WriteString("CREATE TABLE t (id int PRIMARY KEY, name text, day date);\n")
	for i := range n {
		fmt.Fprintf(&script, "INSERT INTO t VALUES (%d, 'somebody %d', '2026-01-01');\n", i, i)
	}
	began := time.Now()
	loaded := w.loads(script.String(), true, rows("t", n))
	if loaded.Statements != n+1 || len(loaded.Tables) != 1 || loaded.Tables[0].Rows != n {
		t.Errorf("loaded %+v", loaded)
	}
	t.Logf("%d statements in %v", n, time.Since(began))
}
