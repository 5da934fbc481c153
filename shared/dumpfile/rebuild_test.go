package dumpfile

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// byName is what of an index can be rebuilt, with tables by their names.
func byName(x *Index) (members []Member, tables []string) {
	for _, m := range x.Members {
		name := ""
		if m.Table >= 0 {
			name = x.Tables[m.Table].Schema + "." + x.Tables[m.Table].Name
			m.Table = 0
		}
		members = append(members, m)
		tables = append(tables, name)
	}
	return members, tables
}

func TestRebuild_GivesTheMembersOfTheIndex(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	want := build(t, &buf, Options{Memory: 64 << 10}, 4, 6, 1000)
	file := buf.Bytes()
	last := want.Members[len(want.Members)-1]
	end := last.Offset + last.Length
	for name, cut := range map[string]int64{
		"whole": int64(len(file)), "without index": end, "index cut in its header": end + 4, "index cut in its first text": end + 14,
		"index cut": end + 200, "trailer cut": int64(len(file)) - 3, "no trailer": int64(len(file)) - TrailerLength,
	} {
		got, err := Rebuild(bytes.NewReader(file[:cut]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantMembers, wantTables := byName(want)
		gotMembers, gotTables := byName(got)
		if d := cmp.Diff(wantMembers, gotMembers); d != "" {
			t.Errorf("%s: members:\n%s", name, d)
		}
		if d := cmp.Diff(wantTables, gotTables); d != "" {
			t.Errorf("%s: tables:\n%s", name, d)
		}
		for _, x := range got.Tables {
			for _, y := range want.Tables {
				if x.Name == y.Name && !cmp.Equal(x, y) {
					t.Errorf("%s: %s", name, cmp.Diff(y, x))
				}
			}
		}
		if got.ServerVersion != "15.18" || got.ToolVersion != "15.18" || got.Encoding != "UTF8" || got.Engine != "postgres" {
			t.Errorf("%s: head %+v", name, got)
		}
	}
}

func TestRebuild_TellsOfACutScriptWithTheMembersBeforeIt(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	want := build(t, &buf, Options{}, 2, 4, 500)
	wantMembers, _ := byName(want)
	for i, m := range want.Members {
		for _, cut := range []int64{m.Offset, m.Offset + 1, m.Offset + 11, m.Offset + m.Length/2, m.Offset + m.Length - 1} {
			x, err := Rebuild(bytes.NewReader(buf.Bytes()[:cut]))
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) {
				t.Fatalf("cut at %d, in member %d: %v", cut, i, err)
			}
			got, _ := byName(x)
			if d := cmp.Diff(wantMembers[:i], got); i > 0 && d != "" {
				t.Errorf("cut at %d, in member %d: %v\n%s", cut, i, err, d)
			}
		}
	}
}

func TestRebuild_AnErrorOfTheReaderIsNoDamage(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	build(t, &buf, Options{}, 2, 2, 500)
	gone := errors.New("gone")
	_, err := Rebuild(io.MultiReader(bytes.NewReader(buf.Bytes()[:buf.Len()/2]), failing{gone}))
	var corrupt *CorruptError
	if !errors.Is(err, gone) || errors.As(err, &corrupt) {
		t.Errorf("error %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestRebuild_KnowsKindsByTheirText has members whose kind is not plain from one statement.
func TestRebuild_KnowsKindsByTheirText(t *testing.T) {
	t.Parallel()
	const begin, end = "BEGIN;\n\nSELECT pg_catalog.lo_open('1', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00\n", "0011');\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n"
	for name, members := range map[string][]struct {
		kind Kind
		text string
	}{
		"a schema alone":     {{Schema, schemaText + endText}},
		"nothing between":    {{Schema, schemaText}, {Constraints, endText}},
		"an end of comments": {{Schema, schemaText}, {LargeObjects, objectText}, {Constraints, "--\n-- PostgreSQL database dump complete\n--\n\n"}},
		"objects among rows": {{Schema, schemaText}, {LargeObjects, "BEGIN;\n\nSELECT pg_catalog.lo_open('1', 131072);\n"}, {Data, "COPY s.t (a) FROM stdin;\n1\n\\.\n"},
			{LargeObjects, "SELECT pg_catalog.lowrite(0, '\\x00');\n"}, {Data, "COPY s.t (a) FROM stdin;\n2\n3\n\\.\n"}, {LargeObjects, "SELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n"}, {Constraints, endText}},
		"a statement over three members":  {{Schema, schemaText}, {LargeObjects, begin}, {LargeObjects, "00\n"}, {LargeObjects, end}, {Constraints, endText}},
		"sequences without rows":          {{Schema, schemaText}, {Sequences, "--\n-- s\n--\n\n" + seqText + seqText}, {Constraints, endText}},
		"rows of a table without columns": {{Schema, schemaText}, {Data, "COPY s.t  FROM stdin;\n\n\n\\.\n"}, {Constraints, endText}},
		"no rows":                         {{Schema, schemaText}, {Data, "COPY s.t (a) FROM stdin;\n\\.\n"}, {Constraints, endText}},
		"a function that calls setval":    {{Schema, schemaText}, {Constraints, "SELECT f(setval('s', 1));\n" + endText}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var file bytes.Buffer
			w := NewWriter(&file, Options{Head: Index{Engine: "postgres", Tables: []Table{{Schema: "s", Name: "t"}}}})
			for _, m := range members {
				if m.kind != Data {
					put(t, w, m.kind, m.text)
					continue
				}
				d := w.Member(Data, 0)
				_, _ = io.WriteString(d, m.text)
				_, rows, _ := strings.Cut(m.text, ";\n")
				rows = strings.TrimSuffix(rows, "\\.\n")
				d.Rows(int64(strings.Count(rows, "\n")), int64(len(rows)))
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			}
			want, err := w.Close()
			if err != nil {
				t.Fatal(err)
			}
			got, err := Rebuild(&file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want.Members, got.Members); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestRebuild_RefusesAChangedMember changes what only the header's form and gzip's own checksum tell.
func TestRebuild_RefusesAChangedMember(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	x := build(t, &buf, Options{}, 1, 1, 50)
	m := x.Members[1]
	for what, at := range map[string]int64{"MTIME": m.Offset + 5, "FLG": m.Offset + 3, "CRC32": m.Offset + m.Length - 8, "ISIZE": m.Offset + m.Length - 1} {
		bad := bytes.Clone(buf.Bytes())
		bad[at] ^= 1
		var corrupt *CorruptError
		if _, err := Rebuild(bytes.NewReader(bad)); !errors.As(err, &corrupt) || corrupt.Offset != m.Offset {
			t.Errorf("%s: %v", what, err)
		}
	}
}
