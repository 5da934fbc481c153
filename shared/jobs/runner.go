package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/inspection"
)

// Runner runs the open jobs of databases. One process may run several at once, for different databases.
type Runner struct {
	Worker     string // this worker's own name
	Locks      backup.Locks
	Open       backup.OpenJobs
	Bell       backup.Doorbell
	Executors  map[backup.JobKind]Executor
	Beat       time.Duration // between beats
	Expiry     time.Duration // after which a lock without a beat is free
	StopBefore time.Duration // how long before ctx's deadline a job is stopped, so that it can tidy up and say why
	Log        *slog.Logger
}

// Executor runs one kind of job.
type Executor interface {
	// Execute runs a job to its end and records how it ended: a job that failed is no error. It returns an error where that
	// could not be recorded, or where the lease was lost; then the job is still open and another worker will take it up.
	// errNotYet says that the job's marker has no record.
	Execute(ctx context.Context, job backup.OpenJob, p *Post) error
}

// Workbench is what the executors work with.
type Workbench struct {
	Backups   backup.Records[backup.Backup]
	Restores  backup.Records[backup.Restore]
	Uploads   backup.Records[backup.Upload]
	Open      backup.OpenJobs
	Holdings  backup.Holdings
	Activity  backup.ActivityLog
	Databases backup.Databases
	Engines   map[backup.EngineKind]backup.Engine
	Files     backup.Files
	// ApplyWindow is how long the copy of a rehearsal is kept, UndoWindow how long a database that was replaced is.
	ApplyWindow, UndoWindow time.Duration
	Log                     *slog.Logger
}

// Executors returns an executor for each kind of job.
func (w Workbench) Executors() map[backup.JobKind]Executor {
	return map[backup.JobKind]Executor{
		backup.BackupJob:  &BackupExecutor{w},
		backup.RestoreJob: &RestoreExecutor{w},
		backup.InspectJob: &InspectExecutor{w, inspection.Inspect},
		backup.ApplyJob:   &ApplyExecutor{w},
		backup.UndoJob:    &UndoExecutor{w},
		backup.DropJob:    &DropExecutor{w},
	}
}

// Post is what a runner lends to an executor.
type Post struct {
	Worker  string
	Begun   func(attempt int)           // says which attempt this is
	Report  func(backup.Progress)       // says how far it is
	Confirm func(context.Context) error // asks S3 whether the lease is still held
}

// errDeadline is the cause when a job was stopped because the worker's time ends.
var errDeadline = errors.New("the worker's time ends")

// errNotYet says that a marker has no record: its request is between the two writes, or died there.
var errNotYet = errors.New("no record yet")

// Work runs what is open for database, until nothing is or the worker's time doesn't allow for more; then it rings for the
// next. It returns nil when somebody else holds the lock: that worker looks at the list again when it is done.
func (r *Runner) Work(ctx context.Context, database string) error {
	s := &shift{Runner: r, database: database, began: time.Now(), passed: map[string]bool{}}
	for {
		lease, err := r.Locks.Acquire(ctx, database, r.Worker)
		if errors.Is(err, backup.ErrBusy) {
			r.Log.InfoContext(ctx, "database busy", "database", database)
			return nil
		}
		if err != nil {
			return fmt.Errorf("lock %s: %w", database, err)
		}
		more, err := s.drain(ctx, lease)
		tidy, cancel := detached(ctx)
		err = errors.Join(err, lease.Release(tidy))
		cancel()
		if errors.Is(err, backup.ErrLeaseLost) {
			r.Log.WarnContext(ctx, "lease lost", "database", database, "error", err)
			return nil // whoever took it over goes on with the work
		}
		if more {
			return errors.Join(err, r.Bell.Ring(ctx, database))
		}
		if err != nil {
			return err
		}
		// A job recorded after the list was read and before the lock was free rang in vain: look once more.
		next, err := s.next(ctx)
		if err != nil || next == nil {
			return err
		}
	}
}

// shift is one call of Work.
type shift struct {
	*Runner
	database string
	began    time.Time
	ran      bool            // a job was run already
	passed   map[string]bool // ids of jobs that can't be run now
}

// drain runs open jobs under lease. more says that jobs are left for which there is no time.
func (s *shift) drain(ctx context.Context, lease backup.Lease) (more bool, err error) {
	held, heart := keepAlive(ctx, lease, s.Worker, s.Beat, s.Expiry, s.Log)
	defer heart.stop()
	var unreadable error
	for {
		job, err := s.next(held)
		if err != nil || job == nil {
			return false, errors.Join(unreadable, err)
		}
		if s.ran && !s.timeForAnother(ctx) {
			return true, unreadable
		}
		s.ran = true
		switch err := s.execute(held, *job, heart); {
		case errors.Is(err, errNotYet):
			s.passed[job.ID] = true
		case errors.Is(err, backup.ErrUnreadable):
			// It stays open, for a program that can read it. The others must not wait for that.
			s.passed[job.ID] = true
			unreadable = errors.Join(unreadable, fmt.Errorf("run %s %s: %w", job.Kind, job.ID, err))
		case err != nil:
			return false, fmt.Errorf("run %s %s: %w", job.Kind, job.ID, err)
		}
	}
}

// next is the oldest open job, nil if there is none.
func (s *shift) next(ctx context.Context) (*backup.OpenJob, error) {
	open, err := s.Open.List(ctx, s.database)
	if err != nil {
		return nil, fmt.Errorf("list open jobs of %s: %w", s.database, err)
	}
	open = slices.DeleteFunc(open, func(j backup.OpenJob) bool { return s.passed[j.ID] })
	if len(open) == 0 {
		return nil, nil //nolint:nilnil // no job is not a failure
	}
	return &open[0], nil
}

// timeForAnother reports whether two thirds of the worker's time are left. A job that is started late would fail for want
// of time; a fresh worker gives it the whole.
func (s *shift) timeForAnother(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > deadline.Sub(s.began)*2/3
}

func (s *shift) execute(ctx context.Context, job backup.OpenJob, heart *heartbeat) error {
	executor, ok := s.Executors[job.Kind]
	if !ok {
		return fmt.Errorf("no executor for jobs of kind %q: %w", job.Kind, backup.ErrUnreadable)
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline.Add(-s.StopBefore), errDeadline)
		defer cancel()
	}
	return executor.Execute(ctx, job, &Post{
		Worker:  s.Worker,
		Begun:   func(attempt int) { heart.at(job.Kind, job.ID, attempt) },
		Report:  heart.report,
		Confirm: heart.beat,
	})
}

// tidyTime bounds what is done after a job was stopped: less than StopBefore, so that it ends before the worker does.
const tidyTime = 20 * time.Second

// detached is a context for tidying up: it lives on when ctx has ended.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
}
