package main

import (
	"os/exec"
	"testing"
	"time"
)

func TestPeaks_FindTheMemoryOfAChildsChild(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("a program is needed that takes memory and waits: ", err)
	}
	cmd := exec.Command("/bin/sh", "-c", `"$0" -c 'import sys; x = bytearray(b"x") * (96 << 20); sys.stdin.read()'; exit`, python)
	isolate(cmd, cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := watch()
	p.add(cmd.Process.Pid)
	peak := func() int64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.largest
	}
	for deadline := time.Now().Add(30 * time.Second); peak() < 96<<20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("the peak is %d MiB, want more than 96", peak()>>20)
			break
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := p.end(); got > 300<<20 {
		t.Errorf("the peak is %d MiB, want somewhat more than 96", got>>20)
	}
}
