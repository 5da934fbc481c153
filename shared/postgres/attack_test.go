package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// bystander is what an attack must leave alone besides live's rows: roles, memberships, settings, other databases, sessions, files.
type bystander struct {
	w       *world
	session *pgx.Conn // a client of live
	file    string    // that the server could write
	before  string
}

func (w *world) bystander() *bystander {
	w.t.Helper()
	b := &bystander{w: w, session: w.connectAs(w.name(), "client"), file: filepath.Join(os.TempDir(), "written-by-attack-"+w.id)}
	b.before = b.state()
	return b
}

// state are the things of the whole server that have to do with this test.
func (b *bystander) state() (s string) {
	b.w.t.Helper()
	err := b.w.super.QueryRow(context.Background(), `SELECT concat_ws(E'\n',
		(SELECT string_agg(concat_ws(' ', 'role', rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil, rolpassword), E'\n' ORDER BY rolname)
			FROM pg_authid WHERE rolname ~ $1 OR rolname ~ '^pg_'),
		(SELECT string_agg(concat_ws(' ', 'member', pg_get_userbyid(roleid), pg_get_userbyid(member), admin_option), E'\n' ORDER BY pg_get_userbyid(roleid), pg_get_userbyid(member))
			FROM pg_auth_members WHERE pg_get_userbyid(roleid) ~ $1 OR pg_get_userbyid(member) ~ $1),
		(SELECT string_agg(concat_ws(' ', 'setting', setdatabase, pg_get_userbyid(setrole), c), E'\n' ORDER BY setdatabase, c) FROM pg_db_role_setting, unnest(setconfig) c WHERE pg_get_userbyid(setrole) ~ $1),
		(SELECT string_agg(concat_ws(' ', 'database', datname, pg_get_userbyid(datdba), datallowconn, datistemplate, datconnlimit, datacl), E'\n' ORDER BY datname)
			FROM pg_database WHERE datname ~ $1))`, b.w.id).Scan(&s)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return s
}

// unharmed checks that nothing has changed.
func (b *bystander) unharmed(name string) {
	b.w.t.Helper()
	var user string
	if err := b.session.QueryRow(context.Background(), "SELECT current_user").Scan(&user); err != nil || user != b.w.app {
		b.w.t.Errorf("%s: the client of live has lost its session: %q, %v", name, user, err)
	}
	if after := b.state(); after != b.before {
		b.w.t.Errorf("%s: the server is changed:\n%s", name, diff(b.before, after))
	}
	if _, err := os.Stat(b.file); err == nil {
		b.w.t.Errorf("%s: a file was written", name)
		_ = os.Remove(b.file)
	}
}

// do hides SQL in a DO block, where no lexer sees it.
func do(sql string) string { return "DO $do$ BEGIN EXECUTE $e$ " + sql + " $e$; END $do$;" }

func TestAttack_NothingGetsOutOfTheCopy(t *testing.T) {
	t.Parallel()
	for _, u := range uploaders {
		t.Run(string(u.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, u.options...)
			w.small()
			b := w.bystander()
			db, app := ident(w.name()), ident(w.app)
			attacks := []struct{ name, sql string }{
				{"locks live", "ALTER DATABASE " + db + " ALLOW_CONNECTIONS false"},
				{"limits live", "ALTER DATABASE " + db + " CONNECTION LIMIT 0"},
				{"renames live", "ALTER DATABASE " + db + " RENAME TO gone"},
				{"sets live", "ALTER DATABASE " + db + " SET search_path TO evil"},
				{"takes live", "ALTER DATABASE " + db + " OWNER TO CURRENT_USER"},
				{"describes live", "COMMENT ON DATABASE " + db + " IS 'x'"},
				{"ends live's sessions", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = " + quote(w.name())},
				{"cancels live's queries", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = " + quote(w.name())},
				{"creates a role", "CREATE ROLE x" + w.id + " SUPERUSER"},
				{"becomes mighty", "ALTER ROLE CURRENT_USER SUPERUSER"},
				{"lives for ever", "ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'"},
				{"takes more sessions", "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1"},
				{"changes the secret's", "ALTER ROLE " + app + " PASSWORD 'x'"},
				{"drops the secret's", "DROP ROLE " + app},
				{"joins the secret's", "GRANT " + app + " TO CURRENT_USER"},
				{"joins who reads all", "GRANT pg_read_all_data TO CURRENT_USER"},
				{"becomes the secret's", "SET ROLE " + app},
				{"becomes a superuser", "SET SESSION AUTHORIZATION postgres"},
				{"takes the secret's things", "REASSIGN OWNED BY " + app + " TO CURRENT_USER"},
				{"gives to the secret's", "CREATE SCHEMA s AUTHORIZATION " + app},
				{"grants for the secret's", "ALTER DEFAULT PRIVILEGES FOR ROLE " + app + " GRANT ALL ON TABLES TO PUBLIC"},
				{"loads dblink", "CREATE EXTENSION dblink"},
				{"loads postgres_fdw", "CREATE EXTENSION postgres_fdw"},
				{"loads file_fdw", "CREATE EXTENSION file_fdw"},
				{"loads adminpack", "CREATE EXTENSION adminpack"},
				{"loads a library", "LOAD '/tmp/x.so'"},
				{"loads C", "CREATE FUNCTION c() RETURNS int LANGUAGE c AS 'x', 'y'"},
				{"calls C by name", "CREATE FUNCTION i(text) RETURNS text LANGUAGE internal AS 'pg_read_file_all'"},
				{"runs a program", "COPY (SELECT 1) TO PROGRAM 'touch " + b.file + "'"},
				{"writes a file", "COPY (SELECT 1) TO " + quote(b.file)},
				{"reads a file", "COPY outcome FROM '/etc/passwd'"},
				{"reads a file by calling", "SELECT pg_read_file('/etc/passwd')"},
				{"lists files", "SELECT pg_ls_dir('.')"},
				{"exports an object", "SELECT lo_export(lo_from_bytea(0, 'x'), " + quote(b.file) + ")"},
				{"imports an object", "SELECT lo_import('/etc/passwd')"},
				{"reloads the server", "SELECT pg_reload_conf()"},
				{"skips triggers", "SET session_replication_role = replica"},
				{"reads passwords", "SELECT rolpassword FROM pg_authid"},
				{"writes the catalog", "UPDATE pg_database SET datallowconn = false"},
				{"locks the catalog", "LOCK TABLE pg_database IN ACCESS EXCLUSIVE MODE"},
				{"reads a slot", "SELECT pg_create_physical_replication_slot('x" + w.id + "')"},
				{"listens to DDL", "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION fired()"},
				{"subscribes", "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false)"},
			}
			var script strings.Builder
			script.WriteString("CREATE TABLE outcome (name text, how text);\nCREATE FUNCTION fired() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';\n")
			for _, x := range attacks {
				fmt.Fprintf(&script, "DO $do$ BEGIN EXECUTE $e$ %s $e$; INSERT INTO outcome VALUES (%s, 'done');\nEXCEPTION WHEN OTHERS THEN INSERT INTO outcome VALUES (%[2]s, sqlstate || ' ' || sqlerrm); END $do$;\n", x.sql, quote(x.name))
			}
			a := attempt(1)
			w.untouched("all", a.Job, func() {
				s, _, err := w.load(a, script.String(), false)
				if err != nil {
					t.Fatal(describe(err))
				}
				conn := w.connect("br_" + a.Job + "_1")
				found, err := conn.Query(t.Context(), "SELECT name, how FROM outcome")
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				var name, how string
				if _, err := pgx.ForEachRow(found, []any{&name, &how}, func() error {
					n++
					if !strings.HasPrefix(how, "42501 ") {
						t.Errorf("%s: it was not a right that held it: %s", name, how)
					}
					return nil
				}); err != nil || n != len(attacks) {
					t.Errorf("%d of %d outcomes: %v", n, len(attacks), err)
				}
				_ = conn.Close(context.Background())
				if err := s.Discard(context.Background()); err != nil {
					t.Errorf("discard: %v", describe(err))
				}
			})
			b.unharmed("all")
		})
	}
}

// What is handed over is run by the secret's role. A file that changes how strings are read could have it run something else than
// what was judged.
func TestAttack_NoStatementHidesInAHandOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	w.small()
	b := w.bystander()
	evil, other := "COMMIT; ALTER DATABASE "+ident(w.name())+" CONNECTION LIMIT 0", ident(w.other)
	for _, c := range []struct{ name, script string }{
		{"a default's string", "CREATE TABLE t (a text);\nSET standard_conforming_strings = off;\n" + `ALTER TABLE t ALTER a SET DEFAULT '\'; ` + evil + `; SELECT '' -- ' OWNER TO ` + other + ";"},
		{"a grant's string", "CREATE TABLE t (a text);\nSET standard_conforming_strings = off;\n" + `GRANT SELECT ON t TO PUBLIC '\'; ` + evil + `; SELECT '' -- ';`},
		{"an escape's string", "CREATE TABLE t (a text);\nALTER TABLE t ALTER a SET DEFAULT 'x'; " + `ALTER TABLE t ALTER a SET DEFAULT 'y' OWNER TO ` + other + ";"},
		{"parentheses", "CREATE TABLE t (a text);\nGRANT SELECT ON t TO PUBLIC (; " + evil + ";);"},
	} {
		w.refuses(c.name, c.script, backup.CodeDangerous)
		b.unharmed(c.name)
	}
}

// Code that a table carries along runs when rows come in, and fails the load.
func TestAttack_CodeOfTablesHasNoRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prepared())
	w.small()
	b := w.bystander()
	g := "CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER DATABASE " + ident(w.name()) + " ALLOW_CONNECTIONS false'; RETURN 1; END $$;\n" +
		"CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN g(); END $$;\n"
	for _, c := range []struct{ name, script string }{
		{"a default", "CREATE TABLE t (a int DEFAULT g(), b int);\nINSERT INTO t (b) VALUES (1);"},
		{"a generated column", "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (f(a)) STORED);\nINSERT INTO t VALUES (1);"},
		{"a trigger", "CREATE TABLE t (a int);\nCREATE FUNCTION h() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM g(); RETURN new; END $$;\nCREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION h();\nINSERT INTO t VALUES (1);"},
		{"an index", "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\nCREATE INDEX ON t (f(a));"},
		{"a procedure that commits", "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; EXECUTE 'DROP DATABASE " + ident(w.name()) + "'; END $$;\nCALL p();"},
	} {
		w.refuses(c.name, g+c.script, map[bool]backup.Code{true: backup.CodeLoadFailed, false: backup.CodePermission}[strings.Contains(c.name, "commits")])
		b.unharmed(c.name)
	}
}

// What belongs to the copy its loader may change. It must not outlive the copy.
func TestAttack_TheCopyCanBeDroppedWhateverWasDoneToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prepared())
	w.small()
	b := w.bystander()
	copied := func(sql string) string {
		return "DO $do$ BEGIN EXECUTE format($e$ ALTER DATABASE %I " + sql + " $e$, current_database()); END $do$;"
	}
	for name, script := range map[string]string{
		"a template":          copied("IS_TEMPLATE true"),
		"closed":              copied("ALLOW_CONNECTIONS false"),
		"without connections": copied("CONNECTION LIMIT 0"),
		"with a short life":   copied("SET idle_session_timeout TO 1"),
		"much else": copied("SET default_transaction_read_only TO on") + copied("SET search_path TO evil") + copied("SET role TO pg_monitor") +
			"DO $do$ BEGIN EXECUTE format($e$ COMMENT ON DATABASE %I IS 'x' $e$, current_database()); END $do$;\nSELECT lo_from_bytea(0, 'x');\nCREATE TABLE t (); CREATE PUBLICATION p FOR TABLE t;\n" +
			do("LISTEN x") + "DECLARE c CURSOR WITH HOLD FOR SELECT 1; SELECT pg_advisory_lock(1); CREATE TEMP TABLE t (); PREPARE p AS SELECT 1;",
		"a library": copied("SET local_preload_libraries TO nowhere"),
	} {
		a := attempt(1)
		w.untouched(name, a.Job, func() {
			s, _, err := w.load(a, script, false)
			if err != nil {
				t.Logf("%s: %v", name, describe(err))
				if name == "much else" || name == "a template" {
					t.Errorf("%s was not done", name)
				}
			}
			if err := s.Discard(context.Background()); err != nil {
				t.Errorf("%s: discard: %v", name, describe(err))
			}
		})
		b.unharmed(name)
	}
}

// regexpVerifier is a password's hash as the state shows it.
var regexpVerifier = regexp.MustCompile(`SCRAM-SHA-256\S+`)

// A login needs nobody's leave to change itself.
func TestAttack_TheLoginIsPutRight(t *testing.T) {
	t.Parallel()
	for _, u := range uploaders {
		t.Run(string(u.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, u.options...)
			w.small()
			if login := w.target.Credentials.RestoreUsername; login != "" {
				w.exec(fmt.Sprintf("ALTER ROLE %[1]s SET work_mem TO '5MB'; ALTER ROLE %[1]s SET temp_file_limit TO '1GB'; ALTER ROLE %[1]s IN DATABASE %[2]s SET lock_timeout TO '1s'", ident(login), ident(w.name())))
			}
			var version int
			if err := w.super.QueryRow(t.Context(), `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
				t.Fatal(err)
			}
			for name, script := range map[string]string{
				"its password":           do("ALTER ROLE CURRENT_USER PASSWORD 'mine'"),
				"its settings":           do("ALTER ROLE CURRENT_USER SET search_path TO evil") + do("ALTER ROLE CURRENT_USER SET local_preload_libraries TO nowhere") + do("ALTER ROLE CURRENT_USER RESET work_mem"),
				"its settings elsewhere": do("ALTER ROLE CURRENT_USER IN DATABASE " + ident(w.name()) + " SET work_mem TO '1MB'"),
				"all its settings":       do("ALTER ROLE CURRENT_USER RESET ALL") + do("ALTER ROLE CURRENT_USER IN DATABASE "+ident(w.name())+" SET work_mem TO '1MB'"),
				"its members":            "DO $$ BEGIN EXECUTE format('GRANT %I TO " + ident(w.reader) + " WITH ADMIN OPTION', current_user); END $$;",
				"its member, us":         "DO $$ BEGIN EXECUTE format('REVOKE %I FROM " + ident(w.app) + "', current_user); END $$;",
				"all of it": "DO $$ BEGIN EXECUTE format('REVOKE %I FROM " + ident(w.app) + "', current_user); END $$;" + do("ALTER ROLE CURRENT_USER PASSWORD 'mine'") +
					do("ALTER ROLE CURRENT_USER SET local_preload_libraries TO nowhere"),
				"its password, late": "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF current_setting('my.script', true) IS DISTINCT FROM 'on' THEN EXECUTE 'ALTER ROLE CURRENT_USER PASSWORD NULL'; END IF; RETURN 1; END $$;\nSET my.script = on;\n" +
					"CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;\nCREATE MATERIALIZED VIEW m AS SELECT public.f();\nREFRESH MATERIALIZED VIEW m;",
				"and fails": do("ALTER ROLE CURRENT_USER PASSWORD 'mine'") + "SELECT 1/0;",
			} {
				if version >= 150000 && (strings.Contains(name, "member") || name == "all of it") {
					continue // nobody is his own administrator since 15
				}
				if u.kind == backup.LoaderThrowAway && name != "its password" && name != "its settings" {
					continue // it goes with the copy
				}
				b := w.bystander()
				a := attempt(1)
				w.untouched(name, a.Job, func() {
					s, _, err := w.load(a, script, false)
					if err == nil {
						t.Errorf("%s: it was loaded", name)
					}
					if name != "and fails" {
						failed(t, name, err, backup.CodeDangerous, "its password, its settings or its members")
					}
					if err := s.Discard(context.Background()); err != nil {
						t.Errorf("%s: discard: %v", name, describe(err))
					}
				})
				if u.kind == backup.LoaderPrepared {
					// The password's hash has another salt now, and is good for the same password.
					w.loads("SELECT 1;", true)
					b.before = regexpVerifier.ReplaceAllString(b.before, "")
				}
				after := regexpVerifier.ReplaceAllString(b.state(), "")
				if want := regexpVerifier.ReplaceAllString(b.before, ""); after != want {
					t.Errorf("%s: the server is changed:\n%s", name, diff(want, after))
				}
			}
		})
	}
}

// The file may make what our own queries would find first.
func TestAttack_CountsCannotBeMadeToLie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	w.small()

	prelude := `CREATE TABLE t (a int);
CREATE FUNCTION public.never(oid, oid) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = public.never);
CREATE FUNCTION public.acc(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 2::bigint';
CREATE AGGREGATE public.count(*) (SFUNC = acc, STYPE = bigint, INITCOND = '2');
CREATE FUNCTION public.max(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 0';
CREATE FUNCTION public.to_regclass(text) RETURNS regclass LANGUAGE sql IMMUTABLE AS 'SELECT NULL::regclass';
CREATE FUNCTION public.current_schemas(bool) RETURNS name[] LANGUAGE sql IMMUTABLE AS 'SELECT NULL::name[]';
CREATE DOMAIN public.oid AS text;
CREATE VIEW public.pg_class AS SELECT * FROM pg_catalog.pg_class LIMIT 0;
SET search_path TO public, pg_catalog;
`
	w.loads(prelude+"INSERT INTO t VALUES (1), (2), (3);", true, rows("t", 3))
	w.refusesRows("a count that lies", prelude+`CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t WHERE a > 2; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f();
INSERT INTO t VALUES (1), (2), (3);`, true, []backup.TableRows{rows("t", 3)}, backup.CodeVerifyMismatch, "public.t: 3 rows in the file, 2 in the copy")
	w.refusesRows("a setting that hides rows", `CREATE TABLE t (a int);
INSERT INTO t VALUES (1), (2), (3);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t WHERE a > 2; RETURN NULL; END $$;
DO $do$ BEGIN EXECUTE format($e$ ALTER DATABASE %I SET search_path TO public, pg_catalog $e$, current_database()); DELETE FROM t WHERE a = 3; END $do$;
`, true, []backup.TableRows{rows("t", 3)}, backup.CodeVerifyMismatch, "public.t: 3 rows in the file, 2 in the copy")
}

// The session keeps the name by which whoever comes after a worker that died ends it.
func TestAttack_TheSessionCannotHide(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	a := attempt(1)
	s, err := w.engine.Stage(t.Context(), w.target, a, upload())
	if err != nil {
		t.Fatal(describe(err))
	}
	defer func() {
		if err := s.Discard(context.Background()); err != nil {
			t.Error(describe(err))
		}
	}()
	script := "SET application_name TO 'psql';\nSELECT set_config('application_name', 'psql', false);\nDO $$ BEGIN PERFORM set_config('application_name', 'psql', false); END $$;\n" +
		"BEGIN; SET LOCAL application_name = 'x'; SELECT set_config('application_name', 'x', true); COMMIT;\n"
	seen := 0
	r := &at{strings.NewReader(script + strings.Repeat("-- more to read\n", 1000)), len(script) + 8000, func() {
		if err := w.super.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND datname ~ '^br_'`,
			"backup-restore "+a.Job+"/1").Scan(&seen); err != nil {
			t.Error(err)
		}
	}}
	if _, err := s.Load(t.Context(), plainText{r}, nil); err != nil {
		t.Error(describe(err))
	}
	if seen != 1 {
		t.Errorf("%d sessions bear the attempt's name", seen)
	}
}

// Code that never ends is ended with the restore.
func TestAttack_CodeThatNeverEndsIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	w.small()
	for name, body := range map[string]string{
		"sleeps":            "PERFORM pg_sleep(3600);",
		"loops":             "LOOP NULL; END LOOP;",
		"loops and catches": "LOOP BEGIN PERFORM pg_sleep(0.01); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;",
	} {
		a := attempt(1)
		w.untouched(name, a.Job, func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { // cancels when the code runs
				for ctx.Err() == nil {
					var n int
					conn, err := pgx.Connect(ctx, w.url.String())
					if err == nil {
						err = conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND query ~ 'CHECK' AND state = 'active'`, "br_"+a.Job+"_1").Scan(&n)
						_ = conn.Close(context.Background())
					}
					if err != nil || n > 0 {
						cancel()
					}
				}
			}()
			s, _, err := w.loadWithin(ctx, a, "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\nCREATE FUNCTION f(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN "+body+" RETURN true; END $$;\nALTER TABLE t ADD CHECK (f(a));", false)
			if err == nil || ctx.Err() == nil {
				t.Errorf("%s: %v", name, err)
			}
			began := time.Now()
			if err := s.Discard(context.Background()); err != nil {
				t.Errorf("%s: discard: %v", name, describe(err))
			}
			t.Logf("%s: gone after %v", name, time.Since(began))
		})
	}
}

// What the file makes is its maker's until the hand-over, and none of our statements behind that runs any of it.
func TestAttack_NothingOfTheFileRunsAsTheSecretsRole(t *testing.T) {
	t.Parallel()
	for _, u := range uploaders {
		t.Run(string(u.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, u.options...)
			w.small()
			// Whatever runs notes as whom. A sequence remembers through a rollback: it counts calls as somebody else than the loader.
			script := `CREATE SEQUENCE public.others;
CREATE TABLE public.loader AS SELECT current_user::text AS name;
CREATE FUNCTION public.note() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
	IF session_user::text <> (SELECT name FROM public.loader) OR current_user::text <> (SELECT name FROM public.loader) THEN PERFORM nextval('public.others'); END IF; RETURN 1; END $$;
CREATE FUNCTION public.noted(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.note(); END $$;
CREATE TABLE public.t (a int CHECK (public.noted(a) = 1), b int DEFAULT public.note(), c int GENERATED ALWAYS AS (public.noted(a)) STORED);
CREATE INDEX ON public.t (public.noted(a));
CREATE FUNCTION public.fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.note(); RETURN new; END $$;
CREATE TRIGGER g BEFORE INSERT OR UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.fired();
INSERT INTO public.t (a) VALUES (1), (2);
CREATE VIEW public.v AS SELECT public.note();
CREATE MATERIALIZED VIEW public.m AS SELECT public.note();
CREATE POLICY p ON public.t USING (public.note() = 1);
ALTER TABLE public.t ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.t SET (autovacuum_enabled = false);
REFRESH MATERIALIZED VIEW public.m;
ALTER TABLE public.t OWNER TO ` + ident(w.other) + `;
GRANT SELECT ON public.t, public.v, public.m TO ` + ident(w.reader) + `;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ` + ident(w.reader) + `;
`
			a := attempt(1)
			s, _, err := w.load(a, script, false)
			if err != nil {
				t.Fatal(describe(err))
			}
			if _, err := s.Compare(t.Context(), nil); err != nil {
				t.Fatal(describe(err))
			}
			switched, err := s.Switch(t.Context(), yes)
			if err != nil {
				t.Fatal(describe(err))
			}
			t.Cleanup(func() { w.drop(switched.Kept) })
			if err := s.Discard(t.Context()); err != nil {
				t.Fatal(describe(err))
			}
			if _, err := w.engine.Recover(t.Context(), w.target, backup.Attempt{Job: a.Job, Number: 2}); err != nil {
				t.Fatal(describe(err))
			}
			conn := w.connect(w.name())
			var called bool
			if err := conn.QueryRow(t.Context(), `SELECT is_called FROM public.others`).Scan(&called); err != nil || called {
				t.Errorf("code of the file ran as somebody else than its loader: %v, %v", called, err)
			}
			_ = conn.Close(context.Background())
			w.clean(a.Job)
		})
	}
}
