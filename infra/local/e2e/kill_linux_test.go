package e2e

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"
)

// taken is the bound within which a killed worker's job must be taken up again.
const taken = 2 * time.Minute

// heavy is a database whose dump and load take long enough to be killed half-way.
const heavy = `CREATE TABLE line (n integer PRIMARY KEY, text text);
INSERT INTO line SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 60000) n;
CREATE TABLE few (n integer);
INSERT INTO few VALUES (1), (2);`

// A worker that is killed leaves a job that somebody else ends, and nothing else.
func TestKill_TheJobIsTakenUpAgainAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	w := use(t)
	for _, tt := range []struct {
		name, dbname string
		restore      bool
		// session is the state of a session of the job at which its worker is killed.
		session string
		// guest keeps a superuser's session in the database until then: a rename waits for it, and nobody else may end it.
		guest bool
	}{
		{"while a backup reads", "e2e_kill_dump", false, `query LIKE 'COPY %'`, false},
		{"while a restore loads", "e2e_kill_load", true, `datname LIKE 'br\_%' AND query LIKE 'COPY %'`, false},
		{"while a restore verifies", "e2e_kill_verify", true, `datname LIKE 'br\_%' AND query ILIKE '%count(*)%'`, false},
		{"while a restore switches", "e2e_kill_switch", true, `datname = 'postgres' AND query ILIKE '%RENAME TO%'`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := w.newDatabase(t, tt.dbname, heavy)
			path := "/api/databases/" + db + "/backups"
			var body any
			want := "created"
			if tt.restore {
				good := w.backup(t, db).wantState(t, "created")
				path, want = "/api/databases/"+db+"/restores", "restored"
				body = map[string]any{"source": map[string]string{"backup": good.ID}, "dryRun": false, "confirm": db}
			}
			before := w.snapshot(t, tt.dbname)
			var guest *pgx.Conn
			if tt.guest {
				guest = w.connect(t, tt.dbname, "", "")
			}
			kill := w.killer(t, tt.dbname, tt.session)
			j := into[job](w.do(t, request{method: "POST", path: path, role: superAdmin, body: body}).want(202))
			died := kill(j.ID)
			if guest != nil {
				_ = guest.Close(t.Context())
			}
			j = w.awaitTakeover(t, path+"/"+j.ID).wantState(t, want)
			if j.Attempt != 2 {
				t.Errorf("ended by attempt %d: the kill came too late to prove anything", j.Attempt)
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

// killer watches for a session of a job on a database of the server and kills the worker behind it. It returns when it did
// so. The session is looked up before the job starts, so that no moment is lost to connecting.
func (w *world) killer(t *testing.T, dbname, session string) func(id string) time.Time {
	t.Helper()
	conn := w.connect(t, "postgres", "", "")
	return func(id string) time.Time {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		query := `SELECT pid, client_port FROM pg_stat_activity WHERE application_name = $1 AND state = 'active' AND ` + session + ` LIMIT 1`
		for {
			var backend, port int
			err := conn.QueryRow(ctx, query, "backup-restore "+id+"/1").Scan(&backend, &port)
			if errors.Is(err, pgx.ErrNoRows) {
				continue
			}
			if err != nil {
				t.Fatalf("no session of %s was seen with %s: %v", id, session, err)
			}
			if w.killBehind(backend, port) {
				return time.Now()
			}
		}
	}
}

// killBehind kills the worker whose session a server's process serves. That process is held still meanwhile, so that what
// it was seen at is not over before the worker is dead. It returns false if the session has ended already.
func (w *world) killBehind(backend, port int) bool {
	_ = syscall.Kill(backend, syscall.SIGSTOP)
	defer func() { _ = syscall.Kill(backend, syscall.SIGCONT) }()
	pid, err := w.workerAt(port)
	return err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil
}

// workerAt finds the worker, or the pg_dump of a worker, whose connection to the server comes from a port.
func (w *world) workerAt(port int) (int, error) {
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
