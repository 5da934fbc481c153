package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// A drop that failed is tried again after as long as it has been due, within these bounds: soon after a short outage, and seldom
// where a database is out of reach for good.
const (
	dropAgainAfter = 15 * time.Minute
	dropAgainMost  = 6 * time.Hour
)

// held has the databases dropped whose window has ended, and what was left by restores that ended without a word. The job that drops is also
// the one that asks the server what came of an apply or undo in doubt.
func (s *Sweeper) held(ctx context.Context) error {
	all, err := s.Holdings.List(ctx, "")
	if err != nil {
		return fmt.Errorf("list holdings: %w", err)
	}
	desk := &Desk{Restores: s.Restores, Open: s.Open, Bell: s.Bell, Activity: s.Activity, Log: s.Log}
	var errs []error
	for _, h := range all {
		r, due, err := s.due(ctx, h)
		if err == nil && due {
			_, err = desk.Drop(ctx, h.Database, h.Restore, r.Held)
		}
		if err != nil && !faster(err) {
			errs = append(errs, fmt.Errorf("sweep what restore %s of %s holds: %w", h.Restore, h.Database, err))
		}
	}
	return errors.Join(errs...)
}

// due reports whether what a holding leads to is to be dropped now.
func (s *Sweeper) due(ctx context.Context, h backup.Holding) (r backup.Restore, due bool, err error) {
	r, err = s.Restores.Get(ctx, h.Database, h.Restore)
	if err != nil {
		return r, false, fmt.Errorf("read its record: %w", err)
	}
	if !r.State.Ended() || r.FollowUp != nil && !r.FollowUp.State.Ended() {
		return r, false, nil // under way, or about to be
	}
	since := r.EndedAt
	switch {
	case r.Doubt != nil: // whatever the window: what is held has another name if the job in doubt took place
		since = r.Doubt.Since
	case r.Held != nil:
		since = r.Held.Until
	}
	now := time.Now()
	if now.Before(since) || now.Before(tryAgainAt(r.FollowUp, since)) {
		return r, false, nil
	}
	if r.Held != nil {
		return r, true, nil
	}
	// The record knows of no database, and a holding is there: its worker is about to remove it, or has died, or could not tidy up.
	_, live, err := s.Locks.Read(ctx, h.Database)
	if err != nil || live {
		return r, false, err
	}
	// A worker lets the lock go after the holding: one that is there without a worker has nobody left to remove it. Listed, not read:
	// it leads to what is to be dropped even where nobody can read it.
	held, err := s.Holdings.List(ctx, h.Database)
	return r, slices.ContainsFunc(held, func(other backup.Holding) bool { return other.Restore == h.Restore }), err
}

// tryAgainAt is when something may be dropped again that is due since then.
func tryAgainAt(last *backup.FollowUp, since time.Time) time.Time {
	if last == nil || last.Kind != backup.DropJob || last.State != backup.Failed {
		return since
	}
	return last.EndedAt.Add(min(max(last.EndedAt.Sub(since), dropAgainAfter), dropAgainMost))
}

// faster reports whether a drop was not queued because something else is done with the restore by now.
func faster(err error) bool {
	var told *backup.Error
	return errors.Is(err, errMovedOn) || errors.As(err, &told) && told.Code == "drop_not_possible"
}
