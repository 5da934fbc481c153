package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/infra/local/pgcluster"
	"github.com/backup-restore/backup-restore/infra/local/stack"
	"github.com/backup-restore/backup-restore/shared/backup"
)

const connectTimeout = 10 * time.Second

// ownDatabase registers the reader's own database, after a connection was made: a wrong password is better said now than
// in the first backup's failure. Errors never show the URL, which holds the password.
func ownDatabase(ctx context.Context, text string) (database, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Hostname() == "" || strings.Trim(u.Path, "/") == "" {
		return database{}, errors.New("DATABASE_URL is not of the form postgres://user:password@host:port/name")
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		return database{}, errors.New("DATABASE_URL can't be read: it is not of the form postgres://user:password@host:port/name")
	}
	for _, other := range config.Fallbacks {
		if other.Host != config.Host || other.Port != config.Port {
			return database{}, errors.New("DATABASE_URL names more than one server: name the one to back up")
		}
	}
	at := net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))) + "/" + config.Database
	try, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(try, config)
	if err != nil {
		return database{}, fmt.Errorf("connect to DATABASE_URL (%s as %s): %s", at, config.User, whyNot(err))
	}
	_ = conn.Close(try)
	secret := map[string]any{"engine": "postgres", "host": config.Host, "port": config.Port, "username": config.User,
		"password": config.Password, "dbname": config.Database}
	if mode := u.Query().Get("sslmode"); mode != "" {
		secret["sslmode"] = mode
	}
	content, err := json.Marshal(secret)
	if err != nil {
		return database{}, fmt.Errorf("write the database's secret: %w", err)
	}
	name, err := shortName(config.Database)
	if err != nil {
		return database{}, err
	}
	dir, _, err := pgcluster.FindBinaries()
	if err != nil {
		dir = "" // the worker says what it misses when it needs it
	}
	return database{Database: stack.Database{Name: name, Secret: string(content)},
		shown: "postgres://" + config.User + "@" + at, worker: clientPrograms(dir)}, nil
}

// whyNot says in one line why there is no connection. The driver tells of each attempt, encrypted and not, on lines of their
// own, and the first of them is rarely the reason.
func whyNot(err error) string {
	var refused *pgconn.PgError
	var host *net.DNSError
	switch {
	case errors.As(err, &refused):
		return refused.Message + " (" + refused.Code + ")"
	case errors.As(err, &host):
		return "there is no host of this name: " + host.Err
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: does the server run, and is the port right?"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s that a PostgreSQL server would give", connectTimeout)
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// shortName makes a short name of a database's name: lower case, with - for what short names can't hold.
func shortName(dbname string) (string, error) {
	name := strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' {
			return c
		}
		return '-'
	}, strings.ToLower(dbname)), "-_")
	if !backup.ValidDatabaseName(name) {
		return "", fmt.Errorf("the database's name %q can't be made a short name of letters, digits, - and _", dbname)
	}
	return name, nil
}
