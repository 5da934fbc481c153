package sqltext

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// The kinds of text that dumps are made of, about 16 MiB each.
func benchTexts() map[string]string {
	const size = 16 << 20
	var narrow, wide, inserts, multi, nulls strings.Builder
	for _, b := range []*strings.Builder{&narrow, &wide, &nulls} {
		b.WriteString("COPY public.t (a, b, c) FROM stdin;\n")
	}
	for i := 0; narrow.Len() < size; i++ {
		fmt.Fprintf(&narrow, "%d\tname %d\t\\N\t2026-01-02 03:04:05.678+00\tt\n", i, i*7)
	}
	for i := 0; nulls.Len() < size; i++ {
		nulls.WriteString("\\N\t\\N\n")
	}
	for i := 0; wide.Len() < size; i++ {
		fmt.Fprintf(&wide, "%d\t%s\t\\\\x%s\n", i, strings.Repeat("some text, ", 60), strings.Repeat("deadbeef", 100))
	}
	for _, b := range []*strings.Builder{&narrow, &wide, &nulls} {
		b.WriteString("\\.\n")
	}
	for i := 0; inserts.Len() < size; i++ {
		fmt.Fprintf(&inserts, "INSERT INTO public.t VALUES (%d, 'name %d', NULL, '2026-01-02 03:04:05.678+00', true);\n", i, i*7)
	}
	for i := 0; multi.Len() < size; i++ {
		if i%1000 == 0 {
			if i > 0 {
				multi.WriteString(";\n")
			}
			multi.WriteString("INSERT INTO public.t (a, b, c, d, e) VALUES\n")
		} else {
			multi.WriteString(",\n")
		}
		fmt.Fprintf(&multi, "\t(%d, 'name %d', NULL, 1.25, 'it''s')", i, i*7)
	}
	multi.WriteString(";\n")
	return map[string]string{"copy narrow rows": narrow.String(), "copy wide rows": wide.String(), "copy tiny rows": nulls.String(),
		"insert per row": inserts.String(), "insert of 1000 rows": multi.String()}
}

func BenchmarkScanner(b *testing.B) {
	for name, text := range benchTexts() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				s := NewScanner(strings.NewReader(text), Options{})
				for {
					item, err := s.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					if item.Kind == Copy {
						if _, err := io.Copy(io.Discard, s.CopyData()); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
		})
	}
}

// The yardstick: what it costs to look for new lines and nothing else.
func BenchmarkCountLines(b *testing.B) {
	for name, text := range benchTexts() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			buf := make([]byte, bufferSize)
			for b.Loop() {
				for r := strings.NewReader(text); ; {
					n, err := r.Read(buf)
					if err != nil {
						break
					}
					_ = bytes.Count(buf[:n], newline)
				}
			}
		})
	}
}
