package jobs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/jobs"
)

func (w *world) startRestore(b backup.Backup, dryRun bool) backup.Restore {
	w.t.Helper()
	r, err := w.desk.StartRestore(w.t.Context(), backup.RestoreSource{Backup: &b}, "", backup.RestoreOptions{DryRun: dryRun}, anna)
	if err != nil {
		w.t.Fatalf("start restore: %v", err)
	}
	return r
}

// overwriteLock puts another holder into the lock, as a worker does that found it expired.
func (w *world) overwriteLock(worker string) error {
	key := "locks/school.json"
	if _, err := w.client.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &w.bucket, Key: &key}); err != nil {
		return err
	}
	_, err := w.locks().Acquire(context.Background(), "school", worker)
	return err
}

func TestRestore_ADryRunReportsAndParksTheCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created()
	id := w.startRestore(b, true).ID
	w.work("second")
	r := w.restore(id)
	if r.State != backup.Rehearsed || r.Report == nil || r.Held == nil {
		t.Fatalf("restore is %+v, failure %+v", r, r.Failure)
	}
	if left := time.Until(r.Held.Until); r.Held.Name != "br_"+id+"_1" || r.Held.Bytes != 12_345_678 || left > applyWindow || left < applyWindow-time.Minute {
		t.Errorf("it holds %+v, for %s", r.Held, left)
	}
	if h, err := w.store.Holdings().Get(t.Context(), "school", id); err != nil || string(h.Memo) != memo {
		t.Errorf("holding %+v, %v", h, err)
	}
	if got := w.engine.names(); !cmp.Equal(got, []string{"br_" + id + "_1"}) || w.engine.content(live) != original {
		t.Errorf("on the server are %v", got)
	}
	if want := []backup.TableChange{{Schema: "public", Table: "t", Live: 5, After: 2}}; !cmp.Equal(r.Report.Tables, want) {
		t.Errorf("report: %s", cmp.Diff(want, r.Report.Tables))
	}
	p := r.Report
	if len(p.Objects) != 1 || p.LiveBytes != 50 || p.CopyBytes != 20 || !cmp.Equal(p.Warnings, []string{"mind the slots"}) || len(p.Skipped) != 1 || p.Unproven {
		t.Errorf("report: %+v", p)
	}
	if p.Seconds <= 0 || p.ApplySeconds <= 0 || p.RealSeconds <= p.ApplySeconds {
		t.Errorf("took %f s, a real run %f s, apply %f s", p.Seconds, p.RealSeconds, p.ApplySeconds)
	}
	for _, s := range []backup.Stage{backup.StageInspect, backup.StageStage, backup.StageLoad, backup.StageVerify, backup.StageCompare} {
		if r.Report.Stages[s].Started.IsZero() {
			t.Errorf("stage %s has no timing", s)
		}
	}
	if string(*w.engine.loaded.Load()) != dumpText {
		t.Errorf("loaded %q", *w.engine.loaded.Load())
	}
	if w.engine.switches.Load() != 0 || w.engine.discards.Load() != 1 {
		t.Errorf("%d switches, %d discards", w.engine.switches.Load(), w.engine.discards.Load())
	}
	if w.backup(b.ID).LastRehearsal.IsZero() {
		t.Error("the backup does not know of its rehearsal")
	}
	w.nothingOpen()
}

func TestRestore_ARealRunSwitchesAndKeeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.created().ID
	id := w.startRestore(w.backup(source), false).ID
	w.work("second")
	r := w.restore(id)
	if w.backup(source).LastRehearsal.IsZero() {
		t.Error("the backup does not know that it was verified")
	}
	if r.State != backup.Restored || r.Held.Name != keptName(id) || r.Downtime != time.Millisecond || r.Report == nil || len(r.Report.ByHand) != 1 {
		t.Fatalf("restore is %+v, failure %+v", r, r.Failure)
	}
	if left := time.Until(r.Held.Until); r.Held.Bytes != 5 || left > undoWindow || left < undoWindow-time.Minute {
		t.Errorf("it holds %+v, for %s", r.Held, left)
	}
	w.holds(id)
	w.nothingOpen()
}

func TestRestore_ThatFailsDropsTheCopyAndDoesNotSwitch(t *testing.T) {
	t.Parallel()
	refused := &backup.Error{Code: backup.CodeLoadFailed, Text: "refused"}
	for name, tt := range map[string]struct {
		break_ func(*world, backup.Backup)
		want   backup.Code
		stages int64
	}{
		"while loading":   {func(w *world, _ backup.Backup) { w.engine.load = refused }, backup.CodeLoadFailed, 1},
		"while verifying": {func(w *world, _ backup.Backup) { w.engine.verify = refused }, backup.CodeLoadFailed, 1},
		"while switching": {func(w *world, _ backup.Backup) {
			w.engine.onSwitch = func(context.Context) error { return refused }
		}, backup.CodeLoadFailed, 1},
		"as the file is gone": {func(w *world, b backup.Backup) {
			if err := w.files.Delete(context.Background(), b.File.Key, b.File.VersionID); err != nil {
				w.t.Error(err)
			}
		}, backup.CodeSourceGone, 1},
		"as the backup is gone": {func(w *world, b backup.Backup) {
			if err := w.store.Backups().Delete(context.Background(), "school", b.ID); err != nil {
				w.t.Error(err)
			}
		}, backup.CodeSourceGone, 0},
		"as the file is not the recorded one": {func(w *world, b backup.Backup) {
			w.tamper(b, func(f *backup.Stored) { f.SHA256 = strings.Repeat("0", 64) })
		}, backup.CodeFileChanged, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.created()
			id := w.startRestore(b, false).ID
			tt.break_(w, b)
			w.work("second")
			r := w.restore(id)
			if r.State != backup.Failed || r.Failure.Code != tt.want {
				t.Errorf("restore is %s: %+v", r.State, r.Failure)
			}
			if w.engine.switches.Load() != 0 || w.engine.discards.Load() != tt.stages {
				t.Errorf("%d switches, %d discards of %d copies", w.engine.switches.Load(), w.engine.discards.Load(), tt.stages)
			}
			w.holds()
			if names := w.engine.names(); len(names) > 0 {
				t.Errorf("left on the server: %v", names)
			}
			w.nothingOpen()
		})
	}
}

// holds fails the test unless there are holdings of these restores and no other.
func (w *world) holds(restores ...string) {
	w.t.Helper()
	all, err := w.store.Holdings().List(context.Background(), "school")
	if err != nil {
		w.t.Fatal(err)
	}
	got := []string{}
	for _, h := range all {
		got = append(got, h.Restore)
	}
	slices.Sort(restores)
	if !slices.Equal(got, restores) {
		w.t.Errorf("holdings of %v, want of %v", got, restores)
	}
}

// tamper changes what all records say of a backup's file.
func (w *world) tamper(b backup.Backup, change func(*backup.Stored)) {
	w.t.Helper()
	ctx := context.Background()
	if _, err := w.store.Backups().Update(ctx, "school", b.ID, func(b *backup.Backup) error { change(b.File); return nil }); err != nil {
		w.t.Fatal(err)
	}
	open, err := w.store.Open().List(ctx, "school")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range open {
		if _, err := w.store.Restores().Update(ctx, "school", o.ID, func(r *backup.Restore) error { change(&r.Source); return nil }); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestRestore_ASwitchBeforeTheCrashIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	if _, err := w.store.Restores().Update(t.Context(), "school", id, func(r *backup.Restore) error { return r.Begin("dead", time.Now()) }); err != nil {
		t.Fatal(err)
	}
	w.engine.recover = &backup.Switched{Kept: "br_old_kept"}
	w.work("second")
	if r := w.restore(id); r.State != backup.Restored || r.Held.Name != "br_old_kept" {
		t.Errorf("restore is %s, kept %q: %+v", r.State, r.Held.Name, r.Failure)
	}
	if w.engine.stagings.Load() != 0 {
		t.Error("it was done a second time")
	}
	w.nothingOpen()
}

func TestRestore_ASwitchWhoseAnswerWasLostIsLookedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	w.engine.onSwitch = func(context.Context) error {
		w.engine.recover = &backup.Switched{Kept: "br_x_kept"}
		return errors.New("connection reset")
	}
	w.work("second")
	if r := w.restore(id); r.State != backup.Restored || r.Held.Name != "br_x_kept" || r.Report == nil {
		t.Errorf("restore is %s, kept %q: %+v", r.State, r.Held.Name, r.Failure)
	}
	w.nothingOpen()
}

func TestRestore_IsNotCalledFailedWhileTheServerCannotBeAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	gone := errors.New("no route to host")
	w.engine.lostTo = gone
	w.engine.onSwitch = func(context.Context) error { return gone }
	for attempt := 1; attempt < backup.MaxAttempts; attempt++ {
		if err := w.runner("second").Work(t.Context(), "school"); !errors.Is(err, gone) {
			t.Fatalf("attempt %d: %v, want the error that leaves the message in the queue", attempt, err)
		}
		if r := w.restore(id); r.State != backup.Running || r.Attempt != attempt {
			t.Fatalf("after attempt %d the restore is %s at attempt %d", attempt, r.State, r.Attempt)
		}
	}
	w.work("last")
	if r := w.restore(id); r.State != backup.Failed || r.Failure.Code != backup.CodeUnreachable || !strings.Contains(r.Failure.Hint, "br_"+id+"_kept") {
		t.Errorf("restore is %s: %+v", r.State, r.Failure)
	} else if r.InDoubt() != backup.RestoreJob {
		t.Error("nothing on it says that live may have been replaced")
	}
	w.holds(id) // which leads to what may be there
	w.nothingOpen()
	w.engine.lostTo = nil
	w.sweepAndWork()
	if r := w.restore(id); r.State != backup.Failed || r.InDoubt() != "" {
		t.Errorf("after the server was asked, restore is %s, in doubt %q", r.State, r.InDoubt())
	}
}

func TestRestore_IsNotCalledFailedWhileItsSecretCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	if _, err := w.store.Restores().Update(t.Context(), "school", id, func(r *backup.Restore) error { return r.Begin("dead", time.Now()) }); err != nil {
		t.Fatal(err)
	}
	w.engine.recover = &backup.Switched{Kept: "br_old_kept"} // but nobody can ask
	r := w.runner("second")
	r.Executors[backup.RestoreJob].(*jobs.RestoreExecutor).Databases = unregistered{}
	if err := r.Work(t.Context(), "school"); err == nil {
		t.Error("the restore's outcome was not known, and the work ended well")
	}
	if r := w.restore(id); r.State != backup.Running {
		t.Fatalf("the restore is %s: %+v", r.State, r.Failure)
	}
	if err := r.Work(t.Context(), "school"); err != nil {
		t.Fatal(err)
	}
	if r := w.restore(id); r.State != backup.Failed || !strings.Contains(r.Failure.Hint, "br_"+id+"_kept") || !strings.Contains(r.Failure.Log, "not registered") {
		t.Errorf("the restore is %s: %+v", r.State, r.Failure)
	}
}

// unregistered is a registry without any database.
type unregistered struct{ registry }

func (unregistered) Target(context.Context, string) (backup.Target, error) {
	return backup.Target{}, backup.ErrNotFound
}

func TestRestore_ALeaseThatIsLostBeforeTheSwitchStopsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	w.engine.onSwitch = func(context.Context) error { return w.overwriteLock("thief") }
	w.work("second")
	if w.engine.switches.Load() != 0 {
		t.Error("switched without the lease")
	}
	if r := w.restore(id); r.State != backup.Running {
		t.Errorf("restore is %s: it belongs to whoever took the lock", r.State)
	}
	if w.engine.discards.Load() != 1 {
		t.Errorf("%d discards", w.engine.discards.Load())
	}
	if w.engine.recoveries.Load() != 0 {
		t.Error("it cleared what other attempts left: that is the work of whoever took the lock")
	}
	w.holds(id)
}

func TestRestore_ACopyThatCannotBeDroppedIsDroppedLater(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"discard", "stage"} {
		t.Run("as "+broken+" fails", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.startRestore(w.created(), false).ID
			w.engine.at = func(_ context.Context, step string) error {
				switch step {
				case "verify", "discard", "recover":
					return errors.New("no route to host")
				case "stage":
					if broken == "stage" {
						w.engine.change(func(d map[string]string) { d["br_"+id+"_1"] = id }) // made, and its maker could not say so
						return errors.New("no route to host")
					}
				}
				return nil
			}
			w.work("second")
			if r := w.restore(id); r.State != backup.Failed || r.InDoubt() != "" {
				t.Fatalf("restore is %s, in doubt %q", r.State, r.InDoubt())
			}
			w.server("br_" + id + "_1")
			w.holds(id)
			w.engine.at = nil
			w.sweepAndWork()
			w.server()
			w.holds()
		})
	}
}

func TestStartRestore_RefusesWhatIsNotCreated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.startBackup()
	var told *backup.Error
	if _, err := w.desk.StartRestore(t.Context(), backup.RestoreSource{Backup: &b}, "", backup.RestoreOptions{DryRun: true}, anna); !errors.As(err, &told) || told.Code != "backup_not_created" {
		t.Errorf("error %v", err)
	}
	if keys := w.objects("records/restores/"); len(keys) > 0 {
		t.Errorf("recorded: %v", keys)
	}
}
