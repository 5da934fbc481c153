package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/infra/local/stack"
	"github.com/backup-restore/backup-restore/shared/backup"
)

// runSQL runs statements in a registered database, as its secret's user: to damage a demo, or to look whether a restore helped.
// The rows of the last statement are printed as a JSON array of objects, their values as the server writes them.
func runSQL(ctx context.Context, args []string, out, errOut io.Writer) error {
	f := flag.NewFlagSet("local sql", flag.ContinueOnError)
	database := f.String("database", "school", "the registered database")
	endpoint := awsFlag(f)
	if err := parse(f, args, errOut); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errors.New(`one argument is needed, the statements: local sql "DELETE FROM grade"`)
	}
	cfg, err := reach(ctx, *endpoint)
	if err != nil {
		return err
	}
	secret, err := stack.Secret(ctx, cfg, *database)
	if err != nil {
		return err
	}
	conn, err := connect(ctx, secret)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// The simple protocol takes many statements at once, as one transaction.
	results, err := conn.PgConn().Exec(ctx, f.Arg(0)).ReadAll()
	if err != nil {
		return fmt.Errorf("run the statements in %s: %w", *database, err)
	}
	rows := []map[string]*string{}
	if len(results) > 0 {
		rows = rowsOf(results[len(results)-1])
	}
	return json.NewEncoder(out).Encode(rows)
}

func rowsOf(r *pgconn.Result) []map[string]*string {
	rows := make([]map[string]*string, 0, len(r.Rows))
	for _, values := range r.Rows {
		row := map[string]*string{}
		for i, v := range values {
			row[r.FieldDescriptions[i].Name] = nil
			if v != nil {
				text := string(v)
				row[r.FieldDescriptions[i].Name] = &text
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// connect connects as a secret says.
func connect(ctx context.Context, secret string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("")
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	var s struct {
		Host, Username, Password, DBName string
		Port                             uint16
	}
	if err := json.Unmarshal([]byte(secret), &s); err != nil {
		return nil, errors.New("connect: the database's secret is not JSON") // the cause can quote it
	}
	config.Host, config.Port, config.User, config.Password, config.Database = s.Host, s.Port, s.Username, s.Password, s.DBName
	config.TLSConfig, config.Fallbacks = nil, nil
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

// copyDatabase makes a copy of a registered database beside it, and registers it under its own name.
func copyDatabase(ctx context.Context, args []string, out, errOut io.Writer) error {
	f := flag.NewFlagSet("local copy", flag.ContinueOnError)
	of := f.String("of", "school", "the registered database, with which nobody may be connected now")
	as := f.String("as", "", "the name of the copy, also on the server")
	endpoint := awsFlag(f)
	if err := parse(f, args, errOut); err != nil {
		return err
	}
	if !backup.ValidDatabaseName(*as) || f.NArg() > 0 {
		return errors.New("a name for the copy is needed: local copy -as NAME")
	}
	cfg, err := reach(ctx, *endpoint)
	if err != nil {
		return err
	}
	secret, err := stack.Secret(ctx, cfg, *of)
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(secret), &fields); err != nil {
		return errors.New("copy the database: its secret is not JSON") // the cause can quote it
	}
	if err := copyOnServer(ctx, fields, *as); err != nil {
		return fmt.Errorf("copy the database %s: %w", *of, err)
	}
	fields["dbname"] = *as
	text, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("write the copy's secret: %w", err)
	}
	if err := stack.Register(ctx, cfg, stack.Database{Name: *as, Secret: string(text)}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "The database %s, a copy of %s, is registered.\n", *as, *of)
	return err
}

// copyOnServer copies the database of a secret's fields, with what CREATE DATABASE leaves behind: who may connect, and its settings.
func copyOnServer(ctx context.Context, fields map[string]any, as string) error {
	source, _ := fields["dbname"].(string)
	other := maps.Clone(fields)
	other["dbname"] = "postgres" // a session in the source would be in the way
	text, err := json.Marshal(other)
	if err != nil {
		return err
	}
	conn, err := connect(ctx, string(text))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// A login that is prepared for restores loads one at a time: where the owner may make others, the copy does without it.
	var makesLogins bool
	if err := conn.QueryRow(ctx, "SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user").Scan(&makesLogins); err != nil {
		return err
	}
	if makesLogins {
		delete(fields, "restoreUsername")
		delete(fields, "restorePassword")
	}
	name := pgx.Identifier{as}.Sanitize()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+pgx.Identifier{source}.Sanitize()); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "REVOKE ALL ON DATABASE "+name+" FROM PUBLIC"); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, `SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
		WHERE s.setrole = 0 AND d.datname = $1`, source)
	if err != nil {
		return err
	}
	settings, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		// A list such as search_path is kept with its commas, which a single string would not be taken for.
		if key != "search_path" {
			value = "'" + strings.ReplaceAll(value, "'", "''") + "'"
		}
		if _, err := conn.Exec(ctx, "ALTER DATABASE "+name+" SET "+key+" = "+value); err != nil {
			return err
		}
	}
	return nil
}
