// Package school makes the database that dumps and restores are measured on: that of a district's schools, of any size, the same on
// every machine. [Open] makes it where it is not there yet. What it is made of is in its SQL scripts, and what share of the text
// each table has is counted in the text itself by [ReadMix].
package school

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Name is the name of the database on its server, and the short name under which it is registered.
const Name = "bench"

// The roles of the database: its owner, who is no superuser, and the login that loads restores of it.
const (
	Owner  = "bench_app"
	loader = "bench_restore"
)

// The database is filled under this name and renamed when it is whole, so that one which was interrupted is begun anew.
const filling = Name + "_filling"

//go:embed sql/*.sql
var scripts embed.FS

// shares say how the SQL text is divided: the part of it that a table's rows are to be, and about how many bytes such a row has. A
// table that is not here follows from others: attendance has 25 rows for a lesson, enrolment 25 for a class.
var shares = []struct {
	table string
	part  float64
	row   float64 // bytes
}{
	{"person", 0.010, 180}, {"class", 0.020, 760}, {"grade", 0.140, 40.5}, {"lesson", 0.260, 1290}, {"message", 0.170, 900},
	{"report", 0.050, 675}, {"event", 0.090, 155}, {"document", 0.170, 52000}, {"audit", 0.080, 173}, {"invoice", 0.010, 77},
}

// Database is the database on a running server.
type Database struct {
	superuser   *pgx.ConnConfig // of the database postgres
	Credentials backup.Credentials
	Took        time.Duration // to make it; 0 where it was there
}

// Open finds the database of about so many bytes of SQL text on the server at superuserURL, or makes it and tells progress what it does.
func Open(ctx context.Context, superuserURL string, bytes int64, progress func(string)) (*Database, error) {
	config, err := pgx.ParseConfig(superuserURL)
	if err != nil {
		return nil, errors.New("open the bench database: the superuser's URL is not valid") // the cause can quote it
	}
	d := &Database{superuser: config, Credentials: backup.Credentials{
		Engine: "postgres", Host: config.Host, Port: int(config.Port), DBName: Name, SSLMode: "disable",
		Username: Owner, Password: backup.Sensitive(passwordOf(config.Password, Owner)),
		RestoreUsername: loader, RestorePassword: backup.Sensitive(passwordOf(config.Password, loader)),
	}}
	admin, err := d.Admin(ctx, "postgres")
	if err != nil {
		return nil, err
	}
	defer func() { _ = admin.Close(context.WithoutCancel(ctx)) }()
	var there bool
	if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", Name).Scan(&there); err != nil {
		return nil, fmt.Errorf("look for the bench database: %w", err)
	}
	if there {
		return d, nil
	}
	begun := time.Now()
	if err := d.make(ctx, admin, bytes, progress); err != nil {
		return nil, err
	}
	d.Took = time.Since(begun)
	return d, nil
}

// Admin connects to a database of the server as its superuser.
func (d *Database) Admin(ctx context.Context, database string) (*pgx.Conn, error) {
	config := d.superuser.Copy()
	config.Database = database
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to database %s of the bench server: %w", database, err)
	}
	return conn, nil
}

// URL is how the owner connects to a database of the server.
func (d *Database) URL(database string) string {
	c := d.Credentials
	u := url.URL{Scheme: "postgres", User: url.UserPassword(c.Username, c.Password.Reveal()),
		Host: fmt.Sprintf("%s:%d", c.Host, c.Port), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Secret is what a database's secret holds, passwords in clear.
func (d *Database) Secret() string {
	c := d.Credentials
	// A map of strings and a number always marshals.
	text, _ := json.Marshal(map[string]any{
		"engine": c.Engine, "host": c.Host, "port": c.Port, "username": c.Username, "password": c.Password.Reveal(),
		"dbname": c.DBName, "sslmode": c.SSLMode,
		"restoreUsername": c.RestoreUsername, "restorePassword": c.RestorePassword.Reveal(),
	})
	return string(text)
}

// Environment is how the programs of PostgreSQL connect, as the owner and to the database unless an argument names another.
func (d *Database) Environment() []string {
	c := d.Credentials
	return []string{"PGHOST=" + c.Host, fmt.Sprintf("PGPORT=%d", c.Port), "PGUSER=" + c.Username, "PGPASSWORD=" + c.Password.Reveal(),
		"PGDATABASE=" + c.DBName, "PGSSLMODE=disable"}
}

// passwordOf derives a role's password. Its letters need no quoting anywhere.
func passwordOf(superuser, role string) string {
	mac := hmac.New(sha256.New, []byte(superuser))
	_, _ = mac.Write([]byte("bench " + role)) // a hash never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (d *Database) make(ctx context.Context, admin *pgx.Conn, bytes int64, progress func(string)) error {
	statements := []string{"DROP DATABASE IF EXISTS " + filling, "DROP ROLE IF EXISTS " + Owner, "DROP ROLE IF EXISTS " + loader,
		fmt.Sprintf("CREATE ROLE %s LOGIN CREATEDB PASSWORD '%s'", Owner, d.Credentials.Password.Reveal()),
		fmt.Sprintf("CREATE ROLE %s LOGIN CONNECTION LIMIT 8 PASSWORD '%s'", loader, d.Credentials.RestorePassword.Reveal()),
		"GRANT pg_signal_backend, " + loader + " TO " + Owner,
		"CREATE DATABASE " + filling + " OWNER " + Owner + " TEMPLATE template0 ENCODING 'UTF8'"}
	for _, s := range statements {
		if _, err := admin.Exec(ctx, s); err != nil {
			return fmt.Errorf("prepare the bench database: %w", err)
		}
	}
	if err := d.fill(ctx, bytes, progress); err != nil {
		return fmt.Errorf("fill the bench database: %w", err)
	}
	if _, err := admin.Exec(ctx, "ALTER DATABASE "+filling+" RENAME TO "+Name); err != nil {
		return fmt.Errorf("name the bench database: %w", err)
	}
	return nil
}

func (d *Database) fill(ctx context.Context, bytes int64, progress func(string)) error {
	progress("tables")
	if err := d.script(ctx, "1-make.sql"); err != nil {
		return err
	}
	if err := d.scale(ctx, bytes); err != nil {
		return err
	}
	if err := d.script(ctx, "2-schema.sql"); err != nil {
		return err
	}
	progress("rows")
	g, filling := errgroup.WithContext(ctx)
	g.Go(func() error { return d.script(filling, "3-narrow.sql") })
	g.Go(func() error { return d.script(filling, "3-wide.sql") })
	if err := g.Wait(); err != nil {
		return err
	}
	progress("keys and indexes")
	if err := d.script(ctx, "4-keys.sql"); err != nil {
		return err
	}
	progress("statistics")
	return d.run(ctx, "VACUUM (ANALYZE)") // so that the first to read it has nothing to write
}

// scale says how many rows each table gets.
func (d *Database) scale(ctx context.Context, bytes int64) error {
	statement := "INSERT INTO make.rows VALUES "
	for i, s := range shares {
		if i > 0 {
			statement += ", "
		}
		statement += fmt.Sprintf("('%s', %d)", s.table, max(1, int64(float64(bytes)*s.part/s.row)))
	}
	return d.run(ctx, statement)
}

func (d *Database) script(ctx context.Context, name string) error {
	text, err := scripts.ReadFile("sql/" + name)
	if err != nil {
		return err
	}
	if err := d.run(ctx, string(text)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// run runs statements as the owner.
func (d *Database) run(ctx context.Context, statements string) error {
	conn, err := pgx.Connect(ctx, d.URL(filling))
	if err != nil {
		return fmt.Errorf("connect to the bench database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// What is lost to a crash is made anew.
	if _, err := conn.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return err
	}
	return conn.PgConn().Exec(ctx, statements).Close()
}
