package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Apply switches a rehearsed copy in: it adds the follow-up to the restore's record and rings. See StartBackup for id.
func (d *Desk) Apply(ctx context.Context, database, restore, id string, by backup.Actor) (backup.Restore, error) {
	return d.follow(ctx, follower{database: database, restore: restore, kind: backup.ApplyJob, id: id, by: by, action: "restore.apply"})
}

// Undo brings the database back that a restore replaced.
func (d *Desk) Undo(ctx context.Context, database, restore, id string, by backup.Actor) (backup.Restore, error) {
	return d.follow(ctx, follower{database: database, restore: restore, kind: backup.UndoJob, id: id, by: by, action: "restore.undo"})
}

// Drop has what a restore keeps on the server dropped, or what it left there: of the system's own accord. held is what the caller has
// judged to be due, nil where the restore's record knows of nothing; if it is something else by now, nothing is dropped.
func (d *Desk) Drop(ctx context.Context, database, restore string, held *backup.Held) (backup.Restore, error) {
	// The activity log tells of its end only: nobody asked for it.
	return d.follow(ctx, follower{database: database, restore: restore, kind: backup.DropJob, by: backup.Actor{Kind: backup.BySystem, Name: "Janitor"},
		check: func(r *backup.Restore) error {
			if r.Held != held && (r.Held == nil || held == nil || *r.Held != *held) {
				return errMovedOn
			}
			return nil
		}})
}

// errMovedOn says that a restore holds something else than what was to be dropped.
var errMovedOn = errors.New("the restore holds something else by now")

// follower is a request for something that follows a restore.
type follower struct {
	database, restore string
	kind              backup.JobKind
	id                string
	by                backup.Actor
	action            string                      // for the activity log; "" for none
	check             func(*backup.Restore) error // of the record, besides its own rules; nil for none
}

// follow writes marker, record, activity and rings, in that order, as start does.
func (d *Desk) follow(ctx context.Context, f follower) (backup.Restore, error) {
	var none backup.Restore
	now := time.Now().UTC()
	f.id = orNew(f.id)
	o := backup.OpenJob{Database: f.database, Kind: f.kind, ID: f.id, Restore: f.restore}
	r, err := d.Restores.Get(ctx, f.database, f.restore)
	if err != nil {
		return none, fmt.Errorf("read restore %s: %w", f.restore, err)
	}
	tried := r
	switch err := f.follow(&tried, now); {
	case errors.Is(err, errStands):
		return r, nil
	case err != nil: // what can't be is refused before a marker is written
		return none, err
	}
	if err := d.settled(ctx, r); err != nil {
		return none, err
	}
	if err := d.Open.Mark(ctx, o); err != nil {
		return none, fmt.Errorf("mark %s %s as open: %w", f.kind, f.id, err)
	}
	var refused error
	r, err = d.Restores.Update(ctx, f.database, f.restore, func(r *backup.Restore) error {
		refused = f.follow(r, now)
		return refused
	})
	switch {
	case errors.Is(err, errStands):
		return d.settleFollowUp(ctx, o)
	case err != nil && refused != nil:
		// Somebody else was faster. No record will ever tell of this one.
		return none, errors.Join(refused, d.clear(ctx, o))
	case err != nil:
		return none, fmt.Errorf("record %s %s: %w", f.kind, f.id, err)
	}
	if f.action != "" {
		d.note(ctx, backup.Entry{ID: backup.DeriveID(now, "start", f.id), At: now, Actor: f.by, Action: f.action, Database: f.database, Target: f.restore,
			Result: accepted, Detail: r.Filename})
	}
	d.ring(ctx, o)
	d.Log.InfoContext(ctx, "job queued", "kind", f.kind, "database", f.database, "job", f.id, "restore", f.restore, "by", f.by.Kind)
	return r, nil
}

// follow adds the follow-up to the record.
func (f follower) follow(r *backup.Restore, now time.Time) error {
	if stands(*r, f.id) {
		return errStands
	}
	if f.check != nil {
		if err := f.check(r); err != nil {
			return err
		}
	}
	return r.Follow(f.kind, f.id, f.by, now)
}

// errStands says that a record tells of a job already.
var errStands = errors.New("recorded already")

// stands reports whether a restore's record tells of the follow-up with that id, or has told of it: ids grow with time, and a record
// has the newest. So a request that is repeated after others came is not carried out a second time.
func stands(r backup.Restore, id string) bool { return r.FollowUp != nil && id <= r.FollowUp.ID }

// settled closes the follow-up that a new one is about to take the place of, in case its worker died between its end and that.
func (d *Desk) settled(ctx context.Context, r backup.Restore) error {
	if r.FollowUp == nil || !r.FollowUp.State.Ended() {
		return nil
	}
	o := backup.OpenJob{Database: r.Database, Kind: r.FollowUp.Kind, ID: r.FollowUp.ID, Restore: r.ID}
	return followLedger(d.Restores, d.Open, d.Activity, d.Log).close(ctx, o, r)
}

// settleFollowUp returns the record of whoever wrote it first, and takes our marker back if that job has ended meanwhile.
func (d *Desk) settleFollowUp(ctx context.Context, o backup.OpenJob) (backup.Restore, error) {
	return settle(ctx, d, d.Restores, o, func(r backup.Restore) backup.State {
		if r.FollowUp == nil || r.FollowUp.ID != o.ID {
			return backup.Done // it was, before others came
		}
		return r.FollowUp.State
	})
}

// Cancel stops a restore, or what follows it, up to the switch: at once where no worker has taken it up, else as soon as its worker
// notices. job is the one that is meant: an *backup.Error where another has begun since the caller looked, which the caller may not be
// allowed to stop.
func (d *Desk) Cancel(ctx context.Context, database, restore, job string, by backup.Actor) (backup.Restore, error) {
	now := time.Now().UTC()
	r, err := d.Restores.Update(ctx, database, restore, func(r *backup.Restore) error {
		if err := r.CanCancel(); err != nil {
			return err
		}
		_, newest, _ := d.newest(r)
		if newest.ID != job {
			return &backup.Error{Code: "cancel_not_possible", Text: "What was to be cancelled has ended, and something else is being done with this restore by now.",
				Hint: "Look at the restore as it is now. Cancel that if it is not wanted either."}
		}
		return newest.AskCancel(by, now)
	})
	if err != nil {
		return backup.Restore{}, fmt.Errorf("cancel restore %s: %w", restore, err)
	}
	o, newest, l := d.newest(&r)
	d.note(ctx, backup.Entry{ID: backup.DeriveID(newest.Cancel.At, "cancel", newest.ID), At: newest.Cancel.At, Actor: by, Action: "restore.cancel", Database: database,
		Target: restore, Result: accepted, Detail: string(o.Kind)})
	d.Log.InfoContext(ctx, "job to be cancelled", "kind", o.Kind, "database", database, "job", o.ID, "state", newest.State, "by", by.Kind)
	if newest.State == backup.Cancelled {
		// Should this not come to its end, a worker finds the marker of a job that has ended, and does it.
		if err := l.close(ctx, o, r); err != nil {
			d.Log.ErrorContext(ctx, "cancelled job not closed", "kind", o.Kind, "job", o.ID, "error", err)
		}
	}
	return r, nil
}

// newest is what follows the restore, or its own job where nothing does; and the ledger for it.
func (d *Desk) newest(r *backup.Restore) (backup.OpenJob, *backup.Job, *ledger[backup.Restore]) {
	if r.FollowUp == nil {
		return backup.OpenJob{Database: r.Database, Kind: backup.RestoreJob, ID: r.ID}, &r.Job, restoreLedger(d.Restores, d.Open, d.Activity, d.Log)
	}
	return backup.OpenJob{Database: r.Database, Kind: r.FollowUp.Kind, ID: r.FollowUp.ID, Restore: r.ID}, &r.FollowUp.Job,
		followLedger(d.Restores, d.Open, d.Activity, d.Log)
}
