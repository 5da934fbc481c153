package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/infra/local/stack"
)

// The roles of the databases that tests make. One owns them and registers itself alone, so that its restores are loaded by the
// owner; the other may make roles, so that its restores are loaded by a throw-away login.
const (
	appRole     = "e2e_app"
	creatorRole = "e2e_creator"
	appPassword = "hush-hush-42"
)

// ownerOf is the role that a database belongs to.
func ownerOf(dbname string) string {
	if slices.Contains(ofCreator, dbname) || strings.HasPrefix(dbname, "e2e_kill_") {
		return creatorRole
	}
	return appRole
}

// ofCreator are the databases whose restores are loaded by a throw-away login.
var ofCreator = []string{"e2e_upload", "e2e_own", "e2e_refused", "e2e_link", "e2e_cancel"}

func (w *world) makeRoles(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, w.cluster.SuperuserURL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, role := range []string{appRole, creatorRole + " CREATEROLE"} {
		if _, err = conn.Exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN CREATEDB PASSWORD '%s'", role, appPassword)); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, fmt.Sprintf("GRANT pg_signal_backend TO %s, %s", appRole, creatorRole))
	return err
}

// makeScheduled makes the database that is there before the schedule fires.
func (w *world) makeScheduled(ctx context.Context) error {
	config, err := pgx.ParseConfig(w.cluster.SuperuserURL())
	if err != nil {
		return err
	}
	admin, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close(ctx) }()
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+scheduled+" OWNER "+appRole+" TEMPLATE template0"); err != nil {
		return err
	}
	config.Database, config.User, config.Password = scheduled, appRole, appPassword
	owner, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = owner.Close(ctx) }()
	_, err = owner.PgConn().Exec(ctx, small).ReadAll()
	return err
}

// connect connects to a database, as the superuser where role is "".
func (w *world) connect(t *testing.T, database, role, password string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(w.cluster.SuperuserURL())
	if err != nil {
		t.Fatal(err)
	}
	config.Database = database
	if role != "" {
		config.User, config.Password = role, password
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// exec runs SQL in a database, as the superuser.
func (w *world) exec(t *testing.T, database, sql string) {
	t.Helper()
	conn := w.connect(t, database, "", "")
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// ask runs a query of one value in a database, as the superuser.
func ask[T any](t *testing.T, w *world, database, sql string) (v T) {
	t.Helper()
	conn := w.connect(t, database, "", "")
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// newDatabase makes a database on the server from SQL. It is registered, like all of databases, under its name with - for _.
func (w *world) newDatabase(t *testing.T, dbname, sql string) (name string) {
	t.Helper()
	if !slices.Contains(databases, dbname) {
		t.Fatalf("%s is not in the list of databases", dbname)
	}
	w.createDatabase(t, dbname, sql)
	return shortName(dbname)
}

func (w *world) createDatabase(t *testing.T, dbname, sql string) {
	t.Helper()
	w.exec(t, "postgres", "CREATE DATABASE "+dbname+" OWNER "+ownerOf(dbname)+" TEMPLATE template0")
	conn := w.connect(t, dbname, ownerOf(dbname), appPassword)
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("fill %s: %v", dbname, err)
	}
	_ = conn.Close(t.Context())
}

func shortName(dbname string) string { return strings.ReplaceAll(dbname, "_", "-") }

// databases are those that are registered from the start, beside the demo's. Each is made by the test that uses it.
var databases = append([]string{scheduled, "chinook", "e2e_cron", "e2e_minute", "e2e_roles", "e2e_bad", "e2e_idempotent", "e2e_slow", "e2e_dead",
	"e2e_records", cutDatabase, shortDatabase, "e2e_lost", "e2e_twice", "e2e_rescue"}, append(ofCreator, victimNames()...)...)

// maxVictims is how many databases are registered for workers to be killed over.
const maxVictims = 30

// victimNames are the names of those databases.
func victimNames() (names []string) {
	for i := range maxVictims {
		names = append(names, victimName(i))
	}
	return names
}

func victimName(i int) string { return fmt.Sprintf("e2e_kill_%d", i) }

// registrations are all that is registered from the start.
func (w *world) registrations() []stack.Database {
	list := []stack.Database{{Name: w.school.Name, Secret: w.school.SecretString()}}
	for _, dbname := range databases {
		port := w.cluster.Port()
		if h := w.holdups[dbname]; h != nil {
			port = h.port
		}
		list = append(list, stack.Database{Name: shortName(dbname), Secret: secretOf(ownerOf(dbname), port, appPassword, dbname)})
	}
	for _, u := range w.unreachable() {
		list = append(list, stack.Database{Name: u.name, Secret: u.secret})
	}
	return list
}

func secret(port int, password, dbname string) string {
	return secretOf(appRole, port, password, dbname)
}

func secretOf(role string, port int, password, dbname string) string {
	return fmt.Sprintf(`{"engine":"postgres","host":"127.0.0.1","port":%d,"username":%q,"password":%q,"dbname":%q,"sslmode":"disable"}`,
		port, role, password, dbname)
}

// small is a database that takes no time.
const small = `CREATE TABLE note (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL);
INSERT INTO note (text) SELECT 'note ' || n FROM generate_series(1, 1000) n;`

// snapshot is all of a database, as lines: a hash of every table, the sequences, the large objects; and its schema as SQL.
type snapshot []string

// diff shows the lines that differ.
func (s snapshot) diff(other snapshot) string { return cmp.Diff(s, other) }

func (w *world) snapshot(t *testing.T, database string) snapshot {
	t.Helper()
	conn := w.connect(t, database, "", "")
	defer func() { _ = conn.Close(context.Background()) }()
	list := func(sql string) []string {
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return found
	}
	const mine = ` AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1`
	var s snapshot
	for _, table := range list(`SELECT format('%I.%I', relnamespace::regnamespace, relname) FROM pg_class WHERE (relkind = 'r' OR relkind = 'm' AND relispopulated)` + mine) {
		for _, line := range list(`SELECT count(*) || ' ' || coalesce(sum(hashtextextended(x::text, 0))::text, '-') FROM ` + table + ` x`) {
			s = append(s, "table "+table+" "+line)
		}
	}
	for _, sequence := range list(`SELECT format('%I.%I', relnamespace::regnamespace, relname) FROM pg_class WHERE relkind = 'S'` + mine) {
		for _, line := range list(`SELECT last_value || ' ' || is_called FROM ` + sequence) {
			s = append(s, "sequence "+sequence+" "+line)
		}
	}
	for _, object := range list(`SELECT oid || ' ' || md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid`) {
		s = append(s, "large object "+object)
	}
	schema := strings.Split(w.schemaOf(t, database), "\n")
	// The order of a database's settings has no meaning.
	setting := func(line string) bool {
		return strings.HasPrefix(line, "ALTER DATABASE ") && strings.Contains(line, " SET ")
	}
	if first := slices.IndexFunc(schema, setting); first >= 0 {
		last := first
		for setting(schema[last]) {
			last++
		}
		slices.Sort(schema[first:last])
	}
	return append(s, schema...)
}

// random are the lines of a dump that differ from run to run.
var random = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`)

// schemaOf is everything but the rows, the database's own settings and rights included.
func (w *world) schemaOf(t *testing.T, database string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(w.cluster.BinDir(), "pg_dump"), "--schema-only", "--create",
		strings.Replace(w.cluster.SuperuserURL(), "/postgres?", "/"+database+"?", 1))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("pg_dump --schema-only %s: %v: %s", database, err, errs.String())
	}
	return random.ReplaceAllString(out.String(), "")
}

// staged lists the databases that were made for restores of jobs and are not kept ones.
func (w *world) staged(t *testing.T, restore string) string {
	t.Helper()
	return ask[string](t, w, "postgres", `SELECT coalesce(string_agg(datname, ' '), '') FROM pg_database WHERE datname LIKE 'br\_%`+restore+`%' AND datname NOT LIKE '%kept'`)
}
