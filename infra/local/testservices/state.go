package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// state is a folder of this run. Its lock tells a run that goes on from one that was killed.
type state struct {
	dir  string
	lock *os.File
}

// openState makes a folder for this run and removes those of runs that were killed.
func openState() (*state, error) {
	local, err := localFolder()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(local, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for the tests' services: %w", err)
	}
	// One at a time: a folder that was made but not yet locked looks like one of a killed run.
	gate, err := os.OpenFile(filepath.Join(local, "test.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make folder for the tests' services: %w", err)
	}
	defer func() { _ = gate.Close() }()
	if err := syscall.Flock(int(gate.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("make folder for the tests' services: %w", err)
	}
	old, _ := filepath.Glob(filepath.Join(local, "test-*")) // the only error is a bad pattern
	for _, dir := range old {
		if s, err := lockFolder(dir); err == nil {
			_ = s.remove()
		}
	}
	dir, err := os.MkdirTemp(local, "test-")
	if err != nil {
		return nil, fmt.Errorf("make folder for the tests' services: %w", err)
	}
	return lockFolder(dir)
}

func lockFolder(dir string) (*state, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
	}
	return &state{dir: dir, lock: f}, nil
}

func (s *state) remove() error {
	err := os.RemoveAll(s.dir)
	_ = s.lock.Close()
	if err != nil {
		return fmt.Errorf("remove folder of the tests' services: %w", err)
	}
	return nil
}

// localFolder is .local of the checkout that we were started in.
func localFolder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "infra", "local", "go.mod")); err == nil {
			return filepath.Join(dir, ".local"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the checkout: no infra/local/go.mod here or above: run this inside the checkout")
		}
		dir = up
	}
}
