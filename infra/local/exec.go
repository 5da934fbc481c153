package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/stack"
)

// execDir is the state folder of exec, relative to the repository: one of its own, as it is removed.
const execDir = ".local/exec"

// execute starts a stack of its own at free ports, runs a command that finds it in its environment, stops the stack and removes
// all that it kept. Browser tests and screenshots are such commands. The logs of the functions go to the file -log, so that the
// command's own words can be read.
//
// The command's environment gets LOCAL_URL (page and API), LOCAL_ISSUER_URL, LOCAL_AWS_URL, LOCAL_DIR (the state folder) and
// LOCAL_PROGRAM (this program).
func execute(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	s := settings{dir: execDir, makesLogins: true, clusterSettings: map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}} // what is removed at the end need not be durable
	f := flag.NewFlagSet("local exec", flag.ContinueOnError)
	s.flags(f)
	logFile := f.String("log", os.DevNull, "the file for the functions' logs")
	if err := parse(f, args, errOut); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return errors.New("a command is needed: local exec [flags] -- command [argument ...]")
	}
	if err := s.check(); err != nil {
		return err
	}
	log, err := os.Create(*logFile)
	if err != nil {
		return fmt.Errorf("make the log file: %w", err)
	}
	defer func() { _ = log.Close() }()
	release, err := hold(s.dir)
	if err != nil {
		return err
	}
	defer func() {
		release()
		_ = os.Remove(s.dir) // not empty where another run has taken it by now
	}()
	if err := clearFolder(s.dir); err != nil { // of a run that was killed
		return err
	}
	w := &world{settings: s, log: newConsole(log), say: func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }}
	defer func() {
		w.stop()
		err = errors.Join(err, w.remove())
	}()
	if err := w.start(ctx); err != nil {
		return err
	}
	return w.command(ctx, f.Args())
}

// command runs a command beside the stack.
func (w *world) command(ctx context.Context, args []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-w.lost():
			cancel(w.errLost())
		case <-ctx.Done():
		}
	}()
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// It ends what it has started before it ends itself, or is ended.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = append(os.Environ(), w.environment(program)...)
	// The embedded S3 gateway changes this process's working folder.
	cmd.Dir = w.settings.root
	err = cmd.Run()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return commandError(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", filepath.Base(args[0]), err)
	}
	return nil
}

// commandError is the exit code of exec's command, which becomes ours.
type commandError int

func (e commandError) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", int(e))
}

func (w *world) environment(program string) []string {
	return []string{"LOCAL_URL=" + w.stack.URL(), "LOCAL_ISSUER_URL=" + w.stack.IssuerURL(), "LOCAL_AWS_URL=" + w.stack.Endpoint(),
		"LOCAL_DIR=" + w.settings.dir, "LOCAL_PROGRAM=" + program, "LOCAL_REGION=" + stack.Region}
}
