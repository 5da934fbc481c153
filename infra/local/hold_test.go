package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestUp_OneStackUsesAStateFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	release, err := hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	// A second one, at other ports.
	code := run(t.Context(), []string{"up", "-dir", dir, "-api-port=0", "-aws-port=0", "-issuer-port=0", "-database-url", "postgres://a:b@127.0.0.1:1/x"},
		&out, &errOut)
	number := strconv.Itoa(os.Getpid())
	if code != 1 || !strings.Contains(errOut.String(), "runs already (process "+number+")") {
		t.Errorf("the second: %d %s", code, errOut.String())
	}
	// What "make reset" goes by still names the first.
	if text, err := os.ReadFile(filepath.Join(dir, pidFile)); err != nil || string(text) != number+"\n" {
		t.Errorf("%s holds %q (%v)", pidFile, text, err)
	}
	release()
	if _, err := os.Stat(filepath.Join(dir, pidFile)); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", pidFile, err)
	}
	again, err := hold(dir)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	again()
}

func TestHold_TakesOverFromAKilledRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, pidFile), []byte("1234567890\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if text, err := os.ReadFile(filepath.Join(dir, pidFile)); err != nil || string(text) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("%s holds %q (%v)", pidFile, text, err)
	}
}
