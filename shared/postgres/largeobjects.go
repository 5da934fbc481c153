package postgres

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// objectDump is a pg_dump that writes the large objects of the snapshot, and nothing else.
type objectDump struct {
	t   backup.Target
	run *process
	in  *bufio.Reader
}

// startObjects starts it, and returns when it has locked what it locks: from then on nobody can be in its way.
func (e *Engine) startObjects(ctx context.Context, t backup.Target, a backup.Attempt, program tool, snapshot string, c charset) (*objectDump, error) {
	// The pattern takes the rows of all tables away, and the values of all sequences.
	run, err := start(ctx, program.path, append(dumpArguments(c, snapshot), "--section=data", "--exclude-table-data=*.*"), e.dumpEnvironment(t, a))
	if err != nil {
		return nil, toolless(err)
	}
	o := &objectDump{t: t, run: run, in: bufio.NewReaderSize(run.out, 64<<10)}
	if _, err := beforeSettings(o.in); err != nil {
		return nil, o.failed(ctx, err)
	}
	return o, nil
}

// pass writes the text into members of the file.
func (o *objectDump) pass(ctx context.Context, file *dumpfile.Writer, note func(bytes int64)) error {
	m := &members{file: file, note: note}
	defer m.discard()
	if err := untilMark(o.in, m); err != nil {
		return o.failed(ctx, err)
	}
	if exit := o.run.wait(); exit != nil {
		return dumpFailure(ctx, o.t, o.run.errors.String(), exit)
	}
	return m.close()
}

// failed ends pg_dump after an error of its text. Its exit may know more about the cause.
func (o *objectDump) failed(ctx context.Context, err error) error {
	var told *backup.Error
	if !errors.As(err, &told) {
		o.run.abandon()
		return err
	}
	_, _ = io.Copy(io.Discard, o.run.out)
	if exit := o.run.wait(); exit != nil {
		return dumpFailure(ctx, o.t, o.run.errors.String(), exit)
	}
	return err
}

// members writes a long text into members of memberBytes, one after the other, each of whole lines.
type members struct {
	file *dumpfile.Writer
	note func(bytes int64)
	now  *dumpfile.MemberWriter
}

func (m *members) Write(p []byte) (int, error) {
	m.note(int64(len(p)))
	written := 0
	for len(p) > 0 {
		if m.now == nil {
			m.now = m.file.Member(dumpfile.LargeObjects, -1)
		}
		some, full := p, m.now.Bytes() >= memberBytes
		if full {
			some = p[:bytes.IndexByte(p, '\n')+1] // to the end of the line
			full = len(some) > 0
		}
		if !full {
			some = p
		}
		n, err := m.now.Write(some)
		written += n
		if err == nil && full {
			err = m.close()
		}
		if err != nil {
			return written, fmt.Errorf("pass on the dump: %w", err)
		}
		p = p[len(some):]
	}
	return written, nil
}

func (m *members) close() error {
	if m.now == nil {
		return nil
	}
	err := m.now.Close()
	m.now = nil
	return err
}

func (m *members) discard() {
	if m.now != nil {
		m.now.Discard()
	}
}
