package jobs_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/jobs"
)

func TestBackup_BecomesCreatedWithItsProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created()
	if b.File == nil || b.File.SHA256 == "" || b.File.VersionID == "" || b.Rows != 2 || b.Attempt != 1 || b.Worker != "first" {
		t.Errorf("record is %+v", b)
	}
	object, err := w.files.Open(t.Context(), b.File.Key, b.File.VersionID)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = object.Close() }()
	if text := gunzip(t, object); text != dumpText {
		t.Errorf("the file holds %q", text)
	}
	w.nothingOpen()
	entries, _, err := w.store.Activity().List(t.Context(), backup.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Action+" "+e.Result+" by "+e.Actor.Name)
	}
	if want := []string{"backup.end created by anna", "backup.create accepted by anna"}; !cmp.Equal(got, want) {
		t.Errorf("activity: %s", cmp.Diff(want, got))
	}
}

func TestBackup_ThatFailsLeavesNoFileAndSaysWhy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want backup.Code
	}{
		"for a known reason":   {&backup.Error{Code: backup.CodeToolFailed, Text: "pg_dump ended", Log: "its words"}, backup.CodeToolFailed},
		"for an unknown one":   {errors.New("hunter2"), backup.CodeInternal},
		"at the very last row": {io.ErrUnexpectedEOF, backup.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.engine.dump = func(_ context.Context, out io.Writer) error {
				// Enough, and not compressible, so that parts are under way.
				if _, err := io.CopyN(out, &noise{}, 20<<20); err != nil {
					return err
				}
				return tt.err
			}
			id := w.startBackup().ID
			w.work("first")
			b := w.backup(id)
			if b.State != backup.Failed || b.Failure == nil || b.Failure.Code != tt.want || b.File != nil {
				t.Fatalf("record is %+v, failure %+v", b, b.Failure)
			}
			if strings.Contains(b.Failure.Reason+b.Failure.Log, "hunter2") {
				t.Errorf("the cause is in the record: %+v", b.Failure)
			}
			if keys := w.objects("backups/"); len(keys) > 0 {
				t.Errorf("left behind: %v", keys)
			}
			w.nothingOpen()
		})
	}
}

// noise is text that does not compress.
type noise struct{ x uint64 }

func (n *noise) Read(p []byte) (int, error) {
	for i := range p {
		n.x = n.x*6364136223846793005 + 1442695040888963407
		p[i] = byte(n.x >> 56)
	}
	return len(p), nil
}

func TestWork_TheSameBellTwiceRunsTheJobOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startBackup().ID
	var both sync.WaitGroup
	for _, name := range []string{"one", "two", "three"} {
		both.Go(func() {
			if err := w.runner(name).Work(t.Context(), "school"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	both.Wait()
	w.work("late") // delivered after success
	if b := w.backup(id); b.State != backup.Created || b.Attempt != 1 {
		t.Errorf("backup is %s after %d attempts", b.State, b.Attempt)
	}
	if n := w.engine.dumps.Load(); n != 1 {
		t.Errorf("dumped %d times", n)
	}
	w.nothingOpen()
}

func TestWork_RunsWhatWasAskedForMeanwhileOldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	w.engine.dump = func(context.Context, io.Writer) error {
		if len(ids) < 3 { // asked for while the worker holds the lock, so its bell finds the lock busy
			ids = append(ids, w.startBackup().ID)
		}
		return nil
	}
	ids = append(ids, w.startBackup().ID)
	w.work("first")
	for i, id := range ids {
		b := w.backup(id)
		if b.State != backup.Created {
			t.Errorf("backup %d is %s", i, b.State)
		}
		if i > 0 && b.StartedAt.Before(w.backup(ids[i-1]).EndedAt) {
			t.Errorf("backup %d began before the one asked for earlier had ended", i)
		}
	}
	w.nothingOpen()
}

func TestWork_ADeadWorkersJobIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startBackup().ID
	// A worker takes the lock, begins, and is never heard of again.
	if _, err := w.locks().Acquire(t.Context(), "school", "dead"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Backups().Update(t.Context(), "school", id, func(b *backup.Backup) error { return b.Begin("dead", time.Now()) }); err != nil {
		t.Fatal(err)
	}
	half, err := w.files.Create(t.Context(), "backups/school/"+id+"/half.sql.gz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(half, &noise{}, 20<<20); err != nil {
		t.Fatal(err)
	}
	rang := w.bell.count()
	w.work("second") // too early: the lock is still live
	if err := w.sweeper().Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := w.backup(id); b.Attempt != 1 || w.bell.count() != rang {
		t.Fatalf("taken over from a live lock: attempt %d, rang %d times more", b.Attempt, w.bell.count()-rang)
	}
	until(t, "the sweep rings", func() bool {
		if err := w.sweeper().Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		return w.bell.count() > rang
	})
	w.work("second")
	b := w.backup(id)
	if b.State != backup.Created || b.Attempt != 2 || b.Worker != "second" {
		t.Errorf("backup is %s at attempt %d by %s: %+v", b.State, b.Attempt, b.Worker, b.Failure)
	}
	if n := w.engine.recoveries.Load(); n != 1 {
		t.Errorf("recovered %d times", n)
	}
	if keys := w.objects("backups/"); len(keys) != 1 {
		t.Errorf("objects: %v", keys)
	}
	w.nothingOpen()
}

func TestWork_AJobOverWhichWorkersDieFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startBackup().ID
	if _, err := w.store.Backups().Update(t.Context(), "school", id, func(b *backup.Backup) error {
		b.State, b.Attempt = backup.Running, backup.MaxAttempts
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.work("last")
	if b := w.backup(id); b.State != backup.Failed || b.Failure.Code != backup.CodeWorkerLost {
		t.Errorf("backup is %s: %+v", b.State, b.Failure)
	}
	if w.engine.dumps.Load() != 0 || w.engine.recoveries.Load() != 1 {
		t.Errorf("dumped %d times, recovered %d times", w.engine.dumps.Load(), w.engine.recoveries.Load())
	}
	w.nothingOpen()
}

func TestWork_AnOvertakenWorkerRecordsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startBackup().ID
	taken := make(chan struct{})
	w.engine.dump = func(ctx context.Context, _ io.Writer) error {
		// While this one runs, somebody writes another holder into its lock and begins the job as the next attempt.
		if err := w.overwriteLock("thief"); err != nil {
			t.Errorf("overwrite: %v", err)
		}
		if _, err := w.store.Backups().Update(context.Background(), "school", id, func(b *backup.Backup) error { return b.Begin("thief", time.Now()) }); err != nil {
			t.Errorf("begin: %v", err)
		}
		close(taken)
		<-ctx.Done() // the next beat tells
		return context.Cause(ctx)
	}
	if err := w.runner("slow").Work(t.Context(), "school"); err != nil {
		t.Errorf("work: %v", err)
	}
	<-taken
	b := w.backup(id)
	if b.State != backup.Running || b.Worker != "thief" || b.Attempt != 2 {
		t.Errorf("record is %s at attempt %d by %s", b.State, b.Attempt, b.Worker)
	}
	if h, live, err := w.locks().Read(t.Context(), "school"); err != nil || !live || h.Worker != "thief" {
		t.Errorf("lock: %+v, live %v, %v", h, live, err)
	}
	if keys := w.objects("backups/"); len(keys) > 0 {
		t.Errorf("left behind: %v", keys)
	}
}

func TestWork_StopsBeforeTheWorkersTimeEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.dump = func(ctx context.Context, _ io.Writer) error {
		<-ctx.Done()
		return ctx.Err()
	}
	id, second := w.startBackup().ID, w.startBackup().ID
	rang := w.bell.count()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := w.runner("first").Work(ctx, "school"); err != nil {
		t.Fatal(err)
	}
	if b := w.backup(id); b.State != backup.Failed || b.Failure.Code != backup.CodeDeadline {
		t.Errorf("backup is %s: %+v", b.State, b.Failure)
	}
	if b := w.backup(second); b.State != backup.Queued || w.bell.count() != rang+1 {
		t.Errorf("the second is %s and was rung for %d times: it should wait for a fresh worker", b.State, w.bell.count()-rang)
	}
}

func TestWork_AMarkerWithoutARecordIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	orphan := backup.OpenJob{Database: "school", Kind: backup.BackupJob, ID: backup.DeriveID(time.Now().Add(-time.Minute), "orphan")}
	if err := w.store.Open().Mark(t.Context(), orphan); err != nil {
		t.Fatal(err)
	}
	b := w.created()
	if keys := w.objects("open/"); len(keys) != 1 || !strings.Contains(keys[0], orphan.ID) {
		t.Errorf("open: %v; the young marker stays, as its record may be about to come", keys)
	}
	if b.Attempt != 1 {
		t.Errorf("attempt %d", b.Attempt)
	}
}

func TestStartBackup_TheSameIDMakesOneJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := backup.NewID()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if b, err := w.desk.StartBackup(t.Context(), school, id, backup.Selection{}, anna); err != nil || b.ID != id {
				t.Errorf("start: %v, %+v", err, b)
			}
		})
	}
	wg.Wait()
	w.work("first")
	if b, err := w.desk.StartBackup(t.Context(), school, id, backup.Selection{}, anna); err != nil || b.State != backup.Created {
		t.Errorf("asked again after the end: %v, %s", err, b.State)
	}
	w.work("first")
	if n := w.engine.dumps.Load(); n != 1 {
		t.Errorf("dumped %d times", n)
	}
	w.nothingOpen()
}

func TestPeriodic_OncePerMinuteAndSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := &jobs.Periodic{Desk: w.desk, Databases: registry{}}
	at := time.Date(2026, 11, 22, 3, 15, 2, 0, time.UTC)
	ids := map[string]bool{}
	for _, second := range []time.Duration{0, 10, 57} {
		started, err := p.Start(t.Context(), "cron", nil, at.Add(second*time.Second), anna)
		if err != nil || len(started) != 1 {
			t.Fatalf("start: %v, %d", err, len(started))
		}
		ids[started[0].ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("%d backups in one minute", len(ids))
	}
	next, err := p.Start(t.Context(), "cron", []string{"school", "school"}, at.Add(time.Minute), anna)
	if err != nil || len(next) != 1 || ids[next[0].ID] {
		t.Errorf("the next minute: %v, %+v", err, next)
	}
	var unknown *jobs.UnknownDatabasesError
	others, err := p.Start(t.Context(), "cron", []string{"school", "other"}, at.Add(2*time.Minute), anna)
	if !errors.As(err, &unknown) || !cmp.Equal(unknown.Names, []string{"other"}) {
		t.Errorf("an unknown name: %v", err)
	}
	if len(others) != 1 || others[0].Database != "school" {
		t.Errorf("beside an unknown name were started: %+v", others)
	}
}

// The list may be some seconds old, and whoever has just registered a database calls for its first backup.
func TestPeriodic_ADatabaseThatIsNotListedYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := &jobs.Periodic{Desk: w.desk, Databases: unlisted{}}
	started, err := p.Start(t.Context(), "cron", []string{"school"}, time.Now(), anna)
	if err != nil || len(started) != 1 {
		t.Errorf("start: %v, %+v", err, started)
	}
}

// unlisted are databases that are found by their names only.
type unlisted struct{ registry }

func (unlisted) List(context.Context) ([]backup.Database, error) { return nil, nil }

// lateOpen asks for one more job right after the worker has been told that none is open.
type lateOpen struct {
	backup.OpenJobs
	late func()
}

func (o *lateOpen) List(ctx context.Context, database string) ([]backup.OpenJob, error) {
	open, err := o.OpenJobs.List(ctx, database)
	if err == nil && len(open) == 0 && o.late != nil {
		late := o.late
		o.late = nil
		late()
	}
	return open, err
}

func TestWork_LosesNoBellThatRangWhileTheLockWasStillHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.runner("first")
	var id string
	r.Open = &lateOpen{OpenJobs: w.store.Open(), late: func() {
		id = w.startBackup().ID
		w.work("second") // it hears the bell, finds the lock held, and leaves
	}}
	w.startBackup()
	if err := r.Work(t.Context(), "school"); err != nil {
		t.Fatal(err)
	}
	if b := w.backup(id); b.State != backup.Created || b.Worker != "first" {
		t.Errorf("the job whose bell rang in vain is %s", b.State)
	}
	w.nothingOpen()
}

func TestWork_AnOvertakenWorkerThatEndsItsDumpCommitsNoFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startBackup().ID
	w.engine.dump = func(context.Context, io.Writer) error { return w.overwriteLock("thief") } // and then the dump ends well
	if err := w.runner("slow").Work(t.Context(), "school"); err != nil {
		t.Errorf("work: %v", err)
	}
	if keys := w.objects("backups/"); len(keys) > 0 {
		t.Errorf("left behind: %v", keys)
	}
	if b := w.backup(id); b.State != backup.Running {
		t.Errorf("record is %s: it belongs to whoever took the lock", b.State)
	}
}
