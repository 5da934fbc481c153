package dumpfile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ranger reads parts of a file in memory.
func ranger(file []byte) Ranger {
	return func(offset, length int64) (io.ReadCloser, error) {
		if offset < 0 || length < 0 || offset+length > int64(len(file)) {
			return nil, fmt.Errorf("read %d bytes at %d of %d", length, offset, len(file))
		}
		return io.NopCloser(bytes.NewReader(file[offset : offset+length])), nil
	}
}

// whole is the text of a file, as the standard library gives it.
func whole(t *testing.T, file []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := readAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readAll(r io.Reader) ([]byte, error) { return io.ReadAll(r) }

// readMember reads a member's text to its end.
func readMember(m Member, part []byte) error {
	r := m.Open(bytes.NewReader(part))
	defer r.Close()
	_, err := io.Copy(io.Discard, r)
	return err
}

// TestFile_EveryProgramForGzipReadsIt reads a file with the programs that people have. Its text switches the way of compression within
// members, so that flushed and joined deflate streams are among what they read.
func TestFile_EveryProgramForGzipReadsIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "school.sql.gz")
	var buf bytes.Buffer
	writeMixed(t, &buf)
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	want := whole(t, buf.Bytes())
	var matches strings.Builder
	for line := range strings.Lines(want) {
		if strings.Contains(line, "image/jpeg") {
			matches.WriteString(line)
		}
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"gunzip", []string{"-c", path}, want},
		{"zcat", []string{path}, want},
		{"gzip", []string{"-dc", path}, want},
		{"gzip", []string{"-t", path}, ""},
		{"zgrep", []string{"-a", "image/jpeg", path}, matches.String()},
		{"pigz", []string{"-dc", path}, want},
		{"pigz", []string{"-t", path}, ""},
		{"python3", []string{"-c", "import gzip, shutil, sys; shutil.copyfileobj(gzip.open(sys.argv[1]), sys.stdout.buffer)", path}, want},
	} {
		t.Run(c.name+" "+c.args[0], func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(c.name); err != nil {
				t.Skipf("%s is not installed", c.name)
			}
			var out, errs bytes.Buffer
			cmd := exec.Command(c.name, c.args...)
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil || errs.Len() > 0 {
				t.Fatalf("%v: %s", err, errs.String())
			}
			if out.String() != c.want {
				t.Errorf("it gives %d bytes that are not the text's %d", out.Len(), len(c.want))
			}
		})
	}
}

// writeMixed writes a file whose only table has rows of all tables of the corpus, in turn.
func writeMixed(t *testing.T, out io.Writer) {
	t.Helper()
	w := NewWriter(out, Options{Head: Index{Engine: "postgres"}, Memory: 1 << 20})
	put(t, w, Schema, schemaText)
	table := w.AddTable(Table{Schema: "school", Name: "mixed"})
	g := newGenerator(3)
	var rows bytes.Buffer
	for n := range 12 {
		for _, c := range corpusTables {
			for range 100 {
				c.row(g, &rows, n)
				if strings.HasPrefix(c.name, "p") || c.name == "documents" {
					break
				}
			}
		}
	}
	for range 2 {
		if err := putRows(w, table, "mixed", rows.String()); err != nil {
			t.Fatal(err)
		}
	}
	put(t, w, Constraints, endText)
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFile_WithoutItsIndexIsStillAScript cuts the index off.
func TestFile_WithoutItsIndexIsStillAScript(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	x := build(t, &buf, Options{}, 2, 2, 200)
	last := x.Members[len(x.Members)-1]
	want, _, _ := strings.Cut(whole(t, buf.Bytes()), indexTitle)
	if got := whole(t, buf.Bytes()[:last.Offset+last.Length]); got != want || !strings.HasSuffix(got, endText) {
		t.Errorf("its text has %d bytes, not %d", len(got), len(want))
	}
}

func TestFile_SwitchesTheWayOfCompressionWithinAMember(t *testing.T) {
	t.Parallel()
	e := newEncoder(Fast)
	w := NewWriter(io.Discard, Options{})
	e.begin(w.Member(Schema, -1))
	g := newGenerator(5)
	used := make(map[any]bool)
	for _, row := range []func(*generator, *bytes.Buffer, int){gradeRow, photoRow, gradeRow, documentRow} {
		var text bytes.Buffer
		for n := 0; text.Len() < 4*textBlock; n++ {
			row(g, &text, n)
		}
		if err := e.write(text.Bytes()); err != nil {
			t.Fatal(err)
		}
		used[e.now] = true
	}
	if len(used) < 2 {
		t.Error("grades, photos and documents were all compressed in the same way")
	}
	if e.choice[bytea] == nil || e.choice[plain] == nil {
		t.Error("one class of text was not seen")
	}
}
