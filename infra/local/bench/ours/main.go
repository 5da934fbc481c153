// Command ours is the product's engine as a program of its own, so that what it takes can be measured beside pg_dump and psql:
//
//	ours dump FILE LEVEL     writes a dump file; LEVEL is fast or small
//	ours restore FILE        builds and verifies a copy of what the dump file holds; who calls it drops the copy
//	ours copy CONNECTIONS    reads all rows by plain COPYs and throws them away: what the server can give
//
// The database's secret is in the environment, as BENCH_SECRET.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
	"github.com/backup-restore/backup-restore/shared/postgres"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", explain(err))
		os.Exit(1)
	}
}

// explain adds what the server said to what an operator would read.
func explain(err error) string {
	var known *backup.Error
	if errors.As(err, &known) {
		return fmt.Sprintf("%v %s %v", err, known.Log, known.Cause)
	}
	return err.Error()
}

func run(ctx context.Context, args []string) error {
	credentials, err := backup.ParseCredentials([]byte(os.Getenv("BENCH_SECRET")))
	if err != nil {
		return err
	}
	t := backup.Target{Database: backup.Database{Name: credentials.DBName, Engine: backup.Postgres}, Credentials: credentials}
	switch {
	case len(args) == 3 && args[0] == "dump":
		return dump(ctx, t, args[1], args[2])
	case len(args) == 2 && args[0] == "restore":
		return restore(ctx, t, args[1])
	case len(args) == 2 && args[0] == "copy":
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of connections", args[1])
		}
		return copyAll(ctx, credentials, n)
	}
	return errors.New("usage: ours dump FILE LEVEL | ours restore FILE | ours copy CONNECTIONS")
}

// engine is the product's, as the worker has it but for the level.
func engine(level string) (*postgres.Engine, error) {
	levels := map[string]dumpfile.Level{"fast": dumpfile.Fast, "small": dumpfile.Small}
	l, known := levels[level]
	if !known {
		return nil, fmt.Errorf("the level %q is neither fast nor small", level)
	}
	return postgres.New(postgres.Options{Level: l}), nil
}

// recordOf is where what a dump held is kept, as a backup's record keeps it.
func recordOf(file string) string { return file + ".json" }

func dump(ctx context.Context, t backup.Target, file, level string) (err error) {
	e, err := engine(level)
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	dumped, err := e.Dump(ctx, t, backup.Attempt{Job: backup.NewID(), Number: 1}, backup.Selection{}, out, func(backup.Progress) {})
	if err != nil {
		return err
	}
	record, err := json.Marshal(dumped)
	if err != nil {
		return err
	}
	return os.WriteFile(recordOf(file), record, 0o600)
}

func restore(ctx context.Context, t backup.Target, file string) error {
	e, err := engine("fast")
	if err != nil {
		return err
	}
	record, err := os.ReadFile(recordOf(file))
	if err != nil {
		return fmt.Errorf("read what the dump held: %w", err)
	}
	var held backup.Dumped
	if err := json.Unmarshal(record, &held); err != nil {
		return fmt.Errorf("read what the dump held: %w", err)
	}
	text, err := openText(file)
	if err != nil {
		return err
	}
	defer text.close()
	quiet := func(backup.Progress) {}
	s, err := e.Stage(ctx, t, backup.Attempt{Job: backup.NewID(), Number: 1},
		backup.Need{SQLBytes: held.SQLBytes, Tables: held.Tables, ServerVersion: held.ServerVersion})
	if err != nil {
		return err
	}
	if _, err := s.Load(ctx, text, quiet); err != nil {
		return err
	}
	return s.Verify(ctx, backup.Want{Tables: held.Tables, Exact: true}, quiet)
}
