package jobs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestSweep_DropsWhatIsPastItsWindowAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.restored(), w.restored()
	w.sweepAndWork()
	w.server(first.Held.Name, second.Held.Name)
	w.endWindow(first.ID)
	w.sweepAndWork()
	w.server(second.Held.Name)
	w.holds(second.ID)
	r := w.restore(first.ID)
	if r.State != backup.Restored || r.Held != nil || r.FollowUp.RequestedBy.Kind != backup.BySystem {
		t.Errorf("restore is %s, holds %+v, follow-up %+v", r.State, r.Held, r.FollowUp)
	}
	_, err := w.desk.Undo(t.Context(), "school", first.ID, "", anna)
	refused(t, err, "undo_not_possible")
	entries, _, err := w.store.Activity().List(t.Context(), backup.Page{Limit: 1})
	if err != nil || len(entries) != 1 || entries[0].Action != "drop.end" || entries[0].Detail != "Dropped "+first.Held.Name+", which freed 5 bytes." {
		t.Errorf("activity: %+v, %v", entries, err)
	}
}

func TestSweep_QueuesOneDropHoweverOftenItRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	w.endWindow(r.ID)
	for range 3 {
		if err := w.sweeper().Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if keys := w.objects("open/"); len(keys) != 1 || !strings.Contains(keys[0], ".drop."+r.ID) {
		t.Errorf("open: %v", keys)
	}
	_, err := w.desk.Apply(t.Context(), "school", r.ID, "", anna)
	refused(t, err, "apply_not_possible")
	_, err = w.desk.Cancel(t.Context(), "school", r.ID, w.restore(r.ID).FollowUp.ID, anna)
	refused(t, err, "cancel_not_possible")
}

func TestSweep_ADropThatFailedIsTriedAgainLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rehearsed()
	w.endWindow(r.ID)
	w.engine.at = func(_ context.Context, step string) error {
		if step == "drop" {
			return &backup.Error{Code: backup.CodeUnreachable, Text: "the server does not answer"}
		}
		return nil
	}
	w.sweepAndWork() // sweeps twice
	got := w.restore(r.ID)
	if got.State != backup.Rehearsed || got.Held == nil || got.FollowUp.State != backup.Failed || len(w.ends(backup.DropJob, r.ID)) != 1 {
		t.Fatalf("restore is %s, holds %+v, follow-up %+v, ends %v", got.State, got.Held, got.FollowUp, w.ends(backup.DropJob, r.ID))
	}
	w.engine.at = nil
	w.sweepAndWork()
	w.server(r.Held.Name) // too early
	if _, err := w.store.Restores().Update(t.Context(), "school", r.ID, func(r *backup.Restore) error {
		r.FollowUp.EndedAt = time.Now().Add(-16 * time.Minute)
		r.Held.Until = time.Now().Add(-17 * time.Minute)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.sweepAndWork()
	w.server()
	w.holds()
}

// A restore that ended without a word left a copy, and a holding that leads to it.
func TestSweep_ClearsWhatARestoreLeftThatNobodyEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.leftover()
	w.engine.change(func(d map[string]string) { d["br_"+id+"_1"] = id })
	w.sweepAndWork()
	if r := w.restore(id); r.State != backup.Failed || r.FollowUp.State != backup.Done || r.Held != nil {
		t.Errorf("restore is %s, holds %+v, follow-up %+v", r.State, r.Held, r.FollowUp)
	}
	w.server()
	w.holds()
	w.nothingOpen()
}

// A restore that ended without a word had switched: what it replaced is kept for its window, and then dropped.
func TestSweep_FindsWhatALostRestoreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.leftover()
	w.engine.change(func(d map[string]string) { d[keptName(id)], d[live] = original, id })
	w.sweepAndWork()
	r := w.restore(id)
	if r.Held == nil || r.Held.Name != keptName(id) || r.FollowUp.State != backup.Failed || !strings.Contains(r.FollowUp.Failure.Reason, keptName(id)) {
		t.Fatalf("restore is %s, holds %+v, follow-up %+v", r.State, r.Held, r.FollowUp)
	}
	w.server(keptName(id))
	w.holds(id)
	w.endWindow(id)
	if _, err := w.store.Restores().Update(t.Context(), "school", id, func(r *backup.Restore) error {
		r.FollowUp.EndedAt = time.Now().Add(-time.Hour)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.sweepAndWork()
	w.server()
	w.holds()
}

// leftover makes a restore that a worker had begun and nobody took up again.
func (w *world) leftover() string {
	w.t.Helper()
	id := w.startRestore(w.created(), false).ID
	ctx := context.Background()
	if err := w.store.Holdings().Put(ctx, backup.Holding{Database: "school", Restore: id}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.Restores().Update(ctx, "school", id, func(r *backup.Restore) error {
		if err := r.Begin("dead", time.Now()); err != nil {
			return err
		}
		return r.Fail(1, backup.Failure{Code: backup.CodeWorkerLost}, time.Now())
	}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Open().Clear(ctx, backup.OpenJob{Database: "school", Kind: backup.RestoreJob, ID: id}); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func TestSweep_LeavesARestoreAloneThatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), false).ID
	w.engine.at = func(_ context.Context, step string) error {
		if step == "verify" {
			if err := w.sweeper().Sweep(context.Background()); err != nil {
				w.t.Error(err)
			}
			if keys := w.objects("open/"); len(keys) != 1 {
				w.t.Errorf("open: %v", keys)
			}
		}
		return nil
	}
	w.work("second")
	if r := w.restore(id); r.State != backup.Restored || r.FollowUp != nil {
		t.Errorf("restore is %s, follow-up %+v", r.State, r.FollowUp)
	}
}

// The worker that dropped it ends its last steps, each of them after the sweep has looked for the one before.
func TestSweep_LeavesAHoldingAloneThatItsWorkerIsAboutToRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restored()
	if _, err := w.store.Restores().Update(t.Context(), "school", r.ID, func(r *backup.Restore) error {
		r.Held = nil
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s := w.sweeper()
	s.Locks = lettingGo{s.Locks, func() { _ = w.store.Holdings().Remove(context.Background(), "school", r.ID) }}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.restore(r.ID); got.FollowUp != nil {
		t.Errorf("follow-up %+v", got.FollowUp)
	}
	w.nothingOpen()
}

// lettingGo are locks whose holder ends when they are read.
type lettingGo struct {
	backup.Locks
	end func()
}

func (l lettingGo) Read(ctx context.Context, database string) (backup.Holder, bool, error) {
	l.end()
	return l.Locks.Read(ctx, database)
}

func TestSweep_FailsInspectionsAndFollowUpsThatNobodyTookUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restored()
	w.undo(r.ID)
	if _, err := w.store.Restores().Update(t.Context(), "school", r.ID, func(r *backup.Restore) error { ago(2 * time.Hour)(&r.FollowUp.Job); return nil }); err != nil {
		t.Fatal(err)
	}
	u := w.received([]byte(dumpText))
	if _, err := w.store.Uploads().Update(t.Context(), "school", u.ID, func(u *backup.Upload) error { ago(2 * time.Hour)(&u.Job); return nil }); err != nil {
		t.Fatal(err)
	}
	s := w.sweeper()
	s.Locks = neverHeld{}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := w.restore(r.ID); r.State != backup.Restored || r.Held == nil || r.FollowUp.State != backup.Failed || r.FollowUp.Failure.Code != backup.CodeWorkerLost {
		t.Errorf("restore is %s, holds %+v, follow-up %+v", r.State, r.Held, r.FollowUp)
	}
	if u := w.upload(u.ID); u.State != backup.Received {
		t.Errorf("an upload that was announced long ago and arrived just now is %s: %+v", u.State, u.Failure)
	}
	s.Open = longAgo{s.Open}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u := w.upload(u.ID); u.State != backup.Rejected || u.Failure.Code != backup.CodeWorkerLost {
		t.Errorf("upload is %s: %+v", u.State, u.Failure)
	}
	w.nothingOpen()
}

// longAgo are markers that were written two hours before.
type longAgo struct{ backup.OpenJobs }

func (l longAgo) List(ctx context.Context, database string) ([]backup.OpenJob, error) {
	open, err := l.OpenJobs.List(ctx, database)
	for i := range open {
		open[i].Marked = open[i].Marked.Add(-2 * time.Hour)
	}
	return open, err
}

func TestRestore_ARehearsalWhoseCopyCannotBeKeptIsRehearsedAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), true).ID
	w.engine.at = func(_ context.Context, step string) error {
		if step == "park" {
			return &backup.Error{Code: backup.CodePermission, Text: "may not close the copy"}
		}
		return nil
	}
	w.work("second")
	r := w.restore(id)
	if r.State != backup.Rehearsed || r.Held != nil || len(r.Report.Warnings) != 2 || !strings.Contains(r.Report.Warnings[1], "may not close the copy") {
		t.Errorf("restore is %s, holds %+v, report %+v", r.State, r.Held, r.Report)
	}
	_, err := w.desk.Apply(t.Context(), "school", id, "", anna)
	refused(t, err, "apply_not_possible")
	w.server()
	w.holds()
}

func TestRestore_KeepsWhatEarlierRestoresReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kept, rehearsed := w.restored(), w.rehearsed()
	again := w.rehearsed()
	w.server(kept.Held.Name, again.Held.Name)
	w.holds(kept.ID, again.ID)
	r := w.restore(rehearsed.ID)
	if r.State != backup.Expired || r.Held != nil {
		t.Errorf("the earlier rehearsal is %s, holds %+v", r.State, r.Held)
	}
	entries, _, err := w.store.Activity().List(t.Context(), backup.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == "restore.supersede" {
			if e.Target != rehearsed.ID || e.Result != "expired" || !strings.Contains(e.Detail, again.ID) || !strings.Contains(e.Detail, "12.3 MB") {
				t.Errorf("activity: %+v", e)
			}
			return
		}
	}
	t.Error("the activity log does not tell")
}
