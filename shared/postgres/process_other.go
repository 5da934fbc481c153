//go:build unix && !linux

package postgres

import "syscall"

// attributes put a child into a process group of its own, so that it can be ended with all that it started.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
