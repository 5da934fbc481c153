package dumpfile

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	schemaText = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped from database version 15.18\n-- Dumped by pg_dump version 15.18\n\nSET client_encoding = 'UTF8';\nCREATE TABLE school.t0 (id bigint, name text, note text);\n\n"
	endText    = "ALTER TABLE ONLY school.t0 ADD CONSTRAINT t0_pkey PRIMARY KEY (id);\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n"
	seqText    = "SELECT pg_catalog.setval('school.s', 1, true);\n"
	objectText = "BEGIN;\n\nSELECT pg_catalog.lo_open('1', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00');\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n"
)

// put writes a member of one text.
func put(t testing.TB, w *Writer, kind Kind, text string) {
	t.Helper()
	m := w.Member(kind, -1)
	if _, err := io.WriteString(m, text); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// putRows writes a member of a table's rows, in pieces as they come from a server.
func putRows(w *Writer, table int, name string, rows string) error {
	m := w.Member(Data, table)
	defer m.Discard()
	if _, err := fmt.Fprintf(m, "--\n-- Data for Name: %s; Type: TABLE DATA\n--\n\nCOPY school.%s (id, name, note) FROM stdin;\n", name, name); err != nil {
		return err
	}
	for rest := rows; rest != ""; {
		n := min(len(rest), 8000)
		if _, err := io.WriteString(m, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	m.Rows(int64(strings.Count(rows, "\n")), int64(len(rows)))
	if _, err := io.WriteString(m, "\\.\n\n\n"); err != nil {
		return err
	}
	return m.Close()
}

// rowsText is n rows that look like a school's.
func rowsText(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		switch {
		case i%7 == 3:
			fmt.Fprintf(&b, "%d\t\\N\t%064x\n", i, r.Uint64())
		default:
			fmt.Fprintf(&b, "%d\tÄnne %d\twas here at 2026-%02d-%02d, %d times\n", i, r.IntN(50), 1+r.IntN(12), 1+r.IntN(28), r.IntN(1000))
		}
	}
	return b.String()
}

// build writes a file of tables by several goroutines.
func build(t testing.TB, out io.Writer, o Options, goroutines, members, rows int) *Index {
	t.Helper()
	o.Head = Index{Engine: "postgres", ServerVersion: "15.18", ToolVersion: "15.18", Encoding: "UTF8"}
	w := NewWriter(out, o)
	put(t, w, Schema, schemaText)
	var group sync.WaitGroup
	for g := range goroutines {
		name := fmt.Sprintf("t%d", g)
		table := w.AddTable(Table{Schema: "school", Name: name, Columns: []Column{{Name: "id"}, {Name: "name"}, {Name: "note"}}})
		group.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for range members {
				if err := putRows(w, table, name, rowsText(r, r.IntN(2*rows+1))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	put(t, w, LargeObjects, objectText)
	put(t, w, Sequences, seqText)
	put(t, w, Constraints, endText)
	x, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestWriter_ManyGoroutinesInLittleMemoryMakeOneFile(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{1, 8 << 10, 64 << 10, 0} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			t.Parallel()
			var file bytes.Buffer
			x := build(t, &file, Options{Memory: memory}, 8, 8, 1000)
			read, err := ReadIndex(ranger(file.Bytes()), int64(file.Len()))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(x, read); d != "" {
				t.Errorf("the index that is read is not the one that was written:\n%s", d)
			}
			if verified, err := Verify(&file); err != nil || !cmp.Equal(verified, x) {
				t.Errorf("Verify: %v", err)
			}
		})
	}
}

func TestMember_OpenGivesItsPartOfTheText(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	x := build(t, &buf, Options{}, 4, 3, 3000)
	file := buf.Bytes()
	text := whole(t, file)
	var offset int64
	for _, m := range x.Members {
		got, err := io.ReadAll(m.Open(bytes.NewReader(file[m.Offset : m.Offset+m.Length])))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != text[offset:offset+m.Bytes] {
			t.Errorf("member at %d: its text is not the one of the whole at %d", m.Offset, offset)
		}
		if line := int64(1 + strings.Count(text[:offset], "\n")); m.Line != line {
			t.Errorf("member at %d: begins in line %d, the index says %d", m.Offset, line, m.Line)
		}
		offset += m.Bytes
	}
	if rest := text[offset:]; !strings.HasPrefix(rest, indexTitle) {
		t.Errorf("behind the members comes %.100q", rest)
	}
}
