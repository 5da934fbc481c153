package sqltext

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/internal/testenv"
)

// readRows reads rows to their end, each as its values: "null", or the text, with "…" where it is cut.
func readRows(r io.Reader, l RowLimits) (out [][]string, err error) {
	rows := NewRows(r, l)
	for {
		values, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		row := []string{}
		for _, v := range values {
			text := string(v.Text)
			switch {
			case v.Null:
				text = "null" + text
			case v.Cut:
				text += "…"
			}
			row = append(row, text)
		}
		out = append(out, row)
	}
}

func TestRows_ReadsEscapesAsTheServerDoes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"a\tb\n":    {"a", "b"},
		"\n":        {""},
		"\t\n":      {"", ""},
		`\N` + "\n": {"null"},
		`\N` + "\t" + `\\N` + "\t" + `x\N` + "\t" + `\Nx` + "\n": {"null", `\N`, "xN", "Nx"},
		`\b\f\n\r\t\v\\` + "\n":                                  {"\b\f\n\r\t\v\\"},
		`\.x\q` + "\n":                                           {".xq"},
		`\0\101\1012\7` + "\n":                                   {"\x00A" + "A2" + "\a"},
		`\x41\x4g\xg\xÄ` + "\n":                                  {"A\x04gxgxÄ"},
		`\116` + "\t" + `\x4e` + "\n":                            {"N", "N"},
		`\8` + "\n":                                              {"8"},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text))} {
			got, err := readRows(r, RowLimits{})
			if err != nil || len(got) != 1 || !cmp.Equal(got[0], want) {
				t.Errorf("%q, %s: %q, %v; want %q", text, name, got, err, want)
			}
		}
	}
}

// The server's answer to a query is what its values are, and COPY what stands for them.
func TestRows_AgreeWithTheServersCopy(t *testing.T) {
	t.Parallel()
	conn, err := pgconn.Connect(t.Context(), testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	// Every character that a value can begin, hold and end with, and what looks like an escape.
	const query = `SELECT i, v, decode(md5(v), 'hex'), ARRAY[v, NULL], to_json(v), i % 2 = 0, v FROM (
		SELECT i, chr(i) || 'x' || chr(i) || chr(i) FROM generate_series(1, 400) i
		UNION ALL SELECT 1000, v FROM unnest(ARRAY['', ' ', '\N', '\.', '\\', 'a\', E'\\\n', E'\t\t', E'line\r\nline', '\x41', '\101', 'null', 'NULL', '{"a": "b\n"}', '😀', NULL]) v
		UNION ALL SELECT 2000, repeat(E'long\t\\', 20000)) t (i, v) ORDER BY i, v`
	results, err := conn.Exec(t.Context(), query).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want [][]string
	for _, row := range results[0].Rows {
		var texts []string
		for _, v := range row {
			if v == nil {
				texts = append(texts, "null")
			} else {
				texts = append(texts, string(v))
			}
		}
		want = append(want, texts)
	}
	var copied bytes.Buffer
	if _, err := conn.CopyTo(t.Context(), &copied, "COPY ("+query+") TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	got, err := readRows(&copied, RowLimits{})
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v: %s", err, cmp.Diff(want, got))
	}
	if len(got) != 417 {
		t.Errorf("%d rows were compared", len(got))
	}
}

func TestRows_KeepNoMoreThanTheirLimits(t *testing.T) {
	t.Parallel()
	text := "1\tshort\t" + strings.Repeat("long", 1000) + "\tbehind\n" + "2\tlonger\t\\N\tx\n"
	got, err := readRows(strings.NewReader(text), RowLimits{Value: 5})
	if want := [][]string{{"1", "short", "longl…", "behin…"}, {"2", "longe…", "null", "x"}}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	got, err = readRows(strings.NewReader(text), RowLimits{Value: 5, Row: 20})
	if want := [][]string{{"1", "short", "longl…"}, {"2", "longe…", "null", "x"}}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// endless is a row that never ends. It counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	e.read += len(p)
	return len(p), nil
}

func TestRows_AGiantRowIsReadNoFurtherThanItsLimit(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	e := &endless{}
	rows := NewRows(e, RowLimits{Value: 100, Row: limit})
	values, err := rows.Next()
	if err != nil || len(values) != 1 || len(values[0].Text) != 100 || !values[0].Cut {
		t.Fatalf("%d values, %v", len(values), err)
	}
	if e.read > limit+bufferSize {
		t.Errorf("%d bytes were read", e.read)
	}
}

func TestRows_WhatDoesNotEndIsNoRow(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a", "a\tb", "a\t", `a\`, `a\1`, `a\x`, `\N`} {
		got, err := readRows(strings.NewReader("1\n"+text), RowLimits{})
		if len(got) != 1 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if got, err := readRows(strings.NewReader("a\\\nb\n"), RowLimits{}); len(got) != 0 || err == nil {
		t.Errorf("a row that ends behind a backslash: %q, %v", got, err)
	}
	broken := errors.New("the wire")
	rows := NewRows(io.MultiReader(strings.NewReader("1\n2"), iotest.ErrReader(broken)), RowLimits{})
	if _, err := rows.Next(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := rows.Next(); !errors.Is(err, broken) {
			t.Errorf("%v, want the reader's error", err)
		}
	}
}
