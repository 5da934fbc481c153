package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/pgcluster"
)

// Everything that a benchmark does, on the smallest database.
func TestBench_EveryRowIsMeasured(t *testing.T) {
	dir, err := os.MkdirTemp("", "backup-restore-bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := parse([]string{"-size", "1MB", "-runs", "1", "-root", "../../..", "-dir", dir})
	if err != nil {
		t.Fatal(err)
	}
	s.server = map[string]string{"fsync": "off", "full_page_writes": "off"}
	var out bytes.Buffer
	b, err := open(t.Context(), s, &out)
	if errors.Is(err, pgcluster.ErrNoServer) && os.Getenv("BR_TEST_REQUIRE") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.close()
		_ = os.RemoveAll(b.cluster.Dir()) // it is elsewhere where the server's user can't be let in
	})
	b.only = everythingButInspection
	r, err := b.measure(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if got := float64(r.mix.Bytes); got < 0.7e6 || got > 1.5e6 {
		t.Errorf("the database is %.0f bytes of SQL text, want about a million", got)
	}
	if got := len(r.mix.Parts); got != 13 {
		t.Errorf("the text has %d kinds of tables: %+v", got, r.mix.Parts)
	}
	for _, p := range r.mix.Parts {
		if p.Rows == 0 || p.What == "" {
			t.Errorf("%+v: no rows, or nothing is said of them", p)
		}
	}
	all := r.summaries()
	if len(all)+len(r.missing) != len(allRows) {
		t.Errorf("%d rows were measured and %d left out, want %d in all", len(all), len(r.missing), len(allRows))
	}
	for _, s := range all {
		writes := s.baseline == gzipDump && s.key != nullDump && s.key != copies
		if s.wall <= 0 || s.ratio <= 0 || s.cpuPerGB < 0 || writes != (s.bytes > 0) {
			t.Errorf("%s: %+v", s.name, s)
		}
		theirs := s.reads != "" && s.key != oursRestore
		if (s.reads != "") != (s.analyzed > 0 && s.analyzedRatio > 0) || theirs != (s.analyzed > s.wall) {
			t.Errorf("%s: takes %v, and %v with the statistics", s.name, s.wall, s.analyzed)
		}
		if !strings.Contains(r.terminal(), s.name) {
			t.Errorf("the table does not have %s", s.name)
		}
	}
	page := r.markdown()
	if dumps, restores := rowsTable(all, gzipDump), rowsTable(all, psqlRestore); strings.Contains(dumps, "analyzed") || strings.Contains(restores, "| size") || !strings.Contains(restores, "analyzed s | ratio |\n") {
		t.Errorf("the tables have the wrong columns:\n%s\n%s", dumps, restores)
	}
	if strings.Contains(page, "{{") || !strings.Contains(page, "PostgreSQL "+major(b)) {
		t.Errorf("the page is not filled in:\n%s", page)
	}
	wantNothingLeft(t, b)
}

// wantNothingLeft checks that no copy stays behind on the server.
func wantNothingLeft(t *testing.T, b *bench) {
	t.Helper()
	admin, err := b.db.Admin(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.Background()) }()
	rows, err := admin.Query(t.Context(), "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	names, err := collect(rows)
	if err != nil || !slices.Equal(names, []string{"bench", "postgres"}) {
		t.Errorf("the server has the databases %q (%v)", names, err)
	}
}

func TestParse_OnlyAWholeBenchmarkIsPublished(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("/r")
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                      "docs/benchmarks.md",
		"-size 5GB -runs 3":     "docs/benchmarks.md",
		"-size 100MB":           ".local/bench/benchmarks.md",
		"-runs 2":               ".local/bench/benchmarks.md",
		"-only gzip":            ".local/bench/benchmarks.md",
		"-size 1MB -out x/y.md": "x/y.md",
	} {
		s, err := parse(append([]string{"-root", root}, strings.Fields(args)...))
		if err != nil || s.out != filepath.Join(root, want) {
			t.Errorf("%q: the page goes to %s (%v), want %s", args, s.out, err, want)
		}
	}
	for _, args := range []string{"-size 1", "-size 1TB", "-size 0.1MB", "-runs 0", "-only (", "x"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func TestSummaries_StatisticsAreAddedToEachRun(t *testing.T) {
	t.Parallel()
	run := func(wall, statistics int) measure {
		return measure{wall: time.Duration(wall) * time.Second, statistics: time.Duration(statistics) * time.Second}
	}
	r := &report{results: []*result{
		{rowOf(t, psqlRestore), []measure{run(10, 9), run(20, 1), run(30, 5)}}, // 19, 21 and 35
		{rowOf(t, oursRestore), []measure{run(7, 0), run(8, 0), run(7, 0)}},
	}}
	all := r.summaries()
	if all[0].wall != 20*time.Second || all[0].analyzed != 21*time.Second || all[0].analyzedRatio != 1 {
		t.Errorf("theirs: %+v", all[0])
	}
	if all[1].analyzed != 7*time.Second || all[1].analyzedRatio != 3 {
		t.Errorf("ours: %+v", all[1])
	}
}

func TestSummaries_MediansAndRatios(t *testing.T) {
	t.Parallel()
	runs := func(seconds ...int) (all []measure) {
		for _, s := range seconds {
			all = append(all, measure{wall: time.Duration(s) * time.Second, cpu: time.Duration(s) * time.Second, bytes: int64(s) * 10, rss: int64(s)})
		}
		return all
	}
	r := &report{results: []*result{{allRows[0], runs(9, 40, 30, 31, 20)}, {rowOf(t, fastDump), runs(5, 6, 4, 100, 5)}}}
	r.mix.Bytes = 2e9
	all := r.summaries()
	if all[0].wall != 30*time.Second || all[0].least != 9*time.Second || all[0].most != 40*time.Second || all[0].ratio != 1 || all[0].cpuPerGB != 15 {
		t.Errorf("gzip: %+v", all[0])
	}
	if all[1].ratio != 6 || all[1].rss != 100 || !all[1].comparable || all[1].larger > -0.83 || all[1].larger < -0.84 {
		t.Errorf("ours: %+v", all[1])
	}
	for _, c := range []struct {
		bar  int
		want string
	}{{0, "met"}, {1, "met"}, {2, "not measured"}, {4, "not measured"}, {9, "met"}} {
		if _, value, met := bars[c.bar].verdict(all); met != c.want {
			t.Errorf("%s: %s at %s, want %s", bars[c.bar].what, met, value, c.want)
		}
	}
	r.results[1].runs = runs(20)
	all = r.summaries()
	for _, i := range []int{0, 9} {
		if limit, value, met := bars[i].verdict(all); met != "**not met**" {
			t.Errorf("%s: %s at %s, where %s is wanted", bars[i].what, met, value, limit)
		}
	}
}

func rowOf(t *testing.T, key string) row {
	t.Helper()
	i := slices.IndexFunc(allRows, func(r row) bool { return r.key == key })
	if i < 0 {
		t.Fatalf("there is no row %s", key)
	}
	return allRows[i]
}

func TestPipeline_AFailingProgramFailsTheRun(t *testing.T) {
	t.Parallel()
	for _, stages := range [][][]string{
		{{"/bin/sh", "-c", "echo of the first >&2; exit 3"}, {"/bin/cat"}},
		{{"/bin/sh", "-c", "while echo y; do :; done 2>/dev/null"}, {"/bin/sh", "-c", "echo of the first >&2; exit 3"}},
		{{"/bin/echo"}, {"/does/not/exist", "of the first"}},
	} {
		m, err := pipeline{stages: stages}.run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "of the first") {
			t.Errorf("%q: %v, after %v", stages, err, m)
		}
	}
}

func TestPipeline_CountsWhatAllProgramsTook(t *testing.T) {
	t.Parallel()
	// Both count, and the first has a child that does.
	const work = "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; echo done"
	alone, err := pipeline{stages: [][]string{{"/bin/sh", "-c", work}}}.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "out")
	m, err := pipeline{stages: [][]string{{"/bin/sh", "-c", "(" + work + "); exit"}, {"/bin/sh", "-c", work + "; exec cat"}}}.toFile(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if m.bytes != int64(len("done\ndone\n")) || m.wall <= 0 || alone.cpu <= 0 || m.cpu < alone.cpu*5/4 {
		t.Errorf("%+v, and %+v for half of it", m, alone)
	}
}

// everythingButInspection leaves out what takes long and is measured by a package of its own.
var everythingButInspection = regexp.MustCompile(`^(pg_|two |ours,|gunzip )`)

func major(b *bench) string { return strconv.Itoa(b.cluster.Major()) }
