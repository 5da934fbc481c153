package inspection_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Whatever the file: inspecting it ends in a verdict; the verdict does not depend on the pieces in which it comes, and is the same when
// the file is compressed; and what is accepted has no hazard and is not cut.
func FuzzInspect(f *testing.F) {
	for _, s := range append(corpus(f, "hazards.txt", true), corpus(f, "harmless.txt", false)...) {
		f.Add([]byte(s.text), byte(3))
	}
	f.Add([]byte(head+"COPY t FROM stdin;\n1\n\\.\n"+end), byte(1))
	f.Add(zip(f, head+"SELECT 1;\n"+end), byte(5))
	f.Add([]byte("PGDMP\x01\x0e"), byte(2))
	f.Add([]byte("\xff\xfeS\x00"), byte(1))
	f.Fuzz(func(t *testing.T, file []byte, size byte) {
		want, wantErr := inspect(bytes.NewReader(file))
		var rejected *backup.Error
		i := want.Inspection
		switch {
		case wantErr == nil:
			if i.HazardCount > 0 || i.Completeness == backup.Cut || i.Completeness == "" || want.SHA256 == "" {
				t.Fatalf("accepted: %+v", want)
			}
		case !errors.As(wantErr, &rejected) || rejected.Code == "" || rejected.Text == "" || rejected.Hint == "":
			t.Fatalf("no verdict: %v", wantErr)
		case !valid(rejected.Text) || !valid(rejected.Hint):
			t.Fatalf("a verdict that can't be read: %q", rejected.Text)
		}
		for _, h := range i.Hazards {
			if h.Line < 1 || h.Line > i.Lines+1 || !valid(h.Text) || len([]rune(h.Text)) > 200 {
				t.Fatalf("hazard %+v of %d lines", h, i.Lines)
			}
		}
		got, err := inspect(pieces{bytes.NewReader(file), max(int(size), 1)})
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(steady(got.Inspection), steady(i)) {
			t.Fatalf("in pieces of %d: %+v, %v\nat once: %+v, %v", size, got, err, want, wantErr)
		}
		if bytes.HasPrefix(file, []byte{0x1f, 0x8b}) {
			return // compressed twice
		}
		zipped, err := inspect(bytes.NewReader(zip(t, string(file))))
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(steady(zipped.Inspection), steady(i)) {
			t.Fatalf("compressed: %+v, %v\nplain: %+v, %v", zipped, err, want, wantErr)
		}
	})
}

// steady is an inspection without what depends on how far ahead of the verdict a file was read.
func steady(i backup.Inspection) backup.Inspection {
	i.Bytes, i.Compressed = 0, false
	if i.Completeness != backup.Proven && i.Completeness != backup.Unproven {
		i.SQLBytes, i.Lines = 0, 0
	}
	return i
}

func valid(s string) bool {
	return s != "" && strings.ToValidUTF8(s, "") == s && !strings.ContainsRune(s, 0)
}
