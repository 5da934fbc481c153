package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// How long begin waits for the record of a marker: a request writes the one right after the other.
const (
	recordWait  = time.Second
	recordTries = 5
	// orphanAfter is when a marker without a record is taken for a leftover of a request that died in between.
	orphanAfter = 5 * time.Minute
)

// ledger is what both executors need to begin and end a job. J gives the common part of a record.
type ledger[T any] struct {
	records  backup.Records[T]
	open     backup.OpenJobs
	activity backup.ActivityLog
	log      *slog.Logger
	job      func(*T) *backup.Job
}

func backupLedger(r backup.Records[backup.Backup], o backup.OpenJobs, a backup.ActivityLog, log *slog.Logger) *ledger[backup.Backup] {
	return &ledger[backup.Backup]{r, o, a, log, func(b *backup.Backup) *backup.Job { return &b.Job }}
}

func restoreLedger(r backup.Records[backup.Restore], o backup.OpenJobs, a backup.ActivityLog, log *slog.Logger) *ledger[backup.Restore] {
	return &ledger[backup.Restore]{r, o, a, log, func(r *backup.Restore) *backup.Job { return &r.Job }}
}

// begin moves the record to running. ended says that there is nothing to run: only the marker was left, and it is gone now.
func (l *ledger[T]) begin(ctx context.Context, o backup.OpenJob, worker string) (rec T, ended bool, err error) {
	rec, err = l.await(ctx, o)
	if errors.Is(err, backup.ErrNotFound) {
		if time.Since(o.Marked) < orphanAfter {
			return rec, false, errNotYet
		}
		l.log.WarnContext(ctx, "marker without a record removed", "kind", o.Kind, "job", o.ID)
		return rec, true, l.open.Clear(ctx, o)
	}
	if err != nil {
		return rec, false, err
	}
	if l.job(&rec).State.Ended() {
		return rec, true, l.close(ctx, o, rec)
	}
	rec, err = l.records.Update(ctx, o.Database, o.ID, func(r *T) error {
		return l.job(r).Begin(worker, time.Now().UTC())
	})
	var transition *backup.TransitionError
	if errors.As(err, &transition) { // it ended between the two calls
		return rec, true, l.close(ctx, o, rec)
	}
	return rec, false, err
}

// await reads the record that belongs to a marker.
func (l *ledger[T]) await(ctx context.Context, o backup.OpenJob) (rec T, err error) {
	for try := 1; ; try++ {
		rec, err = l.records.Get(ctx, o.Database, o.ID)
		if !errors.Is(err, backup.ErrNotFound) || try == recordTries {
			return rec, err
		}
		select {
		case <-ctx.Done():
			return rec, context.Cause(ctx)
		case <-time.After(recordWait / recordTries):
		}
	}
}

// end writes how a job ended, by change, and closes it. The lease need not be held any more: change refuses when another
// attempt has begun.
func (l *ledger[T]) end(ctx context.Context, o backup.OpenJob, change func(*T) error) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	rec, err := l.records.Update(ctx, o.Database, o.ID, change)
	if err != nil {
		return fmt.Errorf("record the end: %w", err)
	}
	return l.close(ctx, o, rec)
}

// close does what follows the end of a job: the activity log, and the marker last. Each step can be repeated.
func (l *ledger[T]) close(ctx context.Context, o backup.OpenJob, rec T) error {
	j := l.job(&rec)
	e := backup.Entry{
		ID: backup.DeriveID(j.EndedAt, "end", j.ID), At: j.EndedAt, Actor: j.RequestedBy, Database: o.Database, Target: o.ID,
		Action: string(o.Kind) + ".end", Result: string(j.State),
	}
	if j.Failure != nil {
		e.Detail = j.Failure.Reason
	}
	if err := l.activity.Append(ctx, e); err != nil {
		return fmt.Errorf("write activity: %w", err)
	}
	if err := l.open.Clear(ctx, o); err != nil {
		return fmt.Errorf("clear the marker: %w", err)
	}
	l.log.InfoContext(ctx, "job ended", "kind", o.Kind, "database", o.Database, "job", o.ID, "state", j.State, "attempt", j.Attempt)
	return nil
}

// fail records why a job failed, unless the lease was lost: then it is not ours to end.
func (l *ledger[T]) fail(ctx context.Context, o backup.OpenJob, attempt int, why error) error {
	if errors.Is(why, backup.ErrLeaseLost) || errors.Is(context.Cause(ctx), backup.ErrLeaseLost) {
		return backup.ErrLeaseLost
	}
	if errors.Is(context.Cause(ctx), errDeadline) {
		why = &backup.Error{Code: backup.CodeDeadline, Cause: why,
			Text: "The job did not fit in the time that a worker has, and was stopped.",
			Hint: "Nothing was changed. The database has outgrown a single run of the worker: give it more memory (and so more CPU), or back it up from a larger machine."}
	}
	l.log.ErrorContext(ctx, "job failed", "kind", o.Kind, "database", o.Database, "job", o.ID, "attempt", attempt, "error", why)
	return l.end(ctx, o, func(r *T) error { return l.job(r).Fail(attempt, backup.FailureOf(why), time.Now().UTC()) })
}

// lost is the failure of a job over which workers died.
func lost() error {
	return &backup.Error{Code: backup.CodeWorkerLost,
		Text: fmt.Sprintf("The worker ended unexpectedly %d times while it ran this job.", backup.MaxAttempts),
		Hint: "Nothing was changed. Look up this job's id in the worker's log: most often the worker ran out of memory."}
}
