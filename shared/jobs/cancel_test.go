package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/jobs"
)

func (w *world) cancel(restore string) backup.Restore {
	w.t.Helper()
	stands := w.restore(restore)
	r, err := w.desk.Cancel(context.Background(), "school", restore, stands.Newest().ID, anna)
	if err != nil {
		w.t.Fatalf("cancel: %v", err)
	}
	return r
}

func TestCancel_OfAQueuedJobIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	if r := w.cancel(id); r.State != backup.Cancelled || r.Cancel.By != anna {
		t.Fatalf("restore is %s", r.State)
	}
	w.endedOnce(backup.RestoreJob, id, backup.Cancelled)
	_, err := w.desk.Cancel(t.Context(), "school", id, id, anna)
	refused(t, err, "cancel_not_possible")
	w.nothingOpen()
	w.work("second")
	if w.engine.stagings.Load() != 0 {
		t.Error("it was run")
	}
}

// Who was asked whether the dry run may be cancelled was not asked about the apply that has begun since.
func TestCancel_OfAJobThatEndedDoesNotStopTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	id := w.apply(r.ID)
	_, err := w.desk.Cancel(t.Context(), "school", r.ID, r.ID, anna)
	refused(t, err, "cancel_not_possible")
	if got := w.restore(r.ID); got.FollowUp.ID != id || got.FollowUp.Cancel != nil || got.FollowUp.State != backup.Queued {
		t.Errorf("follow-up %+v", got.FollowUp)
	}
}

func TestCancel_OfAQueuedApplyLeavesTheRehearsal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	w.apply(r.ID)
	if got := w.cancel(r.ID); got.State != backup.Rehearsed || got.FollowUp.State != backup.Cancelled {
		t.Fatalf("restore is %s, follow-up %s", got.State, got.FollowUp.State)
	}
	w.nothingOpen()
	w.apply(r.ID)
	w.work("second")
	if got := w.restore(r.ID); got.State != backup.Restored {
		t.Errorf("applied afterwards it is %s", got.State)
	}
}

// At whichever stage somebody cancels, the job ends as cancelled and nothing of it is left; live is as it was.
func TestCancel_OfARunningJobStopsItAtEachStage(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"stage", "load", "verify", "compare", "park", "parked"} {
		t.Run("a dry run in "+stage, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.startRestore(w.created(), true).ID
			w.cancelAt(id, stage)
			if r := w.restore(id); r.State != backup.Cancelled || r.Failure != nil {
				t.Errorf("restore is %s: %+v", r.State, r.Failure)
			}
			w.server()
			w.holds()
			w.endedOnce(backup.RestoreJob, id, backup.Cancelled)
		})
	}
	for _, stage := range []string{"stage", "load", "verify", "compare", "switch"} {
		t.Run("a real run in "+stage, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.startRestore(w.created(), false).ID
			w.cancelAt(id, stage)
			if r := w.restore(id); r.State != backup.Cancelled || r.Failure != nil || w.engine.content(live) != original {
				t.Errorf("restore is %s: %+v", r.State, r.Failure)
			}
			w.server()
			w.holds()
			w.endedOnce(backup.RestoreJob, id, backup.Cancelled)
		})
	}
	for _, stage := range []string{"resume", "switch"} {
		t.Run("an apply in "+stage, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.rehearsed()
			w.apply(r.ID)
			w.cancelAt(r.ID, stage)
			if r := w.restore(r.ID); r.State != backup.Rehearsed || r.FollowUp.State != backup.Cancelled || w.engine.content(live) != original {
				t.Errorf("restore is %s, follow-up %+v", r.State, r.FollowUp)
			}
			w.server(r.Held.Name)
			w.holds(r.ID)
			w.endedOnce(backup.ApplyJob, r.ID, backup.Cancelled)
		})
	}
	t.Run("an undo", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		r := w.restored()
		w.undo(r.ID)
		w.cancelAt(r.ID, "undo")
		if got := w.restore(r.ID); got.State != backup.Restored || got.FollowUp.State != backup.Cancelled || w.engine.content(live) != r.ID {
			t.Errorf("restore is %s, follow-up %+v", got.State, got.FollowUp)
		}
		w.server(r.Held.Name)
	})
}

// cancelAt cancels while a step runs, which then waits for its end, and works until nothing is open.
func (w *world) cancelAt(restore, stage string) {
	w.t.Helper()
	w.engine.at = func(ctx context.Context, step string) error {
		if step != stage {
			return nil
		}
		w.cancel(restore)
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
			w.t.Error("nobody noticed the wish")
		}
		return ctx.Err()
	}
	w.work("second")
	w.nothingOpen()
}

func TestCancel_RightBeforeTheExchangeIsHeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	w.engine.at = func(_ context.Context, step string) error {
		if step != "switch" {
			return nil
		}
		// By one write, so that the worker's next look at the record is most likely the one before the exchange.
		_, err := w.store.Restores().Update(context.Background(), "school", id, func(r *backup.Restore) error { return r.AskCancel(anna, time.Now()) })
		return err
	}
	w.work("second")
	if r := w.restore(id); r.State != backup.Cancelled || w.engine.switches.Load() != 0 {
		t.Errorf("restore is %s after %d switches", r.State, w.engine.switches.Load())
	}
	w.server()
	w.nothingOpen()
}

func TestCancel_ThatComesTooLateDoesNotHideTheSwitch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	w.engine.at = func(ctx context.Context, step string) error {
		if step != "switched" {
			return nil
		}
		w.cancel(id) // the databases have changed places, and the answer is lost because of this
		<-ctx.Done()
		return ctx.Err()
	}
	w.work("second")
	r := w.restore(id)
	if r.State != backup.Restored || r.Held == nil || r.Held.Name != keptName(id) || w.engine.content(live) != id {
		t.Errorf("restore is %s, holds %+v, live is %s", r.State, r.Held, w.engine.content(live))
	}
	w.holds(id)
	w.nothingOpen()
}

func TestCancel_OfAJobWhoseWorkerDiedAsksTheServerFirst(t *testing.T) {
	t.Parallel()
	for name, switched := range map[string]bool{"and it had switched": true, "and it had not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.startRestore(w.created(), false).ID
			if _, err := w.store.Restores().Update(t.Context(), "school", id, func(r *backup.Restore) error { return r.Begin("dead", time.Now()) }); err != nil {
				t.Fatal(err)
			}
			want := backup.Cancelled
			w.engine.change(func(d map[string]string) { d["br_"+id+"_1"] = id })
			if switched {
				want = backup.Restored
				w.engine.change(func(d map[string]string) { d[keptName(id)] = original })
			}
			if r := w.cancel(id); r.State != backup.Running {
				t.Fatalf("restore is %s: nobody knows yet", r.State)
			}
			w.work("second")
			if r := w.restore(id); r.State != want || w.engine.stagings.Load() != 0 {
				t.Errorf("restore is %s, staged %d times", r.State, w.engine.stagings.Load())
			}
			w.nothingOpen()
		})
	}
}

// overtaken does something right before the first change of a record.
type overtaken struct {
	backup.Records[backup.Restore]
	first func()
}

func (o *overtaken) Update(ctx context.Context, database, id string, change func(*backup.Restore) error) (backup.Restore, error) {
	if first := o.first; first != nil {
		o.first = nil
		first()
	}
	return o.Records.Update(ctx, database, id, change)
}

func TestCancel_WhileAWorkerTakesTheJobUpIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	r := w.runner("second")
	x := r.Executors[backup.RestoreJob].(*jobs.RestoreExecutor)
	x.Restores = &overtaken{x.Restores, func() { w.cancel(id) }}
	if err := r.Work(t.Context(), "school"); err != nil {
		t.Fatal(err)
	}
	if r := w.restore(id); r.State != backup.Cancelled || w.engine.stagings.Load() != 0 {
		t.Errorf("restore is %s", r.State)
	}
	entries, _, err := w.store.Activity().List(t.Context(), backup.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == "restore.end" && e.Result != string(backup.Cancelled) {
			t.Errorf("activity has %+v", e)
		}
	}
	w.endedOnce(backup.RestoreJob, id, backup.Cancelled)
	w.nothingOpen()
}
