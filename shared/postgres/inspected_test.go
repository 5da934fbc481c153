package postgres_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/inspection"
)

// inspected inspects a text and loads it as what it was found to be.
func (w *world) inspected(name string, text []byte) {
	w.t.Helper()
	ctx := context.Background()
	found, err := inspection.Inspect(ctx, bytes.NewReader(text), backup.Postgres, inspection.Limits{}, nil)
	if err != nil {
		w.t.Errorf("%s: inspection: %v", name, describe(err))
		return
	}
	in := found.Inspection
	a := attempt(1)
	s, err := w.engine.Stage(ctx, w.target, a, backup.Need{Inspection: &in, SQLBytes: in.SQLBytes, Tables: in.Tables, ServerVersion: in.ServerVersion})
	if err != nil {
		w.t.Errorf("%s: stage: %v", name, describe(err))
		return
	}
	loaded, err := s.Load(ctx, plainText{bytes.NewReader(text)}, nil)
	if err == nil {
		err = s.Verify(ctx, backup.Want{Tables: in.Tables, Exact: in.RowsInexact == 0}, nil)
	}
	if err != nil {
		w.t.Errorf("%s: %v", name, describe(err))
	}
	if n := backup.TotalRows(in.Tables); in.RowsInexact == 0 && n != backup.TotalRows(loaded.Tables) {
		w.t.Errorf("%s: %d rows inspected, %d loaded", name, n, backup.TotalRows(loaded.Tables))
	}
	if err := s.Discard(ctx); err != nil {
		w.t.Errorf("%s: discard: %v", name, describe(err))
	}
	w.t.Logf("%s: exact %v, %d skipped", name, in.RowsInexact == 0, len(loaded.Skipped))
	w.clean(a.Job)
}

// The inspection and the loader read the same text, and must agree on what it holds.
func TestStaged_WhatWasInspectedIsLoaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE BYPASSRLS"))
	w.school()
	script, err := os.ReadFile("../../infra/local/e2e/testdata/chinook.sql")
	if err != nil {
		t.Fatal(err)
	}
	w.inspected("a script that makes its own database", script)
	for _, options := range []string{"", "--inserts", "--column-inserts --rows-per-insert=50", "--create --clean --if-exists", "--use-set-session-authorization",
		"--disable-triggers", "--quote-all-identifiers --no-owner --no-privileges", "--schema-only", "--on-conflict-do-nothing --inserts"} {
		cmd := exec.Command(pgDump(t), strings.Fields(options)...)
		password, _ := w.url.User.Password()
		cmd.Env = []string{"PGHOST=" + w.url.Hostname(), "PGPORT=" + w.url.Port(), "PGUSER=" + w.url.User.Username(), "PGPASSWORD=" + password, "PGDATABASE=" + w.name()}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("pg_dump %s: %v", options, err)
		}
		w.inspected("pg_dump "+options, out)
	}
}
