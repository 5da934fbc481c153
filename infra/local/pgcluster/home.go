package pgcluster

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const passwordFile = "password"

// home is the folder of a cluster, held by this process.
type home struct {
	dir     string
	account account
	lock    *os.File
}

func (h *home) data() string { return filepath.Join(h.dir, "data") }

// openHome makes the folder and takes it for this process. Where the server's user can't be let into dir, it is a folder
// in /var/tmp that is named after dir.
func openHome(dir string) (*home, error) {
	who, err := serverAccount()
	if err != nil {
		return nil, err
	}
	if dir, who, err = reachable(dir, who); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock folder of the PostgreSQL cluster: %w", err)
	}
	// The kernel gives the lock up when its holder ends, however it ends.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the PostgreSQL cluster in %s is in use by another run: end that first", dir)
		}
		return nil, fmt.Errorf("lock folder of the PostgreSQL cluster: %w", err)
	}
	return &home{dir: dir, account: who, lock: lock}, nil
}

// reachable makes dir for who and finds a way to let who in.
func reachable(dir string, who account) (string, account, error) {
	if err := makeDir(dir, who); err != nil {
		return "", who, err
	}
	// The kernel tells a server's working directory without symbolic links, and runsHere compares with it.
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", who, fmt.Errorf("find folder of the PostgreSQL cluster: %w", err)
	}
	if !who.other || canEnter(dir, who) {
		return dir, who, nil
	}
	if mayPassDirs() {
		who.passDirs = true
		if canEnter(dir, who) {
			return dir, who, nil
		}
		who.passDirs = false
	}
	sum := sha256.Sum256([]byte(dir))
	elsewhere := filepath.Join("/var/tmp", "backup-restore-"+hex.EncodeToString(sum[:8]))
	if err := makeDir(elsewhere, who); err != nil {
		return "", who, err
	}
	return elsewhere, who, nil
}

// makeDir makes a folder that is who's alone.
func makeDir(dir string, who account) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make folder of the PostgreSQL cluster: %w", err)
	}
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make folder of the PostgreSQL cluster: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("make folder of the PostgreSQL cluster: %w", err)
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	if !info.IsDir() || owner != who.uid && owner != os.Geteuid() {
		return fmt.Errorf("use %s for the PostgreSQL cluster: it is not a folder of ours", dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("close folder of the PostgreSQL cluster: %w", err)
	}
	if who.other {
		if err := os.Chown(dir, who.uid, who.gid); err != nil {
			return fmt.Errorf("give folder of the PostgreSQL cluster to %s: %w", who.name, err)
		}
	}
	return nil
}

// canEnter tries it, which knows more than file modes do: access lists, mount options, security modules.
func canEnter(dir string, who account) bool {
	p, err := startProcess(who, command{path: "/bin/sh", args: []string{"-c", `cd "$1" && test -w .`, "sh", dir}, log: io.Discard})
	return err == nil && p.wait() == nil
}

// initialise runs initdb where there are no data yet and returns the superuser's password.
func (h *home) initialise(ctx context.Context, binDir string, log io.Writer) (string, error) {
	name := filepath.Join(h.dir, passwordFile)
	if _, err := os.Stat(h.data()); err == nil {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read password of the PostgreSQL cluster (remove %s to begin anew): %w", h.dir, err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	password := rand.Text()
	if err := os.WriteFile(name, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep password of the PostgreSQL cluster: %w", err)
	}
	// initdb makes a folder of another name, which becomes data when it is whole: one that was interrupted is begun anew.
	unfinished := h.data() + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", fmt.Errorf("remove unfinished PostgreSQL cluster: %w", err)
	}
	if err := h.initdb(ctx, binDir, unfinished, password, log); err != nil {
		return "", err
	}
	if err := os.Rename(unfinished, h.data()); err != nil {
		return "", fmt.Errorf("name PostgreSQL data: %w", err)
	}
	return password, nil
}

// initdb makes a data folder. Systems differ in the UTF-8 locales that they have.
func (h *home) initdb(ctx context.Context, binDir, data, password string, log io.Writer) error {
	pwfile := filepath.Join(h.dir, "password.initdb")
	if err := os.WriteFile(pwfile, []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("hand password to initdb: %w", err)
	}
	defer func() { _ = os.Remove(pwfile) }()
	if h.account.other {
		if err := os.Chown(pwfile, h.account.uid, h.account.gid); err != nil {
			return fmt.Errorf("hand password to initdb: %w", err)
		}
	}
	var last error
	for _, locale := range []string{"--locale=C.UTF-8", "--locale=en_US.UTF-8", "--no-locale"} {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("make PostgreSQL cluster: %w", err)
		}
		// No sync: a cluster that is lost to a power failure in its first seconds is made again.
		p, err := startProcess(h.account, command{
			path: filepath.Join(binDir, "initdb"),
			args: []string{"-D", data, "-U", Superuser, "--pwfile", pwfile, "-E", "UTF8", locale, "--data-checksums",
				"--auth=scram-sha-256", "--no-sync", "--no-instructions"},
			log: log,
		})
		if err != nil {
			return fmt.Errorf("make PostgreSQL cluster: %w", err)
		}
		if last = p.wait(); last == nil {
			return nil
		}
		if !strings.Contains(p.tail.String(), "locale") {
			break
		}
	}
	return fmt.Errorf("make PostgreSQL cluster in %s: %w", data, last)
}

// clearStale deals with what a killed run left: its server, where it still runs, and its lock file. We hold the folder, so
// whatever server runs on it has no owner any more.
func (h *home) clearStale(ctx context.Context) error {
	name := filepath.Join(h.data(), "postmaster.pid")
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read lock file of PostgreSQL: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 || !h.runsHere(pid) {
		// The number may belong to some other program by now, at which the server would refuse to start.
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove stale lock file of PostgreSQL: %w", err)
		}
		return nil
	}
	_ = syscall.Kill(pid, syscall.SIGQUIT) // it may have ended just now
	for h.runsHere(pid) {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("end PostgreSQL server %d, left by a run that was killed: %w", pid, err)
		}
	}
	return nil
}

// runsHere reports whether the process is a server on our data: a server's working directory is its data folder.
func (h *home) runsHere(pid int) bool {
	if cwd, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd"); err == nil {
		return cwd == h.data()
	}
	out, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), h.data())
}
