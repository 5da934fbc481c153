package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// giveUp is how long the sweep rings for a job that no worker takes up before it is called failed. A worker that can be
// started at all takes it up within seconds; an hour outlasts a deployment gone wrong.
const giveUp = time.Hour

// Sweeper looks after jobs whose worker is gone, or whose bell nobody heard, and after databases whose window has ended. It runs every
// minute.
type Sweeper struct {
	Backups  backup.Records[backup.Backup]
	Restores backup.Records[backup.Restore]
	Uploads  backup.Records[backup.Upload]
	Open     backup.OpenJobs
	Holdings backup.Holdings
	Locks    backup.Locks
	Bell     backup.Doorbell
	Activity backup.ActivityLog
	Log      *slog.Logger
}

// Sweep rings for each database that has open jobs and no live lock. The worker that hears it tidies up after the one
// that is gone. Jobs that nobody takes up for an hour are failed. Then it has those databases dropped whose window has ended.
func (s *Sweeper) Sweep(ctx context.Context) error {
	return errors.Join(s.jobs(ctx), s.held(ctx))
}

func (s *Sweeper) jobs(ctx context.Context) error {
	open, err := s.Open.List(ctx, "")
	if err != nil {
		return fmt.Errorf("list open jobs: %w", err)
	}
	byDatabase := map[string][]backup.OpenJob{}
	for _, o := range open {
		byDatabase[o.Database] = append(byDatabase[o.Database], o)
	}
	var errs []error
	var beat time.Time // when a worker was last seen, at whichever database
	for database := range byDatabase {
		holder, live, err := s.Locks.Read(ctx, database)
		if holder.At.After(beat) {
			beat = holder.At
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep %s: %w", database, err))
		}
		if err != nil || live {
			delete(byDatabase, database)
		}
	}
	for database, jobs := range byDatabase {
		if err := s.database(ctx, database, jobs, beat); err != nil {
			errs = append(errs, fmt.Errorf("sweep %s: %w", database, err))
		}
	}
	return errors.Join(errs...)
}

// database looks after a database that nobody works on. A job that can't be looked at does not keep the others waiting.
func (s *Sweeper) database(ctx context.Context, database string, open []backup.OpenJob, beat time.Time) error {
	left := 0
	var errs []error
	for _, o := range open {
		failed, err := s.abandon(ctx, o, beat)
		if err != nil {
			errs = append(errs, err)
		}
		if !failed {
			left++
		}
	}
	if left > 0 {
		s.Log.InfoContext(ctx, "rang again", "database", database, "open", left)
		errs = append(errs, s.Bell.Ring(ctx, database))
	}
	return errors.Join(errs...)
}

// abandon fails a job that no worker took up for too long.
func (s *Sweeper) abandon(ctx context.Context, o backup.OpenJob, beat time.Time) (bool, error) {
	switch o.Kind {
	case backup.BackupJob:
		return abandon(ctx, backupLedger(s.Backups, s.Open, s.Activity, s.Log), o, beat)
	case backup.RestoreJob:
		return abandon(ctx, restoreLedger(s.Restores, s.Open, s.Activity, s.Log), o, beat)
	case backup.InspectJob:
		// An upload may have been announced long before it arrived, and its marker was written when it had.
		if o.Marked.After(beat) {
			beat = o.Marked
		}
		return abandon(ctx, uploadLedger(s.Uploads, s.Open, s.Activity, s.Log), o, beat)
	case backup.ApplyJob, backup.UndoJob, backup.DropJob:
		return abandon(ctx, followLedger(s.Restores, s.Open, s.Activity, s.Log), o, beat)
	}
	return false, fmt.Errorf("job %s is of the unknown kind %q", o.ID, o.Kind)
}

// abandon counts from the last sign of life: the job's own, or beat, when a worker last held any database's lock. A job may well
// wait for an hour behind others that are being worked on, also those of other databases: so many run at once and no more.
func abandon[T any](ctx context.Context, l *ledger[T], o backup.OpenJob, beat time.Time) (bool, error) {
	rec, err := l.records.Get(ctx, o.Database, o.Record())
	if errors.Is(err, backup.ErrNotFound) {
		return false, nil // a worker tells a young marker from a leftover
	}
	if err != nil {
		return false, fmt.Errorf("read the record of %s %s: %w", o.Kind, o.ID, err)
	}
	j := l.job(&rec, o)
	if j == nil {
		return false, nil // likewise
	}
	since := j.RequestedAt
	for _, sign := range []time.Time{j.StartedAt, beat} {
		if sign.After(since) {
			since = sign
		}
	}
	if j.State.Ended() || time.Since(since) < giveUp {
		return false, nil
	}
	attempt := j.Attempt
	why := backup.FailureOf(&backup.Error{Code: backup.CodeWorkerLost, Text: "No worker took this job up for an hour.", Hint: abandonedHint(rec, o, attempt)})
	return true, l.failed(ctx, o, attempt, why, attempt > 0 && exchanges(o.Kind))
}

// exchanges tells whether jobs of a kind may exchange the databases.
func exchanges(kind backup.JobKind) bool {
	return kind == backup.RestoreJob || kind == backup.ApplyJob || kind == backup.UndoJob
}

// abandonedHint says what is known of a job that no worker has told the end of.
func abandonedHint(rec any, o backup.OpenJob, attempt int) string {
	const look = "Look at the worker's log for why it does not start."
	switch r, ok := rec.(backup.Restore); {
	case ok && r.Rescue != nil && attempt > 0:
		return look + " " + rescueHint(r.Rescue)
	case o.Kind == backup.DropJob:
		return "It is tried again. " + look
	case !exchanges(o.Kind) || attempt == 0:
		return "Nothing was changed. " + look
	}
	hint := fmt.Sprintf("%s The %s had begun, and how far it came is not known. Look at the server's databases: where there is one named %s, "+
		"the %s has taken place and that is the one it replaced; else live is as it was.", look, o.Kind, keptName(o.ID), o.Kind)
	if o.Kind == backup.RestoreJob {
		hint += fmt.Sprintf(" One named br_%s_%d is an unfinished copy.", o.ID, attempt)
	}
	return hint
}
