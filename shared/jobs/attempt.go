package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// errUnresolved says that the server could not be asked whether the switch happened. The job stays open, and the next
// attempt asks again.
var errUnresolved = errors.New("not known whether the switch happened")

// errUnknown says that it could not be asked at all: no attempt is left.
var errUnknown = errors.New("it will not be known whether the switch happened")

// attempt is one worker's try at a job that exchanges databases: restore, apply or undo. The server is the truth about whether an
// exchange took place, so it is asked before anything is done again.
type attempt struct {
	*Workbench
	kind     backup.JobKind
	job      backup.Job // as it was begun
	post     *Post
	harmless bool                            // it exchanges nothing: a dry run
	wanted   func(context.Context) error     // see ledger.wanted
	note     func(at time.Time, text string) // for the job's log

	engine backup.Engine
	target backup.Target
	// recovered says that nothing of earlier attempts is left on the server.
	recovered bool
}

func (a *attempt) id() backup.Attempt {
	return backup.Attempt{Job: a.job.ID, Number: a.job.Attempt}
}

// begin reaches the server and clears what earlier attempts left there. switched is not nil where one of them had switched.
func (a *attempt) begin(ctx context.Context) (switched *backup.Switched, err error) {
	a.target, a.engine, err = reach(ctx, a.Databases, a.Engines, a.job.Database)
	if err != nil && a.job.Attempt > 1 {
		return nil, a.unresolved(err) // an earlier attempt may have switched
	}
	if err != nil || a.job.Attempt == 1 {
		return nil, err
	}
	if switched, err = a.engine.Recover(ctx, a.target, a.id()); err != nil {
		return nil, a.unresolved(fmt.Errorf("recover from earlier attempts: %w", err))
	}
	a.recovered = true
	switch {
	case switched != nil:
		return switched, nil
	case a.job.Cancel != nil:
		return nil, errCancelled
	case a.job.Attempt > backup.MaxAttempts:
		return nil, lost()
	}
	return nil, nil //nolint:nilnil // none of them had
}

// confirm is asked right before the exchange: whether the job is still wanted, and the lease last.
func (a *attempt) confirm(ctx context.Context) error {
	if err := a.wanted(ctx); err != nil {
		return fmt.Errorf("ask whether the job is to go on: %w", err)
	}
	return a.post.Confirm(ctx)
}

// afterFailure asks the server whether the exchange happened after all: its answer may have been lost.
func (a *attempt) afterFailure(ctx context.Context, cause error) (*backup.Switched, error) {
	if errors.Is(cause, backup.ErrLeaseLost) || errors.Is(context.Cause(ctx), backup.ErrLeaseLost) {
		// Whoever took the job over asks. To clear what other attempts left would end theirs.
		return nil, fmt.Errorf("switch: %w: %w", backup.ErrLeaseLost, cause)
	}
	tidy, cancel := detached(ctx)
	defer cancel()
	switched, err := a.engine.Recover(tidy, a.target, a.id())
	switch {
	case err != nil:
		return nil, a.unresolved(fmt.Errorf("switch: %w; and asking whether it happened: %w", cause, err))
	case switched != nil:
		return switched, nil
	}
	return nil, fmt.Errorf("switch: %w", cause)
}

// unresolved leaves the job open for as long as attempts are left. A dry run switches nothing, so there is nothing to ask.
func (a *attempt) unresolved(cause error) error {
	switch {
	case a.harmless:
		return cause
	case a.job.Attempt < backup.MaxAttempts:
		return fmt.Errorf("%w: %w", errUnresolved, cause)
	}
	return fmt.Errorf("%w: %w", errUnknown, &backup.Error{Code: backup.CodeUnreachable, Cause: cause, Log: backup.FailureOf(cause).Reason,
		Text: fmt.Sprintf("The worker lost the database's server during the %s and could not reach it again, so it is not known whether the databases were switched.", a.kind),
		Hint: fmt.Sprintf("The server is asked again as soon as it answers, and the record says then what it found. Or look at the server's databases: where there is one named %s, the %s has taken place and that is the one it replaced; where there is none, live is as it was.",
			keptName(a.job.ID), a.kind)})
}

// keptName is the name under which engines keep the database that a job replaced.
func keptName(job string) string { return "br_" + job + "_kept" }
