package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/inspection"
)

// InspectExecutor inspects uploads: it reads a file from its beginning to its end, and accepts or rejects it.
type InspectExecutor struct {
	Workbench
	// Inspect is inspection.Inspect.
	Inspect func(ctx context.Context, r io.Reader, engine backup.EngineKind, l inspection.Limits, report func(backup.Progress)) (inspection.Result, error)
}

var _ Executor = (*InspectExecutor)(nil)

// Execute runs one inspection.
func (x *InspectExecutor) Execute(ctx context.Context, o backup.OpenJob, p *Post) error {
	l := uploadLedger(x.Uploads, x.Open, x.Activity, x.Log)
	u, ended, err := l.begin(ctx, o, p.Worker)
	if err != nil || ended {
		return err
	}
	p.Begun(u.Attempt)
	found, err := x.run(ctx, u, p)
	if found.SHA256 != "" {
		l.note(time.Now(), fmt.Sprintf("Read the file to its end: %d bytes of SQL text in %d lines.", found.Inspection.SQLBytes, found.Inspection.Lines))
	}
	var verdict *rejection
	switch {
	case err == nil:
		return l.end(ctx, o, func(u2 *backup.Upload) error {
			return u2.Accept(u.Attempt, found.Inspection, found.SHA256, time.Now().UTC())
		})
	case errors.As(err, &verdict):
		x.Log.InfoContext(ctx, "upload rejected", "upload", u.ID, "attempt", u.Attempt, "why", err)
		return l.end(ctx, o, func(u2 *backup.Upload) error {
			return u2.Reject(u.Attempt, &found.Inspection, backup.FailureOf(verdict.why), time.Now().UTC())
		})
	case tryAgain(err) && u.Attempt < backup.MaxAttempts && ctx.Err() == nil:
		// To send a large file again costs its sender more than another look costs us.
		return fmt.Errorf("inspect upload %s: %w", u.ID, err)
	}
	return l.fail(ctx, o, u.Attempt, err)
}

// rejection is what an inspection found against a file, which was read well.
type rejection struct{ why *backup.Error }

func (r *rejection) Error() string { return r.why.Error() }

// tryAgain reports whether an inspection ended for want of storage that answers.
func tryAgain(err error) bool {
	var told *backup.Error
	return errors.As(err, &told) && told.Code == backup.CodeStorage
}

// run returns what was found: with a rejection as its error where that speaks against the file.
func (x *InspectExecutor) run(ctx context.Context, u backup.Upload, p *Post) (found inspection.Result, err error) {
	if u.Attempt > backup.MaxAttempts {
		return found, lost()
	}
	database, err := x.Databases.Get(ctx, u.Database)
	if errors.Is(err, backup.ErrNotFound) {
		return found, unregistered(u.Database, err)
	}
	if err != nil {
		return found, err
	}
	object, err := x.Files.Open(ctx, u.File.Key, u.File.VersionID)
	if errors.Is(err, backup.ErrNotFound) {
		return found, uploadWords.isGone(err)
	}
	if err != nil {
		return found, err
	}
	defer func() { _ = object.Close() }()
	read := &counting{r: object}
	file := &remembering{r: read}
	found, err = x.Inspect(ctx, file, database.Engine, inspection.Limits{}, func(b backup.Progress) {
		b.Stage = backup.StageInspect
		if n := read.n.Load(); n > 0 { // as if the rest were as dense as what was read
			b.BytesTotal = int64(float64(b.Bytes) * float64(u.File.Size) / float64(n))
		}
		p.Report(b)
	})
	if file.err != nil { // whatever was made of it, it was no judgement on the file
		return found, uploadWords.unreadable(file.err)
	}
	if ctx.Err() != nil {
		return found, fmt.Errorf("inspect: %w", context.Cause(ctx))
	}
	return found, judged(u, found, err)
}

// judged adds to the inspection's own judgement whether the file is the one that was announced. That comes first: of a file that was
// damaged on its way nothing else is worth knowing.
func judged(u backup.Upload, found inspection.Result, err error) error {
	var told *backup.Error
	switch {
	case u.SHA256 != "" && found.SHA256 != "" && found.SHA256 != u.SHA256:
		return &rejection{&backup.Error{Code: backup.CodeFileChanged,
			Text: "The file that arrived is not the one that was announced: its SHA-256 is another.",
			Hint: "It was damaged on its way, or another file was sent. Upload it again.",
			Log:  fmt.Sprintf("announced %s, arrived %s", u.SHA256, found.SHA256)}}
	case errors.As(err, &told):
		return &rejection{told}
	case err != nil:
		return fmt.Errorf("inspect: %w", err)
	case found.SHA256 == "" || found.Inspection.HazardCount > 0 || found.Inspection.Completeness == backup.Cut:
		return errors.New("inspect: the inspection neither passes the file nor says why not")
	}
	return nil
}
