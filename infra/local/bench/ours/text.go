package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// fileText is the text of a dump file on this machine: by its members where it has an index.
type fileText struct {
	file  *os.File
	index *dumpfile.Index // nil where the file has none
}

var _ backup.Text = (*fileText)(nil)

func openText(name string) (*fileText, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t := &fileText{file: f}
	info, err := f.Stat()
	if err == nil {
		t.index, err = dumpfile.ReadIndex(t.section, info.Size())
	}
	if err != nil && !errors.Is(err, dumpfile.ErrNoIndex) {
		return nil, errors.Join(fmt.Errorf("read the index of %s: %w", name, err), f.Close())
	}
	return t, nil
}

func (t *fileText) close() { _ = t.file.Close() }

// section is a dumpfile.Ranger.
func (t *fileText) section(offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(t.file, offset, length)), nil
}

// All implements backup.Text.
func (t *fileText) All(context.Context) (io.ReadCloser, error) {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return gzip.NewReader(t.file)
}

// Pieces implements backup.Text.
func (t *fileText) Pieces() []backup.Piece {
	if t.index == nil {
		return nil
	}
	pieces := make([]backup.Piece, 0, len(t.index.Members))
	for _, m := range t.index.Members {
		p := backup.Piece{Line: m.Line, Bytes: m.Bytes}
		if m.Table >= 0 {
			table := t.index.Tables[m.Table]
			p.Table = backup.TableRows{Schema: table.Schema, Table: table.Name, Rows: m.Rows, Bytes: m.Bytes}
		}
		pieces = append(pieces, p)
	}
	return pieces
}

// Piece implements backup.Text.
func (t *fileText) Piece(_ context.Context, i int) (io.ReadCloser, error) {
	m := t.index.Members[i]
	return m.Open(io.NewSectionReader(t.file, m.Offset, m.Length)), nil
}
