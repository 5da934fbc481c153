package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/testenv"
	"github.com/backup-restore/backup-restore/shared/postgres"
)

const appPassword = "pä'ss \\word\"" // as people choose them

// world is a database of a test's own with the roles around it, on a real server.
type world struct {
	t      *testing.T
	super  *pgx.Conn // in the database "postgres"
	url    *url.URL
	app    string // the secret's role
	other  string // app is a member
	reader string // app is no member
	target backup.Target
	engine *postgres.Engine
	id     string
}

type option func(*world)

// named gives the database a name that needs care.
func named(name string) option { return func(w *world) { w.target.Credentials.DBName = name + w.id } }

// with gives the secret's role more rights.
func with(attributes string) option {
	return func(w *world) { w.exec("ALTER ROLE " + ident(w.app) + " " + attributes) }
}

// prepared gives the secret a login for restores.
func prepared() option {
	return func(w *world) {
		name := w.app + "_restore"
		w.role(name, "LOGIN PASSWORD 'loads' CONNECTION LIMIT 8")
		w.exec(fmt.Sprintf("GRANT %s TO %s", ident(name), ident(w.app)))
		w.target.Credentials.RestoreUsername, w.target.Credentials.RestorePassword = name, "loads"
	}
}

func newWorld(t *testing.T, options ...option) *world {
	t.Helper()
	return newWorldOn(t, testenv.Postgres(t), options...)
}

// newWorldOn is newWorld on the server of a superuser's URL.
func newWorldOn(t *testing.T, server string, options ...option) *world {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.ToLower(backup.NewID())
	w := &world{t: t, url: u, id: id, app: "app" + id, other: "other" + id, reader: "Leser " + id}
	w.super = w.connect("postgres")
	port, _ := strconv.Atoi(u.Port())
	w.target = backup.Target{Database: backup.Database{Name: "school", Engine: backup.Postgres}, Credentials: backup.Credentials{
		Engine: "postgres", Host: u.Hostname(), Port: port, Username: w.app, Password: appPassword, DBName: "school" + id}}
	w.engine = postgres.New(postgres.Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	w.role(w.app, "LOGIN CREATEDB PASSWORD "+quote(appPassword))
	w.role(w.other, "")
	w.role(w.reader, "")
	w.exec(fmt.Sprintf("GRANT %s TO %s", ident(w.other), ident(w.app)))
	for _, o := range options {
		o(w)
	}
	w.exec(fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING 'UTF8'", ident(w.name()), ident(w.app)))
	t.Cleanup(func() { w.drop(w.name()) })
	return w
}

func (w *world) name() string { return w.target.Credentials.DBName }

func (w *world) drop(database string) {
	w.exec("DROP DATABASE IF EXISTS " + ident(database) + " WITH (FORCE)")
}

// role makes a role that ends with the test, after its databases (clean-ups run backwards).
func (w *world) role(name, attributes string) {
	w.exec("CREATE ROLE " + ident(name) + " " + attributes)
	w.t.Cleanup(func() { w.exec("DROP ROLE IF EXISTS " + ident(name)) })
}

func (w *world) exec(sql string) {
	w.t.Helper()
	if _, err := w.super.Exec(context.Background(), sql); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// connect opens a superuser's session.
func (w *world) connect(database string) *pgx.Conn {
	w.t.Helper()
	c, err := pgx.ParseConfig(w.url.String())
	if err != nil {
		w.t.Fatal(err)
	}
	c.Database = database
	conn, err := pgx.ConnectConfig(context.Background(), c)
	if err != nil {
		w.t.Fatalf("connect to %s: %v", database, err)
	}
	w.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// connectAs opens a session of the secret's role.
func (w *world) connectAs(database, applicationName string) *pgx.Conn {
	w.t.Helper()
	c, err := pgx.ParseConfig(w.url.String())
	if err != nil {
		w.t.Fatal(err)
	}
	c.Database, c.User, c.Password, c.RuntimeParams = database, w.app, appPassword, map[string]string{"application_name": applicationName}
	conn, err := pgx.ConnectConfig(context.Background(), c)
	if err != nil {
		w.t.Fatalf("connect to %s: %v", database, err)
	}
	w.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// in runs SQL in the test's database as a superuser.
func (w *world) in(sql string) {
	w.t.Helper()
	conn := w.connect(w.name())
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		w.t.Fatalf("%s: %v", sql[:min(len(sql), 400)], err)
	}
}

// school fills the database with everything that is awkward to dump and restore.
func (w *world) school() {
	w.t.Helper()
	sql, err := os.ReadFile("testdata/school.sql")
	if err != nil {
		w.t.Fatal(err)
	}
	w.in(strings.NewReplacer("@app", ident(w.app), "@other", ident(w.other), "@reader", ident(w.reader)).Replace(string(sql)))
}

// dump makes a backup and returns its text.
func (w *world) dump(a backup.Attempt) ([]byte, backup.Dumped) {
	w.t.Helper()
	var file bytes.Buffer
	d, err := w.engine.Dump(context.Background(), w.target, a, backup.Selection{}, &file, nil)
	if err != nil {
		w.t.Fatalf("dump: %v", err)
	}
	text, err := gzip.NewReader(&file)
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := io.ReadAll(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return all, d
}

// plainText is a text that can only be read as a whole.
type plainText struct{ io.Reader }

var _ backup.Text = plainText{}

func (t plainText) All(context.Context) (io.ReadCloser, error) { return io.NopCloser(t.Reader), nil }

func (plainText) Pieces() []backup.Piece { return nil }

func (plainText) Piece(context.Context, int) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

func attempt(n int) backup.Attempt { return backup.Attempt{Job: backup.NewID(), Number: n} }

// state is everything about a database that a restore must bring back: what rows has, and the schema.
func (w *world) state(database string) map[string]string {
	w.t.Helper()
	out := w.rows(database)
	out["schema"] = w.schema(database)
	return out
}

// rows are a database's rows, sequences, large objects and properties, hashed.
func (w *world) rows(database string) map[string]string {
	w.t.Helper()
	ctx := context.Background()
	conn := w.connect(database)
	defer func() { _ = conn.Close(ctx) }()
	out := map[string]string{}
	rows, err := conn.Query(ctx, `SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'S', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND (c.relkind <> 'm' OR c.relispopulated)`)
	if err != nil {
		w.t.Fatal(err)
	}
	type relation struct{ Schema, Name, Kind string }
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[relation])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range found {
		query := "SELECT concat(count(*), ' ', md5(string_agg(t::text, '|' ORDER BY t::text))) FROM ONLY " + ident(r.Schema, r.Name) + " t"
		if r.Kind == "S" {
			query = "SELECT concat(last_value, ' ', is_called) FROM " + ident(r.Schema, r.Name)
		}
		if r.Kind == "m" {
			query = strings.Replace(query, "ONLY ", "", 1)
		}
		var text string
		if err := conn.QueryRow(ctx, query).Scan(&text); err != nil {
			w.t.Fatalf("%s: %v", query, err)
		}
		out[r.Kind+" "+r.Schema+"."+r.Name] = text
	}
	var objects string
	if err := conn.QueryRow(ctx, `SELECT coalesce(string_agg(concat(oid, ' ', md5(lo_get(oid))), ',' ORDER BY oid), '') FROM pg_largeobject_metadata`).Scan(&objects); err != nil {
		w.t.Fatal(err)
	}
	out["large objects"] = objects
	var properties string
	if err := conn.QueryRow(ctx, `SELECT concat_ws(' / ', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit,
		(SELECT string_agg(concat_ws(' ', pg_get_userbyid(a.grantee), privilege_type, is_grantable), ',' ORDER BY a.grantee, privilege_type)
			FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) a),
		shobj_description(oid, 'pg_database'),
		(SELECT string_agg(concat_ws(' ', setrole, setconfig::text), ',' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid))
		FROM pg_database d WHERE datname = $1`, database).Scan(&properties); err != nil {
		w.t.Fatal(err)
	}
	out["properties"] = properties
	return out
}

var noise = regexp.MustCompile(`(?m)^(\\(un)?restrict .*|-- Dumped .*|-- Started on.*|-- Completed on.*)\n`)

// schema is a superuser's pg_dump without what differs from run to run.
func (w *world) schema(database string) string {
	w.t.Helper()
	cmd := exec.Command(pgDump(w.t), "--schema-only")
	password, _ := w.url.User.Password()
	cmd.Env = []string{"PGHOST=" + w.url.Hostname(), "PGPORT=" + w.url.Port(), "PGUSER=" + w.url.User.Username(), "PGPASSWORD=" + password, "PGDATABASE=" + database}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("pg_dump --schema-only: %v: %s", err, stderr.String())
	}
	return noise.ReplaceAllString(string(out), "")
}

func pgDump(t *testing.T) string {
	t.Helper()
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if len(paths) == 0 {
		t.Skip("needs pg_dump under /usr/lib/postgresql")
	}
	sort.Strings(paths)
	return paths[len(paths)-1]
}

// same compares two states and prints what differs.
func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for key, v := range want {
		if got[key] == v {
			continue
		}
		if key == "schema" {
			t.Errorf("%s: the schema differs:\n%s", what, diff(v, got[key]))
			continue
		}
		t.Errorf("%s: %s is %q, want %q", what, key, got[key], v)
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: %s is there and should not be", what, key)
		}
	}
}

// diff lists the lines that only one of two texts has.
func diff(want, got string) string {
	count := map[string]int{}
	for _, l := range strings.Split(want, "\n") {
		count[l]++
	}
	for _, l := range strings.Split(got, "\n") {
		count[l]--
	}
	var out []string
	for l, n := range count {
		if n > 0 {
			out = append(out, "- "+l)
		} else if n < 0 {
			out = append(out, "+ "+l)
		}
	}
	sort.Strings(out)
	if len(out) == 0 {
		return "the same lines in another order"
	}
	return strings.Join(out, "\n")
}

// traces are what is left of a job on the server: staged databases, logins and sessions. A kept database is none.
func (w *world) traces(job string) (found []string) {
	w.t.Helper()
	rows, err := w.super.Query(context.Background(), `SELECT 'database ' || datname FROM pg_database WHERE datname ~ ('^br_' || $1 || '_[0-9]')
		UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname ~ ('^br_' || $1)
		UNION ALL SELECT 'session ' || application_name FROM pg_stat_activity WHERE application_name ~ ('^backup-restore ' || $1)`, job)
	if err != nil {
		w.t.Fatal(err)
	}
	found, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// clean waits until nothing of a job is left: a session that was closed takes a moment to go.
func (w *world) clean(job string) {
	w.t.Helper()
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if left = w.traces(job); len(left) == 0 {
			return
		}
		runtime.Gosched()
	}
	w.t.Errorf("left on the server: %q", left)
}

func ident(names ...string) string { return pgx.Identifier(names).Sanitize() }

func quote(s string) string { return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
