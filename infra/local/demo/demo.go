// Package demo makes the database that the local stack shows itself with: a school of 1,300 pupils, about as varied as a
// real one, with the roles that a careful administrator would have made.
package demo

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Name is the short name of the demo's database, and its name on the server.
const Name = "school"

// The roles of the database.
const (
	owner    = "school_app"      // the school's software: owns everything, is no superuser
	loader   = "school_restore"  // loads restores, and may do nothing else
	readonly = "school_readonly" // reports, and the nurse
)

// The database is loaded under this name and renamed when it is whole, so that one which was interrupted is begun anew.
const loading = Name + "_loading"

//go:embed sql/*.sql
var scripts embed.FS

// Database is a database that can be registered.
type Database struct {
	Name        string
	Credentials backup.Credentials
}

// SecretString is the content of the database's secret, in the shape that RDS uses, passwords in clear.
func (d Database) SecretString() string {
	c := d.Credentials
	// A map of strings and a number always marshals.
	text, _ := json.Marshal(map[string]any{
		"engine": c.Engine, "host": c.Host, "port": c.Port, "username": c.Username, "password": c.Password.Reveal(),
		"dbname": c.DBName, "sslmode": c.SSLMode,
		"restoreUsername": c.RestoreUsername, "restorePassword": c.RestorePassword.Reveal(),
	})
	return string(text)
}

// Load makes the database and its roles on the server at superuserURL, a URL with a password, and tells progress what it
// does. Where the database is there already it is left as it is. Every machine gets the same data; the roles' passwords
// follow from the superuser's, so that they stay the same without being kept anywhere.
func Load(ctx context.Context, superuserURL string, progress func(string)) (Database, error) {
	config, err := pgx.ParseConfig(superuserURL)
	if err != nil {
		return Database{}, errors.New("load the demo database: the superuser's URL is not valid") // the cause can quote it
	}
	if config.Password == "" {
		return Database{}, errors.New("load the demo database: the superuser's URL has no password to derive others from")
	}
	d := describe(config)
	admin, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return Database{}, fmt.Errorf("load the demo database: %w", err)
	}
	defer func() { _ = admin.Close(context.WithoutCancel(ctx)) }()
	var there bool
	if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", Name).Scan(&there); err != nil {
		return Database{}, fmt.Errorf("look for the demo database: %w", err)
	}
	if there {
		return d, nil
	}
	start := time.Now()
	if err := prepare(ctx, admin, config.Password); err != nil {
		return Database{}, fmt.Errorf("prepare the demo database: %w", err)
	}
	if err := fill(ctx, config, progress); err != nil {
		return Database{}, fmt.Errorf("fill the demo database: %w", err)
	}
	if _, err := admin.Exec(ctx, "ALTER DATABASE "+loading+" RENAME TO "+Name); err != nil {
		return Database{}, fmt.Errorf("name the demo database: %w", err)
	}
	progress(fmt.Sprintf("The demo database %s is there, after %.0f s.", Name, time.Since(start).Seconds()))
	return d, nil
}

func describe(config *pgx.ConnConfig) Database {
	return Database{Name: Name, Credentials: backup.Credentials{
		Engine: "postgres", Host: config.Host, Port: int(config.Port), DBName: Name, SSLMode: "disable",
		Username: owner, Password: backup.Sensitive(passwordOf(config.Password, owner)),
		RestoreUsername: loader, RestorePassword: backup.Sensitive(passwordOf(config.Password, loader)),
	}}
}

// passwordOf derives a role's password. Its letters need no quoting anywhere.
func passwordOf(superuser, role string) string {
	mac := hmac.New(sha256.New, []byte(superuser))
	_, _ = mac.Write([]byte("demo " + role)) // a hash never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// prepare makes the roles and an empty database, as an administrator would before the school's software moves in.
func prepare(ctx context.Context, admin *pgx.Conn, superuser string) error {
	for _, role := range []struct{ name, options string }{
		{owner, "CREATEDB"},
		{loader, "CONNECTION LIMIT 8"},
		{readonly, "CONNECTION LIMIT 4"},
	} {
		statement := "CREATE"
		var there bool
		if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role.name).Scan(&there); err != nil {
			return err
		}
		if there {
			statement = "ALTER"
		}
		_, err := admin.Exec(ctx, fmt.Sprintf("%s ROLE %s LOGIN NOSUPERUSER %s PASSWORD '%s'",
			statement, role.name, role.options, passwordOf(superuser, role.name)))
		if err != nil {
			return err
		}
	}
	for _, statement := range []string{
		"GRANT pg_signal_backend TO " + owner, // to end sessions when a restore is switched in
		"GRANT " + loader + " TO " + owner,
		"DROP DATABASE IF EXISTS " + loading,
		"CREATE DATABASE " + loading + " OWNER " + owner + " TEMPLATE template0 ENCODING 'UTF8'",
		"REVOKE ALL ON DATABASE " + loading + " FROM PUBLIC",
		"GRANT CONNECT ON DATABASE " + loading + " TO " + readonly,
		"ALTER DATABASE " + loading + " SET search_path = public, finance, library",
		"ALTER DATABASE " + loading + " SET timezone = 'Europe/Berlin'",
		"COMMENT ON DATABASE " + loading + " IS 'A school that does not exist: the demo of Backup & Restore'",
	} {
		if _, err := admin.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// fill runs the scripts in their order, as the owner.
func fill(ctx context.Context, server *pgx.ConnConfig, progress func(string)) error {
	config := server.Copy()
	config.Database, config.User, config.Password = loading, owner, passwordOf(server.Password, owner)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// Nothing is lost by a crash that a second start does not make again.
	if _, err := conn.Exec(ctx, "SET synchronous_commit = off; SET maintenance_work_mem = '128MB'; SET work_mem = '64MB'"); err != nil {
		return err
	}
	names, err := fs.Glob(scripts, "sql/*.sql") // in the order of their names
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := scripts.ReadFile(name)
		if err != nil {
			return err
		}
		progress("Demo database: " + says[strings.TrimSuffix(strings.TrimPrefix(name, "sql/"), ".sql")])
		// The simple protocol takes many statements at once, as one transaction.
		if _, err := conn.PgConn().Exec(ctx, string(text)).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// says tells what a script does.
var says = map[string]string{
	"1_tables":           "making tables",
	"2_data_people":      "admitting 1,300 pupils",
	"3_data_school_life": "writing two years of registers, grades, invoices and letters",
	"4_constraints":      "checking keys and building indexes",
	"5_code":             "adding functions, triggers and views",
}
