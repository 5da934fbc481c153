package jobs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

var errAway = errors.New("no route to host")

// away is a server that carries out what was sent before, and gives no answer any more.
func away(_ context.Context, step string) error {
	if step == "switched" || step == "undone" || step == "recover" {
		return errAway
	}
	return nil
}

// doubted has a follow-up run by workers that never learn what came of it. took says whether the exchange takes place.
func (w *world) doubted(restore string, took bool) {
	w.t.Helper()
	w.engine.at = func(ctx context.Context, step string) error {
		if !took && (step == "switch" || step == "undo") {
			return errAway
		}
		return away(ctx, step)
	}
	for range backup.MaxAttempts - 1 {
		if err := w.runner("loses the server").Work(w.t.Context(), "school"); !errors.Is(err, errAway) {
			w.t.Fatalf("work: %v", err)
		}
	}
	w.work("is the last")
	w.engine.at = nil
	r := w.restore(restore)
	if r.FollowUp.State != backup.Failed || r.Doubt == nil || r.Doubt.ID != r.FollowUp.ID || r.InDoubt() != r.FollowUp.Kind || !strings.Contains(r.FollowUp.Failure.Reason, "not known") {
		w.t.Fatalf("follow-up %+v, doubt %+v", r.FollowUp, r.Doubt)
	}
	w.nothingOpen()
}

func TestSweep_FindsThatAnApplyInDoubtTookPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	id := w.apply(r.ID)
	w.doubted(r.ID, true)
	w.sweepAndWork()
	r = w.restore(r.ID)
	if r.State != backup.Restored || r.Held == nil || r.Held.Name != keptName(id) || r.Doubt != nil || r.SwitchedAt.IsZero() {
		t.Fatalf("restore is %s, holds %+v, doubt %+v", r.State, r.Held, r.Doubt)
	}
	if f := r.FollowUp; f.Kind != backup.DropJob || f.State != backup.Failed || !strings.Contains(f.Failure.Reason, "The apply, whose end was not known, has taken place") {
		t.Errorf("follow-up %+v: %+v", f, f.Failure)
	}
	w.server(keptName(id))
	w.holds(r.ID)
	undo := w.undo(r.ID)
	w.work("undoes it")
	if r = w.restore(r.ID); r.State != backup.Undone || r.Held.Name != keptName(undo) || w.engine.content(live) != original {
		t.Errorf("restore is %s, holds %+v, live is %s", r.State, r.Held, w.engine.content(live))
	}
	w.nothingOpen()
}

func TestSweep_FindsThatAnUndoInDoubtTookPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restored()
	id := w.undo(r.ID)
	w.doubted(r.ID, true)
	w.sweepAndWork()
	r = w.restore(r.ID)
	if r.State != backup.Undone || r.Held == nil || r.Held.Name != keptName(id) || r.Doubt != nil || r.UndoneAt.IsZero() {
		t.Fatalf("restore is %s, holds %+v, doubt %+v", r.State, r.Held, r.Doubt)
	}
	w.server(keptName(id))
	w.endWindow(r.ID)
	if _, err := w.store.Restores().Update(t.Context(), "school", r.ID, func(r *backup.Restore) error {
		r.FollowUp.EndedAt = time.Now().Add(-time.Hour)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.sweepAndWork()
	w.server()
	w.holds()
}

func TestSweep_ClearsADoubtWithoutDroppingWhatIsWithinItsWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	w.apply(r.ID)
	w.doubted(r.ID, false)
	w.sweepAndWork()
	got := w.restore(r.ID)
	if got.State != backup.Rehearsed || got.Held == nil || *got.Held != *r.Held || got.Doubt != nil || got.FollowUp.State != backup.Done {
		t.Fatalf("restore is %s, holds %+v, doubt %+v, follow-up %+v", got.State, got.Held, got.Doubt, got.FollowUp)
	}
	w.server(r.Held.Name)
	w.holds(r.ID)
	w.apply(r.ID)
	w.work("applies it")
	if got = w.restore(r.ID); got.State != backup.Restored {
		t.Errorf("applied afterwards it is %s", got.State)
	}
	w.nothingOpen()
}

// Nobody has to wait for the sweep: what is asked for next begins with the question.
func TestApply_AsksWhatCameOfTheOneInDoubtBeforeItExchanges(t *testing.T) {
	t.Parallel()
	for name, took := range map[string]bool{"it took place": true, "it did not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.rehearsed()
			first := w.apply(r.ID)
			w.doubted(r.ID, took)
			second := w.apply(r.ID)
			w.work("second")
			r = w.restore(r.ID)
			kept, state := second, backup.Done
			if took {
				kept, state = first, backup.Failed
			}
			if r.State != backup.Restored || r.Held.Name != keptName(kept) || r.FollowUp.ID != second || r.FollowUp.State != state || r.Doubt != nil {
				t.Errorf("restore is %s, holds %+v, follow-up %+v, doubt %+v", r.State, r.Held, r.FollowUp, r.Doubt)
			}
			if n := w.engine.switches.Load(); n != 1 {
				t.Errorf("switched %d times", n)
			}
			w.server(keptName(kept))
			w.nothingOpen()
		})
	}
}

// An apply that can't even ask about the one before has exchanged nothing, so the doubt is about that one still.
func TestApply_KeepsTheDoubtAboutTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	first := w.apply(r.ID)
	w.doubted(r.ID, true)
	w.apply(r.ID)
	w.engine.at = away
	w.work("second")
	if r = w.restore(r.ID); r.FollowUp.State != backup.Failed || r.Doubt == nil || r.Doubt.ID != first {
		t.Fatalf("follow-up %+v, doubt %+v", r.FollowUp, r.Doubt)
	}
	w.engine.at = nil
	w.sweepAndWork()
	if r = w.restore(r.ID); r.State != backup.Restored || r.Held.Name != keptName(first) {
		t.Errorf("restore is %s, holds %+v", r.State, r.Held)
	}
}

func TestRestore_DoesNotSupersedeAnApplyInDoubtThatTookPlace(t *testing.T) {
	t.Parallel()
	for name, took := range map[string]bool{"it took place": true, "it did not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.rehearsed()
			id := w.apply(r.ID)
			w.doubted(r.ID, took)
			newer := w.startRestore(w.backup(r.Backup), true).ID
			w.work("second")
			r = w.restore(r.ID)
			if took && (r.State != backup.Restored || r.Held == nil || r.Held.Name != keptName(id)) || !took && (r.State != backup.Expired || r.Held != nil) || r.Doubt != nil {
				t.Errorf("the older is %s, holds %+v, doubt %+v", r.State, r.Held, r.Doubt)
			}
			if took {
				w.holds(r.ID, newer)
			} else {
				w.holds(newer)
			}
		})
	}
}

// A worker that died over an exchange, and that nobody took the place of, leaves the same doubt.
func TestSweep_AnApplyThatNobodyTookUpAgainIsInDoubt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	id := w.apply(r.ID)
	w.engine.change(func(d map[string]string) {
		d[keptName(id)], d[live] = d[live], d[r.Held.Name]
		delete(d, r.Held.Name)
	})
	if _, err := w.store.Restores().Update(t.Context(), "school", r.ID, func(r *backup.Restore) error {
		ago(2 * time.Hour)(&r.FollowUp.Job)
		return r.FollowUp.Begin("dead", time.Now().Add(-2*time.Hour))
	}); err != nil {
		t.Fatal(err)
	}
	s := w.sweeper()
	s.Locks = neverHeld{}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sweepAndWork()
	if r = w.restore(r.ID); r.State != backup.Restored || r.Held == nil || r.Held.Name != keptName(id) {
		t.Errorf("restore is %s, holds %+v, doubt %+v", r.State, r.Held, r.Doubt)
	}
}
