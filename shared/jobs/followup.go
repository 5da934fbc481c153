package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// ApplyExecutor switches the copy of a rehearsal in.
type ApplyExecutor struct{ Workbench }

// UndoExecutor brings a replaced database back.
type UndoExecutor struct{ Workbench }

// DropExecutor drops databases whose window has ended, and what restores left behind that ended without a word.
type DropExecutor struct{ Workbench }

var (
	_ Executor = (*ApplyExecutor)(nil)
	_ Executor = (*UndoExecutor)(nil)
	_ Executor = (*DropExecutor)(nil)
)

// Execute runs one apply.
func (x *ApplyExecutor) Execute(ctx context.Context, o backup.OpenJob, p *Post) error {
	return x.exchange(ctx, o, p, x.apply, (*backup.Restore).Applied)
}

// Execute runs one undo.
func (x *UndoExecutor) Execute(ctx context.Context, o backup.OpenJob, p *Post) error {
	return x.exchange(ctx, o, p, x.undo, (*backup.Restore).Undone)
}

// exchange runs a job that exchanges live with the database that a restore holds: by do, and the record by note.
func (w *Workbench) exchange(ctx context.Context, o backup.OpenJob, p *Post,
	do func(context.Context, *attempt, backup.Restore) (*backup.Switched, error),
	note func(r *backup.Restore, attempt int, s backup.Switched, held backup.Held, now time.Time) error,
) error {
	l := followLedger(w.Restores, w.Open, w.Activity, w.Log)
	r, ended, err := l.begin(ctx, o, p.Worker)
	if err != nil || ended {
		return err
	}
	job := r.FollowUp.Job
	p.Begun(job.Attempt)
	watched, stop := l.watch(ctx, o)
	defer stop()
	a := &attempt{Workbench: w, kind: o.Kind, job: job, post: p, wanted: func(ctx context.Context) error { return l.wanted(ctx, o) }, note: l.note}
	switched, err := a.begin(watched)
	var earlier *backup.Switched
	if err == nil && switched == nil {
		earlier, err = a.clearDoubt(watched, l, o, r)
	}
	if err == nil && switched == nil && earlier == nil {
		p.Report(backup.Progress{Stage: backup.StageSwitch})
		switched, err = do(watched, a, r)
	}
	if err == nil && earlier != nil {
		return l.end(ctx, o, func(r *backup.Restore) error { return w.foundKept(r, job.Attempt, *earlier) })
	}
	if err != nil {
		return l.unfinished(watched, o, job.Attempt, err)
	}
	return l.end(ctx, o, func(r *backup.Restore) error {
		return note(r, job.Attempt, *switched, w.kept(*switched), time.Now().UTC())
	})
}

// clearDoubt asks the server what came of an earlier apply or undo of the restore, before anything is exchanged again. earlier is not nil
// where it had taken place.
func (a *attempt) clearDoubt(ctx context.Context, l *ledger[backup.Restore], o backup.OpenJob, r backup.Restore) (earlier *backup.Switched, err error) {
	if r.Doubt == nil {
		return nil, nil //nolint:nilnil // no doubt, no earlier one
	}
	if earlier, err = a.inDoubt(ctx, a.engine, a.target, *r.Doubt); err != nil || earlier != nil {
		return earlier, err
	}
	// Written down before this job can come to be in doubt itself.
	_, err = l.change(ctx, o, func(r *backup.Restore) error {
		r.Doubt = nil
		return nil
	})
	return nil, err
}

// inDoubt asks the server whether a job in doubt has exchanged the databases.
func (w *Workbench) inDoubt(ctx context.Context, e backup.Engine, t backup.Target, d backup.Doubt) (*backup.Switched, error) {
	// Recover clears what other attempts left, so it is asked in the name of one that never was.
	switched, err := e.Recover(ctx, t, backup.Attempt{Job: d.ID, Number: d.Attempt + 1})
	if err != nil {
		return nil, fmt.Errorf("ask what came of the %s %s: %w", d.Kind, d.ID, err)
	}
	return switched, nil
}

// apply takes up the parked copy and switches it in. Where that fails the copy stays parked, to be tried again within its window.
func (x *ApplyExecutor) apply(ctx context.Context, a *attempt, r backup.Restore) (switched *backup.Switched, err error) {
	gone := &backup.Error{Code: backup.CodeSourceGone, Text: "The rehearsed copy is not kept any more.",
		Hint: "Nothing was changed. Rehearse the restore again, or start it as a real run."}
	if r.State != backup.Rehearsed || r.Held == nil {
		gone.Text = "The rehearsed copy is not kept any more: another restore of this database, asked for before the apply, has begun and taken its place."
		return nil, gone
	}
	h, err := x.Holdings.Get(ctx, r.Database, r.ID)
	if errors.Is(err, backup.ErrNotFound) {
		return nil, gone
	}
	if err != nil {
		return nil, fmt.Errorf("read what the parked copy needs: %w", err)
	}
	staged, err := a.engine.Resume(ctx, a.target, a.id(), backup.Parked{Name: r.Held.Name, Bytes: r.Held.Bytes, Memo: h.Memo})
	if err != nil {
		return nil, fmt.Errorf("take up the parked copy: %w", err)
	}
	defer func() {
		tidy, cancel := detached(ctx)
		defer cancel()
		if derr := staged.Discard(tidy); derr != nil {
			x.Log.ErrorContext(tidy, "parked copy not put back", "restore", r.ID, "apply", a.job.ID, "attempt", a.job.Attempt, "error", derr)
		}
	}()
	s, err := staged.Switch(ctx, a.confirm)
	if err != nil {
		return a.afterFailure(ctx, err)
	}
	return &s, nil
}

// undo exchanges live with the database that it replaced.
func (x *UndoExecutor) undo(ctx context.Context, a *attempt, r backup.Restore) (*backup.Switched, error) {
	if r.State != backup.Restored || r.Held == nil {
		return nil, &backup.Error{Code: backup.CodeSourceGone, Text: "The replaced database is not kept any more.",
			Hint: "Nothing was changed. Restore a backup instead."}
	}
	s, err := a.engine.Undo(ctx, a.target, a.id(), r.Held.Name, a.confirm)
	if err != nil {
		return a.afterFailure(ctx, err)
	}
	return &s, nil
}

// Execute runs one drop.
func (x *DropExecutor) Execute(ctx context.Context, o backup.OpenJob, p *Post) error {
	l := followLedger(x.Restores, x.Open, x.Activity, x.Log)
	r, ended, err := l.begin(ctx, o, p.Worker)
	if err != nil || ended {
		return err
	}
	attempt := r.FollowUp.Attempt
	p.Begun(attempt)
	found, err := x.drop(ctx, r)
	if err != nil {
		return l.fail(ctx, o, attempt, err)
	}
	if found != nil {
		return l.end(ctx, o, func(r *backup.Restore) error { return x.foundKept(r, attempt, *found) })
	}
	if r.Doubt != nil && r.Held != nil && time.Now().Before(r.Held.Until) {
		l.detail = fmt.Sprintf("The %s whose end was not known has not taken place. Nothing was dropped.", r.Doubt.Kind)
		return l.end(ctx, o, func(r *backup.Restore) error { return r.Cleared(attempt, time.Now().UTC()) })
	}
	l.detail = "Nothing was left to drop."
	if r.Held != nil {
		l.detail = dropped(*r.Held)
	}
	if err := l.end(ctx, o, func(r *backup.Restore) error { return r.Dropped(attempt, time.Now().UTC()) }); err != nil {
		return err
	}
	// The last step: as long as the holding is there, the sweep comes back to it.
	return x.Holdings.Remove(ctx, r.Database, r.ID)
}

// drop drops what the restore holds once its window has ended. Where the record doesn't know of anything, the restore ended without a word:
// then what its attempts left is cleared. found is not nil where one of them, or an apply or undo in doubt, turns out to have switched.
func (x *DropExecutor) drop(ctx context.Context, r backup.Restore) (found *backup.Switched, err error) {
	if r.FollowUp.Attempt > backup.MaxAttempts {
		return nil, lost()
	}
	target, engine, err := reach(ctx, x.Databases, x.Engines, r.Database)
	if err != nil {
		return nil, err
	}
	if r.Doubt != nil {
		if found, err = x.inDoubt(ctx, engine, target, *r.Doubt); err != nil || found != nil {
			return found, err
		}
	}
	switch {
	case r.Held == nil:
		// In the name of one that never was, as above.
		return engine.Recover(ctx, target, backup.Attempt{Job: r.ID, Number: r.Attempt + 1})
	case r.Doubt != nil && time.Now().Before(r.Held.Until):
		return nil, nil //nolint:nilnil // none had, and nothing is to be dropped yet
	}
	return nil, engine.Drop(ctx, target, backup.Attempt{Job: r.FollowUp.ID, Number: r.FollowUp.Attempt}, r.Held.Name)
}

// foundKept ends a follow-up that found out that a job whose end was not known has taken place: the restore itself, or an earlier apply or
// undo of it. The database that it replaced is kept from now on, for as long as any other.
func (w *Workbench) foundKept(r *backup.Restore, attempt int, s backup.Switched) error {
	held, kind := w.kept(s), backup.RestoreJob
	if r.Doubt != nil {
		kind = r.Doubt.Kind
	}
	why := &backup.Error{Code: backup.CodeWorkerLost,
		Text: fmt.Sprintf("The %s, whose end was not known, has taken place: the database that it replaced is kept as %s.", kind, held.Name),
		Hint: fmt.Sprintf("It is dropped after %s. Rename it before that if you need it longer.", held.Until.Format(time.RFC3339))}
	if err := r.FollowUp.Fail(attempt, backup.FailureOf(why), time.Now().UTC()); err != nil {
		return err
	}
	r.TookPlace(held, time.Now().UTC())
	return nil
}
