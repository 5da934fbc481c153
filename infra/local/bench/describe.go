package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/infra/local/bench/school"
)

// report is all that a benchmark tells.
type report struct {
	settings
	results    []*result
	missing    []string // rows left out
	mix        school.Mix
	inspection string
	machine    []fact
}

// fact is something that figures depend on.
type fact struct{ name, value string }

// describe says on what it was measured.
func (b *bench) describe(ctx context.Context, r *report) error {
	admin, err := b.db.Admin(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close(context.WithoutCancel(ctx)) }()
	server, set, err := serverFacts(ctx, admin)
	if err != nil {
		return err
	}
	r.machine = []fact{
		{"Processor", fmt.Sprintf("%s, %d cores, shared by server and clients", processor(), runtime.NumCPU())},
		{"Memory", memory()},
		{"System", system(ctx)},
		{"PostgreSQL", server},
		{"Server settings", set},
		{"Tools", tools(ctx)},
		{"Go", runtime.Version()},
		{"Commit", commit(ctx, b.root)},
		{"Date", b.begun.UTC().Format("2 January 2006, 15:04 UTC")},
		{"Database", fmt.Sprintf("%.3f GB of SQL text, %d rows; asked for: %s", float64(r.mix.Bytes)/1e9, r.mix.Rows, b.size.text)},
		{"Runs of each row", fmt.Sprintf("%d, interleaved", b.runs)},
	}
	return nil
}

// serverFacts are the server's version, and those settings that decide how fast it is, whether they are the default or not.
func serverFacts(ctx context.Context, admin *pgx.Conn) (version, set string, err error) {
	if err := admin.QueryRow(ctx, "SELECT split_part(version(), ' on ', 1)").Scan(&version); err != nil {
		return "", "", fmt.Errorf("ask the server for its version: %w", err)
	}
	rows, err := admin.Query(ctx, `SELECT name || ' ' || current_setting(name) FROM pg_settings WHERE name IN ('shared_buffers', 'fsync', 'synchronous_commit',
		'full_page_writes', 'wal_level', 'max_wal_size', 'maintenance_work_mem', 'work_mem', 'data_checksums', 'jit', 'max_parallel_maintenance_workers') ORDER BY name`)
	if err != nil {
		return "", "", fmt.Errorf("ask the server for its settings: %w", err)
	}
	all, err := collect(rows)
	return version, strings.Join(all, ", "), err
}

// processor is the model's name, where the system says it.
func processor() string {
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer func() { _ = f.Close() }()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}

func memory() string {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "not known"
	}
	var kib int64
	if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); err != nil {
		return "not known"
	}
	return fmt.Sprintf("%.1f GiB", float64(kib)/(1<<20))
}

var prettyName = regexp.MustCompile(`(?m)^PRETTY_NAME="?([^"\n]*)`)

func system(ctx context.Context) string {
	name := runtime.GOOS
	if text, err := os.ReadFile("/etc/os-release"); err == nil {
		if m := prettyName.FindSubmatch(text); m != nil {
			name = string(m[1])
		}
	}
	return name + ", " + firstLine(ctx, "", "uname", "-sr")
}

// tools are the versions of the compressors.
func tools(ctx context.Context) string {
	var all []string
	for _, t := range []string{"gzip", "pigz", "zstd"} {
		if line := firstLine(ctx, "", t, "--version"); line != "" {
			all = append(all, strings.Trim(line, "* "))
		}
	}
	return strings.Join(all, "; ")
}

func commit(ctx context.Context, root string) string {
	id := firstLine(ctx, root, "git", "rev-parse", "--short=12", "HEAD")
	if id == "" {
		return "not known"
	}
	if firstLine(ctx, root, "git", "status", "--porcelain", "--untracked-files=no") != "" {
		id += ", with changes"
	}
	return id
}

// firstLine is what a program says first, "" where it can't be asked.
func firstLine(ctx context.Context, dir, program string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
