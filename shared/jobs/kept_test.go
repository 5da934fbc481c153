package jobs_test

import (
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestRestore_OfAnUploadIsAskedForInItsWeekAndMayRunAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.accepted(gzipped(dumpText))
	late := u
	late.RequestedAt = time.Now().Add(-backup.UploadsKept)
	_, err := w.desk.StartRestore(t.Context(), backup.RestoreSource{Upload: &late}, "", backup.RestoreOptions{DryRun: true}, anna)
	refused(t, err, "upload_gone")
	id := w.startUploadRestore(u, backup.RestoreOptions{DryRun: true}).ID
	// The week ends while it waits: both have been asked for two weeks ago, the restore in the upload's last hour.
	week := 7 * 24 * time.Hour
	if _, err := w.store.Uploads().Update(t.Context(), school.Name, u.ID, func(u *backup.Upload) error {
		u.RequestedAt = time.Now().Add(-2 * week)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Restores().Update(t.Context(), school.Name, id, func(r *backup.Restore) error {
		r.RequestedAt = time.Now().Add(-week - time.Hour)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.work("second")
	if r := w.restore(id); r.State != backup.Rehearsed {
		t.Errorf("restore is %s: %+v", r.State, r.Failure)
	}
}
