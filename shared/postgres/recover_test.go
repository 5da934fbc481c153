package postgres_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/postgres"
)

// childPlan is what a child process of a test does until it kills itself.
type childPlan struct {
	Credentials backup.Credentials
	Password    string
	Restore     string // password of the restore login
	Attempt     backup.Attempt
	Dump        string // file
	Tables      []backup.TableRows
	Parked      *backup.Parked // to be applied
	Kept        string         // to be brought back
	DieAt       string
	DieWhen     string // this file is there
	BinDirs     string
}

const childEnv = "BR_TEST_CHILD"

// TestChild is not a test: it is the process that another test kills.
func TestChild(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		t.Skip("is run by TestEngine_Recover…")
	}
	var p childPlan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	p.Credentials.Password, p.Credentials.RestorePassword = backup.Sensitive(p.Password), backup.Sensitive(p.Restore)
	p.run(t)
}

// die ends the process as a crash does, if the time has come.
func (p *childPlan) die(at string) {
	if p.DieAt == at {
		fmt.Println("dying at", at)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (p *childPlan) run(t *testing.T) {
	ctx := context.Background()
	engine := postgres.New(postgres.Options{BinDirs: p.BinDirs})
	target := backup.Target{Database: backup.Database{Name: "school"}, Credentials: p.Credentials}
	if p.DieAt == "dump" {
		go func() {
			for p.DieWhen != "" {
				if _, err := os.Stat(p.DieWhen); err == nil {
					p.die("dump")
				}
			}
		}()
		_, err := engine.Dump(ctx, target, p.Attempt, backup.Selection{}, &dyingWriter{p: p}, nil)
		t.Fatal(err)
	}
	confirm := func(context.Context) error { p.die("confirm"); return nil }
	if p.Kept != "" {
		_, err := engine.Undo(ctx, target, p.Attempt, p.Kept, confirm)
		p.die("switch")
		t.Fatal(describe(err))
	}
	if p.Parked != nil {
		s, err := engine.Resume(ctx, target, p.Attempt, *p.Parked)
		if err != nil {
			t.Fatal(describe(err))
		}
		p.die("resume")
		_, err = s.Switch(ctx, confirm)
		p.die("switch")
		t.Fatal(describe(err))
	}
	s, err := engine.Stage(ctx, target, p.Attempt, backup.Need{})
	if err != nil {
		t.Fatal(describe(err))
	}
	p.die("stage")
	text, err := os.ReadFile(p.Dump)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(ctx, plainText{&at{bytes.NewReader(text), len(text) / 2, func() { p.die("load") }}}, nil); err != nil {
		t.Fatal(describe(err))
	}
	if err := s.Verify(ctx, backup.Want{Tables: p.Tables, Exact: true}, nil); err != nil {
		t.Fatal(describe(err))
	}
	p.die("verify")
	if p.DieAt == "park" {
		_, err := s.Park(ctx)
		p.die("park")
		t.Fatal(describe(err))
	}
	if _, err := s.Switch(ctx, confirm); err != nil {
		t.Fatal(describe(err))
	}
	p.die("switch")
}

type dyingWriter struct {
	p *childPlan
	n int
}

func (d *dyingWriter) Write(b []byte) (int, error) {
	if d.n += len(b); d.n > 100000 {
		d.p.die("dump")
	}
	return len(b), nil
}

// crash runs a child until it has killed itself.
func (w *world) crash(p childPlan) {
	w.t.Helper()
	p.Credentials = w.target.Credentials
	p.Password, p.Restore = w.target.Credentials.Password.Reveal(), w.target.Credentials.RestorePassword.Reveal()
	plan, err := json.Marshal(p)
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+string(plan))
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(io.TeeReader(out, &said))
	for lines.Scan() {
	}
	err = cmd.Wait()
	if exit, ok := err.(*exec.ExitError); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		w.t.Fatalf("the child was not killed at %s: %v: %s", p.DieAt, err, said.String())
	}
}

func TestEngine_RecoverAfterAKilledRestore(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			text, d := w.small()
			file := t.TempDir() + "/dump.sql"
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			before := w.state(w.name())
			w.in("INSERT INTO public.two VALUES (3)")
			changed := w.state(w.name())
			for _, at := range []string{"stage", "load", "verify", "park", "confirm", "switch"} {
				a := attempt(1)
				w.crash(childPlan{Attempt: a, Dump: file, Tables: d.Tables, DieAt: at})
				next := backup.Attempt{Job: a.Job, Number: 2}
				switched, err := w.engine.Recover(context.Background(), w.target, next)
				if err != nil {
					t.Fatalf("%s: recover: %v", at, describe(err))
				}
				w.clean(a.Job)
				if (switched != nil) != (at == "switch") {
					t.Errorf("%s: switched is %+v", at, switched)
				}
				if switched != nil {
					t.Cleanup(func() { w.drop(switched.Kept) })
					same(t, at, w.state(w.name()), before)
					continue
				}
				same(t, at, w.state(w.name()), changed)
			}
		})
	}
}

func TestEngine_DumpDiesWithItsWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in("CREATE TABLE public.big AS SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 100000) i; ALTER TABLE public.big OWNER TO " + ident(w.app))
	a := attempt(1)
	w.crash(childPlan{Attempt: a, DieAt: "dump"})
	w.clean(a.Job) // without Recover: pg_dump is gone, and so is its session

	// One that would not notice the broken pipe for a long time, as pg_dump does while it waits for the server.
	mark := filepath.Join(t.TempDir(), "pid")
	script := "trap '' PIPE\necho $$ >" + mark + ".new\nmv " + mark + ".new " + mark + "\nexec sleep 600"
	w.crash(childPlan{Attempt: a, DieAt: "dump", DieWhen: mark, BinDirs: fake(t, "99.1", script, trueRestore)})
	gone(t, mark)
	if _, err := w.engine.Recover(context.Background(), w.target, backup.Attempt{Job: a.Job, Number: 2}); err != nil {
		t.Error(describe(err))
	}
}

func TestEngine_RecoverLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	ctx := context.Background()
	mine := backup.Attempt{Job: backup.NewID(), Number: 10}
	var copies []backup.Staged
	for _, a := range []backup.Attempt{{Job: mine.Job, Number: 1}, {Job: mine.Job, Number: 9}, mine, attempt(1)} {
		s, err := w.engine.Stage(ctx, w.target, a, backup.Need{})
		if err != nil {
			t.Fatal(describe(err))
		}
		copies = append(copies, s)
		t.Cleanup(func() { _ = s.Discard(ctx); w.clean(a.Job) })
	}
	sessions := map[string]*pgx.Conn{}
	for _, name := range []string{mine.Job + "/1", mine.Job + "/10", mine.Job + "/100", backup.NewID() + "/1"} {
		sessions[name] = w.connectAs("postgres", "backup-restore "+name)
	}
	if _, err := w.engine.Recover(ctx, w.target, mine); err != nil {
		t.Fatal(describe(err))
	}
	for name, conn := range sessions {
		gone := strings.HasPrefix(name, mine.Job) && name != mine.Job+"/10"
		if err := conn.Ping(ctx); (err != nil) != gone {
			t.Errorf("the session of %s: %v", name, err)
		}
	}
	for i, alive := range []bool{false, false, true, true} {
		text := "SELECT 1;\n--\n-- PostgreSQL database dump complete\n--\n\n"
		if _, err := copies[i].Load(ctx, plainText{strings.NewReader(text)}, nil); (err == nil) != alive {
			t.Errorf("copy %d: load: %v", i, err)
		}
	}
	for _, conn := range sessions {
		_ = conn.Close(ctx)
	}
	began := time.Now()
	if switched, err := w.engine.Recover(ctx, w.target, mine); switched != nil || err != nil {
		t.Errorf("a second Recover says %v, %v", switched, err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a second Recover took %v", took)
	}
}

func TestStaged_DiscardKeepsToItsCallersTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := attempt(1)
	s, err := w.engine.Stage(t.Context(), w.target, a, backup.Need{})
	if err != nil {
		t.Fatal(err)
	}
	inTheWay := w.connect(fmt.Sprintf("br_%s_1", a.Job)) // a superuser's session, which the worker may not end
	brief, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	if err := s.Discard(brief); err == nil {
		t.Error("the copy could be dropped")
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s, and was given one second", took)
	}
	_ = inTheWay.Close(t.Context())
	if err := s.Discard(t.Context()); err != nil {
		t.Errorf("discard again: %v", err)
	}
	w.clean(a.Job)
}

// A statement that this attempt gave up waiting for may be its exchange, at a commit that takes long. Before it is said that there was none,
// it has to be gone.
func TestEngine_RecoverEndsWhatItsOwnAttemptLeftRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	mine := attempt(1)
	name := "backup-restore " + mine.Job + "/1"
	idle, busy := w.connectAs("postgres", name), w.connectAs("postgres", name)
	pid := busy.PgConn().PID()
	ended := make(chan error, 1)
	go func() {
		_, err := busy.Exec(ctx, "SELECT pg_sleep(600)")
		ended <- err
	}()
	watch := w.connect("postgres")
	running := func() (n int) {
		if err := watch.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state = 'active'`, name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for deadline := time.Now().Add(30 * time.Second); running() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the statement does not run")
		}
	}
	if switched, err := w.engine.Recover(ctx, w.target, mine); switched != nil || err != nil {
		t.Errorf("it says %v, %v", switched, err)
	}
	if n := running(); n > 0 {
		_, _ = watch.Exec(ctx, `SELECT pg_terminate_backend($1)`, pid)
		t.Fatalf("%d statements run still", n)
	}
	if err := <-ended; err == nil {
		t.Error("the statement came to its end")
	}
	if err := idle.Ping(ctx); err != nil {
		t.Errorf("the session that runs nothing: %v", err)
	}
}
