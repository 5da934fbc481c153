package pgcluster

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A process of these tests that starts a cluster, says where, and waits to be killed.
const ownerDir = "PGCLUSTER_TEST_OWNER_OF"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		c, err := Start(context.Background(), Options{Dir: dir, Settings: quick})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(c.server.cmd.Process.Pid, c.Dir(), c.SuperuserURL())
		<-c.Done()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var quick = map[string]string{"fsync": "off", "shared_buffers": "16MB"}

func start(t *testing.T, dir string) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), Options{Dir: dir, Settings: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	return c
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var s string
	if err := conn.QueryRow(t.Context(), sql).Scan(&s); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return s
}

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 15 s: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestCluster_KeepsDataAndPasswordOverRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir)
	query(t, first.SuperuserURL(), "WITH x AS (SELECT set_config('a.b','c',false)) SELECT 'x' FROM x")
	query(t, first.SuperuserURL(), "SELECT lo_from_bytea(4711, 'kept')::text")
	pid := first.server.cmd.Process.Pid
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Errorf("second stop: %v", err)
	}
	if !gone(pid) {
		t.Error("the server runs on")
	}
	second := start(t, dir)
	if first.password != second.password {
		t.Error("the password changed")
	}
	if got := query(t, second.SuperuserURL(), "SELECT encode(lo_get(4711), 'escape')"); got != "kept" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestCluster_IsPrivate(t *testing.T) {
	t.Parallel()
	c := start(t, t.TempDir())
	for sql, want := range map[string]string{
		"SHOW listen_addresses":        "127.0.0.1",
		"SHOW unix_socket_directories": "",
		"SHOW data_checksums":          "on",
		"SHOW server_encoding":         "UTF8",
		"SHOW password_encryption":     "scram-sha-256",
		"SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules": "scram-sha-256",
		"SHOW data_directory_mode": "0700",
	} {
		if got := query(t, c.SuperuserURL(), sql); got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
	wrong := strings.Replace(c.SuperuserURL(), c.password, "wrong", 1)
	if _, err := pgx.Connect(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("a wrong password: got %v, want 28P01", err)
	}
	info, err := os.Stat(filepath.Join(c.Dir(), passwordFile))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the password's mode is %o", info.Mode().Perm())
	}
}

func TestCluster_RecoversFromAKilledServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, dir)
	query(t, c.SuperuserURL(), "SELECT lo_from_bytea(1, 'kept')::text")
	// A client that stays connected keeps a backend, which notices the death of its server late.
	client, err := pgx.Connect(t.Context(), c.SuperuserURL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close(context.Background()) }()
	c.server.signal(syscall.SIGKILL)
	<-c.Done()
	if err := c.Stop(t.Context()); err == nil {
		t.Error("stop says nothing of a server that was killed")
	}
	if _, err := os.Stat(filepath.Join(c.Dir(), "data", "postmaster.pid")); err != nil {
		t.Fatalf("the killed server left no lock file, so this proves nothing: %v", err)
	}
	if got := query(t, start(t, dir).SuperuserURL(), "SELECT encode(lo_get(1), 'escape')"); got != "kept" {
		t.Errorf("after the crash: %q", got)
	}
}

func TestCluster_EndsWithItsOwner(t *testing.T) {
	t.Parallel()
	owner := startOwner(t, t.TempDir())
	if err := owner.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the server of a killed owner ends", func() bool { return gone(owner.server) })
}

type owner struct {
	cmd    *exec.Cmd
	server int
	dir    string
	url    string
}

// startOwner runs Start in another process; wrap is a command to run it by.
func startOwner(t *testing.T, dir string, wrap ...string) owner {
	t.Helper()
	args := append(wrap, os.Args[0])
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), ownerDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) != 3 {
		t.Fatalf("the owner said %q (%v)", line, err)
	}
	pid, err := strconv.Atoi(words[0])
	if err != nil {
		t.Fatalf("the owner said %q", line)
	}
	return owner{cmd: cmd, server: pid, dir: words[1], url: words[2]}
}

func TestCluster_EndsAServerThatLostItsOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	orphan := start(t, dir)
	if err := orphan.lock.Close(); err != nil { // as the kernel does when the owner ends
		t.Fatal(err)
	}
	second := start(t, dir)
	select {
	case <-orphan.Done():
	default:
		t.Error("two servers run on the same data")
	}
	query(t, second.SuperuserURL(), "SELECT 'works'")
}

func TestCluster_IgnoresALockFileThatNamesAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, dir)
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A program of the server's own user: of another's, PostgreSQL itself would see that it is none of its servers.
	p, err := startProcess(account{uid: os.Getuid(), gid: os.Getgid()}, command{path: "/bin/sleep", args: []string{"60"}, log: os.Stderr})
	if h, e := serverAccount(); e == nil && h.other {
		p, err = startProcess(h, command{path: "/bin/sleep", args: []string{"60"}, log: os.Stderr})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.signal(syscall.SIGKILL); <-p.done })
	pidFile := filepath.Join(c.Dir(), "data", "postmaster.pid")
	text := fmt.Sprintf("%d\n%s\n1\n1\n\n127.0.0.1\n 1 1\nready   \n", p.cmd.Process.Pid, filepath.Dir(pidFile))
	if err := os.WriteFile(pidFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	query(t, start(t, dir).SuperuserURL(), "SELECT 'works'")
	if gone(p.cmd.Process.Pid) {
		t.Error("the other program was ended")
	}
}

func TestStart_RefusesAClusterInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, dir)
	if _, err := Start(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use by another run") {
		t.Errorf("got %v", err)
	}
	query(t, c.SuperuserURL(), "SELECT 'unharmed'")
}

func TestStart_SaysThatAPortIsTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	_, err = Start(t.Context(), Options{Dir: t.TempDir(), Port: port, PortHint: "PG_PORT=9432 make run"})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d", port)) || !strings.Contains(err.Error(), "PG_PORT=9432 make run") {
		t.Errorf("got %v", err)
	}
}

func TestStart_SaysThatDataAreOfAnotherVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 9") {
		t.Errorf("got %v", err)
	}
}

func TestStart_AsRootWorksBelowClosedFolders(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root changes to another user")
	}
	home, err := os.MkdirTemp("/root", "pgcluster-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(home, "a", "b"), filepath.Join(closed, "a")} {
		c := start(t, dir)
		if mayPassDirs() && c.Dir() != dir {
			t.Errorf("the cluster for %s is in %s", dir, c.Dir())
		}
		if got := query(t, c.SuperuserURL(), "SELECT 'works'"); got != "works" {
			t.Errorf("%s: %q", dir, got)
		}
	}
}

func TestStart_AsRootWithoutTheCapabilityGoesElsewhere(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root changes to another user")
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("needs setpriv, to take a capability away")
	}
	dir := filepath.Join(t.TempDir(), "cluster")
	o := startOwner(t, dir, setpriv, "--inh-caps=-dac_read_search", "--bounding-set=-dac_read_search")
	t.Cleanup(func() {
		waitFor(t, "the server of a killed owner ends", func() bool { return gone(o.server) })
		_ = os.RemoveAll(o.dir)
	})
	if !strings.HasPrefix(o.dir, "/var/tmp/backup-restore-") {
		t.Errorf("the cluster is in %s", o.dir)
	}
	query(t, o.url, "SELECT 'works'")
	_ = o.cmd.Process.Kill()
}
