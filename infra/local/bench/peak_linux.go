package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// isolate puts a program into the process group of the pipeline, by which it and its children are found. The first leads it.
func isolate(cmd, first *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if first.Process != nil {
		cmd.SysProcAttr.Pgid = first.Process.Pid
	}
}

// peaks follows the memory of a group of processes.
type peaks struct {
	mu      sync.Mutex
	pids    map[int]bool
	leader  int
	largest int64
	stop    chan struct{}
	ended   sync.WaitGroup
}

const (
	look   = 50 * time.Millisecond // how often the known processes are looked at: a peak only grows, so the last look counts
	search = 10                    // after so many looks children are searched for: that costs a walk over all of the machine's processes
)

func watch() *peaks {
	p := &peaks{pids: map[int]bool{}, stop: make(chan struct{})}
	p.ended.Go(func() {
		ticks := time.NewTicker(look)
		defer ticks.Stop()
		for n := 1; ; n++ {
			select {
			case <-p.stop:
				return
			case <-ticks.C:
				p.read(n%search == 0)
			}
		}
	})
	return p
}

func (p *peaks) add(pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leader == 0 {
		p.leader = pid
	}
	p.pids[pid] = true
}

func (p *peaks) read(children bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if children {
		for _, pid := range groupOf(p.leader) {
			p.pids[pid] = true
		}
	}
	for pid := range p.pids {
		p.largest = max(p.largest, peakMemory(pid))
	}
}

// end stops following and gives the peak of the largest process, in bytes.
func (p *peaks) end() int64 {
	close(p.stop)
	p.ended.Wait()
	return p.largest
}

// groupOf lists the processes of a group.
func groupOf(leader int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil || leader == 0 {
		return nil
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields := statOf(pid); len(fields) > 2 && fields[2] == strconv.Itoa(leader) {
			out = append(out, pid)
		}
	}
	return out
}

// statOf are the fields of /proc/PID/stat behind the name: state ppid pgrp session …; none where there is no such process.
func statOf(pid int) []string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the name may hold anything, also parentheses
}

// peakMemory is the largest resident set of a running process, in bytes; 0 where it is not known.
func peakMemory(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// forgetPeak makes the present size of a process its peak.
func forgetPeak(pid int) { _ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) }

// cpuOf is what a running process and its children that have ended took, user and system.
func cpuOf(pid int) time.Duration {
	fields := statOf(pid)
	if len(fields) < 15 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:15] { // utime stime cutime cstime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // Linux tells programs of 100 ticks a second, whatever its own
}
