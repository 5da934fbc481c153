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
	// orphanAfter is when a marker without a record is taken for a leftover of a request that died in between. No request lives
	// that long, so nobody is about to write the record of such a marker.
	orphanAfter = 5 * time.Minute
)

// ledger begins and ends the jobs that records of one kind tell of.
type ledger[T any] struct {
	records  backup.Records[T]
	open     backup.OpenJobs
	activity backup.ActivityLog
	log      *slog.Logger
	// job is the job of that name on the record; nil where the record tells of another, or not yet of that one.
	job func(*T, backup.OpenJob) *backup.Job
	// fails moves the job to failed, or what is the like of its kind.
	fails func(r *T, o backup.OpenJob, attempt int, why backup.Failure, now time.Time) error
	// doubted notes that it is not known what came of a job that has failed; nil where nothing depends on it.
	doubted func(*T)
	// detail is what the activity log says of the end of a job that did not fail.
	detail string
	// notes are what the job's own log is to say of this attempt. They are written with the job's end: until then the lock says how far
	// the job is.
	notes []backup.LogLine
}

// note adds a line to what the job's own log is to say.
func (l *ledger[T]) note(at time.Time, text string) {
	l.notes = append(l.notes, backup.LogLine{At: at.UTC(), Text: text})
}

func backupLedger(r backup.Records[backup.Backup], o backup.OpenJobs, a backup.ActivityLog, log *slog.Logger) *ledger[backup.Backup] {
	return newLedger(r, o, a, log, func(b *backup.Backup, _ backup.OpenJob) *backup.Job { return &b.Job })
}

func restoreLedger(r backup.Records[backup.Restore], o backup.OpenJobs, a backup.ActivityLog, log *slog.Logger) *ledger[backup.Restore] {
	return newLedger(r, o, a, log, func(r *backup.Restore, _ backup.OpenJob) *backup.Job { return &r.Job })
}

// followLedger is for apply, undo and drop. A restore's record has the newest of these only.
func followLedger(r backup.Records[backup.Restore], o backup.OpenJobs, a backup.ActivityLog, log *slog.Logger) *ledger[backup.Restore] {
	l := newLedger(r, o, a, log, func(r *backup.Restore, o backup.OpenJob) *backup.Job {
		if r.FollowUp == nil || r.FollowUp.ID != o.ID {
			return nil
		}
		return &r.FollowUp.Job
	})
	l.doubted = (*backup.Restore).Doubted
	return l
}

// uploadLedger is for inspections. There is none before the file has been received, though its marker may be there.
func uploadLedger(u backup.Records[backup.Upload], o backup.OpenJobs, a backup.ActivityLog, log *slog.Logger) *ledger[backup.Upload] {
	l := newLedger(u, o, a, log, func(u *backup.Upload, _ backup.OpenJob) *backup.Job {
		if u.State == backup.Pending {
			return nil
		}
		return &u.Job
	})
	l.fails = func(u *backup.Upload, _ backup.OpenJob, attempt int, why backup.Failure, now time.Time) error {
		return u.Reject(attempt, nil, why, now)
	}
	return l
}

func newLedger[T any](r backup.Records[T], o backup.OpenJobs, a backup.ActivityLog, log *slog.Logger, job func(*T, backup.OpenJob) *backup.Job) *ledger[T] {
	l := &ledger[T]{records: r, open: o, activity: a, log: log, job: job}
	l.fails = func(r *T, o backup.OpenJob, attempt int, why backup.Failure, now time.Time) error {
		return l.job(r, o).Fail(attempt, why, now)
	}
	return l
}

// begin moves the job to running. ended says that there is nothing to run: only the marker was left, and it is gone now.
func (l *ledger[T]) begin(ctx context.Context, o backup.OpenJob, worker string) (rec T, ended bool, err error) {
	rec, err = l.await(ctx, o)
	if errors.Is(err, errNotYet) {
		if time.Since(o.Marked) < orphanAfter {
			return rec, false, errNotYet
		}
		l.log.WarnContext(ctx, "marker without a record removed", "kind", o.Kind, "job", o.ID)
		return rec, true, l.open.Clear(ctx, o)
	}
	if err != nil {
		return rec, false, err
	}
	if l.job(&rec, o).State.Ended() {
		return rec, true, l.close(ctx, o, rec)
	}
	begun, err := l.change(ctx, o, func(r *T) error { return l.job(r, o).Begin(worker, time.Now().UTC()) })
	var transition *backup.TransitionError
	if errors.As(err, &transition) { // it ended between the two calls
		if rec, err = l.await(ctx, o); err != nil {
			return rec, false, err
		}
		return rec, true, l.close(ctx, o, rec)
	}
	return begun, false, err
}

// await reads the record that tells of a marker's job; errNotYet where there is none.
func (l *ledger[T]) await(ctx context.Context, o backup.OpenJob) (T, error) {
	for try := 1; ; try++ {
		rec, err := l.records.Get(ctx, o.Database, o.Record())
		missing := errors.Is(err, backup.ErrNotFound) || err == nil && l.job(&rec, o) == nil
		switch {
		case !missing:
			return rec, err
		case try == recordTries:
			return rec, errNotYet
		}
		select {
		case <-ctx.Done():
			return rec, context.Cause(ctx)
		case <-time.After(recordWait / recordTries):
		}
	}
}

// change alters the record by what change does to it, if it still tells of the job: else whoever asks was overtaken.
func (l *ledger[T]) change(ctx context.Context, o backup.OpenJob, change func(*T) error) (T, error) {
	return l.records.Update(ctx, o.Database, o.Record(), func(r *T) error {
		if l.job(r, o) == nil {
			return fmt.Errorf("change %s %s, which the record does not tell of any more: %w", o.Kind, o.ID, backup.ErrLeaseLost)
		}
		return change(r)
	})
}

// end writes how a job ended, by change, and closes it. The lease need not be held any more: change refuses when another
// attempt has begun.
func (l *ledger[T]) end(ctx context.Context, o backup.OpenJob, change func(*T) error) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	rec, err := l.change(ctx, o, func(r *T) error {
		for _, n := range l.notes {
			l.job(r, o).Note(n.At, n.Text)
		}
		return change(r)
	})
	if err != nil {
		return fmt.Errorf("record the end: %w", err)
	}
	return l.close(ctx, o, rec)
}

// close does what follows the end of a job: the activity log, and the marker last. Each step can be repeated.
func (l *ledger[T]) close(ctx context.Context, o backup.OpenJob, rec T) error {
	j := l.job(&rec, o)
	detail := l.detail
	if j.Failure != nil {
		detail = j.Failure.Reason
	}
	if err := l.activity.Append(ctx, backup.Entry{
		ID: backup.DeriveID(j.EndedAt, "end", j.ID), At: j.EndedAt, Actor: j.RequestedBy, Database: o.Database, Target: o.Record(),
		Action: string(o.Kind) + ".end", Result: string(j.State), Detail: detail,
	}); err != nil {
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
	unknown := errors.Is(why, errUnknown)
	if errors.Is(context.Cause(ctx), errDeadline) && !unknown {
		why = &backup.Error{Code: backup.CodeDeadline, Cause: why,
			Text: "The job did not fit in the time that a worker has, and was stopped.", Hint: deadlineHint(o.Kind)}
	}
	l.log.ErrorContext(ctx, "job failed", "kind", o.Kind, "database", o.Database, "job", o.ID, "attempt", attempt, "error", why)
	return l.failed(ctx, o, attempt, backup.FailureOf(why), unknown)
}

// failed writes that a job failed, and whether it is not known what came of it.
func (l *ledger[T]) failed(ctx context.Context, o backup.OpenJob, attempt int, why backup.Failure, unknown bool) error {
	why.Unknown = unknown
	return l.end(ctx, o, func(r *T) error {
		if err := l.fails(r, o, attempt, why, time.Now().UTC()); err != nil {
			return err
		}
		if unknown && l.doubted != nil {
			l.doubted(r)
		}
		return nil
	})
}

// stop records that a job was stopped because somebody wanted it to be.
func (l *ledger[T]) stop(ctx context.Context, o backup.OpenJob, attempt int) error {
	return l.end(ctx, o, func(r *T) error { return l.job(r, o).Stop(attempt, time.Now().UTC()) })
}

func deadlineHint(kind backup.JobKind) string {
	const memory = "Give the worker more memory (and so more CPU)"
	switch kind {
	case backup.BackupJob:
		return "Nothing was changed. The database has outgrown a single run of the worker. " + memory + ", or back it up from a larger machine."
	case backup.InspectJob:
		return "The file is larger than a single run of the worker can read, let alone restore. " + memory + ", and upload it again."
	case backup.RestoreJob:
		return "Nothing was changed. The file has outgrown a single run of the worker. " + memory + ", and start the restore again."
	}
	return "Nothing was changed. Try again; if it happens again, look up this job's id in the worker's log."
}

// lost is the failure of a job over which workers died.
func lost() error {
	return &backup.Error{Code: backup.CodeWorkerLost,
		Text: fmt.Sprintf("The worker ended unexpectedly %d times while it ran this job.", backup.MaxAttempts),
		Hint: "Nothing was changed. Look up this job's id in the worker's log: most often the worker ran out of memory."}
}
