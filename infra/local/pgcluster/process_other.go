//go:build !linux

package pgcluster

import "syscall"

// Without a parent-death signal a server can outlive a killed owner. The next start finds it by its lock file and ends it.
func attributes(who account) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if who.other {
		a.Credential = &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid)}
	}
	return a
}

func mayPassDirs() bool { return false }
