package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// rescue runs a restore of single tables to its end. The engine makes all of it in one transaction, so whatever ends it before leaves
// nothing: there is no copy to drop, and no holding that leads to one.
func (r *restoreRun) rescue(ctx context.Context, l *ledger[backup.Restore], o backup.OpenJob) error {
	tables, report, err := r.rescued(ctx)
	if err != nil {
		return l.unfinished(ctx, o, r.job.Attempt, err)
	}
	return l.end(ctx, o, func(r2 *backup.Restore) error { return r2.Rescued(r.job.Attempt, tables, report, time.Now().UTC()) })
}

// rescued puts the tables there, or tries all of it but the end. The report is nil where an earlier attempt has done it.
func (r *restoreRun) rescued(ctx context.Context) (tables []backup.RescuedTable, report *backup.Report, err error) {
	tables, found, err := r.beginRescue(ctx)
	if err != nil || found {
		return tables, nil, err
	}
	var plan backup.RescuePlan
	if err := r.stage(backup.StageInspect, func() (err error) {
		plan, err = r.rescuePlan(ctx)
		return err
	}); err != nil {
		return nil, nil, err
	}
	var under backup.Rescuing
	if err := r.stage(backup.StageStage, func() (err error) {
		under, err = r.engine.Rescue(ctx, r.target, r.id(), plan)
		return err
	}); err != nil {
		return nil, nil, fmt.Errorf("begin the rescue: %w", err)
	}
	defer under.Discard(context.WithoutCancel(ctx))
	if err := r.stage(backup.StageLoad, func() error { return under.Load(ctx, r.progress(backup.StageLoad)) }); err != nil {
		return nil, nil, fmt.Errorf("load: %w", err)
	}
	if err := r.stage(backup.StageVerify, func() (err error) {
		tables, err = under.Verify(ctx, r.progress(backup.StageVerify))
		return err
	}); err != nil {
		return nil, nil, fmt.Errorf("verify: %w", err)
	}
	for _, t := range tables {
		r.report.Rows += t.Rows
	}
	r.report.Tables, r.report.Loader, r.report.Warnings = []backup.TableChange{}, backup.LoaderOwner, under.Warnings()
	if r.restore.DryRun {
		err = r.confirm(ctx) // as before a commit: a wish to cancel that nobody has looked for yet is granted
	} else if err = under.Commit(ctx, r.confirm); err != nil {
		under.Discard(context.WithoutCancel(ctx))
		tables, err = r.afterRescue(ctx, err)
	}
	r.report.Seconds = time.Since(r.began).Seconds()
	if r.restore.DryRun {
		r.report.RealSeconds = r.report.Seconds // a commit takes no time to speak of
	}
	return tables, &r.report, err
}

// progress passes on how far a stage of a rescue is.
func (r *restoreRun) progress(s backup.Stage) func(backup.Progress) {
	return func(p backup.Progress) {
		p.Stage = s
		r.post.Report(p)
	}
}

// beginRescue reaches the server and ends what earlier attempts left running there. found says that one of them has put the tables there.
func (r *restoreRun) beginRescue(ctx context.Context) (tables []backup.RescuedTable, found bool, err error) {
	again := r.job.Attempt > 1
	r.target, r.engine, err = reach(ctx, r.Databases, r.Engines, r.job.Database)
	if err == nil && again {
		tables, found, err = r.engine.FindRescue(ctx, r.target, r.id(), *r.restore.Rescue)
	}
	switch {
	case err != nil && again:
		return nil, false, r.rescueUnresolved(fmt.Errorf("look for what earlier attempts have rescued: %w", err))
	case err != nil || found:
		return tables, found, err
	case again && r.job.Cancel != nil:
		return nil, false, errCancelled
	case r.job.Attempt > backup.MaxAttempts:
		return nil, false, lost()
	}
	return nil, false, nil
}

// afterRescue asks the server whether the schema is there after all: the answer to the commit may have been lost.
func (r *restoreRun) afterRescue(ctx context.Context, cause error) ([]backup.RescuedTable, error) {
	if errors.Is(cause, backup.ErrLeaseLost) || errors.Is(context.Cause(ctx), backup.ErrLeaseLost) {
		// Whoever took the job over asks. To end what other attempts left running would end theirs.
		return nil, fmt.Errorf("rescue: %w: %w", backup.ErrLeaseLost, cause)
	}
	tidy, cancel := detached(ctx)
	defer cancel()
	tables, found, err := r.engine.FindRescue(tidy, r.target, r.id(), *r.restore.Rescue)
	switch {
	case err != nil:
		return nil, r.rescueUnresolved(fmt.Errorf("rescue: %w; and asking whether it was committed: %w", cause, err))
	case found:
		return tables, nil
	}
	return nil, fmt.Errorf("rescue: %w", cause)
}

// rescueUnresolved leaves the job open for as long as attempts are left. A dry run commits nothing, so there is nothing to ask.
func (r *restoreRun) rescueUnresolved(cause error) error {
	switch {
	case r.harmless:
		return cause
	case r.job.Attempt < backup.MaxAttempts:
		return fmt.Errorf("%w: %w", errUnresolved, cause)
	}
	return fmt.Errorf("%w: %w", errUnknown, &backup.Error{Code: backup.CodeUnreachable, Cause: cause, Log: backup.FailureOf(cause).Reason,
		Text: "The worker lost the database's server and could not reach it again, so it is not known whether the tables were rescued.",
		Hint: rescueHint(r.restore.Rescue)})
}

// rescueHint says how to find out what came of a rescue.
func rescueHint(r *backup.Rescue) string {
	return fmt.Sprintf("Look at the schemas of the live database: where there is one named %s, all of the tables are there, in it; where there is none, nothing was changed.", r.Schema)
}
