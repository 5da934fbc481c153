package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// A holding stands from before a restore makes anything on the server until nothing of it is left there. So whatever becomes of the
// worker, or of its last attempt to tidy up, the sweep is led to what has to be dropped.

// letGo removes the holding of a restore that ends with nothing on the server. Where that is not known it stays.
func (r *restoreRun) letGo(ctx context.Context, why error) {
	open := errors.Is(why, errUnresolved) || errors.Is(why, errUnknown)
	if !r.holding || !r.clean || open || errors.Is(why, backup.ErrLeaseLost) || errors.Is(context.Cause(ctx), backup.ErrLeaseLost) {
		return
	}
	tidy, cancel := detached(ctx)
	defer cancel()
	if err := r.Holdings.Remove(tidy, r.restore.Database, r.restore.ID); err != nil {
		r.Log.WarnContext(tidy, "holding not removed", "restore", r.restore.ID, "error", err)
	}
}

// park keeps the copy of a dry run, so that it can be applied. A copy that can't be kept does not spoil what the dry run found out.
func (r *restoreRun) park(ctx context.Context, staged backup.Staged) (*backup.Held, error) {
	parked, err := staged.Park(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("park the copy: %w", err)
	case err != nil:
		r.Log.ErrorContext(ctx, "copy not parked", "restore", r.job.ID, "attempt", r.job.Attempt, "error", err)
		r.report.Warnings = append(r.report.Warnings,
			"The rehearsed copy could not be kept, so this rehearsal can't be applied: "+backup.FailureOf(err).Reason)
		return nil, nil //nolint:nilnil // nothing is held
	}
	if err := r.Holdings.Put(ctx, backup.Holding{Database: r.restore.Database, Restore: r.restore.ID, Memo: parked.Memo}); err != nil {
		tidy, cancel := detached(ctx)
		defer cancel()
		derr := r.engine.Drop(tidy, r.target, r.id(), parked.Name)
		r.leftParked = derr != nil
		return nil, errors.Join(fmt.Errorf("write down what the parked copy needs: %w", err), derr)
	}
	return &backup.Held{Name: parked.Name, Bytes: parked.Bytes, Until: time.Now().UTC().Add(r.ApplyWindow)}, nil
}

// supersede drops the copies of earlier rehearsals of the database: they would hold its disk, and what was compared with live then
// says little once another restore is under way. Databases that were replaced stay.
func (r *restoreRun) supersede(ctx context.Context) error {
	all, err := r.Holdings.List(ctx, r.restore.Database)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.Restore == r.restore.ID {
			continue
		}
		old, err := r.Restores.Get(ctx, h.Database, h.Restore)
		if err != nil {
			return fmt.Errorf("read restore %s: %w", h.Restore, err)
		}
		if old.State != backup.Rehearsed || old.Held == nil {
			continue
		}
		if f := old.FollowUp; f != nil && f.State == backup.Running {
			continue // the worker that applied it is gone, and what came of that says its next attempt
		}
		if old.Doubt != nil {
			took, err := r.settle(ctx, old)
			if err != nil {
				return fmt.Errorf("restore %s: %w", h.Restore, err)
			}
			if took {
				continue
			}
		}
		if err := r.drop(ctx, old); err != nil {
			return fmt.Errorf("restore %s: %w", h.Restore, err)
		}
	}
	return nil
}

// settle asks what came of an apply in doubt. If it took place, there is no copy to drop: its record says so from now on.
func (r *restoreRun) settle(ctx context.Context, old backup.Restore) (took bool, err error) {
	found, err := r.inDoubt(ctx, r.engine, r.target, *old.Doubt)
	if err != nil || found == nil {
		return false, err
	}
	held := r.kept(*found)
	_, err = r.Restores.Update(ctx, old.Database, old.ID, func(o *backup.Restore) error {
		if o.Doubt == nil || *o.Doubt != *old.Doubt {
			return nil // somebody else has found out
		}
		o.TookPlace(held, time.Now().UTC())
		return nil
	})
	if err != nil {
		return true, fmt.Errorf("record that the apply %s took place: %w", old.Doubt.ID, err)
	}
	r.Log.WarnContext(ctx, "apply in doubt had taken place", "restore", old.ID, "apply", old.Doubt.ID, "kept", held.Name)
	return true, nil
}

// drop drops the copy of an earlier rehearsal. Each step can be repeated, and the one that keeps the others from being repeated is
// the last but one: after it the sweep finds a holding without a database.
func (r *restoreRun) drop(ctx context.Context, old backup.Restore) error {
	if err := r.engine.Drop(ctx, r.target, r.id(), old.Held.Name); err != nil {
		return fmt.Errorf("drop %s: %w", old.Held.Name, err)
	}
	if err := r.Activity.Append(ctx, backup.Entry{
		ID: backup.DeriveID(r.restore.RequestedAt, "supersede", old.ID, r.restore.ID), At: time.Now().UTC(), Actor: r.restore.RequestedBy,
		Database: old.Database, Target: old.ID, Action: "restore.supersede", Result: string(backup.Expired),
		Detail: dropped(*old.Held) + " Restore " + r.restore.ID + " of the same database began.",
	}); err != nil {
		return fmt.Errorf("write activity: %w", err)
	}
	if _, err := r.Restores.Update(ctx, old.Database, old.ID, func(o *backup.Restore) error { return o.Superseded() }); err != nil {
		return fmt.Errorf("record that it was superseded: %w", err)
	}
	r.Log.InfoContext(ctx, "rehearsal superseded", "restore", old.ID, "by", r.restore.ID, "dropped", old.Held.Name)
	return r.Holdings.Remove(ctx, old.Database, old.ID)
}

// dropped tells operators which database was dropped, and how much room that gave back.
func dropped(h backup.Held) string {
	if h.Bytes <= 0 {
		return fmt.Sprintf("Dropped %s.", h.Name)
	}
	return fmt.Sprintf("Dropped %s, which freed %s.", h.Name, backup.FormatBytes(h.Bytes))
}
