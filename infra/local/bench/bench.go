package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/bench/school"
	"github.com/backup-restore/backup-restore/infra/local/pgcluster"
)

// bench is what runs, and where things are.
type bench struct {
	settings
	out     io.Writer
	folder  string // of this size: the server's data, the dump files, the stack's state
	cluster *pgcluster.Cluster
	db      *school.Database
	ours    string // the program
	stack   *localStack
	mix     school.Mix
}

// open starts the server, makes the database where it is not there, and builds our program.
func open(ctx context.Context, s settings, out io.Writer) (_ *bench, err error) {
	b := &bench{settings: s, out: out, folder: filepath.Join(s.dir, s.size.text)}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := os.MkdirAll(b.files(), 0o700); err != nil {
		return nil, err
	}
	if b.cluster, err = pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(b.folder, "postgres"), Settings: s.server}); err != nil {
		return nil, err
	}
	b.say("PostgreSQL runs, with its data in %s.", b.relative(b.cluster.Dir()))
	b.db, err = school.Open(ctx, b.cluster.SuperuserURL(), s.size.bytes, func(step string) {
		if step == "tables" {
			b.say("Making a database of %s of SQL text, once; some three minutes for 1 GB …", s.size.text)
		}
		b.say("  %s", step)
	})
	if err != nil {
		return nil, err
	}
	if b.db.Took > 0 {
		b.say("The database is there, after %.0f s.", b.db.Took.Seconds())
	}
	b.ours = filepath.Join(b.folder, "ours")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.ours, "./bench/ours")
	build.Dir = filepath.Join(s.root, "infra", "local")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the program that dumps and restores: %w: %s", err, strings.TrimSpace(string(said)))
	}
	return b, nil
}

func (b *bench) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if b.stack != nil {
		if err := b.stack.Stop(ctx); err != nil {
			b.say("The stack did not stop cleanly: %v", err)
		}
	}
	if b.cluster != nil {
		if err := b.cluster.Stop(ctx); err != nil {
			b.say("PostgreSQL did not stop cleanly: %v", err)
		}
	}
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format+"\n", args...) }

func (b *bench) relative(path string) string {
	if short, err := filepath.Rel(b.root, path); err == nil && !strings.HasPrefix(short, "..") {
		return short
	}
	return path
}

// files is the folder of the dump files.
func (b *bench) files() string { return filepath.Join(b.folder, "files") }

func (b *bench) file(name string) string { return filepath.Join(b.files(), name) }

// program is one of PostgreSQL's: of the server's version, since Debian's on the PATH is a wrapper that looks for one.
func (b *bench) program(name string) string { return filepath.Join(b.cluster.BinDir(), name) }

// pipe is a pipeline of programs that connect to the server as the database's owner.
func (b *bench) pipe(stages ...[]string) pipeline {
	return pipeline{stages: stages, env: append(b.db.Environment(), "PATH="+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=/", "BENCH_SECRET="+b.db.Secret())}
}

// result is a row of the table.
type result struct {
	row  row
	runs []measure
}

// measure runs all rows, one after the other, as often as asked for.
func (b *bench) measure(ctx context.Context) (*report, error) {
	rows, missing := b.available()
	r := &report{settings: b.settings, missing: missing}
	if err := b.warm(ctx); err != nil {
		return nil, err
	}
	if err := b.sources(ctx, rows); err != nil {
		return nil, err
	}
	for _, x := range rows {
		r.results = append(r.results, &result{row: x})
	}
	if err := b.rounds(ctx, r.results); err != nil {
		done := r.keepWhole()
		if ctx.Err() == nil || done < fewest {
			return nil, err
		}
		// Whoever stops it after some rounds gets what there is.
		ctx = context.WithoutCancel(ctx)
		r.runs, b.runs = done, done
		b.say("stopped: the %d rounds before this one are reported", done)
		if err := b.settle(ctx); err != nil {
			return nil, err
		}
	}
	r.mix = b.mix
	if b.wants(inspection) {
		b.say("Inspection of uploads, on one processor …")
		var err error
		if r.inspection, err = inspect(ctx, b.root); err != nil {
			return nil, err
		}
	}
	return r, b.describe(ctx, r)
}

// keepWhole drops the runs of a round that did not come to its end, and returns how many rounds are left.
func (r *report) keepWhole() int {
	done := len(r.results[len(r.results)-1].runs)
	for _, x := range r.results {
		x.runs = x.runs[:done]
	}
	return done
}

// warm reads all once, so that every row finds the database in memory, and counts what is read.
func (b *bench) warm(ctx context.Context) error {
	b.say("Reading the database once, which warms the caches …")
	r, w := io.Pipe()
	p := b.pipe([]string{b.program("pg_dump")})
	p.out = w
	done := make(chan error, 1)
	go func() {
		_, err := p.run(ctx)
		done <- errors.Join(err, w.CloseWithError(err))
	}()
	var err error
	b.mix, err = school.ReadMix(r)
	_ = r.CloseWithError(err)
	return errors.Join(err, <-done)
}

// sources makes the files that restores read, where the rows that make them are not among those wanted.
func (b *bench) sources(ctx context.Context, rows []row) error {
	made := map[string]bool{}
	for _, x := range rows {
		made[x.makes] = true
	}
	for _, x := range rows {
		if x.reads == "" || made[x.reads] {
			continue
		}
		made[x.reads] = true
		for _, maker := range allRows {
			if maker.makes == x.reads {
				b.say("Making %s for the restores, with %s …", x.reads, maker.name)
				if _, err := maker.run(ctx, b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rounds runs the rows one after the other and begins again, so that what disturbs the machine for a while disturbs all alike.
func (b *bench) rounds(ctx context.Context, results []*result) error {
	var seconds float64
	for _, r := range results {
		seconds += r.row.seconds * float64(b.mix.Bytes) / 1e9
	}
	b.say("%d rows, %d times, on %.2f GB of SQL text: about %s.", len(results), b.runs, float64(b.mix.Bytes)/1e9, minutes(seconds*float64(b.runs)))
	begun := time.Now()
	for round := range b.runs {
		for i, r := range results {
			if err := b.settle(ctx); err != nil {
				return err
			}
			m, err := r.row.run(ctx, b)
			if err != nil {
				return fmt.Errorf("%s: %w", r.row.name, err)
			}
			r.runs = append(r.runs, m)
			b.say("  %d/%d  %2d/%d  %-34s %8.2f s", round+1, b.runs, i+1, len(results), r.row.name, m.wall.Seconds())
		}
		if left := b.runs - round - 1; left > 0 {
			b.say("  %s to go", minutes(time.Since(begun).Seconds()/float64(round+1)*float64(left)))
		}
	}
	return b.settle(ctx)
}

func minutes(seconds float64) string {
	if seconds < 90 {
		return fmt.Sprintf("%.0f s", seconds)
	}
	return fmt.Sprintf("%.0f minutes", seconds/60)
}

// settle drops the copies of the run before and has everything on disk, so that no run pays for another.
func (b *bench) settle(ctx context.Context) error {
	admin, err := b.db.Admin(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close(context.WithoutCancel(ctx)) }()
	rows, err := admin.Query(ctx, `SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE datname = $1 OR datname LIKE 'br\_%'`, restored)
	if err != nil {
		return fmt.Errorf("look for copies: %w", err)
	}
	drops, err := collect(rows)
	if err != nil {
		return fmt.Errorf("look for copies: %w", err)
	}
	for _, statement := range append(drops, "CHECKPOINT") {
		if _, err := admin.Exec(ctx, statement); err != nil {
			return fmt.Errorf("clear what the run before left: %w", err)
		}
	}
	syscall.Sync()
	return nil
}
