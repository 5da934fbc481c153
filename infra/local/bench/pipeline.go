package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// measure is what one run took.
type measure struct {
	wall  time.Duration
	cpu   time.Duration // of the client's programs, user and system
	rss   int64         // bytes, the largest of the client's processes at its peak; 0 where not known
	bytes int64         // written; 0 for what writes nothing
	asked time.Duration // through the worker: from the call of the API to created
	// statistics is what collecting them took behind a restore that does not; it is not in wall.
	statistics time.Duration
}

// pipeline runs programs of which each reads what the one before it writes, as a shell does with |.
type pipeline struct {
	env    []string  // all of it
	in     string    // the file that the first reads; "" for none
	out    io.Writer // what the last writes to; nil for nothing
	stages [][]string
}

// run runs it to its end. The CPU is the kernel's account of each program and its children. Peak memory is not: in that account a
// child begins with the peak of whoever started it, so it is read from the processes while they run.
func (p pipeline) run(ctx context.Context) (measure, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	commands, complaints := make([]*exec.Cmd, len(p.stages)), make([]bytes.Buffer, len(p.stages))
	var files, between []*os.File // between: our ends of the pipes, to be closed when the programs have theirs
	defer func() {
		for _, f := range append(files, between...) {
			_ = f.Close()
		}
	}()
	for i, stage := range p.stages {
		cmd := exec.CommandContext(ctx, stage[0], stage[1:]...)
		cmd.Env, cmd.Stderr = p.env, &complaints[i]
		commands[i] = cmd
		if i == 0 {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return measure{}, err
		}
		between = append(between, r, w)
		commands[i-1].Stdout, cmd.Stdin = w, r
	}
	if p.in != "" {
		f, err := os.Open(p.in)
		if err != nil {
			return measure{}, err
		}
		files, commands[0].Stdin = append(files, f), f
	}
	commands[len(commands)-1].Stdout = p.out
	begun := time.Now()
	m, err := follow(commands, func() {
		for _, f := range between {
			_ = f.Close()
		}
	}, cancel)
	m.wall = time.Since(begun)
	if err != nil {
		return m, fmt.Errorf("run %s: %w: %s", p, err, said(complaints))
	}
	return m, nil
}

// follow starts the programs and waits for all. One that fails ends the others.
func follow(commands []*exec.Cmd, started, abandon func()) (measure, error) {
	var m measure
	peak := watch()
	var errs []error
	running := 0
	for _, cmd := range commands {
		isolate(cmd, commands[0])
		if err := cmd.Start(); err != nil {
			errs = append(errs, err)
			abandon()
			break
		}
		peak.add(cmd.Process.Pid)
		running++
	}
	started()
	for _, cmd := range commands[:running] {
		if err := cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err))
			abandon()
		}
		m.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	m.rss = peak.end()
	return m, errors.Join(errs...)
}

func said(complaints []bytes.Buffer) string {
	var all []string
	for i := range complaints {
		if text := strings.TrimSpace(complaints[i].String()); text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, "; ")
}

func (p pipeline) String() string {
	var stages []string
	for _, s := range p.stages {
		stages = append(stages, strings.Join(append([]string{filepath.Base(s[0])}, s[1:]...), " "))
	}
	return strings.Join(stages, " | ")
}

// toFile runs a pipeline whose text goes to a file, and counts what is in it then.
func (p pipeline) toFile(ctx context.Context, name string) (measure, error) {
	f, err := os.Create(name)
	if err != nil {
		return measure{}, err
	}
	p.out = f
	m, err := p.run(ctx)
	if err = errors.Join(err, f.Close()); err != nil {
		return m, err
	}
	m.bytes, err = bytesIn(name)
	return m, err
}

// bytesIn is the size of a file, or of all files of a folder.
func bytesIn(name string) (total int64, err error) {
	err = filepath.WalkDir(name, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
