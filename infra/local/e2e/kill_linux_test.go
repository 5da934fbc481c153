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

// patientTakeover is the bound within which a killed worker's job must be taken up again.
const patientTakeover = 2 * time.Minute

// victim is a database of which a restore has something of each kind to do.
const victim = `CREATE TABLE class (class_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE pupil (pupil_id bigserial PRIMARY KEY, class_id integer NOT NULL REFERENCES class, name text NOT NULL CHECK (name <> ''));
INSERT INTO class (name) SELECT 'class ' || n FROM generate_series(1, 20) n;
INSERT INTO pupil (class_id, name) SELECT 1 + n % 20, 'pupil ' || n FROM generate_series(1, 2000) n;
CREATE VIEW crowded AS SELECT name FROM class WHERE (SELECT count(*) FROM pupil WHERE pupil.class_id = class.class_id) > 50;
CREATE FUNCTION pupils() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM pupil';`

// killing is a job whose worker is killed, where that happens, and what has to come of it.
type killing struct {
	job, where string
	at         stop
	want       string // the state of the record in the end
	live       liveness
	held       string // what the restore keeps on the server: copy, replaced or ""
}

// liveness is what live has to be after a job.
type liveness string

const (
	asItWas  liveness = "as it was"
	asBackup liveness = "as backed up"
)

// SQL of the stages, as far as it is needed to stop in them.
var (
	createCopy     = regexp.MustCompile(`^CREATE DATABASE `)
	rowsOfCopy     = regexp.MustCompile(`^COPY `)
	countRows      = regexp.MustCompile(`SELECT count\(\*\)`)
	closeCopy      = regexp.MustCompile(`^ALTER DATABASE "?br_[^;]* ALLOW_CONNECTIONS false`)
	openCopy       = regexp.MustCompile(`^ALTER DATABASE "?br_[^;]* ALLOW_CONNECTIONS true`)
	endTransaction = regexp.MustCompile(`(?i)^commit`)
	exchange       = regexp.MustCompile(`RENAME TO [^;]*; ALTER DATABASE [^;]* RENAME TO`)
	dropKept       = regexp.MustCompile(`^DROP DATABASE [^;]*_kept`)
)

// killings are every border between two stages, and the inside of those that change something.
var killings = []killing{
	{"backup", "while it reads", stop{sql: rowsOfCopy, at: flowing}, "created", asItWas, ""},
	{"restore", "before its copy is made", stop{sql: createCopy, at: before}, "restored", asBackup, "replaced"},
	{"restore", "when its copy is made", stop{sql: createCopy, at: answered}, "restored", asBackup, "replaced"},
	{"restore", "while it loads", stop{database: staged, sql: rowsOfCopy, at: flowing}, "restored", asBackup, "replaced"},
	{"restore", "while it verifies", stop{database: staged, sql: countRows, at: answered}, "restored", asBackup, "replaced"},
	{"restore", "while it compares", stop{database: killed, sql: countRows, at: answered}, "restored", asBackup, "replaced"},
	{"restore", "when the copy is handed over", stop{database: staged, sql: endTransaction, at: answered, tag: "COMMIT"}, "restored", asBackup, "replaced"},
	{"restore", "before the switch", stop{sql: exchange, at: before}, "restored", asBackup, "replaced"},
	{"restore", "inside the switch", stop{sql: betweenRenames, at: inside}, "restored", asBackup, "replaced"},
	{"restore", "after the switch, untold", stop{sql: exchange, at: answered, tag: "COMMIT"}, "restored", asBackup, "replaced"},
	{"rehearsal", "while it loads", stop{database: staged, sql: rowsOfCopy, at: flowing}, "rehearsed", asItWas, "copy"},
	{"rehearsal", "when its copy is parked", stop{sql: closeCopy, at: answered}, "rehearsed", asItWas, "copy"},
	{"upload", "while it is inspected", stop{}, "accepted", asItWas, ""},
	{"apply", "when the copy is opened", stop{sql: openCopy, at: answered}, "restored", asBackup, "replaced"},
	{"apply", "when the copy is handed over", stop{database: staged, sql: endTransaction, at: answered, tag: "COMMIT"}, "restored", asBackup, "replaced"},
	{"apply", "inside the switch", stop{sql: betweenRenames, at: inside}, "restored", asBackup, "replaced"},
	{"apply", "after the switch, untold", stop{sql: exchange, at: answered, tag: "COMMIT"}, "restored", asBackup, "replaced"},
	{"undo", "before the switch", stop{sql: exchange, at: before}, "undone", asItWas, "replaced"},
	{"undo", "inside the switch", stop{sql: betweenRenames, at: inside}, "undone", asItWas, "replaced"},
	{"undo", "after the switch, untold", stop{sql: exchange, at: answered, tag: "COMMIT"}, "undone", asItWas, "replaced"},
	{"drop", "before the kept one goes", stop{sql: dropKept, at: before}, "restored", asBackup, ""},
	{"drop", "when the kept one is gone", stop{sql: dropKept, at: answered}, "restored", asBackup, ""},
	{"cancelled", "while it loads", stop{database: staged, sql: rowsOfCopy, at: flowing}, "cancelled", asItWas, ""},
}

// killed matches the names of the databases over which workers are killed, staged those of copies, and betweenRenames the place
// in the exchange where neither database bears live's name.
var (
	killed         = regexp.MustCompile(`^e2e_kill_`)
	staged         = regexp.MustCompile(`^br_`)
	betweenRenames = regexp.MustCompile(`RENAME TO [^;]*; ()ALTER DATABASE [^;]* RENAME TO`)
)

// A worker that is killed leaves a job that somebody else ends, and nothing else. make faults prints the table.
func TestKill_TheJobIsTakenUpAgainAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	w := use(t)
	rows := make([]string, len(killings))
	t.Run("at", func(t *testing.T) {
		for i, k := range killings {
			rows[i] = fmt.Sprintf("%-10s %-30s FAILED", k.job, k.where)
			t.Run(k.job+" "+k.where, func(t *testing.T) {
				t.Parallel()
				rows[i] = w.kill(t, k, victimName(i))
			})
		}
	})
	t.Logf("where workers were killed, and what came of it:\n%-10s %-30s %-10s %-13s %-9s %-8s %s\n%s",
		"job", "killed", "record", "live", "held", "left", "taken up after", strings.Join(rows, "\n"))
}

// kill runs one killing and returns its row of the table.
func (w *world) kill(t *testing.T, k killing, dbname string) string {
	v := w.newVictim(t, k, dbname)
	path, died := v.run(t)
	j := w.awaitTakeover(t, path)
	if k.job == "cancelled" || k.job == "upload" || j.FollowUp == nil {
		j.wantState(t, k.want)
	} else if j.wantState(t, k.want); j.FollowUp.State != "done" {
		t.Errorf("the follow-up is %s: %+v", j.FollowUp.State, j.FollowUp)
	}
	taken := v.takenUp(t, j)
	if since := taken.Sub(died); realTimes && since > patientTakeover {
		t.Errorf("taken up again after %s, promised within %s", since, patientTakeover)
	}
	w.nothingLeft(t, v.db, j)
	want := v.changed
	if k.live == asBackup {
		want = v.original
	}
	if diff := want.diff(w.snapshot(t, dbname)); diff != "" {
		t.Errorf("live is not %s (-want +got):\n%s", k.live, diff)
	}
	held := "nothing"
	if k.held != "" {
		held = k.held
	}
	if (j.Held != nil) != (k.held != "") {
		t.Errorf("it holds %+v, want %s", j.Held, held)
	}
	result := fmt.Sprintf("%-10s %-30s %-10s %-13s %-9s %-8s %s", k.job, k.where, j.State, k.live, held, "nothing", taken.Sub(died).Round(time.Second))
	if t.Failed() {
		result += " FAILED"
	}
	return result
}

// awaitTakeover waits for the end of a job whose worker was killed.
func (w *world) awaitTakeover(t *testing.T, path string) job {
	t.Helper()
	for deadline := time.Now().Add(patientTakeover + patience); ; time.Sleep(500 * time.Millisecond) {
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

// nothingLeft looks for what a killed worker may leave: sessions, databases, logins, markers, half objects. What the record says is
// held is meant to be there, and nothing else.
func (w *world) nothingLeft(t *testing.T, db string, j job) {
	t.Helper()
	mine, held, parked := `'`+j.ID+`'`, "", 0
	if j.FollowUp != nil {
		mine += `, '` + j.FollowUp.ID + `'`
	}
	if j.Held != nil {
		held = j.Held.Name
		if j.State == "rehearsed" {
			parked = 1 // the login of a parked copy, which can't log in
		}
	}
	of := `~ ('^br_(' || array_to_string(ARRAY[` + mine + `], '|') || ')')`
	for what, c := range map[string]struct {
		sql  string
		want int
	}{
		"sessions":                 {`SELECT count(*) FROM pg_stat_activity WHERE application_name ~ array_to_string(ARRAY[` + mine + `], '|')`, 0},
		"databases":                {`SELECT count(*) FROM pg_database WHERE datname ` + of + ` AND datname <> '` + held + `'`, 0},
		"databases held, and open": {`SELECT count(*) FROM pg_database WHERE datname = '` + held + `' AND datallowconn`, 0},
		"logins":                   {`SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname ` + of, 0},
		"roles":                    {`SELECT count(*) FROM pg_roles WHERE rolname ` + of, parked},
	} {
		if n := ask[int](t, w, "postgres", c.sql); n != c.want {
			t.Errorf("%d %s are left, want %d", n, what, c.want)
		}
	}
	if held != "" && ask[int](t, w, "postgres", `SELECT count(*) FROM pg_database WHERE datname = '`+held+`'`) != 1 {
		t.Errorf("%s is said to be held and is not there", held)
	}
	objects := map[string]int{"open/" + db + "/": 0, "held/" + db + "/": 0, "backups/" + db + "/" + j.ID + "/": 0}
	if j.Held != nil {
		objects["held/"+db+"/"] = 1
	}
	if j.State == "created" {
		objects["backups/"+db+"/"+j.ID+"/"] = 1
	}
	for prefix, want := range objects {
		n := w.current(t, prefix)
		for deadline := time.Now().Add(patience); n != want && time.Now().Before(deadline); n = w.current(t, prefix) {
			time.Sleep(50 * time.Millisecond) // markers and the like go after the record has ended
		}
		if n != want {
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
// has, does what it is given, kills the worker behind the session, and returns when that was. The server is as it was left then.
func (w *world) killer(t *testing.T, dbname string, at stop) func(...func()) time.Time {
	t.Helper()
	var key int64
	letServerGo := func() {}
	if at.at == inside {
		key, letServerGo = w.lock(t)
		// However long it takes to find out: the transaction's own patience is for what it does itself.
		at.insert = fmt.Sprintf("SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(%d); SET LOCAL lock_timeout = '6s'; ", key)
	}
	reached := w.holdups[dbname].arm(at)
	return func(meanwhile ...func()) time.Time {
		t.Helper()
		select {
		case session := <-reached:
			if at.at == inside {
				w.awaitLock(t, key)
			}
			for _, do := range meanwhile {
				do()
			}
			w.killBehind(t, session.port, session.to)
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

// killBehind kills the worker that has the connection between two ports, and returns when it is gone.
func (w *world) killBehind(t *testing.T, port, to int) {
	t.Helper()
	pid, err := w.workerAt(port, to)
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

// workerAt finds the worker, or the pg_dump of a worker, that has the connection between two ports.
// The session is held still, so it can be looked for again: /proc is read entry by entry, and one may be missed while others come and go.
func (w *world) workerAt(port, to int) (pid int, err error) {
	for range 20 {
		if pid, err = w.findWorkerAt(port, to); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return pid, err
}

func (w *world) findWorkerAt(port, to int) (int, error) {
	inode, err := socketBetween(port, to)
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

// socketBetween is the inode of the loopback connection from one port to another. The first alone does not tell: it can be that of
// connections to several others.
func socketBetween(port, to int) (string, error) {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	ip := netip.MustParseAddr("127.0.0.1").As4()
	address := func(port int) string { return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), port) }
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[1] == address(port) && fields[2] == address(to) {
			return fields[9], nil
		}
	}
	return "", fmt.Errorf("no connection from port %d to port %d", port, to)
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
