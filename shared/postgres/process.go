package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is a running program whose output is read as it comes.
type process struct {
	out    *os.File // its standard output
	errors *tail    // the end of its standard error
	ended  chan error
	pid    int
	stop   func() bool
}

// exitGrace is how long a program that has exited may keep its standard error open by way of a child of its own.
const exitGrace = 5 * time.Second

// start runs a program with exactly this environment. When ctx ends, its whole process group is killed and reading its output
// fails.
func start(ctx context.Context, path string, args, env []string) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	cmd := exec.Command(path, args...) // ended by kill below, which takes the whole group
	cmd.Env, cmd.Stdout, cmd.WaitDelay, cmd.SysProcAttr = env, w, exitGrace, attributes()
	p := &process{out: r, errors: &tail{limit: logBytes}, ended: make(chan error, 1)}
	cmd.Stderr = p.errors
	started := make(chan error)
	go func() {
		// The parent-death signal is tied to the thread that forked: it must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = w.Close() // the child has its own
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		if errors.Is(err, exec.ErrWaitDelay) {
			p.kill() // it left children behind that hold its output open
		}
		p.ended <- err
	}()
	if err := <-started; err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	p.stop = context.AfterFunc(ctx, func() {
		p.kill()
		_ = r.Close()
	})
	return p, nil
}

// kill ends the process group. The group is gone when it fails.
func (p *process) kill() { _ = syscall.Kill(-p.pid, syscall.SIGKILL) }

// wait waits for the program's end and releases what start took. Its output must have been read to the end or be given up.
func (p *process) wait() error {
	err := <-p.ended
	p.stop()
	_ = p.out.Close()
	return err
}

// abandon ends the program at once and waits for it.
func (p *process) abandon() {
	p.kill()
	_ = p.wait()
}

// tail keeps the last bytes that were written to it.
type tail struct {
	limit int
	mu    sync.Mutex
	text  []byte
}

var _ io.Writer = (*tail)(nil)

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - t.limit; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// signalled is the signal that ended a program, or 0.
func signalled(err error) syscall.Signal {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return status.Signal()
		}
	}
	return 0
}
