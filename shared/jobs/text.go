package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// text is the text of a stored file. It remembers why it could not be read.
type text struct {
	files  backup.Files
	src    source
	object io.ReadCloser
	hashed *hashing
	sql    io.Reader
	err    error
}

var _ backup.Text = (*text)(nil)

// All implements backup.Text.
func (t *text) All(ctx context.Context) (io.ReadCloser, error) {
	var err error
	t.object, err = t.files.Open(ctx, t.src.file.Key, t.src.file.VersionID)
	if errors.Is(err, backup.ErrNotFound) {
		err = t.src.what.isGone(err)
	}
	if err != nil {
		t.err = err
		return nil, err
	}
	t.hashed = &hashing{r: t.object, sum: sha256.New()}
	if t.sql, err = unpacked(t.hashed); err != nil {
		t.err = t.src.what.unreadable(err)
		return nil, errors.Join(t.err, t.object.Close())
	}
	return t, nil
}

// Pieces implements backup.Text.
func (t *text) Pieces() []backup.Piece { return nil }

// Piece implements backup.Text.
func (t *text) Piece(_ context.Context, i int) (io.ReadCloser, error) {
	return nil, fmt.Errorf("read piece %d of %s: it has none", i, t.src.file.Key)
}

// Read implements io.Reader. The end of the text is only its end where the whole file was the recorded one.
func (t *text) Read(p []byte) (int, error) {
	n, err := t.sql.Read(p)
	switch {
	case t.err != nil:
		return n, t.err
	case errors.Is(err, io.EOF):
		t.err = t.check()
	case err != nil:
		t.err = t.src.what.unreadable(err)
	}
	if t.err != nil {
		return n, t.err
	}
	return n, err
}

// check reads what comes behind the text and compares the file with what is recorded of it.
func (t *text) check() error {
	if _, err := io.Copy(io.Discard, t.hashed); err != nil {
		return t.src.what.unreadable(err)
	}
	sum := hex.EncodeToString(t.hashed.sum.Sum(nil))
	if file := t.src.file; sum != file.SHA256 || t.hashed.n != file.Size {
		return t.src.what.unreadable(fmt.Errorf("read %d bytes with SHA-256 %s, recorded are %d with %s", t.hashed.n, sum, file.Size, file.SHA256))
	}
	return nil
}

// Close implements io.Closer.
func (t *text) Close() error { return t.object.Close() }
