package dumpfile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
)

// What compression costs and brings, on the rows of a school (corpus_test.go). MB/s are of text; CPU-s/GB is CPU time, which is what to look
// at on a machine that does other things too; ratio is text to file, and the last column the size as a part of what "gzip -6" makes.
//
//	go test ./shared/dumpfile -run '^$' -bench Writer

const benchmarkText = 64 << 20

// benchmarkTables is the corpus, and how many bytes gzip -6 makes of all.
func benchmarkTables(b *testing.B) (texts map[string][]byte, gzipped float64) {
	b.Helper()
	texts = corpus(benchmarkText)
	for _, text := range texts {
		size, _ := gzipProgram(b, text)
		gzipped += size
	}
	return texts, gzipped
}

// gzipProgram is what gzip -6 makes of a text, in bytes, and the CPU time it takes.
func gzipProgram(b *testing.B, text []byte) (float64, time.Duration) {
	b.Helper()
	var size count
	cmd := exec.Command("gzip", "-6")
	cmd.Stdin, cmd.Stdout = bytes.NewReader(text), &size
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return float64(size), cmd.ProcessState.UserTime()
}

// cpuTime is what this process has used, in and outside of the kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU reports the CPU seconds since start, per GB of text.
func reportCPU(b *testing.B, start time.Duration, text int64) {
	b.Helper()
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N)/float64(text), "CPU-s/GB")
}

// BenchmarkWriter writes all tables, each as a member, as they come from a server: in pieces of 8 KiB.
func BenchmarkWriter(b *testing.B) {
	texts, gzipped := benchmarkTables(b)
	for name, level := range map[string]Level{"Fast": Fast, "Small": Small} {
		b.Run(name, func(b *testing.B) {
			var size count
			var total int64
			start := cpuTime()
			for b.Loop() {
				size, total = 0, 0
				w := NewWriter(&size, Options{Level: level})
				for _, c := range corpusTables {
					total += writeTable(b, w, w.AddTable(Table{Schema: "school", Name: c.name}), texts[c.name])
				}
				if _, err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(total)
			reportCPU(b, start, total)
			b.ReportMetric(float64(total)/float64(size), "ratio")
			b.ReportMetric(float64(size)/gzipped, "×gzip-6")
		})
	}
}

func writeTable(b *testing.B, w *Writer, table int, text []byte) int64 {
	b.Helper()
	m := w.Member(Data, table)
	for rest := text; len(rest) > 0; {
		n := min(len(rest), 8<<10)
		if _, err := m.Write(rest[:n]); err != nil {
			b.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	return int64(len(text))
}

// BenchmarkTables compresses each table in every way that there is to choose from, and as gzip -6 does.
func BenchmarkTables(b *testing.B) {
	texts, _ := benchmarkTables(b)
	for _, c := range corpusTables {
		text := texts[c.name]
		gzipped, cpu := gzipProgram(b, text)
		for _, level := range []int{flate.HuffmanOnly, 1, 2, 3, 4, 5, 6, 7} {
			b.Run(fmt.Sprintf("%s/%d", c.name, level), func(b *testing.B) {
				var size count
				z, err := flate.NewWriter(&size, level)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(text)))
				start := cpuTime()
				for b.Loop() {
					size = 0
					z.Reset(&size)
					if _, err := z.Write(text); err != nil {
						b.Fatal(err)
					}
					if err := z.Close(); err != nil {
						b.Fatal(err)
					}
				}
				reportCPU(b, start, int64(len(text)))
				b.ReportMetric(float64(len(text))/float64(size), "ratio")
				b.ReportMetric(float64(size)/gzipped, "×gzip-6")
			})
		}
		b.Logf("%s: gzip -6 takes %.1f CPU-s/GB, ratio %.3f", c.name, float64(cpu)/float64(len(text)), float64(len(text))/gzipped)
	}
}

// BenchmarkVerify reads a whole file.
func BenchmarkVerify(b *testing.B) {
	texts, _ := benchmarkTables(b)
	var file bytes.Buffer
	w := NewWriter(&file, Options{})
	var total int64
	for _, c := range corpusTables {
		total += writeTable(b, w, w.AddTable(Table{Schema: "school", Name: c.name}), texts[c.name])
	}
	x, err := w.Close()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("whole", func(b *testing.B) {
		b.SetBytes(total)
		start := cpuTime()
		for b.Loop() {
			if _, err := Verify(bytes.NewReader(file.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
		reportCPU(b, start, total)
	})
	b.Run("members", func(b *testing.B) {
		b.SetBytes(total)
		start := cpuTime()
		for b.Loop() {
			for _, m := range x.Members {
				if err := readMember(m, file.Bytes()[m.Offset:m.Offset+m.Length]); err != nil {
					b.Fatal(err)
				}
			}
		}
		reportCPU(b, start, total)
	})
	b.Run("gzip", func(b *testing.B) {
		b.SetBytes(total)
		start := cpuTime()
		for b.Loop() {
			z, err := gzip.NewReader(bytes.NewReader(file.Bytes()))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, z); err != nil {
				b.Fatal(err)
			}
		}
		reportCPU(b, start, total)
	})
}
