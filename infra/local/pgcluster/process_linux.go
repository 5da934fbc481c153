package pgcluster

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// CAP_DAC_READ_SEARCH of capabilities(7): read and enter whatever the file modes say. It gives no right to write.
const capReadSearch = 2

func attributes(who account) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		// Ctrl-C in a terminal goes to the whole process group. The server has to outlive those who use it, so it
		// gets a group of its own and is stopped by us.
		Setpgid: true,
		// Immediate shutdown: a server whose owner was killed must not linger. The next start recovers.
		Pdeathsig: syscall.SIGQUIT,
	}
	if who.other {
		a.Credential = &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid)}
	}
	if who.passDirs {
		a.AmbientCaps = []uintptr{capReadSearch}
	}
	return a
}

// mayPassDirs reports whether this process can let a child of another user through closed folders.
func mayPassDirs() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && mask&(1<<capReadSearch) != 0
		}
	}
	return false
}
