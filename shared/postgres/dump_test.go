package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
	"github.com/backup-restore/backup-restore/shared/postgres"
)

func TestEngine_DumpCountsWhatItWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, named(`Größe "x" host=nowhere '\ `), with("BYPASSRLS"))
	w.school()
	a := attempt(1)
	text, d := w.dump(a)
	if since := time.Since(d.ConnectedAt); since < 0 || since > time.Minute {
		t.Errorf("connected at %s", d.ConnectedAt)
	}
	script, index := text[:d.SQLBytes], text[d.SQLBytes:]
	if !bytes.HasPrefix(index, []byte("-- backup-restore index")) {
		t.Errorf("behind the %d bytes of the dump comes %.100q", d.SQLBytes, index)
	}
	for what, n := range map[string]int{"\n\\restrict ": 1, "\n\\unrestrict ": 1, "-- PostgreSQL database dump complete\n": 1, "-- PostgreSQL database dump\n": 1} {
		if got := bytes.Count(script, []byte(what)); got != n {
			t.Errorf("%q is %d times in the text", what, got)
		}
	}
	if !bytes.Contains(script[max(0, len(script)-300):], []byte("-- PostgreSQL database dump complete")) {
		t.Error("the end mark is not at the end")
	}
	rows := map[string]int64{}
	for _, table := range d.Tables {
		rows[table.Name()] = table.Rows
	}
	for name, n := range map[string]int64{
		"public.student": 2000, "public.no_columns": 3, "public.no_rows": 0, "public.person": 1, "public.pupil": 2, "Größe.hidden": 3,
		"public.Tabelle mit\nZeile und \"Anführung\"": 2, "public.attendance_rest": 322, "reports.yearly": 1, "public.scratch": 1,
	} {
		if got, ok := rows[name]; !ok || got != n {
			t.Errorf("%q has %d rows (there: %v), want %d", name, got, ok, n)
		}
	}
	w.clean(a.Job)
}

func TestEngine_DumpFailureNamesItsCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(fmt.Sprintf(`CREATE TABLE public.mine (a int); ALTER TABLE public.mine OWNER TO %s;`, ident(w.app)))
	cases := []struct {
		name  string
		setup string
		alter func(*backup.Credentials)
		code  backup.Code
		says  []string
	}{
		{"server down", "", func(c *backup.Credentials) { c.Port = 1 }, backup.CodeUnreachable, []string{"127.0.0.1:1"}},
		{"no such host", "", func(c *backup.Credentials) { c.Host = "host.invalid"; c.SSLMode = "disable" }, backup.CodeUnreachable, []string{"host.invalid"}},
		{"wrong password", "", func(c *backup.Credentials) { c.Password = "wrong-one" }, backup.CodeLoginRefused, []string{w.app}},
		{"no such user", "", func(c *backup.Credentials) { c.Username = "nobody" }, backup.CodeLoginRefused, []string{"nobody"}},
		{"no such database", "", func(c *backup.Credentials) { c.DBName = "nowhere" }, backup.CodeMissing, []string{"nowhere"}},
		{"no TLS", "", func(c *backup.Credentials) { c.SSLMode = "verify-full" }, backup.CodeUnreachable, nil},
		{"unknown sslmode", "", func(c *backup.Credentials) { c.SSLMode = "maybe" }, backup.CodeBadSecret, []string{"sslmode"}},
		{"unreadable table", `CREATE TABLE public."my secret" (a int)`, nil, backup.CodePermission,
			[]string{`public."my secret"`, `GRANT SELECT ON TABLE public."my secret" TO "` + w.app + `";`}},
		{"unreadable sequence", `DROP TABLE public."my secret"; CREATE SEQUENCE public.count`, nil, backup.CodePermission, []string{"GRANT SELECT ON SEQUENCE public.count"}},
		{"row level security", `DROP SEQUENCE public.count; ALTER TABLE public.mine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`, nil,
			backup.CodePermission, []string{"mine", "BYPASSRLS"}},
	}
	for _, c := range cases {
		if c.setup != "" {
			w.in(c.setup)
		}
		target := w.target
		if c.alter != nil {
			c.alter(&target.Credentials)
		}
		a := attempt(1)
		_, err := w.engine.Dump(context.Background(), target, a, backup.Selection{}, &strings.Builder{}, nil)
		failed(t, c.name, err, c.code, c.says...)
		w.clean(a.Job)
	}
}

// failed checks an error that an operator reads.
func failed(t *testing.T, name string, err error, code backup.Code, says ...string) {
	t.Helper()
	var e *backup.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: error is %v, want an *Error with %s", name, err, code)
		return
	}
	if e.Code != code {
		t.Errorf("%s: code %s, want %s (%v; log %q)", name, e.Code, code, err, e.Log)
	}
	if e.Text == "" || e.Hint == "" {
		t.Errorf("%s: text %q, hint %q: both are wanted", name, e.Text, e.Hint)
	}
	for _, s := range says {
		if !strings.Contains(e.Text+"\n"+e.Hint+"\n"+e.Log, s) {
			t.Errorf("%s: %q is not in text %q, hint %q, log %q", name, s, e.Text, e.Hint, e.Log)
		}
	}
	for _, part := range []string{e.Text, e.Hint, e.Log, err.Error()} {
		if strings.Contains(part, appPassword) {
			t.Errorf("%s: the password is in %q", name, part)
		}
	}
}

// fake makes a folder with a pg_dump and a pg_restore that are shell scripts. In them $real is the folder of the true ones.
func fake(t *testing.T, version, dump, restore string) string {
	t.Helper()
	real, err := exec.LookPath("pg_restore")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, script := range map[string]string{"pg_dump": dump, "pg_restore": restore} {
		text := "#!/bin/sh\nreal=" + filepath.Dir(real) + "\nif [ \"$1\" = --version ]; then echo '" + name + " (PostgreSQL) " + version + "'; exit 0; fi\n" + script + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	trueDump    = `"$real/pg_dump" "$@"`
	trueRestore = `"$real/pg_restore" "$@"`
)

func TestEngine_DumpBySchemaToolsThatFailIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in("CREATE TABLE public.t (a int); INSERT INTO public.t VALUES (1), (2); ALTER TABLE public.t OWNER TO " + ident(w.app))
	cases := []struct {
		name, dump, restore string
		code                backup.Code
		says                string
	}{
		{"pg_dump ends well with nothing", "exit 0", trueRestore, backup.CodeDumpCut, "input file is too short"},
		{"pg_dump ends well and is cut", trueDump + " | head -c 500", trueRestore, backup.CodeDumpCut, "end of file"},
		{"pg_dump fails", trueDump + "; echo \"out of paper, $PGPASSWORD\" >&2; exit 1", trueRestore, backup.CodeToolFailed, "out of paper, [redacted]"},
		{"pg_dump is killed", trueDump + "; kill -9 $$", trueRestore, backup.CodeToolFailed, "signal"},
		{"pg_dump says too much", "head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 1", trueRestore, backup.CodeToolFailed, "the end"},
		{"pg_restore ends well and is cut", trueDump, trueRestore + " | head -n -12", backup.CodeDumpCut, ""},
		{"pg_restore ends well in its header", trueDump, trueRestore + " | head -n 3", backup.CodeDumpCut, ""},
		{"pg_restore fails after the mark", trueDump, trueRestore + "; echo sorry >&2; exit 3", backup.CodeDumpCut, "sorry"},
	}
	for _, c := range cases {
		engine := postgres.New(postgres.Options{BinDirs: fake(t, "15.99", c.dump, c.restore)})
		a := attempt(1)
		var file bytes.Buffer
		_, err := engine.Dump(context.Background(), w.target, a, backup.Selection{}, &file, nil)
		failed(t, c.name, err, c.code, c.says)
		if _, err := dumpfile.Verify(&file); err == nil {
			t.Errorf("%s: the file looks whole", c.name)
		}
		var e *backup.Error
		if errors.As(err, &e) && len(e.Log) > 8<<10 {
			t.Errorf("%s: the log has %d bytes", c.name, len(e.Log))
		}
		w.clean(a.Job)
	}
	good := postgres.New(postgres.Options{BinDirs: fake(t, "15.99", trueDump, trueRestore)})
	if d, err := good.Dump(context.Background(), w.target, attempt(1), backup.Selection{}, &strings.Builder{}, nil); err != nil || len(d.Tables) != 1 || d.Tables[0].Rows != 2 {
		t.Errorf("the true tools give %+v, %v: the cases above prove nothing", d, err)
	}
}

func TestEngine_DumpByAnOlderToolIsRefusedBeforeItStarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mark := filepath.Join(t.TempDir(), "started")
	engine := postgres.New(postgres.Options{BinDirs: fake(t, "9.6.24", "touch "+mark, trueRestore)})
	_, err := engine.Dump(context.Background(), w.target, attempt(1), backup.Selection{}, &strings.Builder{}, nil)
	failed(t, "older", err, backup.CodeToolTooOld, "9.6.24", serverVersion(w))
	if _, err := os.Stat(mark); err == nil {
		t.Error("pg_dump was started")
	}
	engine = postgres.New(postgres.Options{BinDirs: t.TempDir()})
	_, err = engine.Dump(context.Background(), w.target, attempt(1), backup.Selection{}, &strings.Builder{}, nil)
	failed(t, "none", err, backup.CodeToolTooOld, serverVersion(w))
}

func serverVersion(w *world) (v string) {
	if err := w.super.QueryRow(context.Background(), `SELECT split_part(current_setting('server_version'), ' ', 1)`).Scan(&v); err != nil {
		w.t.Fatal(err)
	}
	return v
}

type brokenWriter struct{ after int }

var errBroken = errors.New("the bucket is gone")

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.after -= len(p); b.after < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestEngine_DumpEndsWhenItsWriterFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.big()
	for _, after := range []int{0, 5_000, 1 << 20} {
		a := attempt(1)
		_, err := w.engine.Dump(context.Background(), w.target, a, backup.Selection{}, &brokenWriter{after: after}, nil)
		if !errors.Is(err, errBroken) {
			t.Errorf("after %d bytes the error is %v, want the writer's in its chain", after, err)
		}
		w.clean(a.Job)
	}
}

// big makes tables of some 40 MB of text, most of it in one of them.
func (w *world) big() {
	w.t.Helper()
	w.in(`CREATE TABLE public.big AS SELECT i, repeat(md5(i::text), 8) AS text FROM generate_series(1, 120000) i;
		CREATE TABLE public.small AS SELECT i, md5(i::text) AS text FROM generate_series(1, 20000) i;
		ALTER TABLE public.big OWNER TO ` + ident(w.app) + `; ALTER TABLE public.small OWNER TO ` + ident(w.app))
}

func TestEngine_DumpEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mark := filepath.Join(t.TempDir(), "pid")
	// The script ignores polite signals, and has a child that holds its output open.
	engine := postgres.New(postgres.Options{BinDirs: fake(t, "15.99", "trap '' TERM INT\nsleep 600 &\necho $$ >"+mark+"\nwait", trueRestore)})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if b, err := os.ReadFile(mark); err == nil && len(b) > 0 {
				cancel()
			}
		}
	}()
	a := attempt(1)
	_, err := engine.Dump(ctx, w.target, a, backup.Selection{}, &strings.Builder{}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want the context's", err)
	}
	gone(t, mark)
	w.clean(a.Job)
}

// gone waits until no process of the group whose leader's id is in the file is left.
func gone(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(b))
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if !groupAlive(pid) {
			return
		}
	}
	t.Errorf("the process group %s is still there", pid)
}

// groupAlive looks for processes of a group that are not mere entries of the dead.
func groupAlive(group string) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) > 2 && fields[2] == group && fields[0] != "Z" {
			return true
		}
	}
	return false
}

func TestEngine_DumpReportsItsProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(`CREATE TABLE public.big AS SELECT i, repeat(md5(i::text), 4) AS text FROM generate_series(1, 100000) i; ANALYZE; ALTER TABLE public.big OWNER TO ` + ident(w.app))
	var reports []backup.Progress
	d, err := w.engine.Dump(context.Background(), w.target, attempt(1), backup.Selection{}, &strings.Builder{}, func(p backup.Progress) { reports = append(reports, p) })
	if err != nil {
		t.Fatal(err)
	}
	last := reports[len(reports)-1]
	if last.TablesDone != 1 || last.TablesTotal != 1 || last.Rows != 100000 || last.Bytes != d.SQLBytes {
		t.Errorf("the last report is %+v, the dump has %d bytes", last, d.SQLBytes)
	}
	if first := reports[0].BytesTotal; first < d.SQLBytes/2 || first > d.SQLBytes*2 {
		t.Errorf("the estimate was %d bytes, the dump has %d", first, d.SQLBytes)
	}
}
