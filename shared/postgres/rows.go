package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// delivery is what one COPY of the text has brought.
type delivery struct {
	rows   backup.TableRows // as the server has confirmed them
	text   int64            // rows of the text
	exact  bool             // both must be the same
	filled target
}

// copyTable sends one table's rows in their turn.
func (l *loading) copyTable(ctx context.Context, item sqltext.Item) error {
	schema, table, _, ok := sqltext.CopyTarget(item.Text)
	if !ok {
		return l.refused(item.Line, string(item.Text))
	}
	into, err := l.resolve(ctx, tableName{schema, table})
	if err != nil {
		return err
	}
	total := l.file.tables.total
	d, err := l.deliver(ctx, l.conn, l.scanner, item, string(item.Text), func(rows int64) {
		l.progress.note(func(p *backup.Progress) {
			p.Table, p.Bytes, p.Rows = backup.TableRows{Schema: schema, Table: table}.Name(), l.read.Load(), total+rows
		})
	})
	if err != nil {
		return err
	}
	d.filled = into
	l.arrived(d)
	l.progress.note(func(p *backup.Progress) {
		p.TablesDone, p.Rows, p.Table = len(l.file.tables.list), l.file.tables.total, ""
	})
	return nil
}

// deliver sends the rows behind a COPY to the server. Its count, and the file's, must be the same.
func (l *loading) deliver(ctx context.Context, c *session, scanner *sqltext.Scanner, item sqltext.Item, sql string, after func(rows int64)) (d delivery, err error) {
	text, line := string(item.Text), item.Line
	d.rows.Schema, d.rows.Table, _, _ = sqltext.CopyTarget(item.Text)
	d.exact = l.script == nil || item.PlainCopy()
	before := scanner.Offset()
	source := &copySource{r: scanner.CopyData(), after: func() { after(scanner.CopyRows()) }}
	tag, err := c.CopyFrom(ctx, source, sql)
	if broken := source.stop(); broken != nil {
		return d, l.unreadable(ctx, broken)
	}
	if err != nil {
		return d, loadFailure(ctx, err, line, text)
	}
	if _, err := io.Copy(io.Discard, scanner.CopyData()); err != nil {
		return d, l.unreadable(ctx, err)
	}
	d.text, d.rows.Rows, d.rows.Bytes = scanner.CopyRows(), tag.RowsAffected(), scanner.Offset()-before
	if d.exact && d.rows.Rows != d.text {
		return d, l.otherRows(line, d.rows, d.text, d.rows.Rows)
	}
	return d, l.sameSession(ctx, c, line, scanner.StandardConformingStrings())
}

// arrived notes a delivery.
func (l *loading) arrived(d delivery) {
	l.took(d.filled, d.rows, d.text, d.exact)
	l.file.statements++
}

// otherRows is the refusal of rows that did not arrive as they were sent.
func (s *staged) otherRows(line int64, t backup.TableRows, sent, took int64) error {
	hint := "Nothing was changed. Try again; if it happens again, restore another backup."
	if s.uploaded() {
		hint = "Nothing was changed. A trigger or rule of the file takes or leaves rows: put it behind the rows, and upload the file again."
	}
	return &backup.Error{Code: backup.CodeVerifyMismatch, Hint: hint,
		Text: fmt.Sprintf("Line %d has %d rows for the table %s, and the server took %d.", line, sent, t.Name(), took)}
}

// copySource remembers its reader's error: the server would only repeat its text.
type copySource struct {
	r     io.Reader
	after func()

	mu  sync.Mutex
	err error
}

// errStopped is what is read behind the end of a COPY that the server has given up.
var errStopped = errors.New("the rows are not wanted any more")

func (c *copySource) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	c.after()
	return n, err
}

// stop returns the reader's error, and lets nobody read any more: where the session is lost, pgconn leaves a goroutine behind that still
// does.
func (c *copySource) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.err
	c.err = errStopped
	return err
}
