package files_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/files"
)

// curl runs curl as somebody would who has only a terminal, and returns what it printed.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not on this machine")
	}
	out, err := exec.CommandContext(t.Context(), program, append([]string{"--silent", "--show-error", "--fail-with-body"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v: %s", err, out)
	}
	return string(out)
}

func TestDropbox_CurlSendsAFileByTheForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := content(2 << 20) // large enough for curl to ask first: Expect: 100-continue
	path := filepath.Join(t.TempDir(), `school "old"; ä.sql`)
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	form := mustForm(t, w.direct, int64(len(want)))
	var args []string
	for _, name := range slices.Sorted(maps.Keys(form.Fields)) {
		args = append(args, "--form-string", name+"="+form.Fields[name])
	}
	if out := curl(t, append(args, "--form", `file=@"`+strings.ReplaceAll(path, `"`, `\"`)+`"`, form.URL)...); !strings.Contains(out, "<Key>"+dropped+"</Key>") {
		t.Errorf("curl printed %s", out)
	}
	if !bytes.Equal(readAll(t, w.direct, mustArrive(t, w.direct, int64(len(want)))), want) {
		t.Error("another content arrived")
	}
}

func TestDropbox_CurlSendsAFileInParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := files.Quick(w.client, w.bucket, files.Options{LinkPartSize: partSize})
	want := content(partSize + 1000)
	id, err := s.BeginParts(t.Context(), dropped)
	if err != nil {
		t.Fatal(err)
	}
	links, err := s.PresignParts(t.Context(), dropped, id, int64(len(want)), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for i, link := range links.URLs { // what split makes of the file
		path := filepath.Join(t.TempDir(), fmt.Sprint("part", i))
		if err := os.WriteFile(path, want[i*partSize:min((i+1)*partSize, len(want))], 0o600); err != nil {
			t.Fatal(err)
		}
		curl(t, "--upload-file", path, link)
	}
	if err := s.CompleteParts(t.Context(), dropped, id, int64(len(want))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, w.direct, mustArrive(t, w.direct, int64(len(want)))), want) {
		t.Error("another content arrived")
	}
}
