package pgcluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// account is who the server runs as. The zero account is whoever runs this process.
type account struct {
	name     string
	uid, gid int
	other    bool // it is not ours: to be switched to
	passDirs bool // it is let through folders that it may not enter: see attributes
}

// serverAccount is us, or where we are root, the first of postgres and nobody that this machine has.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			continue
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			continue
		}
		return account{name: name, uid: uid, gid: gid, other: true}, nil
	}
	return account{}, errors.New("find a user to run PostgreSQL as: it refuses to run as root, and there is neither postgres nor nobody")
}

// command is a program to run as an account.
type command struct {
	path string
	args []string
	log  io.Writer
}

// process is a running child.
type process struct {
	cmd  *exec.Cmd
	tail *tail
	done chan struct{} // closed after err was set
	err  error
}

// startProcess starts a child that ends with this process.
func startProcess(who account, c command) (*process, error) {
	p := &process{tail: &tail{}, done: make(chan struct{})}
	p.cmd = exec.Command(c.path, c.args...)
	// Between fork and exec the child has the server's user but not yet its right to pass closed folders.
	p.cmd.Dir = "/"
	// Nothing of ours: PGDATA, PGPORT and the like would change what the programs do. LC_ALL because a server on macOS
	// refuses to start without a locale.
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=/"}
	out := io.MultiWriter(c.log, p.tail)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	// A backend that outlives its killed server holds the pipe of the log for a moment.
	p.cmd.WaitDelay = 2 * time.Second
	p.cmd.SysProcAttr = attributes(who)

	started := make(chan error)
	go func() {
		// Linux sends the parent-death signal when the *thread* that started the child ends. This one lives as long as
		// the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", c.path, err)
	}
	return p, nil
}

// wait returns how the child ended, with its last words where it failed.
func (p *process) wait() error {
	<-p.done
	if p.err != nil {
		return fmt.Errorf("%w: %s", p.err, p.tail.String())
	}
	return nil
}

// unclean is an error where the child did not end with 0.
func (p *process) unclean() error {
	if p.err != nil && !errors.Is(p.err, exec.ErrWaitDelay) {
		return fmt.Errorf("PostgreSQL ended: %w", p.err)
	}
	return nil
}

func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(s) // it may have ended just now
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4 << 10 // bytes

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
