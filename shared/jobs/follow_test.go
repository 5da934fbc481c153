package jobs_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// refused fails the test unless err is an operator's error with that code.
func refused(t *testing.T, err error, want backup.Code) {
	t.Helper()
	var told *backup.Error
	if !errors.As(err, &told) || told.Code != want || told.Text == "" || told.Hint == "" {
		t.Errorf("error %v, want %s with text and hint", err, want)
	}
}

func (w *world) actions() (all []string) {
	w.t.Helper()
	entries, _, err := w.store.Activity().List(context.Background(), backup.Page{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Action+" "+e.Result)
	}
	return all
}

func TestApply_SwitchesTheRehearsedCopyInByWhatWasKeptOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	rang := w.bell.count()
	id := w.apply(r.ID)
	if w.bell.count() != rang+1 {
		t.Error("the bell was not rung")
	}
	w.work("second")
	r = w.restore(r.ID)
	if r.State != backup.Restored || r.Held.Name != keptName(id) || r.Held.Bytes != 5 || r.Downtime != time.Millisecond || r.FollowUp.State != backup.Done {
		t.Fatalf("restore %+v, holds %+v, follow-up %+v", r, r.Held, r.FollowUp)
	}
	if left := time.Until(r.Held.Until); left > undoWindow || left < undoWindow-time.Minute {
		t.Errorf("what was replaced is kept for %s", left)
	}
	if got := w.engine.resumed; got.Name != "br_"+r.ID+"_1" || string(got.Memo) != memo {
		t.Errorf("resumed %+v", got)
	}
	want := []string{"apply.end done", "restore.apply accepted", "restore.end rehearsed"}
	if got := w.actions()[:3]; !cmp.Equal(got, want) {
		t.Errorf("activity: %s", cmp.Diff(want, got))
	}
	w.nothingOpen()
}

func TestUndo_OfAnAppliedRehearsalBringsTheOriginalBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	w.apply(r.ID)
	w.work("second")
	id := w.undo(r.ID)
	w.work("third")
	r = w.restore(r.ID)
	if r.State != backup.Undone || r.Held.Name != keptName(id) || r.UndoDowntime != 2*time.Millisecond || w.engine.content(live) != original {
		t.Fatalf("restore %+v, holds %+v, live is %s", r, r.Held, w.engine.content(live))
	}
	_, err := w.desk.Undo(t.Context(), "school", r.ID, "", anna)
	refused(t, err, "undo_not_possible")
	_, err = w.desk.Apply(t.Context(), "school", r.ID, "", anna)
	refused(t, err, "apply_not_possible")
	w.nothingOpen()
	w.endWindow(r.ID)
	w.sweepAndWork()
	if r := w.restore(r.ID); r.State != backup.Undone || r.Held != nil {
		t.Errorf("after its window it is %s and holds %+v", r.State, r.Held)
	}
	w.server()
	w.holds()
}

func TestFollow_ManyAtOnceMakeOneJob(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string]func() string{
		"with ids of their own": backup.NewID,
		"with one id":           func() func() string { id := backup.NewID(); return func() string { return id } }(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.rehearsed()
			var mu sync.Mutex
			accepted := map[string]int{}
			var all sync.WaitGroup
			for range 6 {
				id := ids()
				all.Go(func() {
					got, err := w.desk.Apply(t.Context(), "school", r.ID, id, anna)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						accepted[got.FollowUp.ID]++
						return
					}
					refused(t, err, "apply_not_possible")
				})
			}
			all.Wait()
			if len(accepted) != 1 {
				t.Errorf("accepted: %v", accepted)
			}
			if keys := w.objects("open/"); len(keys) != 1 || !strings.Contains(keys[0], w.restore(r.ID).FollowUp.ID) {
				t.Errorf("open: %v", keys)
			}
			w.work("second")
			if n := w.engine.switches.Load(); n != 1 {
				t.Errorf("switched %d times", n)
			}
			w.nothingOpen()
		})
	}
}

func TestFollow_ARequestThatIsRepeatedLaterIsNotCarriedOutAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.onSwitch = func(context.Context) error { return errors.New("blocked") }
	r := w.rehearsed()
	first := w.apply(r.ID)
	w.work("second")
	for range 2 {
		got, err := w.desk.Apply(t.Context(), "school", r.ID, first, anna)
		if err != nil || got.FollowUp.ID != first || got.FollowUp.State != backup.Failed {
			t.Fatalf("repeated: %+v, %v", got.FollowUp, err)
		}
	}
	second := w.apply(r.ID) // a new request
	w.work("third")
	got, err := w.desk.Apply(t.Context(), "school", r.ID, first, anna)
	if err != nil || got.FollowUp.ID != second {
		t.Errorf("repeated after another: %+v, %v", got.FollowUp, err)
	}
	w.nothingOpen()
}

func TestFollow_NothingIsMarkedForWhatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rehearsed, restored := w.rehearsed().ID, w.restored().ID // which superseded the rehearsal
	_, err := w.desk.Apply(t.Context(), "school", rehearsed, "", anna)
	refused(t, err, "apply_not_possible")
	w.endWindow(restored)
	_, err = w.desk.Undo(t.Context(), "school", restored, "", anna)
	refused(t, err, "undo_not_possible")
	if _, err = w.desk.Apply(t.Context(), "school", backup.NewID(), "", anna); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("apply of nothing: %v", err)
	}
	w.nothingOpen()
}

// A process that dies while it takes a request has promised nothing. When the request is repeated, it is carried out once.
func TestApply_WhereverTheDeskDiesTheRequestCanBeRepeated(t *testing.T) {
	t.Parallel()
	for steps := range int64(8) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r, id := w.rehearsed(), backup.NewID()
			ctx, l := lives(t.Context(), steps)
			_, err := w.deskBy(l).Apply(ctx, "school", r.ID, id, anna)
			t.Logf("after %d steps the desk said %v", steps, err)
			if _, err := w.desk.Apply(t.Context(), "school", r.ID, id, anna); err != nil {
				t.Fatal(err)
			}
			w.work("second")
			if r := w.restore(r.ID); r.State != backup.Restored || w.engine.switches.Load() != 1 {
				t.Errorf("restore is %s after %d switches", r.State, w.engine.switches.Load())
			}
			w.nothingOpen()
		})
	}
}

func TestApply_OfACopyThatWasSupersededMeanwhileFailsAndSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	newer := w.startRestore(w.backup(r.Backup), true).ID
	w.apply(r.ID) // queued behind the newer one
	w.work("second")
	old := w.restore(r.ID)
	if old.State != backup.Expired || old.FollowUp.State != backup.Failed || old.FollowUp.Failure.Code != backup.CodeSourceGone {
		t.Errorf("the older is %s, follow-up %+v", old.State, old.FollowUp)
	}
	if r := w.restore(newer); r.State != backup.Rehearsed || w.engine.switches.Load() != 0 {
		t.Errorf("the newer is %s", r.State)
	}
	w.holds(newer)
	w.nothingOpen()
}

func TestUndo_IsNotCalledFailedWhileTheServerCannotBeAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restored()
	id := w.undo(r.ID)
	gone := errors.New("no route to host")
	w.engine.at = func(_ context.Context, step string) error {
		if step == "undone" || step == "recover" {
			return gone // the exchange takes place, and its answer is lost
		}
		return nil
	}
	if err := w.runner("second").Work(t.Context(), "school"); !errors.Is(err, gone) {
		t.Fatalf("%v, want the error that leaves the message in the queue", err)
	}
	if r := w.restore(r.ID); r.State != backup.Restored || r.FollowUp.State != backup.Running {
		t.Fatalf("restore is %s, follow-up %+v", r.State, r.FollowUp)
	}
	w.engine.at = nil
	w.work("third")
	if r := w.restore(r.ID); r.State != backup.Undone || r.Held.Name != keptName(id) || w.engine.undos.Load() != 1 {
		t.Errorf("restore is %s, holds %+v after %d undos", r.State, r.Held, w.engine.undos.Load())
	}
	w.nothingOpen()
}

func TestWork_TheMarkerOfAnOlderFollowUpDoesNotRunTheNewer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restored()
	older := backup.OpenJob{Database: "school", Kind: backup.ApplyJob, ID: backup.NewID(), Restore: r.ID}
	newer := w.undo(r.ID)
	if err := w.store.Open().Mark(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	run := w.runner("second")
	run.Open = longAgo{run.Open}
	if err := run.Work(t.Context(), "school"); err != nil {
		t.Fatal(err)
	}
	if r := w.restore(r.ID); r.State != backup.Undone || r.FollowUp.ID != newer || r.FollowUp.Attempt != 1 || w.engine.undos.Load() != 1 {
		t.Errorf("restore is %s, follow-up %+v after %d undos", r.State, r.FollowUp, w.engine.undos.Load())
	}
	w.nothingOpen()
}

// A worker that died between the end of a job and the marker leaves the rest to whoever asks for the next.
func TestFollow_ClosesTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	first := w.apply(r.ID)
	if _, err := w.store.Restores().Update(t.Context(), "school", r.ID, func(r *backup.Restore) error {
		return r.FollowUp.Fail(0, backup.Failure{Reason: "blocked"}, time.Now().UTC())
	}); err != nil {
		t.Fatal(err)
	}
	w.apply(r.ID)
	if keys := w.objects("open/"); len(keys) != 1 || strings.Contains(keys[0], first) {
		t.Errorf("open: %v", keys)
	}
	w.endedOnce(backup.ApplyJob, r.ID, backup.Failed)
}
