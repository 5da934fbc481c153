package postgres

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// batchBytes is how much text of INSERTs goes to the server in one message. A round trip and a commit for each row would take many
// times as long as the rows.
const batchBytes = 64 << 10

// insert is an INSERT as far as its rows matter.
type insert struct {
	into tableName
	rows int64 // of VALUES
	// exact says that the server must take just these rows, if nothing of the file's own is in between.
	exact bool
}

// parseInsert reads INSERT INTO table … VALUES (…), (…).
func parseInsert(item sqltext.Item) (in insert, ok bool) {
	does, ok := item.Insertion()
	if !ok {
		return insert{}, false
	}
	in.rows, in.exact = does.Rows, does.Exact
	in.into.schema, in.into.table, _, ok = sqltext.InsertTarget(item.Text)
	return in, ok
}

// batch are INSERTs that wait to be sent together.
type batch struct {
	text []byte
	list []pending
}

// pending is one of them.
type pending struct {
	insert
	line  int64
	begin int // in the text, and its end
	end   int
}

// insert adds an INSERT of an upload to those that wait. One that is long goes by itself.
func (l *loading) insert(ctx context.Context, item sqltext.Item, in insert) error {
	b := &l.script.batch
	if len(b.text)+len(item.Text) > batchBytes {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	if len(item.Text) > batchBytes {
		if err := l.settle(); err != nil {
			return err
		}
		return l.send(ctx, string(item.Text), []pending{{insert: in, line: item.Line, end: len(item.Text)}})
	}
	begin := len(b.text)
	b.text = append(b.text, item.Text...)
	b.list = append(b.list, pending{insert: in, line: item.Line, begin: begin, end: len(b.text)})
	b.text = append(b.text, ";\n"...)
	return nil
}

// flush sends the INSERTs that wait.
func (l *loading) flush(ctx context.Context) error {
	b := &l.script.batch
	if len(b.list) == 0 {
		return nil
	}
	if err := l.settle(); err != nil {
		return err
	}
	err := l.send(ctx, string(b.text), b.list)
	b.text, b.list = b.text[:0], b.list[:0]
	return err
}

// send runs INSERTs in one message, and holds each to what its text says. They are one transaction then, which makes no difference:
// a file of which one statement fails is not restored.
func (l *loading) send(ctx context.Context, sql string, list []pending) error {
	into := make([]target, len(list))
	for i, p := range list {
		var err error
		if into[i], err = l.resolve(ctx, p.into); err != nil {
			return err
		}
	}
	done, err := l.conn.tags(ctx, sql)
	if err != nil {
		p := culprit(err, sql, list, len(done))
		return loadFailure(ctx, err, p.line, sql[p.begin:p.end])
	}
	if len(done) != len(list) {
		return fmt.Errorf("the server answered %d of %d statements from line %d on", len(done), len(list), list[0].line)
	}
	for i, p := range list {
		rows := backup.TableRows{Schema: p.into.schema, Table: p.into.table, Rows: done[i].RowsAffected(), Bytes: int64(p.end - p.begin)}
		if p.exact && rows.Rows != p.rows {
			return l.otherRows(p.line, rows, p.rows, rows.Rows)
		}
		l.took(into[i], rows, p.rows, p.exact)
	}
	l.file.statements += int64(len(list))
	l.progress.note(func(p *backup.Progress) {
		p.TablesDone, p.Rows, p.Bytes = len(l.file.tables.list), l.file.tables.total, l.read.Load()
	})
	return l.sameSession(ctx, l.conn, list[len(list)-1].line, l.scanner.StandardConformingStrings())
}

// culprit is the statement that failed: the one behind those that were run. A message is read as a whole before any of it is run, so
// where none was, the server's own position tells.
func culprit(err error, sql string, list []pending, done int) pending {
	var pg *pgconn.PgError
	if done == 0 && errors.As(err, &pg) && pg.Position > 0 {
		at, characters := 0, int32(1)
		for at < len(sql) && characters < pg.Position {
			_, size := utf8.DecodeRuneInString(sql[at:])
			at += size
			characters++
		}
		for _, p := range list {
			if at <= p.end {
				return p
			}
		}
	}
	return list[min(done, len(list)-1)] // the last, where a constraint was checked at the end
}
