package jobs_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestWork_AnUnreadableRecordDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad, good := w.startBackup().ID, w.startBackup().ID
	w.spoil(bad)
	if err := w.runner("first").Work(t.Context(), "school"); err == nil {
		t.Error("the unreadable record was not reported")
	}
	if b := w.backup(good); b.State != backup.Created {
		t.Errorf("the other backup is %s", b.State)
	}
	if keys := w.objects("open/"); len(keys) != 1 || !strings.Contains(keys[0], bad) {
		t.Errorf("open: %v", keys)
	}
}

func TestWork_AJobThatCameAtTheEndOfTheWorkersTimeIsLeftToTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.dump = func(ctx context.Context, _ io.Writer) error {
		<-ctx.Done()
		return ctx.Err()
	}
	w.startBackup()
	var second string
	r := w.runner("first")
	r.Open = &lateOpen{OpenJobs: r.Open, late: func() { second = w.startBackup().ID }}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := r.Work(ctx, "school"); err != nil {
		t.Fatal(err)
	}
	if b := w.backup(second); b.State != backup.Queued || w.bell.count() != 3 {
		t.Errorf("the second is %s (%+v), rang %d times: a fresh worker should run it", b.State, b.Failure, w.bell.count())
	}
}
