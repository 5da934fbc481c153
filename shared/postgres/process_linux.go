package postgres

import "syscall"

// attributes put a child into a process group of its own, so that it can be ended with all that it started, and let the kernel
// end it when we are killed: nobody would read its output, and it would hold its locks on every table until the server notices.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
