package demo

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/infra/local/pgcluster"
	"github.com/backup-restore/backup-restore/shared/backup"
)

var update = flag.Bool("update", false, "write the golden files anew")

func startServer(t *testing.T) string {
	t.Helper()
	c, err := pgcluster.Start(t.Context(), pgcluster.Options{Dir: t.TempDir(), Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	return c.SuperuserURL()
}

func load(t *testing.T, url string) (Database, []string) {
	t.Helper()
	var said []string
	d, err := Load(t.Context(), url, func(s string) { said = append(said, s) })
	if err != nil {
		t.Fatal(err)
	}
	return d, said
}

func connect(t *testing.T, url, database, user, password string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Database, config.User, config.Password = database, user, password
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func ask[T any](t *testing.T, conn *pgx.Conn, sql string) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// One server for the steps that build on each other: loading takes most of the time.
func TestLoad(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	d, said := load(t, url)
	if len(said) < 3 {
		t.Errorf("progress said only %q", said)
	}
	c := d.Credentials
	conn := connect(t, url, c.DBName, c.Username, c.Password.Reveal())

	t.Run("RolesAreNobodySpecial", func(t *testing.T) { testRoles(t, url, d, conn) })
	t.Run("HasWhatSchoolsHave", func(t *testing.T) { testVariety(t, conn) })
	t.Run("IsTheSameOnEveryMachine", func(t *testing.T) { testSame(t, conn) })
	t.Run("SecretHasTheRDSShape", func(t *testing.T) {
		read, err := backup.ParseCredentials([]byte(d.SecretString()))
		if err != nil {
			t.Fatal(err)
		}
		if read != c {
			t.Error("what is read from the secret differs from what was meant")
		}
	})
	t.Run("SecondLoadDoesNothing", func(t *testing.T) {
		ask[int64](t, conn, "WITH x AS (UPDATE room SET seats = 33 WHERE room_id = 100 RETURNING 1) SELECT count(*) FROM x")
		again, said := load(t, url)
		if again != d || len(said) != 0 {
			t.Errorf("the second load said %q", said)
		}
		if got := ask[int](t, conn, "SELECT seats FROM room WHERE room_id = 100"); got != 33 {
			t.Errorf("a change was undone: %d seats", got)
		}
	})
}

func testRoles(t *testing.T, url string, d Database, conn *pgx.Conn) {
	c := d.Credentials
	got := ask[string](t, conn, `SELECT string_agg(concat_ws(' ', rolname, CASE WHEN rolsuper THEN 'superuser' END,
		CASE WHEN rolcreatedb THEN 'createdb' END, CASE WHEN rolcreaterole THEN 'createrole' END,
		CASE WHEN rolbypassrls THEN 'bypassrls' END, rolconnlimit), '; ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'school%'`)
	if want := "school_app createdb -1; school_readonly 4; school_restore 8"; got != want {
		t.Errorf("got roles %q, want %q", got, want)
	}
	if !ask[bool](t, conn, "SELECT pg_has_role('school_app', 'school_restore', 'MEMBER') AND pg_has_role('school_app', 'pg_signal_backend', 'MEMBER')") {
		t.Error("school_app lacks a membership")
	}
	if foreign := ask[int](t, conn, `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname IN ('public', 'finance', 'library') AND pg_get_userbyid(c.relowner) <> 'school_app'`); foreign > 0 {
		t.Errorf("%d relations are not school_app's", foreign)
	}
	// The loader may log in, but neither to the school nor do anything there.
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Database, config.User, config.Password = d.Name, c.RestoreUsername, c.RestorePassword.Reveal()
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the loader may connect to the live database")
	}
	_ = connect(t, url, "postgres", c.RestoreUsername, c.RestorePassword.Reveal())
	nurse := connect(t, url, d.Name, readonly, passwordOf(config0(t, url).Password, readonly))
	if ask[int](t, nurse, "SELECT count(*) FROM health_note") == 0 {
		t.Error("the nurse sees no health notes")
	}
}

func config0(t *testing.T, url string) *pgx.ConnConfig {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// testVariety counts each kind of thing that a restore has to bring back.
func testVariety(t *testing.T, conn *pgx.Conn) {
	const mine = `IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'finance', 'library'))`
	const noExtension = ` AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = x.oid AND d.deptype = 'e')`
	for what, c := range map[string]struct {
		sql  string
		want int
	}{
		"tables":                    {"FROM pg_class x WHERE relkind = 'r' AND NOT relispartition AND relnamespace " + mine, 25},
		"partitions":                {"FROM pg_class x WHERE relkind = 'r' AND relispartition", 4},
		"partitioned tables":        {"FROM pg_class x WHERE relkind = 'p'", 1},
		"unlogged tables":           {"FROM pg_class x WHERE relkind = 'r' AND relpersistence = 'u'", 1},
		"views":                     {"FROM pg_class x WHERE relkind = 'v' AND relnamespace " + mine, 4},
		"materialized views":        {"FROM pg_class x WHERE relkind = 'm'", 2},
		"sequences":                 {"FROM pg_class x WHERE relkind = 'S'", 15},
		"identity columns":          {"FROM pg_attribute x WHERE attidentity <> ''", 10},
		"generated columns":         {"FROM pg_attribute x WHERE attgenerated <> ''", 4},
		"plpgsql functions":         {"FROM pg_proc x JOIN pg_language l ON l.oid = prolang WHERE lanname = 'plpgsql' AND pronamespace " + mine, 3},
		"standard-body functions":   {"FROM pg_proc x WHERE prosqlbody IS NOT NULL AND pronamespace " + mine + noExtension, 3},
		"procedures and aggregates": {"FROM pg_proc x WHERE prokind IN ('p', 'a') AND pronamespace " + mine + noExtension, 2},
		"triggers":                  {"FROM pg_trigger x WHERE NOT tgisinternal", 6},
		"enums":                     {"FROM pg_type x WHERE typtype = 'e' AND typnamespace " + mine, 3},
		"domains":                   {"FROM pg_type x WHERE typtype = 'd' AND typnamespace " + mine, 3},
		"range types":               {"FROM pg_type x WHERE typtype = 'r' AND typnamespace " + mine + noExtension, 1},
		"foreign keys":              {"FROM pg_constraint x WHERE contype = 'f' AND conparentid = 0", 30},
		"exclusion constraints":     {"FROM pg_constraint x WHERE contype = 'x'", 4},
		"constraints not valid":     {"FROM pg_constraint x WHERE NOT convalidated", 1},
		"kinds of indexes":          {"FROM (SELECT DISTINCT relam FROM pg_class WHERE relkind = 'i' AND relnamespace " + mine + ") x", 5},
		"policies":                  {"FROM pg_policy x", 2},
		"rules":                     {"FROM pg_rewrite x JOIN pg_class c ON c.oid = ev_class WHERE rulename <> '_RETURN' AND relnamespace " + mine, 1},
		"comments":                  {"FROM pg_description x WHERE classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM pg_class WHERE relnamespace " + mine + ")", 8},
		"extended statistics":       {"FROM pg_statistic_ext x", 1},
		"large objects":             {"FROM pg_largeobject_metadata x", 20},
		"jsonb columns":             {"FROM pg_attribute x JOIN pg_class c ON c.oid = attrelid WHERE atttypid = 'jsonb'::regtype AND relkind = 'r' AND relnamespace " + mine, 5},
		"arrays":                    {"FROM pg_attribute x JOIN pg_class c ON c.oid = attrelid WHERE attndims > 0 AND relkind = 'r' AND relnamespace " + mine, 5},
		"bytea columns":             {"FROM pg_attribute x JOIN pg_class c ON c.oid = attrelid WHERE atttypid = 'bytea'::regtype AND relkind = 'r' AND relnamespace " + mine, 1},
		"non-ASCII names":           {"FROM pg_class x WHERE relname ~ '[^[:ascii:]]' AND relkind = 'r'", 1},
		"column grants":             {"FROM pg_attribute x WHERE attacl IS NOT NULL AND attrelid = 'guardian'::regclass", 3},
		"default privileges":        {"FROM pg_default_acl x", 1},
		"MB of rows":                {"FROM generate_series(1, (SELECT sum(pg_table_size(oid)) / 1048576 FROM pg_class WHERE relkind = 'r' AND relnamespace " + mine + ")::integer) x", 40},
	} {
		if got := ask[int](t, conn, "SELECT count(*) "+c.sql); got < c.want {
			t.Errorf("%s: %d, want at least %d", what, got, c.want)
		}
	}
}

// testSame compares a hash of every table with those of the machine on which the golden file was written.
func testSame(t *testing.T, conn *pgx.Conn) {
	rows, err := conn.Query(t.Context(), `SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'
		AND relnamespace::regnamespace::text IN ('public', 'finance', 'library') ORDER BY relnamespace::regnamespace::text COLLATE "C", relname COLLATE "C"`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, table := range tables {
		sum := ask[string](t, conn, `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(x::text, 0))::text, '-') FROM `+table+` x`)
		_, _ = fmt.Fprintln(&b, table, sum)
	}
	const golden = "testdata/tables.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("the data differ from those of other machines (-want +got; -update where the data were meant to change):\n%s", diff)
	}
}

func TestLoad_BeginsAnewAfterAnInterruption(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Load(ctx, url, func(s string) {
		if strings.Contains(s, "registers") {
			cancel()
		}
	})
	if err == nil {
		t.Fatal("the interrupted load succeeded, so this proves nothing")
	}
	admin := connect(t, url, "postgres", "postgres", config0(t, url).Password)
	if n := ask[int](t, admin, "SELECT count(*) FROM pg_database WHERE datname = 'school'"); n != 0 {
		t.Error("half a school is called school")
	}
	d, _ := load(t, url)
	conn := connect(t, url, d.Name, d.Credentials.Username, d.Credentials.Password.Reveal())
	if n := ask[int](t, conn, "SELECT count(*) FROM student"); n != 1300 {
		t.Errorf("%d pupils", n)
	}
	if n := ask[int](t, admin, "SELECT count(*) FROM pg_database WHERE datname = 'school_loading'"); n != 0 {
		t.Error("the interrupted one is still there")
	}
}

func TestDatabase_DoesNotPrintItsPasswords(t *testing.T) {
	t.Parallel()
	d := Database{Name: Name, Credentials: backup.Credentials{Password: "hush", RestorePassword: "hush"}}
	marshalled, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", d, d, d, marshalled); strings.Contains(s, "hush") {
		t.Errorf("it prints %s", s)
	}
}
