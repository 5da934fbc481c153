package jobs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// text is the text of a stored file, in pieces where the file has an index. It remembers why it could not be read.
type text struct {
	files backup.Files
	src   source
	index *dumpfile.Index // nil where the file has none
	order []int           // the members as they are loaded

	mu  sync.Mutex
	err error
}

var _ backup.Text = (*text)(nil)

// openText reads the index of a file that should have one, or that may have one.
func openText(ctx context.Context, files backup.Files, src source) (*text, error) {
	t := &text{files: files, src: src}
	if !src.indexed && !src.foreign {
		return t, nil
	}
	// Reading by parts, nobody sees all bytes in their order: that they are the recorded ones, S3 knows by its checksum of the whole.
	file, err := files.Stat(ctx, src.file.Key, src.file.VersionID)
	switch {
	case errors.Is(err, backup.ErrNotFound):
		return nil, src.what.isGone(err)
	case err != nil:
		return nil, src.what.unreadable(err)
	case file.Size != src.file.Size || src.indexed && file.CRC64NVME != src.file.CRC64NVME:
		return nil, src.what.unreadable(fmt.Errorf("S3 holds %d bytes with CRC64NVME %s, recorded are %d with %s", file.Size, file.CRC64NVME, src.file.Size, src.file.CRC64NVME))
	}
	index, err := dumpfile.ReadIndex(func(offset, length int64) (io.ReadCloser, error) {
		return files.OpenRange(ctx, src.file.Key, src.file.VersionID, offset, length)
	}, src.file.Size)
	switch {
	case err == nil:
		t.index, t.order = index, inOrder(index)
	case errors.Is(err, dumpfile.ErrNoIndex) && src.foreign:
	case errors.Is(err, backup.ErrNotFound):
		return nil, src.what.isGone(err)
	default:
		return nil, src.what.unreadable(err)
	}
	return t, nil
}

// inOrder are the numbers of a file's members in the order in which they are loaded: that of the file, but for large objects, which may be
// anywhere among the rows. In front of them they leave all rows to be loaded beside each other.
func inOrder(index *dumpfile.Index) []int {
	order := make([]int, len(index.Members))
	for i := range order {
		order[i] = i
	}
	place := func(i int) int {
		switch index.Members[i].Kind {
		case dumpfile.Schema:
			return 0
		case dumpfile.LargeObjects:
			return 1
		case dumpfile.Data:
			return 2
		}
		return 3
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(place(a), place(b)) })
	return order
}

// failed remembers why the text could not be read.
func (t *text) failed(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
	return err
}

// failure is what failed was told first.
func (t *text) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// All implements backup.Text.
func (t *text) All(ctx context.Context) (io.ReadCloser, error) {
	object, err := t.files.Open(ctx, t.src.file.Key, t.src.file.VersionID)
	if errors.Is(err, backup.ErrNotFound) {
		err = t.src.what.isGone(err)
	}
	if err != nil {
		return nil, t.failed(err)
	}
	w := &wholeText{text: t, object: object, hashed: &hashing{r: object, sum: sha256.New()}}
	if w.sql, err = unpacked(w.hashed); err != nil {
		return nil, errors.Join(t.failed(t.src.what.unreadable(err)), object.Close())
	}
	return w, nil
}

// Pieces implements backup.Text.
func (t *text) Pieces() []backup.Piece {
	if t.index == nil {
		return nil
	}
	pieces := make([]backup.Piece, 0, len(t.index.Members))
	for _, i := range t.order {
		m := t.index.Members[i]
		p := backup.Piece{Line: m.Line, Bytes: m.Bytes}
		if m.Table >= 0 {
			table := t.index.Tables[m.Table]
			p.Table = backup.TableRows{Schema: table.Schema, Table: table.Name, Rows: m.Rows, Bytes: m.Bytes}
		}
		pieces = append(pieces, p)
	}
	return pieces
}

// Piece implements backup.Text. S3 keeps the version as it was written and hashed; the index has a checksum of each piece, and S3 one of all.
func (t *text) Piece(ctx context.Context, i int) (io.ReadCloser, error) {
	m := t.index.Members[t.order[i]]
	part, err := t.files.OpenRange(ctx, t.src.file.Key, t.src.file.VersionID, m.Offset, m.Length)
	if err != nil && ctx.Err() != nil {
		return nil, err // the loader wants no more, for a reason of its own
	}
	if errors.Is(err, backup.ErrNotFound) {
		err = t.src.what.isGone(err)
	}
	if err != nil {
		return nil, t.failed(err)
	}
	return &pieceText{ctx: ctx, text: t, ReadCloser: m.Open(part), part: part}, nil
}

// pieceText is the text of one piece.
type pieceText struct {
	io.ReadCloser
	ctx  context.Context // Piece's: an io.Reader has no other way to get it
	text *text
	part io.Closer
}

func (p *pieceText) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) && p.ctx.Err() == nil {
		err = p.text.failed(p.text.src.what.unreadable(err))
	}
	return n, err
}

func (p *pieceText) Close() error { return errors.Join(p.ReadCloser.Close(), p.part.Close()) }

// wholeText is the text from its beginning to its end, which is only its end where the whole file was the recorded one.
type wholeText struct {
	text   *text
	object io.ReadCloser
	hashed *hashing
	sql    io.Reader
	err    error
}

// Read implements io.Reader.
func (w *wholeText) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.sql.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		w.err = w.check()
	case err != nil:
		w.err = w.text.src.what.unreadable(err)
	}
	if w.err != nil {
		return n, w.text.failed(w.err)
	}
	return n, err
}

// check reads what comes behind the text and compares the file with what is recorded of it.
func (w *wholeText) check() error {
	if _, err := io.Copy(io.Discard, w.hashed); err != nil {
		return w.text.src.what.unreadable(err)
	}
	sum := hex.EncodeToString(w.hashed.sum.Sum(nil))
	if file := w.text.src.file; sum != file.SHA256 || w.hashed.n != file.Size {
		return w.text.src.what.unreadable(fmt.Errorf("read %d bytes with SHA-256 %s, recorded are %d with %s", w.hashed.n, sum, file.Size, file.SHA256))
	}
	return nil
}

// Close implements io.Closer.
func (w *wholeText) Close() error { return w.object.Close() }
