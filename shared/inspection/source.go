package inspection

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// fileReader reads the file as it is stored: it counts and hashes.
type fileReader struct {
	ctx   context.Context
	r     io.Reader
	n     int64
	hash  hash.Hash
	ended bool
	err   error // why it could not be read
}

func newFileReader(ctx context.Context, r io.Reader) *fileReader {
	return &fileReader{ctx: ctx, r: r, hash: sha256.New()}
}

func (f *fileReader) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		f.err = err
		return 0, err
	}
	n, err := f.r.Read(p)
	f.n += int64(n)
	_, _ = f.hash.Write(p[:n])
	switch {
	case err == io.EOF:
		f.ended = true
	case err != nil:
		f.err = err
	}
	return n, err
}

// sum is the file's SHA-256, "" where it was not read to its end.
func (f *fileReader) sum() string {
	if !f.ended {
		return ""
	}
	return hex.EncodeToString(f.hash.Sum(nil))
}

// textReader gives the text of the file. It looks at its beginning, and keeps to the limits.
type textReader struct {
	file       *fileReader
	limits     Limits
	r          io.Reader
	compressed bool
	peek       []byte // the beginning of the text
	rest       []byte // of peek: not read yet
	peekErr    error
	n, lines   int64
	last       byte // of what was read
	progress   func()
}

const (
	readSize  = 64 << 10
	peekSize  = 64 << 10
	ratioFrom = 64 << 20
)

// open finds out what the file is. Its error is a *backup.Error where it is no text.
func (t *textReader) open() error {
	in := bufio.NewReaderSize(t.file, readSize)
	magic, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	t.r = in
	if bytes.HasPrefix(magic, gzipMagic) {
		t.compressed = true
		unzip, err := gzip.NewReader(in)
		if err != nil {
			return t.stream(err)
		}
		t.r = unzip
	} else if what := kindOf(magic); what != nil {
		return what.error()
	}
	peek := make([]byte, peekSize)
	n, err := io.ReadFull(t.r, peek)
	if errors.Is(err, io.ErrUnexpectedEOF) && !t.compressed {
		err = io.EOF
	}
	t.peek, t.peekErr = peek[:n], t.ending(err)
	t.rest = t.peek
	if t.compressed {
		if bytes.HasPrefix(t.peek, gzipMagic) {
			return (&format{"is compressed twice", "Decompress it once (gunzip), then upload it again."}).error()
		}
		if what := kindOf(t.peek[:min(n, 512)]); what != nil {
			return what.error()
		}
	}
	return notSQL(t.peek)
}

// ending is the reason for the end of the peek: nil where more may come.
func (t *textReader) ending(err error) error {
	if err == nil || !t.compressed {
		return err
	}
	// io.ReadFull makes of a good end within the peek what a cut stream is, too: reading on tells.
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		var one [1]byte
		if _, err = t.r.Read(one[:]); err == nil {
			err = io.ErrNoProgress
		}
	}
	return err
}

// Read gives the text, and the reason for its end.
func (t *textReader) Read(p []byte) (n int, err error) {
	switch {
	case len(t.rest) > 0:
		n = copy(p, t.rest)
		t.rest = t.rest[n:]
	case t.peekErr != nil:
		err = t.peekErr
	default:
		n, err = t.r.Read(p)
	}
	if n > 0 {
		t.n += int64(n)
		t.lines += countLines(p[:n])
		t.last = p[n-1]
	}
	if err != nil {
		return n, t.stream(err)
	}
	if t.n > t.limits.SQLBytes {
		return n, &backup.Error{Code: backup.CodeFileLimit, Text: fmt.Sprintf("The file holds more than %d bytes of SQL.", t.limits.SQLBytes),
			Hint: "No worker could restore it. Leave out tables that are not needed."}
	}
	if t.compressed && t.n >= ratioFrom && t.n/max(t.file.n, 1) >= t.limits.Ratio {
		return n, &backup.Error{Code: backup.CodeFileLimit, Text: fmt.Sprintf("The file unpacks to more than %d times its size, as no dump does.", t.limits.Ratio),
			Hint: "If it is a dump nevertheless, decompress it and upload the plain file."}
	}
	if t.progress != nil {
		t.progress()
	}
	return n, nil
}

// lineCount is the number of lines; the last may lack its end.
func (t *textReader) lineCount() int64 {
	if t.n > 0 && t.last != '\n' {
		return t.lines + 1
	}
	return t.lines
}

// stream is the error for a compression that does not hold.
func (t *textReader) stream(err error) error {
	if !t.compressed || err == io.EOF || t.file.err != nil { //nolint:errorlint // the end comes unwrapped
		return err
	}
	e := &streamError{cause: err, inside: "its compression, which is damaged"}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.inside, e.cut = "its compression: the gzip stream is cut", true
	case errors.Is(err, gzip.ErrHeader) && t.n+int64(len(t.rest)) > 0:
		e.inside, e.garbage = "its compression: behind the gzip stream stands something else", true
	}
	return e
}

// streamError says that the compression ends or breaks.
type streamError struct {
	cause        error
	inside       string
	cut, garbage bool
}

func (e *streamError) Error() string { return e.inside + ": " + e.cause.Error() }

// Unwrap lets it count as a rejection.
func (e *streamError) Unwrap() []error { return []error{e.error(0), e.cause} }

func (e *streamError) error(line int64) *backup.Error {
	out := &backup.Error{Code: backup.CodeFileCut, Cause: e.cause, Log: e.cause.Error(), Hint: "Check the original by gzip -t, then upload it again."}
	switch {
	case e.cut:
		out.Text = fmt.Sprintf("The compressed file is not complete: its gzip stream is cut, at line %d of the text.", line)
	case e.garbage:
		out.Text = fmt.Sprintf("Behind the compressed data, which ends at line %d of the text, stands something that is not gzip: the file is damaged or was put together wrongly.", line)
	default:
		out.Text = fmt.Sprintf("The compressed file is damaged: its gzip stream breaks at line %d of the text.", line)
	}
	return out
}
