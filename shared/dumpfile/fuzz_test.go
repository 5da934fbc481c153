package dumpfile

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzReadIndex(f *testing.F) {
	f.Add(fileOf(goodIndex, 160))
	f.Add(fileOf("", 0))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, file []byte) {
		x, err := ReadIndex(ranger(file), int64(len(file)))
		if (x == nil) == (err == nil) || err != nil && !tellsOfBadFile(err) {
			t.Errorf("index %v, error %v", x, err)
		}
	})
}

// FuzzReadIndexLines begins behind the checksums: what is taken is written in the same way and read again as the same.
func FuzzReadIndexLines(f *testing.F) {
	f.Add([]byte(goodIndex), int64(160))
	f.Add([]byte(goodHead+"-- end {\"tables\":0,\"members\":0,\"rows\":0,\"bytes\":0,\"lines\":0,\"length\":0}\n"), int64(0))
	f.Add([]byte(goodHead+goodTable), int64(0))
	f.Fuzz(func(t *testing.T, lines []byte, offset int64) {
		x, count, err := readIndex(bytes.NewReader(lines), offset)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeIndex(&again, x, offset, count); err != nil {
			t.Fatal(err)
		}
		y, _, err := readIndex(&again, offset)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(x, y); d != "" {
			t.Error(d)
		}
	})
}

// FuzzRebuild makes two members of a text, the second of which may be damaged.
func FuzzRebuild(f *testing.F) {
	f.Add([]byte(schemaText), []byte("--\n-- rows\n--\n\nCOPY s.t (a, b) FROM stdin;\n1\t2\n\\.\n\n"+endText), []byte(nil))
	f.Add([]byte("COPY s.t FROM stdin;\n1\n"), []byte("2\n\\.\n"+objectText+seqText), []byte(indexTitle))
	f.Add([]byte("SELECT 1"), []byte(";\n"), []byte{0x1f, 0x8b, 8, 4})
	f.Add([]byte("-- \xff\n"), []byte("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;\n"), header[:])
	f.Fuzz(func(t *testing.T, one, two, rest []byte) {
		var file bytes.Buffer
		for _, text := range [][]byte{one, two} {
			w := NewWriter(&file, Options{Memory: 1 << 16})
			m := w.Member(Schema, -1)
			_, _ = m.Write(text)
			_ = m.Close()
		}
		file.Write(rest)
		x, err := Rebuild(&file)
		if x == nil || err != nil && !tellsOfBadFile(err) {
			t.Fatalf("index %v, error %v", x, err)
		}
		var end int64
		for _, m := range x.Members {
			if m.Offset != end || m.Length < minMember || m.Table >= len(x.Tables) {
				t.Errorf("members %+v", x.Members)
			}
			end += m.Length
		}
	})
}

func FuzzVerify(f *testing.F) {
	var file bytes.Buffer
	w := NewWriter(&file, Options{})
	m := w.Member(Schema, -1)
	_, _ = m.Write([]byte(schemaText))
	_ = m.Close()
	_, _ = w.Close()
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:file.Len()-TrailerLength])
	f.Add(fileOf(goodIndex, 160))
	f.Fuzz(func(t *testing.T, file []byte) {
		x, err := Verify(bytes.NewReader(file))
		if (x == nil) == (err == nil) || err != nil && !tellsOfBadFile(err) {
			t.Errorf("index %v, error %v", x, err)
		}
	})
}
