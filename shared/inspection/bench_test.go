package inspection

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	klauspost "github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// The files that inspections are measured on: gzip -6 of a dump of a school, by COPY and by INSERT.
const benchSize = 64 << 20

const (
	dumpHead = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.18\n-- Dumped by pg_dump version 15.18\n\n" +
		"SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\nSELECT pg_catalog.set_config('search_path', '', false);\n\n"
	dumpEnd = "--\n-- PostgreSQL database dump complete\n--\n\n"
)

var (
	firstNames = strings.Fields("Anna Ben Clara David Emma Felix Greta Hannes Ida Jonas Käthe Leon Mia Noah Olivia Paul Quentin Rosa Søren Tom Ulla Victor Wanda Zoë")
	lastNames  = strings.Fields("Abel Bauer Conrad Dietrich Engel Fischer Groß Huber Immel Jung Keller Lang Müller Neumann Otto Peters Quast Richter Schäfer Thoma Ulrich Vogel Weiß Ziegler")
	remarks    = strings.Fields("arrived late because the bus did not come and the teacher was told by phone that morning homework missing again excellent work in class quiet")
)

// schoolRow is one row: attendance, and of each tenth a student with a remark. columns are separated by sep and quoted by quote.
func schoolRow(w *bufio.Writer, rnd *rand.Rand, id int, sep, quote string) {
	day := time.Date(2024, 9, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(id/40) * time.Minute)
	fmt.Fprintf(w, "%d%s%s%s %s%s%s%s%s%s%s", id, sep, quote, firstNames[rnd.IntN(len(firstNames))], lastNames[rnd.IntN(len(lastNames))], quote,
		sep, quote, day.Add(time.Duration(rnd.IntN(1e9))).Format("2006-01-02 15:04:05.000000-07"), quote, sep)
	fmt.Fprintf(w, "%d%s%d.%02d%s%s%016x-%08x%s%s%s", rnd.IntN(30000), sep, rnd.IntN(100), rnd.IntN(100), sep, quote, rnd.Uint64(), rnd.Uint32(), quote, sep, quote)
	for range 3 + rnd.IntN(6) {
		_, _ = w.WriteString(remarks[rnd.IntN(len(remarks))])
		_ = w.WriteByte(' ')
	}
	_, _ = w.WriteString(quote)
}

func writeSchool(w io.Writer, size int, insert bool) {
	out := &countingWriter{w: w}
	b := bufio.NewWriter(out)
	rnd := rand.New(rand.NewPCG(7, 7))
	_, _ = b.WriteString(dumpHead)
	const table = "public.attendance (id, name, at, student, mark, token, remark)"
	for id := 0; out.n+int64(b.Buffered()) < int64(size); {
		if insert {
			_, _ = b.WriteString("INSERT INTO " + table + " VALUES (")
			schoolRow(b, rnd, id, ", ", "'")
			_, _ = b.WriteString(");\n")
			id++
			continue
		}
		_, _ = b.WriteString("COPY " + table + " FROM stdin;\n")
		for end := id + 100_000; id < end && out.n+int64(b.Buffered()) < int64(size); id++ {
			schoolRow(b, rnd, id, "\t", "")
			_ = b.WriteByte('\n')
		}
		_, _ = b.WriteString("\\.\n\n")
	}
	_, _ = b.WriteString(dumpEnd)
	_ = b.Flush()
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.w.Write(p)
}

// benchFile is a compressed dump on disk and the size of its text.
func benchFile(b *testing.B, insert bool) (path string, size int64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "school.sql.gz")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	var zipped io.WriteCloser
	cmd := exec.Command("gzip", "-6", "-c")
	cmd.Stdout = f
	if pipe, err := cmd.StdinPipe(); err == nil && cmd.Start() == nil {
		zipped = pipe
	} else {
		zipped = gzip.NewWriter(f)
		cmd = nil
	}
	text := &countingWriter{w: zipped}
	writeSchool(text, benchSize, insert)
	if err := zipped.Close(); err != nil {
		b.Fatal(err)
	}
	if cmd != nil {
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	if info, err := f.Stat(); err == nil {
		b.Logf("%d MB of SQL, %.2f : 1", text.n>>20, float64(text.n)/float64(info.Size()))
	}
	return path, text.n
}

// BenchmarkInspect measures the inspection of compressed dumps in bytes of SQL a second, beside what it can't do without, and beside
// zcat | wc -l on the same file. Run it by
//
//	GOMAXPROCS=1 taskset -c 1 go test ./shared/inspection -run xxx -bench Inspect
//
// for the speed of one core: gzip and wc share it with the pipe between them.
func BenchmarkInspect(b *testing.B) {
	for _, insert := range []bool{false, true} {
		kind := "copy"
		if insert {
			kind = "insert"
		}
		path, size := benchFile(b, insert)
		file, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		var text bytes.Buffer
		writeSchool(&text, benchSize, insert)
		measure := func(name string, run func() error) {
			b.Run(kind+"/"+name, func(b *testing.B) {
				b.SetBytes(size)
				before := cpuTime()
				for b.Loop() {
					if err := run(); err != nil {
						b.Fatal(err)
					}
				}
				reportCPU(b, size, cpuTime()-before)
			})
		}
		measure("gzip", func() error { return inspectAll(bytes.NewReader(file)) })
		measure("plain", func() error { return inspectAll(bytes.NewReader(text.Bytes())) })
		measure("only gunzip, klauspost", func() error {
			r, err := klauspost.NewReader(bufio.NewReaderSize(bytes.NewReader(file), readSize))
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			return err
		})
		measure("only gunzip, stdlib", func() error {
			r, err := gzip.NewReader(bufio.NewReaderSize(bytes.NewReader(file), readSize))
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			return err
		})
		b.Run(kind+"/zcat and wc", func(b *testing.B) {
			for _, program := range []string{"zcat", "wc", "sh"} {
				if _, err := exec.LookPath(program); err != nil {
					b.Skipf("needs %s", program)
				}
			}
			b.SetBytes(size)
			before := cpuTime()
			for b.Loop() {
				if out, err := exec.Command("sh", "-c", "zcat "+path+" | wc -l").CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
			reportCPU(b, size, cpuTime()-before)
		})
	}
}

// cpuTime is what this process and the programs it ran have used of the processor.
func cpuTime() (total time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}

// reportCPU says how many bytes of SQL went by for each second of one processor, which holds on a busy machine too.
func reportCPU(b *testing.B, size int64, used time.Duration) {
	b.ReportMetric(float64(size)*float64(b.N)/1e6/used.Seconds(), "MB/cpu-s")
}

func inspectAll(r io.Reader) error {
	found, err := Inspect(context.Background(), r, backup.Postgres, Limits{}, nil)
	if err == nil && found.Inspection.Completeness != backup.Proven {
		return fmt.Errorf("found %+v", found.Inspection)
	}
	return err
}
