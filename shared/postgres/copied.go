package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// memberBytes is how much text a member of the file has at most, but for a row that is longer: so much has to be read and unpacked for
// what is wanted of it.
const memberBytes = 16 << 20

// read reads one piece into members of the file, and counts its rows.
func (d *dumping) read(ctx context.Context, s *reader, p piece) error {
	c := &copied{d: d, p: p}
	defer c.discard()
	rows, err := s.copy(p.statement(), c.take)
	var broken *outputError
	switch {
	case errors.As(err, &broken):
		return fmt.Errorf("pass on the dump: %w", broken.err)
	case sqlState(err) == lockNotAvailable:
		return err
	case err != nil:
		return dumpError(ctx, d.t, fmt.Errorf("read %s: %w", p.table.Quoted, err))
	}
	if err := c.end(); err != nil {
		return fmt.Errorf("pass on the dump: %w", err)
	}
	d.done(p.number)
	if rows != c.rows {
		return &backup.Error{Code: backup.CodeDumpCut,
			Text: fmt.Sprintf("The server says that it sent %d rows of the table %s, and %d arrived.", rows, p.table.Quoted, c.rows),
			Hint: "Nothing was kept. Create a new backup; if it happens again, check what is between the worker and the server."}
	}
	return nil
}

// copied is what a COPY has sent of a piece: it becomes members of the file, each of whole rows.
type copied struct {
	d    *dumping
	p    piece
	m    *dumpfile.MemberWriter
	rows int64 // of the piece
	here int64 // bytes of rows in the member
	in   int64 // rows in the member
}

// outputError is an error of what is below the file.
type outputError struct{ err error }

func (e *outputError) Error() string { return e.err.Error() }

func (e *outputError) Unwrap() error { return e.err }

func (c *copied) take(rows []byte) error {
	if err := c.begin(); err != nil {
		return err
	}
	if _, err := c.m.Write(rows); err != nil {
		return &outputError{err}
	}
	// In COPY's text format a new line in a value is written as \n, so each line is a row.
	n := int64(bytes.Count(rows, newline))
	c.in, c.here, c.rows = c.in+n, c.here+int64(len(rows)), c.rows+n
	c.d.progress.note(func(p *backup.Progress) {
		p.Table, p.Bytes, p.Rows = c.p.table.Schema+"."+c.p.table.Name, p.Bytes+int64(len(rows)), p.Rows+n
	})
	if whole := rows[len(rows)-1] == '\n'; whole && c.here >= memberBytes {
		return c.end()
	}
	return nil
}

var newline = []byte("\n")

// begin begins a member where there is none.
func (c *copied) begin() error {
	if c.m != nil {
		return nil
	}
	c.m = c.d.file.Member(dumpfile.Data, c.p.number)
	if _, err := io.WriteString(c.m, c.p.table.head()); err != nil {
		return &outputError{err}
	}
	return nil
}

// end ends the member. A piece without rows has one, too: it says that there are none.
func (c *copied) end() error {
	if c.m == nil && c.rows > 0 {
		return nil // the last one was full
	}
	if c.m == nil && c.p.ranged && c.p.from > 0 {
		return nil // the first range says it
	}
	if err := c.begin(); err != nil {
		return err
	}
	if _, err := io.WriteString(c.m, behindRows); err != nil {
		return &outputError{err}
	}
	c.m.Rows(c.in, c.here)
	m := c.m
	c.m = nil
	if err := m.Close(); err != nil {
		m.Discard()
		return &outputError{err}
	}
	c.in, c.here = 0, 0
	return nil
}

func (c *copied) discard() {
	if c.m != nil {
		c.m.Discard()
	}
}
