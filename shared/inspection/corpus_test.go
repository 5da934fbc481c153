package inspection_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/inspection"
)

// script is a line of the corpus.
type script struct {
	group string // code of the hazard, or what becomes of the script
	line  int64
	text  string
}

// corpus reads a file of scripts. Those of hazards have the expected line in front.
func corpus(t testing.TB, name string, lines bool) (scripts []script) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	group := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "== "):
			group = line[3:]
		case group == "" || line == "":
		default:
			s := script{group: group, text: line}
			if lines {
				number, rest, _ := strings.Cut(line, " ")
				if s.line, err = strconv.ParseInt(number, 10, 64); err != nil {
					t.Fatalf("%s: %q: %v", name, line, err)
				}
				s.text = rest
			}
			s.text = strings.ReplaceAll(s.text, "␤", "\n") + "\n"
			scripts = append(scripts, s)
		}
	}
	if len(scripts) < 50 {
		t.Fatalf("%s has only %d scripts", name, len(scripts))
	}
	return scripts
}

func inspect(r io.Reader) (inspection.Result, error) {
	return inspection.Inspect(context.Background(), r, backup.Postgres, inspection.Limits{}, nil)
}

func code(err error) backup.Code {
	var e *backup.Error
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return backup.Code("not a rejection: " + err.Error())
	}
	return ""
}

// pieces gives a text in pieces of n bytes.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

// sizes are the sizes of pieces in which every script of the corpus is fed.
func sizes() (all []int) {
	for n := 1; n <= 64; n++ {
		all = append(all, n)
	}
	return append(all, 127, 4095, 4096, 1<<20)
}

// Every hazard is found, in its line, however the text arrives, plain and compressed; with nothing before it, and behind rows, and behind
// what confuses a reader that does not know quotes.
func TestInspect_FindsEveryHazard(t *testing.T) {
	t.Parallel()
	const odd = "SELECT 'it''s', E'\\'', $a$'$a$, \"'\", U&'\\', B'1' /* ' */; -- '\n"
	scripts := corpus(t, "hazards.txt", true)
	for _, s := range scripts {
		t.Run(s.group+" "+s.text, func(t *testing.T) {
			t.Parallel()
			check := func(what, text string, line int64, r io.Reader) {
				found, err := inspect(r)
				if code(err) != backup.CodeDangerous {
					t.Fatalf("%s %q: %v, want a hazard %s", what, text, err, s.group)
				}
				for _, h := range found.Inspection.Hazards {
					if h.Code == s.group && h.Line == line && h.Text != "" && h.Why != "" && h.Hint != "" {
						return
					}
				}
				t.Fatalf("%s %q: found %+v, want %s in line %d", what, text, found.Inspection.Hazards, s.group, line)
			}
			for _, n := range sizes() {
				check(fmt.Sprintf("in pieces of %d", n), s.text, s.line, pieces{strings.NewReader(s.text), n})
			}
			check("compressed", s.text, s.line, bytes.NewReader(zip(t, s.text)))
			check("as the second member", s.text, s.line+1, bytes.NewReader(append(zip(t, "SET a = 1;\n"), zip(t, s.text)...)))
			// What stands first would end the preamble.
			if s.group != "other_database" {
				check("behind odd quotes", s.text, s.line+1, strings.NewReader(odd+s.text))
				check("behind rows", s.text, s.line+3, strings.NewReader("COPY x (a) FROM stdin;\n\\\\.'\"$$\n\\.\n"+s.text))
				check("after CRLF", s.text, s.line+1, strings.NewReader("SET a = 1;\r\n"+strings.ReplaceAll(s.text, "\n", "\r\n")))
			}
		})
	}
	t.Logf("%d hazards", len(scripts))
}

// hide puts a script where nobody runs it.
func hide(text string) map[string]string {
	text = strings.TrimSuffix(text, "\n")
	doubled := strings.ReplaceAll(text, "'", "''")
	hidden := map[string]string{
		"line comment": "-- " + strings.ReplaceAll(text, "\n", "\n-- ") + "\nSELECT 1;\n",
		"string":       "COMMENT ON TABLE t IS '" + doubled + "';\n",
		"value":        "INSERT INTO t VALUES (1, '" + doubled + "'), (2, ' " + doubled + "');\n",
		"E string":     "INSERT INTO t VALUES (E'" + strings.ReplaceAll(doubled, `\`, `\\`) + "');\n",
		"dollar quote": "SELECT $hide$" + text + "$hide$;\n",
		"function":     "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $_$" + text + "$_$;\n",
		"DO":           "DO $do$" + text + "$do$;\n",
		"name":         "CREATE TABLE \"" + strings.ReplaceAll(text, `"`, `""`) + "\" (a int);\n",
		"column":       "INSERT INTO t (\"" + strings.ReplaceAll(text, `"`, `""`) + "\") VALUES (1);\n",
	}
	if !strings.Contains(text, "*/") {
		hidden["comment"] = "/* " + text + "\n*/ SELECT 1 /* " + text + " */;\n"
	}
	if !strings.Contains(text, "\n\\.") && !strings.HasPrefix(text, `\.`) {
		hidden["rows"] = "COPY t (a) FROM stdin;\n" + text + "\n\\.\nSELECT 1;\n"
		hidden["rows of CSV"] = "COPY t (a) FROM stdin WITH (FORMAT csv);\n" + text + "\n\\.\nSELECT 1;\n"
	}
	return hidden
}

// Nothing fires where it is hidden in quotes, comments and rows.
func TestInspect_HiddenHazardsAreNone(t *testing.T) {
	t.Parallel()
	for _, s := range corpus(t, "hazards.txt", true) {
		for where, text := range hide(s.text) {
			if strings.Contains(s.text, "/*") && where == "comment" {
				continue
			}
			for _, n := range []int{1, 2, 3, 5, 7, 16, 61, 64, 1 << 20} {
				if found, err := inspect(pieces{strings.NewReader(text), n}); err != nil {
					t.Fatalf("%s, in pieces of %d: %q: %v: %+v", where, n, text, err, found.Inspection.Hazards)
				}
			}
		}
	}
}

func TestInspect_HarmlessIsNoHazard(t *testing.T) {
	t.Parallel()
	for _, s := range corpus(t, "harmless.txt", false) {
		for _, n := range []int{1, 3, 17, 1 << 20} {
			text := s.text
			if s.group == "ignored" && !strings.Contains(text, ";") {
				text += "SELECT 1;\n"
			}
			found, err := inspect(pieces{strings.NewReader(text), n})
			if err != nil {
				t.Errorf("%q: %v: %+v", text, err, found.Inspection.Hazards)
			}
			if ignored := found.Inspection.IgnoredCount > 0; ignored != (s.group == "ignored") {
				t.Errorf("%q: ignored %+v", text, found.Inspection.Ignored)
			}
		}
	}
}

// A hazard on either side of any seam of the buffers is the same hazard.
func TestInspect_HazardsAcrossBuffers(t *testing.T) {
	t.Parallel()
	const hazard = "COPY t FROM PROGRAM 'touch /tmp/never';\n"
	for _, seam := range []int{32 << 10, 64 << 10, 256 << 10, 512 << 10} {
		for shift := -len(hazard) - 2; shift <= 2; shift++ {
			filler := "INSERT INTO t VALUES (1, '" + strings.Repeat("x", 100) + "');\n"
			text := strings.Repeat(filler, (seam+shift)/len(filler))
			text += "-- " + strings.Repeat("y", max(seam+shift-len(text)-4, 0)) + "\n" + hazard
			found, err := inspect(strings.NewReader(text))
			want := int64(strings.Count(text, "\n"))
			if code(err) != backup.CodeDangerous || found.Inspection.HazardCount != 1 || found.Inspection.Hazards[0].Line != want {
				t.Fatalf("at %d%+d: %v: %+v, want line %d", seam, shift, err, found.Inspection.Hazards, want)
			}
		}
	}
}

// What is found of a script does not depend on the pieces in which it comes, or on compression.
func TestInspect_PiecesDoNotMatter(t *testing.T) {
	t.Parallel()
	scripts := append(corpus(t, "hazards.txt", true), corpus(t, "harmless.txt", false)...)
	for _, s := range scripts {
		want, wantErr := inspect(strings.NewReader(s.text))
		for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 11, 13, 31, 64} {
			got, err := inspect(pieces{strings.NewReader(s.text), n})
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q in pieces of %d: %+v, %v\nat once: %+v, %v", s.text, n, got, err, want, wantErr)
			}
		}
		got, err := inspect(bytes.NewReader(zip(t, s.text)))
		got.Inspection.Compressed, got.Inspection.Bytes, got.SHA256 = false, want.Inspection.Bytes, want.SHA256
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q compressed: %+v, %v\nplain: %+v, %v", s.text, got, err, want, wantErr)
		}
	}
}

// Of very many hazards the first are kept, and all are counted. Passwords are not kept.
func TestInspect_KeepsTheFirstHazardsAndNoPassword(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("CREATE ROLE a PASSWORD 'hunter2';\n\\connect \"host=evil password=hunter2\"\nALTER USER b PASSWORD $$hunter2$$;\n\\setenv PGPASSWORD hunter2\n"+
		"SELECT dblink('password=hunter2', 'x');\nCREATE USER MAPPING FOR a SERVER b OPTIONS (password 'hunter2');\nALTER SYSTEM SET primary_conninfo = 'password=hunter2';\n\\set pw hunter2\n", 200)
	found, err := inspect(strings.NewReader(text))
	if code(err) != backup.CodeDangerous || found.Inspection.HazardCount != 1600 || len(found.Inspection.Hazards) != 100 {
		t.Fatalf("%v, %d hazards, %d kept", err, found.Inspection.HazardCount, len(found.Inspection.Hazards))
	}
	if all := fmt.Sprintf("%+v %v", found, err); strings.Contains(all, "hunter2") {
		t.Errorf("a password was kept: %s", all)
	}
}

// The text of a hazard is short, one line, and valid UTF-8, whatever the file has.
func TestInspect_HazardTextIsShort(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"LOAD '" + strings.Repeat("ä\x1b[31m\n", 5000) + "';", "\\! " + strings.Repeat("é", 1000), "SET client_encoding = 'LATIN1';\nLOAD '\xe4\xff" + strings.Repeat("x", 500) + "';"} {
		found, err := inspect(strings.NewReader(text + "\n"))
		if code(err) != backup.CodeDangerous || len(found.Inspection.Hazards) != 1 {
			t.Fatalf("%.50q: %v", text, err)
		}
		h := found.Inspection.Hazards[0].Text
		if runes := []rune(h); len(runes) > 200 || strings.ContainsAny(h, "\n\x1b") || strings.ToValidUTF8(h, "") != h {
			t.Errorf("%d characters: %q", len(runes), h)
		}
	}
}

func zip(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unzip(t testing.TB, file []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
