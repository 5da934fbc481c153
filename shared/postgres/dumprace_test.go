package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
	"github.com/backup-restore/backup-restore/shared/postgres"
)

// psql restores a dump file into a new database, as people do who have nothing but the file, and returns its name.
func (w *world) psql(file []byte, options string) string {
	w.t.Helper()
	name := "plain" + strings.ToLower(backup.NewID())
	w.exec("CREATE DATABASE " + ident(name) + " TEMPLATE template0 " + options)
	w.t.Cleanup(func() { w.drop(name) })
	text, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		w.t.Fatal(err)
	}
	u := *w.url
	u.Path = "/" + name
	cmd := exec.Command(filepath.Join(filepath.Dir(pgDump(w.t)), "psql"), "-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", u.String())
	cmd.Stdin = text
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("psql: %v\n%s", err, out)
	}
	return name
}

// wide lets the engine work with four sessions, and cut tables of more than some kilobytes.
func (w *world) wide() {
	w.engine = postgres.New(postgres.Options{Processors: 4})
	w.engine.SetRangeBytes(64 << 10)
	w.target.Credentials.Connections = 4
}

// file makes a backup and returns its file.
func (w *world) file(s backup.Selection) ([]byte, backup.Dumped) {
	w.t.Helper()
	var file bytes.Buffer
	a := attempt(1)
	d, err := w.engine.Dump(context.Background(), w.target, a, s, &file, nil)
	if err != nil {
		w.t.Fatal(describe(err))
	}
	if _, err := dumpfile.Verify(bytes.NewReader(file.Bytes())); err != nil {
		w.t.Fatal(err)
	}
	w.clean(a.Job)
	return file.Bytes(), d
}

func TestEngine_DumpIsRestoredByPsqlAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("BYPASSRLS"))
	w.wide()
	w.school()
	w.in(`CREATE TABLE public.wide AS SELECT i AS id, repeat(md5(i::text), 300) AS text, decode(repeat(md5(i::text), 100), 'hex') AS raw FROM generate_series(1, 3000) i;
		DELETE FROM public.wide WHERE id % 3 = 0; ALTER TABLE public.wide DROP COLUMN text, ADD COLUMN late text DEFAULT 'x', ALTER id SET NOT NULL;
		ALTER TABLE public.wide OWNER TO ` + ident(w.app))
	file, d := w.file(backup.Selection{})
	got, want := w.state(w.psql(file, "")), w.state(w.name())
	delete(got, "properties") // of the database, which are not in a dump of it
	delete(want, "properties")
	same(t, "restored by psql", got, want)
	index, err := dumpfile.Verify(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	pieces := 0
	for _, m := range index.Members {
		if m.Table >= 0 && index.Tables[m.Table].Name == "wide" {
			pieces++
		}
	}
	if pieces < 8 || d.Connections != 4 {
		t.Errorf("a table was read in %d pieces by %d connections: nothing is proven about ranges", pieces, d.Connections)
	}
}

func TestEngine_DumpOfOtherEncodingsIsRestoredAsItWas(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"LATIN1", "SQL_ASCII", "EUC_JP"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			options := "ENCODING '" + encoding + "' LC_COLLATE 'C' LC_CTYPE 'C'"
			w.drop(w.name())
			w.exec("CREATE DATABASE " + ident(w.name()) + " OWNER " + ident(w.app) + " TEMPLATE template0 " + options)
			value := map[string]string{"LATIN1": "'Größe ' || chr(233)", "SQL_ASCII": `E'\xff\xfe raw \x80'`, "EUC_JP": "U&'\\65E5\\672C'"}[encoding]
			w.in("SET client_encoding = " + map[bool]string{true: "SQL_ASCII", false: "UTF8"}[encoding == "SQL_ASCII"] + "; CREATE TABLE public.t (a text); INSERT INTO public.t VALUES (" + value + "); ALTER TABLE public.t OWNER TO " + ident(w.app))
			file, _ := w.file(backup.Selection{})
			hex := func(database string) (out string) {
				if err := w.connect(database).QueryRow(context.Background(), "SELECT encode(textsend(a), 'hex') FROM public.t").Scan(&out); err != nil {
					t.Fatal(err)
				}
				return out
			}
			if got, want := hex(w.psql(file, options)), hex(w.name()); got != want {
				t.Errorf("the value is %s, was %s", got, want)
			}
		})
	}
}

// gate is a writer that stops what writes to it after some bytes, until it is opened.
type gate struct {
	bytes.Buffer
	after   int
	reached chan struct{}
	open    chan struct{}
	once    sync.Once
}

func newGate(after int) *gate {
	return &gate{after: after, reached: make(chan struct{}), open: make(chan struct{})}
}

func (g *gate) Write(p []byte) (int, error) {
	if g.Len()+len(p) > g.after {
		g.once.Do(func() { close(g.reached) })
		<-g.open
	}
	return g.Buffer.Write(p)
}

// held starts a dump and returns when its writer stands at the gate. end opens the gate and waits for the dump's end.
func (w *world) held(ctx context.Context, a backup.Attempt, after int) (g *gate, end func() error) {
	w.t.Helper()
	g = newGate(after)
	ended := make(chan error, 1)
	go func() {
		_, err := w.engine.Dump(ctx, w.target, a, backup.Selection{}, g, nil)
		ended <- err
	}()
	select {
	case <-g.reached:
	case err := <-ended:
		w.t.Fatalf("the dump ended before its writer was stopped: %v", describe(err))
	}
	return g, func() error {
		close(g.open)
		return <-ended
	}
}

func TestEngine_DumpHoldsOffWhoWouldTakeRowsAway(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{"TRUNCATE public.big", "DROP TABLE public.big", "ALTER TABLE public.big ADD COLUMN more int DEFAULT 7", "ALTER TABLE public.big ALTER COLUMN i TYPE bigint"} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.big()
			a := attempt(1)
			g, end := w.held(context.Background(), a, 0)
			if _, err := w.connect(w.name()).Exec(context.Background(), "SET lock_timeout = 100; "+sql); err == nil {
				t.Error("it did not have to wait")
			}
			if _, err := w.connect(w.name()).Exec(context.Background(), "SET lock_timeout = 10000; INSERT INTO public.big VALUES (0, 'new'); UPDATE public.small SET text = 'new'; DELETE FROM public.small"); err != nil {
				t.Errorf("who writes has to wait: %v", err)
			}
			if err := end(); err != nil {
				t.Fatal(describe(err))
			}
			w.clean(a.Job)
			var big, small int
			if err := w.connect(w.psql(g.Bytes(), "")).QueryRow(context.Background(), "SELECT (SELECT count(*) FROM big), (SELECT count(*) FROM small WHERE text <> 'new')").Scan(&big, &small); err != nil || big != 120000 || small != 20000 {
				t.Errorf("%d and %d rows, %v", big, small, err)
			}
		})
	}
}

func TestEngine_DumpIsNotStuckBehindWhoWaitsForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wide()
	w.big()
	a := attempt(1)
	// Nothing but the schema is read. Two that want to change the tables wait for our locks, and every new session that wants to read waits for them.
	g, end := w.held(context.Background(), a, 0)
	var waiting sync.WaitGroup
	for _, table := range []string{"big", "small"} {
		conn := w.connect(w.name())
		waiting.Go(func() {
			if _, err := conn.Exec(context.Background(), "ALTER TABLE public."+table+" ADD COLUMN more int DEFAULT 7"); err != nil {
				t.Error(err)
			}
		})
	}
	w.wait("SELECT count(*) = 2 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT granted AND datname = " + quote(w.name()))
	if err := end(); err != nil {
		t.Fatal(describe(err))
	}
	waiting.Wait()
	w.clean(a.Job)
	var big, columns int
	if err := w.connect(w.psql(g.Bytes(), "")).QueryRow(context.Background(), "SELECT count(*), (SELECT count(*) FROM pg_attribute WHERE attrelid = 'big'::regclass AND attnum > 0) FROM big").Scan(&big, &columns); err != nil || big != 120000 || columns != 2 {
		t.Errorf("%d rows of %d columns, %v", big, columns, err)
	}
}

// wait waits until a question of the superuser's is answered by yes.
func (w *world) wait(sql string) {
	w.t.Helper()
	for yes := false; !yes; {
		if err := w.super.QueryRow(context.Background(), sql).Scan(&yes); err != nil {
			w.t.Fatal(err)
		}
		if w.t.Context().Err() != nil {
			w.t.Fatalf("it never came to be: %s", sql)
		}
	}
}

func TestEngine_DumpBeginsAgainWhenATableChangesBeforeItsSchemaIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.big()
	// The first pg_dump finds somebody before it who waits for the locks that the dump has, and so waits for itself.
	mark := filepath.Join(t.TempDir(), "begun")
	u := *w.url
	u.Path = "/" + w.name()
	ask := `"$real/psql" -X -q -A -t '` + u.String() + `' -c `
	script := "if [ ! -e " + mark + " ]; then touch " + mark + "\n" + ask + "'ALTER TABLE public.small ADD COLUMN more int DEFAULT 7' >/dev/null 2>&1 &\n" +
		"until [ \"$(" + ask + "\"SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT granted AND datname = current_database()\")\" = 1 ]; do :; done\nfi\n" + trueDump
	w.engine = postgres.New(postgres.Options{BinDirs: fake(t, serverVersion(w), script, trueRestore)})
	file, _ := w.file(backup.Selection{})
	var sum int
	if err := w.connect(w.psql(file, "")).QueryRow(context.Background(), "SELECT sum(more) FROM small").Scan(&sum); err != nil || sum != 7*20000 {
		t.Errorf("the new column sums up to %d, %v", sum, err)
	}
}

func TestEngine_DumpIsOneMomentOfADatabaseInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wide()
	w.in(`SET ROLE ` + ident(w.app) + `; CREATE TABLE public.account (id int PRIMARY KEY, amount bigint NOT NULL, note text);
		INSERT INTO public.account SELECT i, 1000, repeat('x', 500) FROM generate_series(1, 5000) i;
		CREATE TABLE public.transfer (id bigserial PRIMARY KEY, source int NOT NULL REFERENCES public.account, target int NOT NULL REFERENCES public.account, amount bigint NOT NULL);
		CREATE TABLE public.line (transfer bigint NOT NULL REFERENCES public.transfer, text text);`)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var writers sync.WaitGroup
	for range 3 {
		conn := w.connect(w.name())
		writers.Go(func() {
			for ctx.Err() == nil {
				_, err := conn.Exec(context.Background(), `DO $$ DECLARE a int := 1 + random() * 4999; b int := 1 + random() * 4999; n int := random() * 100; t bigint; BEGIN
					PERFORM FROM public.account WHERE id IN (a, b) ORDER BY id FOR UPDATE;
					UPDATE public.account SET amount = amount - n WHERE id = a; UPDATE public.account SET amount = amount + n WHERE id = b;
					INSERT INTO public.transfer (source, target, amount) VALUES (a, b, n) RETURNING id INTO t; INSERT INTO public.line VALUES (t, 'text'), (t, 'more'); END $$`)
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3 {
		file, _ := w.file(backup.Selection{})
		copied := w.connect(w.psql(file, ""))
		var sum, rows, lines, ahead int64
		err := copied.QueryRow(context.Background(), `SELECT (SELECT sum(amount) FROM account), (SELECT count(*) FROM account),
			(SELECT count(*) FROM line) - 2 * (SELECT count(*) FROM transfer), (SELECT last_value FROM transfer_id_seq) - (SELECT coalesce(max(id), 0) FROM transfer)`).Scan(&sum, &rows, &lines, &ahead)
		if err != nil || sum != 5000*1000 || rows != 5000 || lines != 0 || ahead < 0 {
			t.Errorf("sum %d of %d rows, %d lines too many, the sequence is %d ahead; %v", sum, rows, lines, ahead, err)
		}
	}
	cancel()
	writers.Wait()
}

func TestEngine_DumpUnderMigrationsRestoresOrSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wide()
	w.big()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var migrations sync.WaitGroup
	conn := w.connect(w.name())
	migrations.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			for _, sql := range []string{
				fmt.Sprintf("CREATE TABLE public.t%d (a int PRIMARY KEY, b serial); ALTER TABLE public.t%[1]d OWNER TO %s", i, ident(w.app)),
				fmt.Sprintf("INSERT INTO public.t%d SELECT g FROM generate_series(1, 1000) g", i),
				fmt.Sprintf("ALTER TABLE public.t%d ADD COLUMN c int DEFAULT 7", i),
				fmt.Sprintf("TRUNCATE public.t%d RESTART IDENTITY", i),
				fmt.Sprintf("ALTER TABLE public.t%d RENAME TO u%d", i, i),
				fmt.Sprintf("DROP TABLE public.u%d", i-3),
				"SELECT pg_sleep(0.3)",
			} {
				if _, err := conn.Exec(context.Background(), sql); err != nil && i > 3 {
					t.Errorf("%s: %v", sql, err)
					return
				}
			}
		}
	})
	made := 0
	for range 3 {
		var file bytes.Buffer
		a := attempt(1)
		_, err := w.engine.Dump(context.Background(), w.target, a, backup.Selection{}, &file, nil)
		var told *backup.Error
		switch {
		case err == nil:
			made++
			w.psql(file.Bytes(), "")
		case !errors.As(err, &told) || told.Code == backup.CodeInternal:
			t.Errorf("an error that nobody understands: %v", describe(err))
		}
		w.clean(a.Job)
	}
	cancel()
	migrations.Wait()
	t.Logf("%d of 3 dumps were made", made)
}

func TestEngine_DumpWhoseSessionIsEndedLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wide()
	w.engine.SetRangeBytes(8 << 20) // so few pieces that all are read while none can be written
	w.big()
	for i, which := range []string{"ORDER BY backend_start LIMIT 1", "ORDER BY backend_start DESC LIMIT 1", "", "ORDER BY backend_start LIMIT 1", "ORDER BY backend_start DESC LIMIT 1"} {
		a := attempt(1)
		before := i < 3 // any row is read; else after all are
		g, end := w.held(context.Background(), a, map[bool]int{true: 0, false: 100 << 10}[before])
		if !before {
			w.wait("SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'active' AND application_name = " + quote("backup-restore "+a.Job+"/1"))
		}
		var ended int
		if err := w.super.QueryRow(context.Background(), "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = "+
			quote("backup-restore "+a.Job+"/1")+" "+which+") s").Scan(&ended); err != nil || ended == 0 {
			t.Fatalf("%d sessions were ended, %v", ended, err)
		}
		failed(t, which, end(), backup.CodeUnreachable)
		if _, err := dumpfile.Verify(bytes.NewReader(g.Bytes())); err == nil {
			t.Error("the file looks whole")
		}
		w.clean(a.Job)
	}
}

// line is a network between an engine and its server, which can be cut.
type line struct {
	mu    sync.Mutex
	ends  []net.Conn
	broke bool
}

// lay puts the line before the world's server.
func (l *line) lay(w *world) {
	w.t.Helper()
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = door.Close() })
	w.target.Credentials.Port = door.Addr().(*net.TCPAddr).Port
	go func() {
		for {
			near, err := door.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", w.url.Host)
			if err != nil || !l.add(near, far) {
				_ = near.Close()
				continue
			}
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
		}
	}()
}

func (l *line) add(ends ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, ends...)
	return !l.broke
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broke = true
	for _, c := range l.ends {
		_ = c.Close()
	}
}

func TestEngine_DumpOverALineThatIsCutLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wide()
	w.big()
	var l line
	l.lay(w)
	a := attempt(1)
	g, end := w.held(context.Background(), a, 0)
	l.cut()
	failed(t, "cut", end(), backup.CodeUnreachable)
	if _, err := dumpfile.Verify(bytes.NewReader(g.Bytes())); err == nil {
		t.Error("the file looks whole")
	}
	w.clean(a.Job)
}

func TestEngine_DumpThatIsCancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wide()
	w.big()
	for _, after := range []int{0, 100 << 10} {
		ctx, cancel := context.WithCancel(context.Background())
		a := attempt(1)
		_, end := w.held(ctx, a, after)
		cancel()
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v, want the context's", err)
		}
		w.clean(a.Job)
	}
}

func TestEngine_DumpMakesDoWithFewConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CONNECTION LIMIT 2"))
	w.wide()
	w.big()
	file, d := w.file(backup.Selection{})
	if d.Connections != 2 {
		t.Errorf("%d connections read", d.Connections)
	}
	w.psql(file, "")
}

func TestEngine_DumpOfSomeTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(`SET ROLE ` + ident(w.app) + `; CREATE SCHEMA audit; CREATE TABLE audit.log (a int); INSERT INTO audit.log VALUES (1);
		CREATE TABLE public.class (id int PRIMARY KEY); INSERT INTO public.class VALUES (1), (2);
		CREATE TABLE public.student (id int PRIMARY KEY, class int REFERENCES public.class); INSERT INTO public.student VALUES (1, 1);
		CREATE TABLE public.day (d date, s int REFERENCES public.student) PARTITION BY RANGE (d);
		CREATE TABLE public.day_1 PARTITION OF public.day FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); INSERT INTO public.day VALUES ('2026-02-03', 1);`)
	for _, c := range []struct {
		selection backup.Selection
		want      string // rows of class, student, day, log
	}{
		{backup.Selection{Exclude: []string{"audit.*"}}, "2 1 1 0"},
		{backup.Selection{Include: []string{"public.class"}}, "2 0 0 0"},
		{backup.Selection{Include: []string{"public.*"}, Exclude: []string{"public.day"}}, "2 1 0 0"},
		{backup.Selection{Exclude: []string{"public.day_*"}}, "2 1 0 1"},
	} {
		file, d := w.file(c.selection)
		var got string
		if err := w.connect(w.psql(file, "")).QueryRow(context.Background(), "SELECT concat_ws(' ', (SELECT count(*) FROM class), (SELECT count(*) FROM student), (SELECT count(*) FROM day), (SELECT count(*) FROM audit.log))").Scan(&got); err != nil || got != c.want {
			t.Errorf("%+v: rows %s, want %s; %v", c.selection, got, c.want, err)
		}
		if total := backup.TotalRows(d.Tables); total == 0 || total > 5 {
			t.Errorf("%+v: %d rows are reported", c.selection, total)
		}
	}
	for _, s := range []backup.Selection{{Include: []string{"public.student"}}, {Exclude: []string{"public.class"}}, {Include: []string{"public.day"}}} {
		a := attempt(1)
		_, err := w.engine.Dump(context.Background(), w.target, a, s, &strings.Builder{}, nil)
		failed(t, fmt.Sprint(s), err, backup.CodeBadSelection, "public.")
		w.clean(a.Job)
	}
}
