package jobs

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// source is what is restored: a file, and what is known of it.
type source struct {
	file backup.Stored
	need backup.Need
	want backup.Want
	what words
	// indexed says that the file has an index, and foreign that it may have one.
	indexed, foreign bool
}

// words are how operators know a source.
type words struct{ gone, changed, damaged, hint string }

var (
	backupWords = words{
		gone:    "The backup to restore was deleted.",
		changed: "The backup's file is not the one that this restore was asked for.",
		damaged: "The backup's file could not be read as it was written.",
		hint:    "choose another backup",
	}
	uploadWords = words{
		gone:    "The uploaded file is not kept any more.",
		changed: "The uploaded file is not the one that this restore was asked for.",
		damaged: "The uploaded file could not be read as it was sent.",
		hint:    "upload it again",
	}
)

// source is what to restore, as it was when the restore was asked for.
func (r *restoreRun) source(ctx context.Context) (source, error) {
	if r.restore.Upload != "" {
		return r.upload(ctx)
	}
	b, err := r.Backups.Get(ctx, r.restore.Database, r.restore.Backup)
	switch {
	case errors.Is(err, backup.ErrNotFound), err == nil && b.Usable() != nil:
		return source{}, backupWords.isGone(err)
	case err != nil:
		return source{}, fmt.Errorf("read backup %s: %w", r.restore.Backup, err)
	case *b.File != r.restore.Source:
		return source{}, backupWords.hasChanged()
	}
	if r.restore.Rescue != nil {
		return source{file: r.restore.Source, what: backupWords, indexed: true}, b.CanRescue()
	}
	if err := b.CanRestore(backup.RestoreOptions{DryRun: r.restore.DryRun, AcceptPartial: r.restore.AcceptPartial}); err != nil {
		return source{}, err
	}
	if b.Partial() {
		r.warnings = append(r.warnings, fmt.Sprintf("The backup is partial, with %s: all other tables of the copy are empty.", b.Selection))
	}
	return source{
		file: r.restore.Source, what: backupWords, indexed: b.Indexed, want: backup.Want{Tables: b.Tables, Exact: true},
		need: backup.Need{SQLBytes: b.SQLBytes, Tables: b.Tables, ServerVersion: b.ServerVersion},
	}, nil
}

// upload is an uploaded file, accepted by an inspection of the same bytes.
func (r *restoreRun) upload(ctx context.Context) (source, error) {
	u, err := r.Uploads.Get(ctx, r.restore.Database, r.restore.Upload)
	switch {
	case errors.Is(err, backup.ErrNotFound):
		return source{}, uploadWords.isGone(err)
	case err != nil:
		return source{}, fmt.Errorf("read upload %s: %w", r.restore.Upload, err)
	}
	if err := u.CanRestore(backup.RestoreOptions{DryRun: r.restore.DryRun, AcceptUnproven: r.restore.AcceptUnproven}, r.job.RequestedAt); err != nil {
		return source{}, err
	}
	if *u.File != r.restore.Source {
		return source{}, uploadWords.hasChanged()
	}
	i := u.Inspection
	r.report.Unproven, r.report.FileDatabase = u.Unproven(), i.Database
	return source{
		file: r.restore.Source, what: uploadWords, foreign: i.Compressed, want: backup.Want{Tables: i.Tables, Exact: i.RowsInexact == 0},
		need: backup.Need{Inspection: i, SQLBytes: i.SQLBytes, Tables: i.Tables, ServerVersion: i.ServerVersion},
	}, nil
}

func (w words) isGone(cause error) error {
	return &backup.Error{Code: backup.CodeSourceGone, Cause: cause, Text: w.gone, Hint: "Nothing was changed: " + w.hint + "."}
}

func (w words) hasChanged() error {
	return &backup.Error{Code: backup.CodeFileChanged, Text: w.changed, Hint: "Nothing was changed. Start the restore again."}
}

// unreadable is why a file could not be read: what storage says of it, else damage.
func (w words) unreadable(cause error) error {
	var told *backup.Error
	if errors.As(cause, &told) {
		return cause
	}
	return &backup.Error{Code: backup.CodeFileChanged, Cause: cause, Text: w.damaged,
		Hint: "Nothing was changed. Try again; if it fails again, the file is damaged: " + w.hint + "."}
}

// load streams the file into the copy, and refuses it afterwards if its bytes were not the recorded ones: until then
// nothing but the copy has seen them.
func (r *restoreRun) load(ctx context.Context, staged backup.Staged, src source, report func(backup.Progress)) error {
	t, err := openText(ctx, r.Files, src)
	if err != nil {
		return err
	}
	loaded, err := staged.Load(ctx, t, report)
	if why := t.failure(); err != nil && why != nil { // the loader failed because it was given no more
		return why
	}
	if err != nil {
		return err
	}
	r.report.Statements, r.report.Rows = loaded.Statements, backup.TotalRows(loaded.Tables)
	r.report.Skipped = skipped(loaded.Skipped, src.need.Inspection)
	return nil
}

var gzipMagic = []byte{0x1f, 0x8b}

// unpacked is the text of a file: what it is tells its content, never its name.
func unpacked(file io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(file, 64<<10)
	head, err := buffered.Peek(len(gzipMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.Equal(head, gzipMagic) {
		return buffered, nil
	}
	return gzip.NewReader(buffered)
}

// skipped are the statements that were not run, with the lines that the inspection found to be none to run.
func skipped(loader []backup.Skipped, inspected *backup.Inspection) []backup.Skipped {
	if inspected == nil {
		return loader
	}
	listed := make(map[int64]bool, len(loader))
	for _, s := range loader {
		listed[s.Line] = true
	}
	all := slices.Clone(loader)
	for _, s := range inspected.Ignored {
		if !listed[s.Line] {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b backup.Skipped) int { return cmp.Compare(a.Line, b.Line) })
	return all
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

// counting counts what passes. The count may be read while it does.
type counting struct {
	r io.Reader
	n atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// remembering keeps the error of a reader, other than its end, which is the cause of whatever its user makes of it.
type remembering struct {
	r   io.Reader
	err error
}

func (s *remembering) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
