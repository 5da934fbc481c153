package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/infra/local/demo"
	"github.com/backup-restore/backup-restore/infra/local/pgcluster"
	"github.com/backup-restore/backup-restore/infra/local/stack"
)

// world is what all tests share.
type world struct {
	dir     string
	cluster *pgcluster.Cluster
	closed  int // a port at which nothing listens
	stack   *stack.Stack
	school  demo.Database
	holdups map[string]*holdup // of the databases whose sessions tests stop
	// scheduledAt is when the schedule is to fire.
	scheduledAt time.Time
}

// scheduled is the only database that the schedule backs up.
const scheduled = "scheduled"

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests mostly wait for the functions: more of them than the machine has processors can do that at the same time. With real
	// times they wait for minutes, and all can do that together.
	parallel := "8"
	if realTimes {
		parallel = "32"
	}
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := end(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

var shared struct {
	once sync.Once
	w    *world
	err  error
}

// use gives the shared world, which the first test to ask for it starts.
func use(t *testing.T) *world {
	t.Helper()
	shared.once.Do(func() { shared.w, shared.err = begin() })
	if errors.Is(shared.err, pgcluster.ErrNoServer) && os.Getenv("BR_TEST_REQUIRE") == "" {
		t.Skip(shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.w
}

// begin starts everything. What it has started so far is in the world also when it fails.
func begin() (*world, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	root, err := filepath.Abs("../../..")
	if err != nil {
		return nil, err
	}
	w := &world{}
	if w.dir, err = os.MkdirTemp("", "backup-restore-e2e-"); err != nil {
		return w, err
	}
	binaries := filepath.Join(w.dir, "functions")
	var g errgroup.Group
	g.Go(func() error {
		return stack.Build(ctx, root, binaries, []string{"./functions/api", "./functions/worker", "./functions/schedule", "./functions/janitor"})
	})
	g.Go(func() error { return w.startPostgres(ctx) })
	if err := g.Wait(); err != nil {
		return w, err
	}
	if err := w.makeHoldups(); err != nil {
		return w, err
	}
	tools, err := w.wrapTools()
	if err != nil {
		return w, err
	}
	// Some time for the rest of the start, so that the schedule fires under a stack that runs.
	w.scheduledAt = time.Now().Add(20 * time.Second).Truncate(time.Second)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return w, err
	}
	w.stack, err = stack.Start(ctx, stack.Options{
		Root: root, Dir: filepath.Join(w.dir, "state"), Binaries: binaries, Log: logOf(w.dir),
		Parameters: map[string]string{
			"BackupSchedule": "at(" + w.scheduledAt.In(berlin).Format("2006-01-02T15:04:05") + ")",
			"BackupTimeZone": "Europe/Berlin", "ScheduledDatabases": scheduled,
		},
		Environment: environment(tools),
		Databases:   w.registrations(),
	})
	return w, err
}

// realTimes makes the tests wait as long as operators would: for the template's lock expiry and for the janitor's schedule.
// Without it, locks expire sooner and the janitor is called more often. make faults sets it.
var realTimes = os.Getenv("E2E_REAL_TIMES") != ""

func environment(tools string) map[string]map[string]string {
	e := map[string]map[string]string{"": {}, "WorkerFunction": {"POSTGRES_BIN_DIRS": tools, "S3_PATIENCE": "8s"}}
	if !realTimes {
		// A worker stops itself after two thirds of the expiry without a beat: still more than a busy machine keeps it waiting.
		e[""]["LOCK_EXPIRY"] = "12s"
		e["WorkerFunction"]["LOCK_BEAT"] = "250ms"
	}
	return e
}

// logOf keeps the functions' log where the reader of a failed run is told to look.
func logOf(dir string) io.Writer {
	f, err := os.Create(filepath.Join(dir, "stack.log"))
	if err != nil {
		return os.Stderr
	}
	return f
}

func (w *world) startPostgres(ctx context.Context) (err error) {
	w.cluster, err = pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(w.dir, "postgres"), Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB", "max_connections": "200"}})
	if err != nil {
		return err
	}
	if w.closed, err = closedPort(); err != nil {
		return err
	}
	if err := w.makeRoles(ctx); err != nil {
		return err
	}
	if err := w.makeScheduled(ctx); err != nil {
		return err
	}
	w.school, err = demo.Load(ctx, w.cluster.SuperuserURL(), func(string) {})
	return err
}

func closedPort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// cutDatabase and shortDatabase are those of whose schema pg_dump writes only the beginning: it is killed over the first, and
// says of the second that all is well.
const cutDatabase, shortDatabase = "e2e_cut", "e2e_short"

// wrapTools makes a folder with a pg_dump that is the real one, except for the two databases above.
func (w *world) wrapTools() (string, error) {
	dir := filepath.Join(w.dir, "tools")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	script := fmt.Sprintf(`#!/bin/sh
real=%s/pg_dump
case "$PGDATABASE $1" in
*--version) exec $real "$@" ;;
%s*) $real "$@" | head -c 1000; kill -9 $$ ;;
%s*) $real "$@" | head -c 1000; exit 0 ;;
*) exec $real "$@" ;;
esac
`, w.cluster.BinDir(), cutDatabase, shortDatabase)
	if err := os.Symlink(filepath.Join(w.cluster.BinDir(), "pg_restore"), filepath.Join(dir, "pg_restore")); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "pg_dump"), []byte(script), 0o755)
}

// end stops everything, whatever has been started.
func end() error {
	w := shared.w
	if w == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var errs []error
	if w.stack != nil {
		errs = append(errs, w.stack.Stop(ctx))
	}
	if w.cluster != nil {
		errs = append(errs, w.cluster.Stop(ctx), os.RemoveAll(w.cluster.Dir()))
	}
	if kept := os.Getenv("E2E_KEEP"); kept == "" && w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}
