package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// A change of owner is run by the secret's role, and ALTER TABLE takes other commands besides it, which evaluate what the file says.
func TestAttack_NoCodeRunsBesidesAChangeOfOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prepared())
	w.small()
	b := w.bystander()
	evil := "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\nCREATE FUNCTION evil(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = " +
		quote(w.name()) + "; RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN 1; END $$;\n"
	other := ident(w.other)
	for _, c := range []struct{ name, sql string }{
		{"a default", "ALTER TABLE t ADD COLUMN b int DEFAULT public.evil(1), OWNER TO " + other + ";"},
		{"a change of type", "ALTER TABLE t ALTER a TYPE bigint USING public.evil(a), OWNER TO " + other + ";"},
		{"a check", "ALTER TABLE t ADD CHECK (public.evil(a) = 1), OWNER TO " + other + ";"},
		{"a change of owner before", "ALTER TABLE t OWNER TO " + other + ", ADD CHECK (public.evil(a) = 1), OWNER TO " + other + ";"},
		{"the heir", "ALTER TABLE t ADD CHECK (public.evil(a) = 1), OWNER TO " + ident(w.app) + ";"},
	} {
		w.refuses(c.name, evil+c.sql, backup.CodeDangerous, "Line 4")
		b.unharmed(c.name)
	}
	w.loads(evil+"ALTER TABLE t ADD CHECK (public.evil(a) = 1), ENABLE ROW LEVEL SECURITY;", true, rows("t", 1))
	w.loads(evil+"ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;", true, rows("t", 1))
	b.unharmed("row security")
}

// A role with rights beyond the database gets nothing of an upload, however its name is written.
func TestAttack_EscapesHideNoOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prepared())
	w.small()
	mighty := "mighty" + w.id
	w.role(mighty, "CREATEROLE")
	w.exec("GRANT " + ident(mighty) + " TO " + ident(w.app))
	escaped := `U&"` + strings.Replace(mighty, "mi", `m\0069`, 1) + `"`
	create := "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';\n"
	w.refuses("an owner", create+"ALTER FUNCTION f() OWNER TO "+escaped+";", backup.CodeDangerous, "Line 2")
	w.refuses("a grant", create+"GRANT EXECUTE ON FUNCTION f() TO "+escaped+";", backup.CodeDangerous, "Line 2")
}

// One item of the file is one statement to the server, or what the judge has not seen would be run.
func TestAttack_NoStatementHidesBehindAnother(t *testing.T) {
	t.Parallel()
	for _, u := range uploaders {
		t.Run(string(u.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, u.options...)
			w.small()
			b := w.bystander()
			hidden := "BEGIN; CREATE TABLE hidden (); PREPARE TRANSACTION " + quote(w.id) + ";"
			for name, script := range map[string]string{
				"behind a routine's body": "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS case; END; " + hidden + " END;",
				"behind an encoding":      "SELECT 1;\nDO $$ BEGIN PERFORM set_config('client_encoding', 'SJIS', false); END $$;\nSELECT E'\x83\\'; " + hidden + " --';",
				"behind a local encoding": "BEGIN;\nDO $$ BEGIN PERFORM set_config('client_encoding', 'SJIS', true); END $$;\nSELECT E'\x83\\'; ROLLBACK; " + hidden + " --';\nCOMMIT;",
			} {
				w.refuses(name, script, backup.CodeLoadFailed)
				b.unharmed(name)
				var n int
				if err := w.super.QueryRow(context.Background(), "SELECT count(*) FROM pg_prepared_xacts WHERE gid = $1", w.id).Scan(&n); err != nil || n != 0 {
					t.Fatalf("%s: %d prepared transactions are left, %v", name, n, err)
				}
			}
		})
	}
}

// What is reported is what is there in the end. Views are filled and statistics collected after the rows are counted.
func TestAttack_RowsAreCountedLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	w.small()
	begin := "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1), (2);\nCREATE TABLE u (a int);\nINSERT INTO u VALUES (1);\n" +
		"CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF current_setting('my.script', true) IS DISTINCT FROM 'on' THEN DELETE FROM public.t; END IF; RETURN 1; END $$;\n" +
		"CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.g(); END $$;\nSET my.script = on;\n"
	for name, script := range map[string]string{
		"a view":        "CREATE MATERIALIZED VIEW m AS SELECT public.g();\nALTER TABLE u ENABLE ROW LEVEL SECURITY;\nREFRESH MATERIALIZED VIEW m;",
		"an index":      "CREATE INDEX ON u (f(a));",
		"a forced view": "CREATE MATERIALIZED VIEW m AS SELECT public.g();\nALTER TABLE t ENABLE ROW LEVEL SECURITY;\nALTER TABLE t FORCE ROW LEVEL SECURITY;\nCREATE POLICY p ON t USING (true);\nREFRESH MATERIALIZED VIEW m;",
	} {
		w.refusesRows(name, begin+script, true, []backup.TableRows{rows("t", 2), rows("u", 1)}, backup.CodeVerifyMismatch, "public.t", "2 rows", "0")
	}
}

// A record is no place for a password.
func TestStaged_WhatIsSkippedShowsNoPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	const secret = "hunter2"
	loaded := w.loads("CREATE SUBSCRIPTION s CONNECTION 'host=h password="+secret+"' PUBLICATION p WITH (connect = false);\n"+
		"ALTER SUBSCRIPTION s CONNECTION 'host=h password="+secret+"';\nCOMMENT ON SUBSCRIPTION s IS $$"+secret+"$$;\n"+
		"SECURITY LABEL ON SCHEMA public IS '"+secret+"';", false)
	if len(loaded.Skipped) != 4 {
		t.Errorf("skipped %+v", loaded.Skipped)
	}
	for _, s := range loaded.Skipped {
		if strings.Contains(s.Text+s.Why, secret) {
			t.Errorf("line %d shows the password: %s", s.Line, s.Text)
		}
	}
}

// A superuser could give away what belongs to the server. What a file hands over is given by the owner of live.
func TestAttack_ASuperuserGivesNothingOfTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("SUPERUSER"))
	w.exec("ALTER DATABASE " + ident(w.name()) + " OWNER TO " + ident(w.other))
	loaded := w.loads("CREATE TABLE t (a int);\nGRANT SELECT ON t TO "+ident(w.reader)+";\nGRANT SELECT ON pg_catalog.pg_authid TO PUBLIC;\n"+
		"GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC;\nSET SESSION AUTHORIZATION "+ident(w.app)+";\nGRANT SELECT ON pg_authid TO PUBLIC;", true, rows("t", 0))
	var lines []int64
	for _, s := range loaded.Skipped {
		lines = append(lines, s.Line)
	}
	if !slices.Equal(lines, []int64{3, 4, 5, 6}) {
		t.Errorf("skipped %+v", loaded.Skipped)
	}
}
