package jobs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/backup"
)

var pupils = backup.Selection{Include: []string{"public.pupil"}, Exclude: []string{"public.pupil_old"}}

func (w *world) partial() backup.Backup {
	w.t.Helper()
	b, err := w.desk.StartBackup(w.t.Context(), school, "", pupils, anna)
	if err != nil {
		w.t.Fatalf("start backup: %v", err)
	}
	w.work("first")
	return w.backup(b.ID)
}

func TestBackup_OfSomeTablesIsPartialAndSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.partial()
	if b.State != backup.Created || !b.Partial() || !cmp.Equal(*b.Selection, pupils) {
		t.Errorf("backup is %s of %+v", b.State, b.Selection)
	}
	if !strings.HasSuffix(b.Filename, "-partial.sql.gz") || !strings.HasSuffix(b.File.Key, "/"+b.Filename) {
		t.Errorf("it is named %s under %s", b.Filename, b.File.Key)
	}
	if got := w.engine.selected.Load(); got == nil || !cmp.Equal(*got, pupils) {
		t.Errorf("the engine was asked for %+v", got)
	}
	entries, _, err := w.store.Activity().List(t.Context(), backup.Page{Limit: 100})
	if err != nil || !slices.ContainsFunc(entries, func(e backup.Entry) bool {
		return e.Action == "backup.create" && strings.Contains(e.Detail, "only the rows of public.pupil")
	}) {
		t.Errorf("the activity log is %+v, %v", entries, err)
	}
	_, err = w.desk.StartBackup(t.Context(), school, "", backup.Selection{Include: []string{"pupil"}}, anna)
	refused(t, err, "selection_invalid")
	w.nothingOpen()
}

func TestBackup_OfAllTablesIsNotPartial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created()
	if b.Selection != nil || strings.Contains(b.Filename, "partial") {
		t.Errorf("backup %s has the selection %+v", b.Filename, b.Selection)
	}
	if got := w.engine.selected.Load(); got == nil || !got.All() {
		t.Errorf("the engine was asked for %+v", got)
	}
}

func TestRestore_OfAPartialBackupNeedsToBeAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.partial()
	start := func(o backup.RestoreOptions) (backup.Restore, error) {
		return w.desk.StartRestore(t.Context(), backup.RestoreSource{Backup: &b}, "", o, anna)
	}
	_, err := start(backup.RestoreOptions{})
	refused(t, err, "backup_partial")

	r, err := start(backup.RestoreOptions{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	w.work("second")
	r = w.restore(r.ID)
	if r.State != backup.Rehearsed || !cmp.Equal(r.Partial, &pupils) || len(r.Report.Warnings) != 2 || !strings.Contains(r.Report.Warnings[0], "only the rows of public.pupil") {
		t.Fatalf("restore is %s of %+v, report %+v", r.State, r.Partial, r.Report)
	}
	_, err = w.desk.Apply(t.Context(), "school", r.ID, "", anna)
	refused(t, err, "backup_partial")

	if r, err = start(backup.RestoreOptions{DryRun: true, AcceptPartial: true}); err != nil {
		t.Fatal(err)
	}
	w.work("third")
	w.apply(r.ID)
	w.work("fourth")
	if r = w.restore(r.ID); r.State != backup.Restored {
		t.Errorf("the acknowledged rehearsal is %s: %+v", r.State, r.FollowUp)
	}
	if r, err = start(backup.RestoreOptions{AcceptPartial: true}); err != nil {
		t.Fatal(err)
	}
	w.work("fifth")
	if r = w.restore(r.ID); r.State != backup.Restored || !r.AcceptPartial {
		t.Errorf("restore is %s: %+v", r.State, r.Failure)
	}
}

// A record that was written by something else than the desk: the worker asks as well.
func TestRestore_WorkerRefusesAPartialBackupThatNobodyAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.partial()
	r, err := w.desk.StartRestore(t.Context(), backup.RestoreSource{Backup: &b}, "", backup.RestoreOptions{AcceptPartial: true}, anna)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Restores().Update(t.Context(), "school", r.ID, func(r *backup.Restore) error {
		r.AcceptPartial = false
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.work("second")
	if r = w.restore(r.ID); r.State != backup.Failed || r.Failure.Code != "backup_partial" {
		t.Errorf("restore is %s: %+v", r.State, r.Failure)
	}
}
