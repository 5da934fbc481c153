package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// pidFile is locked by the stack that uses a state folder, and holds its process number: infra/running.sh reads it.
const pidFile = "local.pid"

// hold takes the state folder for this process until release is called. The kernel gives the lock up when its holder ends,
// however it ends.
func hold(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	name := filepath.Join(dir, pidFile)
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644) // a number, for whoever asks
		if err != nil {
			return nil, fmt.Errorf("take the state folder: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, errRuns(name)
			}
			return nil, fmt.Errorf("take the state folder: lock %s: %w", name, err)
		}
		if !isAt(f, name) { // the one before us removed it after we had opened it
			_ = f.Close()
			continue
		}
		release = func() {
			_ = os.Remove(name) // while it is ours
			_ = f.Close()
		}
		if err := errors.Join(f.Truncate(0), writeNumber(f, os.Getpid())); err != nil {
			release()
			return nil, fmt.Errorf("take the state folder: %w", err)
		}
		return release, nil
	}
}

func writeNumber(f *os.File, number int) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(number)+"\n"), 0)
	return err
}

func isAt(f *os.File, name string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(ours, there)
}

func errRuns(name string) error {
	holder := ""
	if text, err := os.ReadFile(name); err == nil && len(text) > 0 {
		holder = " (process " + strings.TrimSpace(string(text)) + ")"
	}
	return fmt.Errorf("the local stack runs already%s in %s: end that first", holder, filepath.Dir(name))
}
