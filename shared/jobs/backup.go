package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// BackupExecutor runs backups: a dump file, streamed to S3.
type BackupExecutor struct{ Workbench }

var _ Executor = (*BackupExecutor)(nil)

// Execute runs one backup.
func (x *BackupExecutor) Execute(ctx context.Context, o backup.OpenJob, p *Post) error {
	l := backupLedger(x.Backups, x.Open, x.Activity, x.Log)
	b, ended, err := l.begin(ctx, o, p.Worker)
	if err != nil || ended {
		return err
	}
	p.Begun(b.Attempt)
	run := &backupRun{Workbench: &x.Workbench, backup: b, post: p, note: l.note}
	dumped, file, err := run.run(ctx)
	if err != nil {
		return l.fail(ctx, o, b.Attempt, err)
	}
	return l.end(ctx, o, func(b2 *backup.Backup) error { return b2.Complete(b.Attempt, dumped, file, time.Now().UTC()) })
}

// backupRun is one attempt at one backup.
type backupRun struct {
	*Workbench
	backup backup.Backup // as it was begun
	post   *Post
	note   func(at time.Time, text string) // for the job's log
}

func (r *backupRun) id() backup.Attempt {
	return backup.Attempt{Job: r.backup.ID, Number: r.backup.Attempt}
}

func (r *backupRun) run(ctx context.Context) (d backup.Dumped, s backup.Stored, err error) {
	b := r.backup
	target, engine, err := reach(ctx, r.Databases, r.Engines, b.Database)
	if err != nil {
		return d, s, err
	}
	if b.Attempt > 1 {
		// Whoever tried before is gone, and what it left is in the way or costs money.
		if err := r.Files.AbortUploads(ctx, filePrefix(b.Database, b.ID)); err != nil {
			return d, s, fmt.Errorf("abort the uploads of earlier attempts: %w", err)
		}
		if _, err := engine.Recover(ctx, target, r.id()); err != nil {
			return d, s, fmt.Errorf("recover from earlier attempts: %w", err)
		}
		r.note(time.Now(), "Cleared what earlier attempts had left.")
	}
	if b.Attempt > backup.MaxAttempts {
		return d, s, lost()
	}
	return r.stream(ctx, engine, target)
}

// stream dumps into the file, and commits it only when the dump is known to be whole.
func (r *backupRun) stream(ctx context.Context, engine backup.Engine, t backup.Target) (d backup.Dumped, s backup.Stored, err error) {
	key := FileKey(r.backup)
	w, err := r.Files.Create(ctx, key)
	if err != nil {
		return d, s, err
	}
	defer func() {
		if err != nil {
			tidy, cancel := detached(ctx)
			defer cancel()
			err = errors.Join(err, w.Abort(tidy))
		}
	}()
	sink := &sink{w: w}
	if d, err = r.dump(ctx, engine, t, sink); err != nil {
		if sink.err != nil { // the dump ended because its output could not be stored, and says only that
			err = sink.err
		}
		return d, s, fmt.Errorf("dump %s: %w", t.Name, err)
	}
	// A worker that lost its lease must not leave a file that another one writes too.
	if err = r.post.Confirm(ctx); err != nil {
		return d, s, fmt.Errorf("confirm the lease: %w", err)
	}
	if s, err = w.Commit(ctx); err != nil {
		return d, s, fmt.Errorf("commit %s: %w", key, err)
	}
	r.note(time.Now(), fmt.Sprintf("Stored the file: %d bytes, compressed.", s.Size))
	r.note(time.Now(), fmt.Sprintf("S3 confirmed it as version %s, with the CRC-64/NVME %s.", s.VersionID, s.CRC64NVME))
	return d, s, nil
}

// dump has the engine dump, and notes what came of it.
func (r *backupRun) dump(ctx context.Context, engine backup.Engine, t backup.Target, w io.Writer) (backup.Dumped, error) {
	var selection backup.Selection
	if r.backup.Selection != nil {
		selection = *r.backup.Selection
	}
	d, err := engine.Dump(ctx, t, r.id(), selection, w, r.post.Report)
	if !d.ConnectedAt.IsZero() {
		r.note(d.ConnectedAt, fmt.Sprintf("Connected to the database server, of version %s.", d.ServerVersion))
	}
	if err == nil {
		r.note(time.Now(), fmt.Sprintf("Read %d rows of %d tables: %d bytes of SQL text, by a dump program of version %s.",
			backup.TotalRows(d.Tables), len(d.Tables), d.SQLBytes, d.ToolVersion))
		r.note(time.Now(), fmt.Sprintf("%d connections read; the server kept the moment that they saw for %.1f s.", d.Connections, d.SnapshotHeld.Seconds()))
	}
	return d, err
}

// reach reads a database's secret and finds its engine.
func reach(ctx context.Context, databases backup.Databases, engines map[backup.EngineKind]backup.Engine, name string) (backup.Target, backup.Engine, error) {
	target, err := databases.Target(ctx, name)
	if errors.Is(err, backup.ErrNotFound) {
		return target, nil, unregistered(name, err)
	}
	if err != nil {
		return target, nil, err
	}
	engine, ok := engines[target.Engine]
	if !ok {
		return target, nil, &backup.Error{Code: backup.CodeUnsupported,
			Text: fmt.Sprintf("Databases of the engine %s are not supported by this version.", target.Engine),
			Hint: "Register a PostgreSQL database."}
	}
	return target, engine, nil
}

func unregistered(name string, cause error) error {
	return &backup.Error{Code: backup.CodeBadSecret, Cause: cause,
		Text: fmt.Sprintf("The database %s is not registered any more.", name),
		Hint: "Tag its secret with backup-restore:database, then try again."}
}

// sink remembers the first error of a writer, which is the cause of whatever its user makes of it.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil && s.err == nil {
		s.err = err
	}
	return n, err
}
