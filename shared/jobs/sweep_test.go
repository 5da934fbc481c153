package jobs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// ago moves the time at which a job was asked for, and at which its attempt began, into the past.
func ago(d time.Duration) func(*backup.Job) {
	return func(j *backup.Job) {
		j.RequestedAt = j.RequestedAt.Add(-d)
		if !j.StartedAt.IsZero() {
			j.StartedAt = j.StartedAt.Add(-d)
		}
	}
}

func (w *world) changeBackup(id string, change func(*backup.Job)) {
	w.t.Helper()
	if _, err := w.store.Backups().Update(w.t.Context(), "school", id, func(b *backup.Backup) error { change(&b.Job); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) changeRestore(id string, change func(*backup.Job)) {
	w.t.Helper()
	if _, err := w.store.Restores().Update(w.t.Context(), "school", id, func(r *backup.Restore) error { change(&r.Job); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// spoil writes something that is no record in place of a backup's.
func (w *world) spoil(id string) {
	w.t.Helper()
	key := "records/backups/school/" + backup.Complement(id) + ".json"
	if _, err := w.client.PutObject(w.t.Context(), &s3.PutObjectInput{Bucket: &w.bucket, Key: aws.String(key), Body: strings.NewReader("not a record")}); err != nil {
		w.t.Fatal(err)
	}
}

func TestSweep_FailsAJobThatNobodyTookUpForAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	young, old := w.startBackup().ID, w.startBackup().ID
	w.changeBackup(old, ago(61*time.Minute))
	rang := w.bell.count()
	if err := w.sweeper().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := w.backup(old); b.State != backup.Failed || b.Failure.Code != backup.CodeWorkerLost {
		t.Errorf("the old one is %s: %+v", b.State, b.Failure)
	}
	if b := w.backup(young); b.State != backup.Queued || w.bell.count() != rang+1 {
		t.Errorf("the young one is %s, rang %d times", b.State, w.bell.count()-rang)
	}
	if keys := w.objects("open/"); len(keys) != 1 {
		t.Errorf("open: %v", keys)
	}
}

func TestSweep_AJobMayWaitForWorkersThatAreBusyWithOtherDatabases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startBackup().ID
	w.changeBackup(id, ago(3*time.Hour))
	if _, err := w.desk.StartBackup(t.Context(), backup.Database{Name: "other", Engine: backup.Postgres}, "", backup.Selection{}, anna); err != nil {
		t.Fatal(err)
	}
	if _, err := w.locks().Acquire(t.Context(), "other", "busy"); err != nil {
		t.Fatal(err)
	}
	rang := w.bell.count()
	if err := w.sweeper().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := w.backup(id); b.State != backup.Queued || w.bell.count() != rang+1 {
		t.Errorf("the backup is %s (%+v), rang %d times", b.State, b.Failure, w.bell.count()-rang)
	}
}

func TestSweep_DoesNotClaimToKnowWhatALostRestoreDid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.created()
	begun, queued := w.startRestore(source, false).ID, w.startRestore(source, false).ID
	if _, err := w.store.Restores().Update(t.Context(), "school", begun, func(r *backup.Restore) error { return r.Begin("dead", time.Now()) }); err != nil {
		t.Fatal(err)
	}
	s := w.sweeper()
	s.Locks = neverHeld{}
	for _, id := range []string{begun, queued} {
		w.changeRestore(id, ago(2*time.Hour))
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f := w.restore(begun).Failure; f == nil || strings.Contains(f.Hint, "was not changed") || !strings.Contains(f.Hint, "br_"+begun+"_kept") {
		t.Errorf("the one that had begun: %+v", f)
	}
	if f := w.restore(queued).Failure; f == nil || !strings.Contains(f.Hint, "Nothing was changed") {
		t.Errorf("the one that had not: %+v", f)
	}
}

// neverHeld are locks that nobody ever took.
type neverHeld struct{ backup.Locks }

func (neverHeld) Read(context.Context, string) (backup.Holder, bool, error) {
	return backup.Holder{}, false, nil
}

func TestSweep_OneUnreadableRecordDoesNotSilenceTheBell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad := w.startBackup().ID
	w.startBackup()
	w.spoil(bad)
	rang := w.bell.count()
	if err := w.sweeper().Sweep(t.Context()); err == nil {
		t.Error("the unreadable record was not reported")
	}
	if w.bell.count() != rang+1 {
		t.Errorf("rang %d times", w.bell.count()-rang)
	}
}
