package lambdahost

import (
	"os/exec"
	"runtime"
	"sync"
)

// A child with a parent-death signal is killed when the *thread* that started it ends, not the process, so all children
// are started from one thread that never ends.
var (
	spawnOnce sync.Once
	spawns    chan func()
)

func spawn(cmd *exec.Cmd) error {
	spawnOnce.Do(func() {
		spawns = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range spawns {
				f()
			}
		}()
	})
	isolate(cmd)
	err := make(chan error, 1)
	spawns <- func() { err <- cmd.Start() }
	return <-err
}
