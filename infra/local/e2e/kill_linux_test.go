package e2e

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// taken is the bound within which a killed worker's job must be taken up again.
const taken = 2 * time.Minute

// victim is a database of which a restore has something of each kind to do.
const victim = `CREATE TABLE class (class_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE pupil (pupil_id bigserial PRIMARY KEY, class_id integer NOT NULL REFERENCES class, name text NOT NULL CHECK (name <> ''));
INSERT INTO class (name) SELECT 'class ' || n FROM generate_series(1, 20) n;
INSERT INTO pupil (class_id, name) SELECT 1 + n % 20, 'pupil ' || n FROM generate_series(1, 2000) n;
CREATE VIEW crowded AS SELECT name FROM class WHERE (SELECT count(*) FROM pupil WHERE pupil.class_id = class.class_id) > 50;
CREATE FUNCTION pupils() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM pupil';`

// A worker that is killed leaves a job that somebody else ends, and nothing else.
func TestKill_TheJobIsTakenUpAgainAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	w := use(t)
	for _, tt := range []struct {
		name, dbname string
		restore      bool
		// at is where a session of the job stands when its worker is killed.
		at stop
	}{
		{"while a backup reads", "e2e_kill_dump", false, stop{sql: regexp.MustCompile(`^COPY `), at: flowing}},
		{"while a restore loads", "e2e_kill_load", true, stop{database: staged, sql: regexp.MustCompile(`^COPY `), at: flowing}},
		{"while a restore verifies", "e2e_kill_verify", true, stop{database: staged, sql: regexp.MustCompile(`SELECT count\(\*\)`), at: answered}},
		{"while a restore switches", "e2e_kill_switch", true, stop{sql: betweenRenames, at: inside}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := w.newDatabase(t, tt.dbname, victim)
			path := "/api/databases/" + db + "/backups"
			var body any
			want := "created"
			if tt.restore {
				good := w.backup(t, db).wantState(t, "created")
				path, want = "/api/databases/"+db+"/restores", "restored"
				body = map[string]any{"source": map[string]string{"backup": good.ID}, "dryRun": false, "confirm": db}
			}
			before := w.snapshot(t, tt.dbname)
			kill := w.killer(t, tt.dbname, tt.at)
			j := into[job](w.do(t, request{method: "POST", path: path, role: superAdmin, body: body}).want(202))
			died := kill()
			j = w.awaitTakeover(t, path+"/"+j.ID).wantState(t, want)
			if j.Attempt != 2 {
				t.Errorf("ended by attempt %d", j.Attempt)
			}
			if since := j.StartedAt.Sub(died); realTimes && since > taken {
				t.Errorf("taken up again after %s, promised within %s", since, taken)
			}
			t.Logf("taken up again after %s, %s after %s", j.StartedAt.Sub(died).Round(time.Millisecond), j.State, time.Since(died).Round(time.Millisecond))
			w.nothingLeft(t, db, j)
			if diff := before.diff(w.snapshot(t, tt.dbname)); diff != "" {
				t.Errorf("the database differs (-before +after):\n%s", diff)
			}
		})
	}
}

// staged matches the names of copies, and betweenRenames the place in the exchange where the copy does not bear live's name yet.
var (
	staged         = regexp.MustCompile(`^br_`)
	betweenRenames = regexp.MustCompile(`RENAME TO [^;]*; ()ALTER DATABASE [^;]* RENAME TO`)
)

// awaitTakeover waits for the end of a job whose worker was killed.
func (w *world) awaitTakeover(t *testing.T, path string) job {
	t.Helper()
	for deadline := time.Now().Add(taken + patience); ; time.Sleep(500 * time.Millisecond) {
		if !realTimes {
			if err := w.stack.Host().InvokeAsync(w.stack.FunctionName("JanitorFunction"), []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		j := into[job](w.do(t, request{path: path, role: auditor}).want(200))
		if j.ended() {
			return j
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still %s", path, j.State)
		}
	}
}

// nothingLeft looks for what a killed worker may leave: sessions, staged databases, logins, markers, half objects.
func (w *world) nothingLeft(t *testing.T, db string, j job) {
	t.Helper()
	for what, sql := range map[string]string{
		"sessions":         `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backup-restore ` + j.ID + `%'`,
		"staged databases": `SELECT count(*) FROM pg_database WHERE datname LIKE 'br\_` + j.ID + `%' AND datname NOT LIKE '%\_kept'`,
		"logins":           `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'br\_` + j.ID + `%'`,
	} {
		if n := ask[int](t, w, "postgres", sql); n != 0 {
			t.Errorf("%d %s are left", n, what)
		}
	}
	for _, prefix := range []string{"open/" + db + "/", "backups/" + db + "/" + j.ID + "/"} {
		want := 0
		if strings.HasPrefix(prefix, "backups/") && j.State == "created" {
			want = 1
		}
		if n := w.current(t, prefix); n != want {
			t.Errorf("%d objects under %s, want %d", n, prefix, want)
		}
		if n := w.uploads(t, prefix); n != 0 {
			t.Errorf("%d unfinished uploads are left under %s", n, prefix)
		}
	}
}

// current counts the objects under a prefix as they are now.
func (w *world) current(t *testing.T, prefix string) int {
	t.Helper()
	bucket := w.stack.Bucket("Bucket")
	out, err := s3.NewFromConfig(w.stack.AWSConfig()).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Contents)
}

// killer makes the next session that the product has with a database stop somewhere. The function that it returns waits until one
// has, kills the worker behind it, and returns when that was. The server is as it was left then.
func (w *world) killer(t *testing.T, dbname string, at stop) func() time.Time {
	t.Helper()
	var key int64
	letServerGo := func() {}
	if at.at == inside {
		key, letServerGo = w.lock(t)
		// However long it takes to find out: the transaction's own patience is for what it does itself.
		at.insert = fmt.Sprintf("SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(%d); SET LOCAL lock_timeout = '6s'; ", key)
	}
	reached := w.holdups[dbname].arm(at)
	return func() time.Time {
		t.Helper()
		select {
		case session := <-reached:
			if at.at == inside {
				w.awaitLock(t, key)
			}
			w.killBehind(t, session.port)
			died := time.Now()
			session.letGo()
			letServerGo()
			return died
		case <-time.After(patience):
			t.Fatalf("no session of %s came to %s", dbname, at.sql)
			return time.Time{}
		}
	}
}

var locks atomic.Int64

// lock takes an advisory lock of its own. Such locks belong to a database, and databases are renamed from this one.
func (w *world) lock(t *testing.T) (key int64, release func()) {
	t.Helper()
	conn := w.connect(t, "postgres", "", "")
	key = locks.Add(1)
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock($1)", key); err != nil {
		t.Fatal(err)
	}
	return key, func() { _ = conn.Close(context.Background()) }
}

// awaitLock returns when a session waits for a lock of ours.
func (w *world) awaitLock(t *testing.T, key int64) {
	t.Helper()
	conn := w.connect(t, "postgres", "", "")
	defer func() { _ = conn.Close(context.Background()) }()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var waits bool
		err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid::bigint = $1)", key).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
		if waits {
			return
		}
	}
	t.Fatal("no session came to the lock")
}

// killBehind kills the worker whose connection comes from a port, and returns when it is gone.
func (w *world) killBehind(t *testing.T, port int) {
	t.Helper()
	pid, err := w.workerAt(port)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill worker %d: %v", pid, err)
	}
	for deadline := time.Now().Add(patience); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("worker %d does not end", pid)
		}
	}
}

// workerAt finds the worker, or the pg_dump of a worker, whose connection to the server comes from a port.
// The session is held still, so it can be looked for again: /proc is read entry by entry, and one may be missed while others come and go.
func (w *world) workerAt(port int) (pid int, err error) {
	for range 20 {
		if pid, err = w.findWorkerAt(port); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return pid, err
}

func (w *world) findWorkerAt(port int) (int, error) {
	inode, err := socketFrom(port)
	if err != nil {
		return 0, err
	}
	for _, i := range w.stack.Workers() {
		for _, pid := range append(children(i.PID), i.PID) {
			if holds(pid, inode) {
				return i.PID, nil
			}
		}
	}
	return 0, fmt.Errorf("no worker has the connection from port %d", port)
}

// socketFrom is the inode of the loopback connection that begins at a local port.
func socketFrom(port int) (string, error) {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	ip := netip.MustParseAddr("127.0.0.1").As4()
	local := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), port)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[1] == local {
			return fields[9], nil
		}
	}
	return "", fmt.Errorf("no connection from %s", local)
}

func children(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(append(pids, child), children(child)...)
			}
		}
	}
	return pids
}

func holds(pid int, inode string) bool {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}
