package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/jackc/pgx/v5"
)

// row is a way to do it that is measured.
type row struct {
	key, name string
	baseline  string  // the key of the row that it is compared with
	seconds   float64 // about, for a gigabyte of SQL text, on two processors: for the forecast
	needs     string  // a program that the machine may not have
	makes     string  // the file that it leaves, for restores
	reads     string  // the file that it restores
	plain     bool    // it writes a .sql.gz, whose size can be compared with gzip's
	run       func(context.Context, *bench) (measure, error)
}

// The files of the dumps, and the database that the programs of PostgreSQL restore to.
const (
	gzipFile  = "gzip.sql.gz"
	fastFile  = "fast.sql.gz"
	smallFile = "small.sql.gz"
	directory = "directory"
	restored  = "bench_restored"
)

// The keys of rows that the bars are about.
const (
	gzipDump, pigzDump, zstdDump, customDump, directoryDump, nullDump, copies = "gzip", "pigz", "zstd", "custom", "directory", "null", "copies"
	fastDump, smallDump, workerDump                                           = "fast", "small", "worker"
	psqlRestore, singleRestore, directoryRestore, oursRestore                 = "psql", "psql1", "pg_restore", "ours"
)

// allRows are the rows in the order in which they are run.
var allRows = []row{
	{key: gzipDump, name: "pg_dump | gzip -6", baseline: gzipDump, seconds: 45, makes: gzipFile, plain: true, run: compressed(gzipFile, "gzip", "-6")},
	{key: pigzDump, name: "pg_dump | pigz", baseline: gzipDump, seconds: 24, needs: "pigz", plain: true, run: compressed("pigz.sql.gz", "pigz")},
	{key: zstdDump, name: "pg_dump | zstd -3", baseline: gzipDump, seconds: 12, needs: "zstd", run: compressed("zstd.sql.zst", "zstd", "-3", "-q")},
	// Without waiting for the disk, as the others don't.
	{key: customDump, name: "pg_dump -Fc -Z6", baseline: gzipDump, seconds: 45, run: archive("custom.dump", "-Fc", "-Z6")},
	{key: directoryDump, name: "pg_dump -Fd -j2", baseline: gzipDump, seconds: 24, makes: directory, run: archive(directory, "-Fd", "-j2")},
	{key: nullDump, name: "pg_dump > /dev/null", baseline: gzipDump, seconds: 8, run: func(ctx context.Context, b *bench) (measure, error) {
		return b.pipe([]string{b.program("pg_dump")}).run(ctx)
	}},
	{key: copies, name: "two COPYs > /dev/null", baseline: gzipDump, seconds: 5, run: func(ctx context.Context, b *bench) (measure, error) {
		return b.pipe([]string{b.ours, "copy", "2"}).run(ctx)
	}},
	{key: fastDump, name: "ours, to a file, fast", baseline: gzipDump, seconds: 9, makes: fastFile, plain: true, run: ours(fastFile, "fast")},
	{key: smallDump, name: "ours, to a file, small", baseline: gzipDump, seconds: 11, plain: true, run: ours(smallFile, "small")},
	{key: workerDump, name: "ours, worker to local S3", baseline: gzipDump, seconds: 12, plain: true, run: throughWorker},
	{key: psqlRestore, name: "gunzip -c | psql", baseline: psqlRestore, seconds: 70, reads: gzipFile, run: script()},
	{key: singleRestore, name: "gunzip -c | psql -1", baseline: psqlRestore, seconds: 70, reads: gzipFile, run: script("-1")},
	{key: directoryRestore, name: "pg_restore -j2 of -Fd", baseline: psqlRestore, seconds: 45, reads: directory, run: restoreArchive},
	{key: oursRestore, name: "ours, with verification", baseline: psqlRestore, seconds: 45, reads: fastFile, run: func(ctx context.Context, b *bench) (measure, error) {
		return b.pipe([]string{b.ours, "restore", b.file(fastFile)}).run(ctx)
	}},
}

// available are the rows that are wanted and that this machine has the programs for, and what it has not.
func (b *bench) available() (rows []row, missing []string) {
	for _, r := range allRows {
		if !b.wants(r.name) && !b.wants(r.key) {
			continue
		}
		if r.needs != "" {
			if _, err := exec.LookPath(r.needs); err != nil {
				missing = append(missing, r.name)
				b.say("%s is left out: there is no %s on the PATH.", r.name, r.needs)
				continue
			}
		}
		rows = append(rows, r)
	}
	return rows, missing
}

func compressed(name string, program ...string) func(context.Context, *bench) (measure, error) {
	return func(ctx context.Context, b *bench) (measure, error) {
		return b.pipe([]string{b.program("pg_dump")}, program).toFile(ctx, b.file(name))
	}
}

func archive(name string, format ...string) func(context.Context, *bench) (measure, error) {
	return func(ctx context.Context, b *bench) (measure, error) {
		if err := os.RemoveAll(b.file(name)); err != nil {
			return measure{}, err
		}
		m, err := b.pipe(append(append([]string{b.program("pg_dump")}, format...), "--no-sync", "-f", b.file(name))).run(ctx)
		if err != nil {
			return m, err
		}
		m.bytes, err = bytesIn(b.file(name))
		return m, err
	}
}

func ours(name, level string) func(context.Context, *bench) (measure, error) {
	return func(ctx context.Context, b *bench) (measure, error) {
		m, err := b.pipe([]string{b.ours, "dump", b.file(name), level}).run(ctx)
		if err != nil {
			return m, err
		}
		m.bytes, err = bytesIn(b.file(name))
		return m, err
	}
}

// script restores the script as people do it.
func script(flags ...string) func(context.Context, *bench) (measure, error) {
	return func(ctx context.Context, b *bench) (measure, error) {
		if err := b.createRestored(ctx); err != nil {
			return measure{}, err
		}
		psql := append([]string{b.program("psql"), "-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1"}, flags...)
		m, err := b.pipe([]string{"gunzip", "-c", b.file(gzipFile)}, append(psql, "-d", restored)).run(ctx)
		if err != nil {
			return m, err
		}
		return b.analyzed(ctx, m, b.program("psql"), "-X", "-q", "-c", "ANALYZE", "-d", restored)
	}
}

func restoreArchive(ctx context.Context, b *bench) (measure, error) {
	if err := b.createRestored(ctx); err != nil {
		return measure{}, err
	}
	m, err := b.pipe([]string{b.program("pg_restore"), "-e", "-j2", "-d", restored, b.file(directory)}).run(ctx)
	if err != nil {
		return m, err
	}
	return b.analyzed(ctx, m, b.program("vacuumdb"), "--analyze-only", "-q", "-j2", "-d", restored)
}

// analyzed collects the statistics that a restore has left to its user, without which the database would plan badly.
func (b *bench) analyzed(ctx context.Context, m measure, program ...string) (measure, error) {
	after, err := b.pipe(program).run(ctx)
	m.statistics = after.wall
	return m, err
}

// createRestored makes the database that is restored to. Ours makes its own while it is measured.
func (b *bench) createRestored(ctx context.Context) error {
	admin, err := b.db.Admin(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close(context.WithoutCancel(ctx)) }()
	if _, err := admin.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE template0", restored, b.db.Credentials.Username)); err != nil {
		return fmt.Errorf("make a database to restore to: %w", err)
	}
	return nil
}

func collect(rows pgx.Rows) ([]string, error) { return pgx.CollectRows(rows, pgx.RowTo[string]) }

// inspection is the name of the benchmark of the inspection of uploads.
const inspection = "inspection"

// inspect runs the benchmark of the inspection, which is one of Go's. It gives its lines.
func inspect(ctx context.Context, root string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "./shared/inspection", "-run", "^$", "-bench", "Inspect", "-benchtime", "6x")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GOMAXPROCS=1")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("measure the inspection: %w: %s", err, text)
	}
	return benchLines(string(text)), nil
}
