package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// RestoreExecutor runs restores: a copy is built beside the live database, verified, compared, and then dropped again (a
// dry run) or switched in.
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
	run := &restoreRun{RestoreExecutor: x, restore: r, post: p, report: backup.Report{Stages: map[backup.Stage]backup.Timing{}}}
	switched, report, err := run.run(ctx)
	switch {
	case errors.Is(err, errUnresolved):
		x.Log.ErrorContext(ctx, "outcome of the switch not known yet", "restore", r.ID, "attempt", r.Attempt, "error", err)
		return err
	case err != nil:
		return l.fail(ctx, o, r.Attempt, err)
	case switched != nil:
		err = l.end(ctx, o, func(r2 *backup.Restore) error {
			return r2.Switch(r.Attempt, report, *switched, backup.Held{Name: switched.Kept}, time.Now().UTC())
		})
	default:
		err = l.end(ctx, o, func(r2 *backup.Restore) error { return r2.Rehearse(r.Attempt, *report, nil, time.Now().UTC()) })
	}
	if err == nil && report != nil {
		x.noteRehearsal(ctx, r)
	}
	return err
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

// restoreRun is one attempt at one restore.
type restoreRun struct {
	*RestoreExecutor
	restore backup.Restore
	post    *Post
	report  backup.Report
}

// run returns what was switched, nil for a dry run. The report is nil where an earlier attempt had switched already and
// died before it could tell what it found.
func (r *restoreRun) run(ctx context.Context) (*backup.Switched, *backup.Report, error) {
	target, engine, err := reach(ctx, r.Databases, r.Engines, r.restore.Database)
	if err != nil && r.restore.Attempt > 1 {
		return nil, nil, r.unresolved(err) // an earlier attempt may have switched
	}
	if err != nil {
		return nil, nil, err
	}
	attempt := backup.Attempt{Job: r.restore.ID, Number: r.restore.Attempt}
	if attempt.Number > 1 {
		switched, err := engine.Recover(ctx, target, attempt)
		if err != nil {
			return nil, nil, r.unresolved(fmt.Errorf("recover from earlier attempts: %w", err))
		}
		if switched != nil {
			return switched, nil, nil
		}
	}
	if attempt.Number > backup.MaxAttempts {
		return nil, nil, lost()
	}
	b, err := r.source(ctx)
	if err != nil {
		return nil, nil, err
	}
	return r.build(ctx, engine, target, attempt, b)
}

// source is the backup to restore, as it was when the restore was asked for.
func (r *restoreRun) source(ctx context.Context) (b backup.Backup, err error) {
	gone := &backup.Error{Code: backup.CodeSourceGone, Text: "The backup to restore was deleted.", Hint: "Nothing was changed. Choose another backup."}
	b, err = r.Backups.Get(ctx, r.restore.Database, r.restore.Backup)
	if errors.Is(err, backup.ErrNotFound) {
		return b, gone
	}
	if err != nil {
		return b, fmt.Errorf("read backup %s: %w", r.restore.Backup, err)
	}
	if b.Usable() != nil {
		return b, gone
	}
	if *b.File != r.restore.Source {
		return b, &backup.Error{Code: backup.CodeFileChanged, Text: "The backup's file is not the one that this restore was asked for.",
			Hint: "Nothing was changed. Start the restore again."}
	}
	return b, nil
}

// build makes the copy and switches it in unless this is a dry run. Whatever fails, the copy is dropped.
func (r *restoreRun) build(ctx context.Context, engine backup.Engine, t backup.Target, a backup.Attempt, b backup.Backup) (switched *backup.Switched, report *backup.Report, err error) {
	var staged backup.Staged
	if err := r.stage(backup.StageStage, func() (err error) {
		staged, err = engine.Stage(ctx, t, a, backup.Need{SQLBytes: b.SQLBytes, Tables: b.Tables, ServerVersion: b.ServerVersion})
		return err
	}); err != nil {
		return nil, nil, fmt.Errorf("stage: %w", err)
	}
	defer func() {
		tidy, cancel := detached(ctx)
		defer cancel()
		if derr := staged.Discard(tidy); derr != nil {
			r.Log.ErrorContext(tidy, "staged copy not discarded", "restore", a.Job, "attempt", a.Number, "error", derr)
			// After a switch there is nothing left to undo; before it, what was left has to be told.
			if switched == nil {
				err = errors.Join(err, derr)
			}
		}
	}()
	r.report.Loader, r.report.ByHand = staged.Loader(), staged.ByHand()
	if err := r.fill(ctx, staged, b); err != nil {
		return nil, nil, err
	}
	if r.restore.DryRun {
		return nil, &r.report, nil
	}
	err = r.stage(backup.StageSwitch, func() error {
		s, err := staged.Switch(ctx, r.post.Confirm)
		if err == nil {
			switched = &s
		}
		return err
	})
	if err != nil {
		return r.afterFailedSwitch(ctx, engine, t, a, err)
	}
	return switched, &r.report, nil
}

// errUnresolved says that the server could not be asked whether the switch happened. The job stays open, and the next
// attempt asks again.
var errUnresolved = errors.New("not known whether the switch happened")

// afterFailedSwitch asks the server whether the switch happened after all: its answer may have been lost.
func (r *restoreRun) afterFailedSwitch(ctx context.Context, engine backup.Engine, t backup.Target, a backup.Attempt, cause error) (*backup.Switched, *backup.Report, error) {
	tidy, cancel := detached(ctx)
	defer cancel()
	switched, err := engine.Recover(tidy, t, a)
	switch {
	case err != nil:
		return nil, nil, r.unresolved(fmt.Errorf("switch: %w; and asking whether it happened: %w", cause, err))
	case switched != nil:
		return switched, &r.report, nil
	}
	return nil, nil, fmt.Errorf("switch: %w", cause)
}

// unresolved leaves the job open for as long as attempts are left. A dry run switches nothing, so there is nothing to ask.
func (r *restoreRun) unresolved(cause error) error {
	switch {
	case r.restore.DryRun:
		return cause
	case r.restore.Attempt < backup.MaxAttempts:
		return fmt.Errorf("%w: %w", errUnresolved, cause)
	}
	return &backup.Error{Code: backup.CodeUnreachable, Cause: cause, Log: backup.FailureOf(cause).Reason,
		Text: "The worker lost the database's server during the restore and could not reach it again, so it is not known whether the databases were switched.",
		Hint: fmt.Sprintf("Look at the server's databases: where there is one named br_%s_kept, the restore has taken place and that is the one it replaced; where there is none, live is as it was.", r.restore.ID)}
}

// fill loads, verifies and compares.
func (r *restoreRun) fill(ctx context.Context, staged backup.Staged, b backup.Backup) error {
	progress := func(s backup.Stage) func(backup.Progress) {
		return func(p backup.Progress) {
			p.Stage = s
			p.TablesTotal = len(b.Tables)
			if s == backup.StageLoad { // the other stages count rows, not text
				p.BytesTotal = b.SQLBytes
			}
			r.post.Report(p)
		}
	}
	if err := r.stage(backup.StageLoad, func() error { return r.load(ctx, staged, *b.File, progress(backup.StageLoad)) }); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	err := r.stage(backup.StageVerify, func() error {
		return staged.Verify(ctx, backup.Want{Tables: b.Tables, Exact: true}, progress(backup.StageVerify))
	})
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	err = r.stage(backup.StageCompare, func() error {
		c, err := staged.Compare(ctx, progress(backup.StageCompare))
		r.report.Tables, r.report.Objects, r.report.LiveBytes, r.report.CopyBytes = c.Tables, c.Objects, c.LiveBytes, c.CopyBytes
		return err
	})
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return nil
}

// stage runs one stage, says so, and notes how long it took.
func (r *restoreRun) stage(s backup.Stage, do func() error) error {
	r.post.Report(backup.Progress{Stage: s})
	began := time.Now()
	defer func() {
		r.report.Stages[s] = backup.Timing{Started: began.UTC(), Seconds: time.Since(began).Seconds()}
	}()
	return do()
}

// load streams the file into the copy, and refuses it afterwards if its bytes were not the recorded ones: until then
// nothing but the copy has seen them.
func (r *restoreRun) load(ctx context.Context, staged backup.Staged, file backup.Stored, report func(backup.Progress)) error {
	object, err := r.Files.Open(ctx, file.Key, file.VersionID)
	if errors.Is(err, backup.ErrNotFound) {
		return &backup.Error{Code: backup.CodeSourceGone, Cause: err, Text: "The backup's file is not in the bucket any more.",
			Hint: "Nothing was changed. Choose another backup."}
	}
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }()
	hashed := &hashing{r: object, sum: sha256.New()}
	sql, err := gzip.NewReader(hashed)
	if err != nil {
		return unreadable(err)
	}
	text := &source{r: sql}
	loaded, err := staged.Load(ctx, text, report)
	if text.err != nil { // the loader failed because it was given no more
		return unreadable(text.err)
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, hashed); err != nil {
		return unreadable(err)
	}
	if sum := hex.EncodeToString(hashed.sum.Sum(nil)); sum != file.SHA256 || hashed.n != file.Size {
		return damaged(fmt.Errorf("read %d bytes with SHA-256 %s, recorded are %d with %s", hashed.n, sum, file.Size, file.SHA256))
	}
	r.report.Statements, r.report.Skipped, r.report.Rows = loaded.Statements, loaded.Skipped, backup.TotalRows(loaded.Tables)
	return nil
}

// unreadable is why a file could not be read: what storage says of it, else damage.
func unreadable(cause error) error {
	var told *backup.Error
	if errors.As(cause, &told) {
		return cause
	}
	return damaged(cause)
}

func damaged(cause error) error {
	return &backup.Error{Code: backup.CodeFileChanged, Cause: cause, Text: "The backup's file could not be read as it was written.",
		Hint: "Nothing was changed. Try again; if it fails again, the file is damaged: choose another backup."}
}

// hashing sums up what passes.
type hashing struct {
	r   io.Reader
	sum hash.Hash
	n   int64
}

func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.sum.Write(p[:n])
	h.n += int64(n)
	return n, err
}

// source remembers the error of a reader, other than its end, which is the cause of whatever its user makes of it.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
