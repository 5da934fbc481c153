package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// RestoreExecutor runs restores: a copy is built beside the live database, verified, compared, and then parked (a dry run) or
// switched in.
type RestoreExecutor struct{ Workbench }

var _ Executor = (*RestoreExecutor)(nil)

// Execute runs one restore.
func (x *RestoreExecutor) Execute(ctx context.Context, o backup.OpenJob, p *Post) error {
	l := restoreLedger(x.Restores, x.Open, x.Activity, x.Log)
	r, ended, err := l.begin(ctx, o, p.Worker)
	if err != nil || ended {
		return err
	}
	p.Begun(r.Attempt)
	watched, stop := l.watch(ctx, o)
	defer stop()
	run := &restoreRun{restore: r, began: time.Now(), report: backup.Report{Stages: map[backup.Stage]backup.Timing{}}, attempt: attempt{
		Workbench: &x.Workbench, kind: o.Kind, job: r.Job, post: p, harmless: r.DryRun, wanted: func(ctx context.Context) error { return l.wanted(ctx, o) }, note: l.note}}
	out, err := run.run(watched)
	switch {
	case err != nil:
		run.letGo(watched, err)
		return l.unfinished(watched, o, r.Attempt, err)
	case out.switched != nil:
		err = l.end(ctx, o, func(r2 *backup.Restore) error {
			return r2.Switch(r.Attempt, out.report, *out.switched, x.kept(*out.switched), time.Now().UTC())
		})
	default:
		if out.held == nil {
			run.letGo(watched, nil)
		}
		err = l.end(ctx, o, func(r2 *backup.Restore) error { return r2.Rehearse(r.Attempt, *out.report, out.held, time.Now().UTC()) })
	}
	if err == nil && out.report != nil && r.Backup != "" {
		x.noteRehearsal(ctx, r)
	}
	return err
}

// kept says how long the database is kept that was replaced just now.
func (w *Workbench) kept(s backup.Switched) backup.Held {
	return backup.Held{Name: s.Kept, Bytes: s.KeptBytes, Until: time.Now().UTC().Add(w.UndoWindow)}
}

// noteRehearsal writes on the backup that it was found to restore. It is worth having, and no reason to fail.
func (x *RestoreExecutor) noteRehearsal(ctx context.Context, r backup.Restore) {
	ctx, cancel := detached(ctx)
	defer cancel()
	_, err := x.Backups.Update(ctx, r.Database, r.Backup, func(b *backup.Backup) error {
		b.LastRehearsal = time.Now().UTC()
		return nil
	})
	if err != nil && !errors.Is(err, backup.ErrNotFound) {
		x.Log.WarnContext(ctx, "rehearsal not noted", "backup", r.Backup, "restore", r.ID, "error", err)
	}
}

// outcome is what a restore came to: databases that were switched, or a dry run, with the copy that it parked if it could. The
// report is nil where an earlier attempt had switched already and died before it could tell what it found.
type outcome struct {
	switched *backup.Switched
	held     *backup.Held
	report   *backup.Report
}

// restoreRun is one attempt at one restore.
type restoreRun struct {
	attempt
	restore backup.Restore
	began   time.Time
	report  backup.Report
	// warnings are of the source: they come before those of the server.
	warnings []string
	// holding says that there may be a holding, clean that nothing of this restore is on the server, and leftParked that a copy is that
	// was parked in vain.
	holding, clean, leftParked bool
}

func (r *restoreRun) run(ctx context.Context) (out outcome, err error) {
	r.holding = r.job.Attempt > 1
	out.switched, err = r.begin(ctx)
	r.clean = r.job.Attempt == 1 || r.recovered
	if err != nil || out.switched != nil {
		return out, err
	}
	var src source
	if err := r.stage(backup.StageInspect, func() (err error) {
		src, err = r.source(ctx)
		return err
	}); err != nil {
		return out, err
	}
	if err := r.supersede(ctx); err != nil {
		return out, fmt.Errorf("drop the copies of earlier rehearsals: %w", err)
	}
	r.holding = true
	if err := r.Holdings.Put(ctx, backup.Holding{Database: r.restore.Database, Restore: r.restore.ID}); err != nil {
		return out, fmt.Errorf("write that a database may come to be held: %w", err)
	}
	r.clean = false
	return r.build(ctx, src)
}

// build makes the copy, and parks it or switches it in. Whatever fails, the copy is dropped.
func (r *restoreRun) build(ctx context.Context, src source) (out outcome, err error) {
	var staged backup.Staged
	if err := r.stage(backup.StageStage, func() (err error) {
		staged, err = r.engine.Stage(ctx, r.target, r.id(), src.need)
		return err
	}); err != nil {
		r.clean = r.nothingLeft(ctx)
		return out, fmt.Errorf("stage: %w", err)
	}
	defer func() {
		tidy, cancel := detached(ctx)
		defer cancel()
		derr := staged.Discard(tidy)
		if derr != nil {
			r.Log.ErrorContext(tidy, "staged copy not discarded", "restore", r.job.ID, "attempt", r.job.Attempt, "error", derr)
		}
		r.clean = derr == nil && !r.leftParked && out.held == nil && out.switched == nil
	}()
	r.report.Loader, r.report.ByHand = staged.Loader(), staged.ByHand()
	if err := r.fill(ctx, staged, src); err != nil {
		return out, err
	}
	if r.restore.DryRun {
		// As before a switch: a wish to cancel that nobody has looked for yet is granted.
		if err := r.confirm(ctx); err != nil {
			return out, err
		}
		out.held, err = r.park(ctx, staged)
		out.report = r.finished()
		return out, err
	}
	err = r.stage(backup.StageSwitch, func() error {
		s, err := staged.Switch(ctx, r.confirm)
		if err == nil {
			out.switched = &s
		}
		return err
	})
	if err != nil {
		out.switched, err = r.afterFailure(ctx, err)
	}
	out.report = r.finished()
	return out, err
}

// nothingLeft clears what this attempt may have left on the server and says whether that went well.
func (r *restoreRun) nothingLeft(ctx context.Context) bool {
	if errors.Is(context.Cause(ctx), backup.ErrLeaseLost) {
		return false
	}
	tidy, cancel := detached(ctx)
	defer cancel()
	// Recover clears what other attempts left, so it is asked in the name of the next.
	_, err := r.engine.Recover(tidy, r.target, backup.Attempt{Job: r.job.ID, Number: r.job.Attempt + 1})
	return err == nil
}

// finished completes the report.
func (r *restoreRun) finished() *backup.Report {
	r.report.Seconds = time.Since(r.began).Seconds()
	if r.restore.DryRun {
		r.report.RealSeconds, r.report.ApplySeconds = estimate(r.report.Stages)
	}
	return &r.report
}

// fill loads, verifies and compares.
func (r *restoreRun) fill(ctx context.Context, staged backup.Staged, src source) error {
	progress := func(s backup.Stage) func(backup.Progress) {
		return func(p backup.Progress) {
			p.Stage = s
			p.TablesTotal = len(src.need.Tables)
			if s == backup.StageLoad { // the other stages count rows, not text
				p.BytesTotal = src.need.SQLBytes
			}
			r.post.Report(p)
		}
	}
	if err := r.stage(backup.StageLoad, func() error { return r.load(ctx, staged, src, progress(backup.StageLoad)) }); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	err := r.stage(backup.StageVerify, func() error { return staged.Verify(ctx, src.want, progress(backup.StageVerify)) })
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	err = r.stage(backup.StageCompare, func() error {
		c, err := staged.Compare(ctx, progress(backup.StageCompare))
		r.report.Tables, r.report.Objects, r.report.ObjectCount = c.Tables, c.Objects, c.ObjectCount
		r.report.LiveBytes, r.report.CopyBytes = c.LiveBytes, c.CopyBytes
		return err
	})
	r.report.Warnings = append(r.warnings, staged.Warnings()...) // the comparison adds to them
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return nil
}

// stage runs one stage, says so, and notes how long it took.
func (r *restoreRun) stage(s backup.Stage, do func() error) error {
	r.post.Report(backup.Progress{Stage: s})
	began := time.Now()
	err := do()
	took := time.Since(began)
	r.report.Stages[s] = backup.Timing{Started: began.UTC(), Seconds: took.Seconds()}
	how := "took"
	if err != nil {
		how = "stopped after"
	}
	r.note(time.Now(), fmt.Sprintf("The stage %s %s %.1f s.", s, how, took.Seconds()))
	return err
}
