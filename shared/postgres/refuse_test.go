package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// small fills the database with two tables, and returns a backup of it.
func (w *world) small() ([]byte, backup.Dumped) {
	w.t.Helper()
	w.in(fmt.Sprintf(`SET ROLE %s; CREATE TABLE public.one (id serial PRIMARY KEY, text text); INSERT INTO public.one (text) SELECT md5(i::text) FROM generate_series(1, 50000) i;
		CREATE TABLE public.two (a int); INSERT INTO public.two VALUES (1), (2)`, ident(w.app)))
	return w.dump(attempt(1))
}

// untouched runs do and checks that live is as it was and that nothing of the job is left.
func (w *world) untouched(name, job string, do func()) {
	w.t.Helper()
	before := w.rows(w.name())
	do()
	same(w.t, name, w.rows(w.name()), before)
	w.clean(job)
}

func TestEngine_StageNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.role(w.app+"_restore", "LOGIN PASSWORD 'loads'")
	app, db, loader := ident(w.app), ident(w.name()), ident(w.app+"_restore")
	login := func(c *backup.Credentials) { c.RestoreUsername, c.RestorePassword = w.app+"_restore", "loads" }
	cases := []struct {
		name  string
		setup string
		alter func(*backup.Credentials)
		code  backup.Code
		says  []string
		undo  string
	}{
		{"no CREATEDB", "ALTER ROLE " + app + " NOCREATEDB", nil, backup.CodePermission, []string{"ALTER ROLE " + app + " CREATEDB;"}, "ALTER ROLE " + app + " CREATEDB"},
		{"owned by a superuser", "ALTER DATABASE " + db + " OWNER TO postgres", nil, backup.CodePermission, []string{"ALTER DATABASE " + db + " OWNER TO " + app + ";"},
			"ALTER DATABASE " + db + " OWNER TO " + app},
		{"owned by another", "ALTER DATABASE " + db + " OWNER TO " + ident(w.reader), nil, backup.CodePermission, []string{"GRANT " + ident(w.reader) + " TO " + app},
			"ALTER DATABASE " + db + " OWNER TO " + app},
		{"no such database", "", func(c *backup.Credentials) { c.DBName = "nowhere" }, backup.CodeMissing, []string{"nowhere"}, ""},
		{"no such maintenance database", "", func(c *backup.Credentials) { c.MaintenanceDatabase = "nowhere" }, backup.CodeMissing, []string{"maintenanceDatabase"}, ""},
		{"is the maintenance database", "", func(c *backup.Credentials) { c.MaintenanceDatabase = c.DBName }, backup.CodeUnsupported, []string{"maintenanceDatabase"}, ""},
		{"no such login", "", func(c *backup.Credentials) { c.RestoreUsername = "nobody" }, backup.CodePermission, []string{`CREATE ROLE "nobody" LOGIN`}, ""},
		{"no member of the login", "", login, backup.CodePermission, []string{"GRANT " + loader + " TO " + app}, ""},
		{"the login's password", "GRANT " + loader + " TO " + app, func(c *backup.Credentials) { login(c); c.RestorePassword = "other" },
			backup.CodeLoginRefused, []string{w.app + "_restore"}, ""},
		{"the login owns another database", "CREATE DATABASE x" + w.id + " OWNER " + loader, login, backup.CodeUnsupported, []string{"x" + w.id}, "DROP DATABASE x" + w.id},
		{"the login is a superuser", "ALTER ROLE " + loader + " SUPERUSER", login, backup.CodePermission, []string{"NOSUPERUSER"}, "ALTER ROLE " + loader + " NOSUPERUSER"},
		{"the login is a member of the owner", "REVOKE " + loader + " FROM " + app + "; GRANT " + app + " TO " + loader, login, backup.CodePermission, []string{"REVOKE"},
			"REVOKE " + app + " FROM " + loader},
	}
	for _, c := range cases {
		if c.setup != "" {
			w.exec(c.setup)
		}
		target, a := w.target, attempt(1)
		if c.alter != nil {
			c.alter(&target.Credentials)
		}
		w.untouched(c.name, a.Job, func() {
			s, err := w.engine.Stage(context.Background(), target, a, backup.Need{})
			failed(t, c.name, err, c.code, c.says...)
			if s != nil {
				t.Errorf("%s: there is a copy", c.name)
			}
		})
		if c.undo != "" {
			w.exec(c.undo)
		}
	}
}

// at calls do when n bytes have been read.
type at struct {
	r  io.Reader
	n  int
	do func()
}

func (a *at) Read(p []byte) (int, error) {
	n, err := a.r.Read(p[:min(len(p), 4096)])
	if a.n -= n; a.n < 0 && a.do != nil {
		a.do()
		a.do = nil
	}
	return n, err
}

func TestStaged_LoadThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, _ := w.small()
	whole := string(text)
	before := func(mark, line string) string { return strings.Replace(whole, mark, line+"\n"+mark, 1) }
	const after = "CREATE TABLE public.two"
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	kill := func() {
		if _, err := w.super.Exec(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ~ '^br_' AND datname ~ '^br_'
			AND pid IN (SELECT pid FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid JOIN pg_auth_members m ON m.roleid = r.oid
				JOIN pg_roles app ON app.oid = m.member WHERE app.rolname = $1)`, w.app); err != nil {
			t.Error(err)
		}
	}
	cases := []struct {
		name string
		r    io.Reader
		code backup.Code
		says []string
	}{
		{"cut in rows", strings.NewReader(whole[:len(whole)/2]), backup.CodeFileCut, nil},
		{"cut before the mark", strings.NewReader(whole[:strings.Index(whole, "-- PostgreSQL database dump complete")]), backup.CodeFileCut, nil},
		{"empty", strings.NewReader(""), backup.CodeFileCut, nil},
		{"a bad statement", strings.NewReader(before(after, "CREATE TABLE public.one (x\nint);")), backup.CodeLoadFailed, []string{"CREATE TABLE public.one (x int)", "already exists", "42P07"}},
		{"a bad row", strings.NewReader(strings.Replace(whole, "\n17\t", "\nseventeen\t", 1)), backup.CodeLoadFailed, []string{"COPY public.one", "seventeen"}},
		{"\\connect", strings.NewReader(before(after, `\connect postgres`)), backup.CodeLoadFailed, []string{`\connect postgres`}},
		{"\\!", strings.NewReader(before(after, `\! touch /tmp/bad`)), backup.CodeLoadFailed, []string{`\!`}},
		{"a command inside a statement", strings.NewReader(before(after, "SELECT 1 \\gexec\n;")), backup.CodeLoadFailed, []string{"gexec"}},
		{"ALTER SYSTEM", strings.NewReader(before(after, `ALTER SYSTEM SET work_mem = 1;`)), backup.CodeLoadFailed, []string{"ALTER SYSTEM"}},
		{"ABORT", strings.NewReader(before(after, `ABORT;`)), backup.CodeLoadFailed, []string{"ABORT"}},
		{"a DO block", strings.NewReader(before(after, `DO $$ BEGIN END $$;`)), backup.CodeLoadFailed, []string{"DO $$"}},
		{"a function that changes how strings are read", strings.NewReader(before(after,
			"CREATE FUNCTION public.trick() RETURNS text LANGUAGE sql AS $$ SELECT set_config('standard_' || 'conforming_strings', 'off', false) $$; ALTER TABLE public.one ADD trick text DEFAULT public.trick();")),
			backup.CodeLoadFailed, []string{"standard_conforming_strings"}},
		{"COPY from a program", strings.NewReader(before(after, `COPY public.one FROM PROGRAM 'id';`)), backup.CodeLoadFailed, []string{"PROGRAM"}},
		{"a superuser's statement", strings.NewReader(before(after, `CREATE FUNCTION public.c() RETURNS int LANGUAGE c AS 'x', 'y';`)), backup.CodePermission, []string{"LANGUAGE c", "superuser"}},
		{"an open transaction", strings.NewReader(before("-- PostgreSQL database dump complete", "BEGIN;")), backup.CodeLoadFailed, []string{"transaction"}},
		{"a killed session", &at{strings.NewReader(whole), len(whole) / 2, kill}, backup.CodeUnreachable, []string{"line"}},
		{"a source that breaks", io.MultiReader(strings.NewReader(whole[:len(whole)/2]), &brokenReader{}), "", nil},
		{"a cancelled context", &at{strings.NewReader(whole), len(whole) / 2, cancel}, "", nil},
	}
	for _, c := range cases {
		a := attempt(1)
		w.untouched(c.name, a.Job, func() {
			s, err := w.engine.Stage(context.Background(), w.target, a, backup.Need{})
			if err != nil {
				t.Fatalf("%s: stage: %v", c.name, describe(err))
			}
			_, err = s.Load(ctx, plainText{c.r}, nil)
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

type brokenReader struct{}

func (*brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func TestStaged_VerifyRefusesACopyThatDiffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, d := w.small()
	change := func(do func(tables []backup.TableRows) []backup.TableRows) []backup.TableRows {
		return do(append([]backup.TableRows(nil), d.Tables...))
	}
	insert := func(sql string) []byte {
		return bytes.Replace(text, []byte("-- PostgreSQL database dump complete"), []byte(sql+"\n--\n-- PostgreSQL database dump complete"), 1)
	}
	cases := []struct {
		name string
		text []byte
		want []backup.TableRows
		says []string
	}{
		{"a row is missing", text, change(func(l []backup.TableRows) []backup.TableRows { l[0].Rows++; return l }), []string{"public.one", "50001", "50000"}},
		{"a table is missing", text, change(func(l []backup.TableRows) []backup.TableRows {
			return append(l, backup.TableRows{Schema: "public", Table: "lost", Rows: 0})
		}), []string{"public.lost"}},
		{"a table too many", text, change(func(l []backup.TableRows) []backup.TableRows { return l[:1] }), []string{"public.two"}},
		{"rows outside COPY", insert("INSERT INTO public.two VALUES (3);"), d.Tables, []string{"public.two", "3"}},
		{"rows that went", insert("DELETE FROM public.one WHERE id = 5;"), d.Tables, []string{"public.one", "49999"}},
		{"a sequence that moved", insert("SELECT nextval('public.one_id_seq');"), d.Tables, []string{"one_id_seq", "50001"}},
		{"a sequence that nobody set", bytes.Replace(text, []byte("SELECT pg_catalog.setval("), []byte("SELECT concat("), 1), d.Tables, []string{"one_id_seq", "behind"}},
	}
	for _, c := range cases {
		a := attempt(1)
		w.untouched(c.name, a.Job, func() {
			s, err := w.engine.Stage(context.Background(), w.target, a, backup.Need{})
			if err != nil {
				t.Fatalf("%s: stage: %v", c.name, describe(err))
			}
			defer func() {
				if err := s.Discard(context.Background()); err != nil {
					t.Errorf("%s: discard: %v", c.name, err)
				}
			}()
			if _, err = s.Load(context.Background(), plainText{bytes.NewReader(c.text)}, nil); err != nil {
				t.Errorf("%s: load: %v", c.name, describe(err))
				return
			}
			failed(t, c.name, s.Verify(context.Background(), backup.Want{Tables: c.want, Exact: true}, nil), backup.CodeVerifyMismatch, c.says...)
		})
	}
}

func TestStaged_DiskFullIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prepared())
	text, _ := w.small()
	w.exec(fmt.Sprintf(`ALTER ROLE %[1]s SET temp_file_limit = '64kB'; ALTER ROLE %[1]s SET maintenance_work_mem = '1MB'`, ident(w.app+"_restore")))
	a := attempt(1)
	w.untouched("a limit", a.Job, func() {
		s, err := w.engine.Stage(context.Background(), w.target, a, backup.Need{})
		if err != nil {
			t.Fatal(describe(err))
		}
		_, err = s.Load(context.Background(), plainText{bytes.NewReader(text)}, nil)
		failed(t, "a limit", err, backup.CodeDiskFull, "room", "line")
		if err := s.Discard(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A full disk fails the checkpoints of the whole server, so this one has a server of its own.
func TestStaged_FullFileSystemIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorldOn(t, privateServer(t))
	dir := smallDisk(t, w, 64<<20)
	space := "small" + w.id
	w.exec(fmt.Sprintf("CREATE TABLESPACE %s OWNER %s LOCATION %s", space, ident(w.app), quote(dir)))
	t.Cleanup(func() { w.exec("DROP TABLESPACE " + space) })
	w.exec(fmt.Sprintf("ALTER DATABASE %s SET TABLESPACE %s", ident(w.name()), space))
	t.Cleanup(func() { w.drop(w.name()) })
	text, _ := w.small()
	a := attempt(1)
	w.untouched("a full file system", a.Job, func() {
		s, err := w.engine.Stage(context.Background(), w.target, a, backup.Need{})
		if err != nil {
			t.Fatal(describe(err))
		}
		fillDisk(t, dir, 1<<20)
		_, err = s.Load(context.Background(), plainText{bytes.NewReader(text)}, nil)
		failed(t, "a full file system", err, backup.CodeDiskFull, "room", "No space left on device")
		if err := s.Discard(context.Background()); err != nil {
			t.Error(describe(err))
		}
	})
}

// prepareTransaction leaves a prepared transaction in the database.
func prepareTransaction(t *testing.T, w *world) (gid string) {
	t.Helper()
	var most int
	if err := w.super.QueryRow(context.Background(), `SELECT current_setting('max_prepared_transactions')::int`).Scan(&most); err != nil {
		t.Fatal(err)
	}
	if most == 0 {
		t.Skip("needs a server with max_prepared_transactions > 0")
	}
	conn := w.connect(w.name())
	gid = "gid" + w.id
	ctx := context.Background()
	if _, err := conn.Exec(ctx, "BEGIN; CREATE TABLE public.in_two_phases (); PREPARE TRANSACTION "+quote(gid)); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(ctx)
	t.Cleanup(func() {
		c := w.connect(w.name())
		if _, err := c.Exec(ctx, "ROLLBACK PREPARED "+quote(gid)); err != nil {
			t.Error(err)
		}
		_ = c.Close(ctx)
	})
	return gid
}
