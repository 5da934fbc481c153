package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/infra/local/demo"
	"github.com/backup-restore/backup-restore/infra/local/pgcluster"
	"github.com/backup-restore/backup-restore/infra/local/stack"
)

// world is what runs: a PostgreSQL server, unless the database is somebody's own, and the stack.
type world struct {
	settings settings
	log      io.Writer                        // of the functions
	say      func(format string, args ...any) // to the person who waits
	cluster  *pgcluster.Cluster
	stack    *stack.Stack
	served   database
}

// start starts all. What it has started stays until stop, also when it fails.
func (w *world) start(ctx context.Context) (err error) {
	s := w.settings
	o := stack.Options{Root: s.root, Dir: s.dir, Ports: s.ports, Parameters: s.parameters, Log: w.log, Reports: s.reports,
		TokenLifetime: s.tokenLifetime, NoRefreshTokens: s.noRefresh, PortHints: s.hints}
	// Before PostgreSQL is started, which takes longer.
	if err := o.CheckPorts(); err != nil {
		return err
	}
	if s.databaseURL != "" {
		w.served, err = ownDatabase(ctx, s.databaseURL)
	} else {
		err = w.startDemo(ctx)
	}
	if err != nil {
		return err
	}
	o.Databases = []stack.Database{w.served.Database}
	o.Environment = map[string]map[string]string{"WorkerFunction": w.served.worker}
	w.say("Building and starting the functions …")
	w.stack, err = stack.Start(ctx, o)
	return err
}

func (w *world) startDemo(ctx context.Context) (err error) {
	w.say("Starting PostgreSQL …")
	w.cluster, err = pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(w.settings.dir, "postgres"), Port: w.settings.postgres,
		PortHint: "make run POSTGRES_PORT=…", Settings: w.settings.clusterSettings})
	if err != nil {
		return err
	}
	d, err := demo.Load(ctx, w.cluster.SuperuserURL(), func(text string) { w.say("  %s", text) })
	if err != nil {
		return err
	}
	c := d.Credentials
	if w.settings.makesLogins {
		if err := letMakeLogins(ctx, w.cluster.SuperuserURL(), c.Username); err != nil {
			return err
		}
	}
	w.served = database{Database: stack.Database{Name: d.Name, Secret: d.SecretString()},
		shown:  fmt.Sprintf("postgres://%s@%s:%d/%s", c.Username, c.Host, c.Port, c.DBName),
		worker: clientPrograms(w.cluster.BinDir())}
	return nil
}

// letMakeLogins gives a role the right to make others.
func letMakeLogins(ctx context.Context, superuserURL, role string) error {
	admin, err := pgx.Connect(ctx, superuserURL)
	if err != nil {
		return fmt.Errorf("connect to the demo's server: %w", err)
	}
	defer func() { _ = admin.Close(context.WithoutCancel(ctx)) }()
	if _, err := admin.Exec(ctx, "ALTER ROLE "+pgx.Identifier{role}.Sanitize()+" CREATEROLE"); err != nil {
		return fmt.Errorf("let %s make logins: %w", role, err)
	}
	return nil
}

// lost is closed when the PostgreSQL server ends by itself.
func (w *world) lost() <-chan struct{} {
	if w.cluster == nil {
		return nil
	}
	return w.cluster.Done()
}

func (w *world) errLost() error {
	return fmt.Errorf("PostgreSQL ended by itself: see %s", filepath.Join(w.settings.dir, "postgres"))
}

// stop ends what runs.
func (w *world) stop() {
	if w.stack != nil {
		w.stopWithin("the stack", w.stack.Stop)
	}
	if w.cluster != nil {
		w.stopWithin("PostgreSQL", w.cluster.Stop)
	}
}

// stopWithin ends something, at most within a few seconds.
func (w *world) stopWithin(what string, stop func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := stop(ctx); err != nil {
		w.say("%s did not stop cleanly: %v", what, err)
	}
}

// database is what is registered, and what a worker needs to reach it.
type database struct {
	stack.Database
	shown  string            // where it is, without its password
	worker map[string]string // extra environment of the worker
}

// clientPrograms tells the worker where pg_dump is, where it is not in Debian's place.
func clientPrograms(dir string) map[string]string {
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump"); err == nil && len(found) > 0 {
		return nil
	}
	if dir == "" {
		return nil
	}
	return map[string]string{"POSTGRES_BIN_DIRS": dir}
}

// remove deletes what was kept on disk: for worlds that nobody comes back to.
func (w *world) remove() error {
	if w.cluster != nil {
		// It is elsewhere than in the state folder where the server's user can't be let in there.
		if err := os.RemoveAll(w.cluster.Dir()); err != nil {
			return fmt.Errorf("remove the database server's folder: %w", err)
		}
	}
	return clearFolder(w.settings.dir)
}

// clearFolder deletes what is in a state folder, except what says who holds it.
func clearFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("clear the state folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() == pidFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("clear the state folder: %w", err)
		}
	}
	return nil
}
