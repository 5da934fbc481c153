package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// cancelEvery is how often the record of a running job is read for a wish to stop it. Tests look more often.
var cancelEvery = 2 * time.Second

// errCancelled is the cause when a job was stopped because somebody wants it to be.
var errCancelled = errors.New("somebody wants the job to be stopped")

// watch returns a context that ends with errCancelled once somebody wants the job to be stopped. stop ends the watching.
func (l *ledger[T]) watch(ctx context.Context, o backup.OpenJob) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(cancelEvery)
		defer tick.Stop()
		for {
			select {
			case <-watched.Done():
				return
			case <-tick.C:
			}
			switch err := l.wanted(watched, o); {
			case errors.Is(err, errCancelled):
				cancel(errCancelled)
			case err != nil && watched.Err() == nil:
				l.log.WarnContext(watched, "wish to cancel not looked for", "kind", o.Kind, "job", o.ID, "error", err)
			}
		}
	}()
	return watched, func() { cancel(context.Canceled) }
}

// wanted is nil as long as the job is to go on, errCancelled where somebody wants it to be stopped.
func (l *ledger[T]) wanted(ctx context.Context, o backup.OpenJob) error {
	rec, err := l.records.Get(ctx, o.Database, o.Record())
	if err != nil {
		return err
	}
	if j := l.job(&rec, o); j != nil && j.Cancel != nil {
		return errCancelled
	}
	return nil
}

// unfinished records that a job has come to no good end: cancelled or failed. It leaves the job open where its outcome is not known
// yet, or where it is not ours any more.
func (l *ledger[T]) unfinished(ctx context.Context, o backup.OpenJob, attempt int, why error) error {
	cancelled := errors.Is(why, errCancelled) || errors.Is(context.Cause(ctx), errCancelled)
	switch {
	case errors.Is(why, errUnresolved):
		l.log.ErrorContext(ctx, "outcome of the switch not known yet", "kind", o.Kind, "job", o.ID, "attempt", attempt, "error", why)
		return why
	case errors.Is(why, errUnknown), !cancelled, errors.Is(why, backup.ErrLeaseLost):
		return l.fail(ctx, o, attempt, why)
	}
	l.log.InfoContext(ctx, "job cancelled", "kind", o.Kind, "database", o.Database, "job", o.ID, "attempt", attempt, "stopped", why)
	return l.stop(ctx, o, attempt)
}
