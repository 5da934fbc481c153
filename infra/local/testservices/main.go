// Command testservices starts the services that tests need (a PostgreSQL server of their own and the AWS protocols on this
// machine), runs a command that finds them in its environment, stops them and ends with the command's exit code.
//
//	go run -C infra/local ./testservices -- go test ./...
//
// The command runs in the folder from which it was called, whatever -C says. What the services keep lies in a folder
// .local/test-* of the checkout and is removed at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	flag.Usage = func() {
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), "usage: testservices -- command [argument ...]")
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	code, err := run(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "testservices:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run returns the command's exit code.
func run(command []string) (code int, err error) {
	// In a terminal Ctrl-C reaches the command as well, which is in our process group. We outlive it, to clean up.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	dir, err := callersFolder()
	if err != nil {
		return 0, err
	}
	state, err := openState()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, state.remove()) }()

	type result struct {
		s   *services
		err error
	}
	started := make(chan result, 1)
	go func() {
		s, err := startServices(ctx, state.dir)
		started <- result{s, err}
	}()
	var s *services
	select {
	case r := <-started:
		if r.err != nil {
			return 0, r.err
		}
		s = r.s
	case sig := <-signals:
		cancel()
		if r := <-started; r.s != nil {
			_ = r.s.stop()
		}
		return 0, fmt.Errorf("ended by %s", sig)
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return runCommand(command, dir, s.environment(), signals)
}

// runCommand runs a command in dir and passes signals on to it.
func runCommand(command []string, dir string, environment []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), environment...)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("run %s: %w", command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			_ = cmd.Process.Signal(sig) // it may have ended just now
		case err := <-ended:
			return exitCode(err)
		}
	}
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// callersFolder is where the caller stood. go run -C changes the working directory but leaves PWD as it was.
func callersFolder() (string, error) {
	if dir := os.Getenv("PWD"); filepath.IsAbs(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
	}
	return os.Getwd()
}
