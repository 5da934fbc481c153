//go:build !linux

package lambdahost

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate gives the child a session of its own, which is also a process group.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}

// killSession kills the process group. What put itself into another group is not found outside Linux.
func killSession(leader int) { _ = syscall.Kill(-leader, syscall.SIGKILL) }

// peakMemory is not known of a running process outside Linux.
func peakMemory(int) int64 { return 0 }

// peakMemoryOf is the largest resident set of a process that has ended; macOS counts it in bytes.
func peakMemoryOf(state *os.ProcessState) int64 {
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		return int64(usage.Maxrss)
	}
	return 0
}
