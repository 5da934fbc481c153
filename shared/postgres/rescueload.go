package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// Load makes all tables, then loads one after the other. Keys come last: their indexes have names of the server's choice, which must not
// be those of a table that is still to come.
func (r *rescuing) Load(ctx context.Context, report func(backup.Progress)) error {
	var total int64
	for i, t := range r.plan.Tables {
		total += t.Bytes
		if _, err := r.conn.Exec(ctx, createTable(r.plan.Schema, t.As, r.plan.Sources[i].Columns)); err != nil {
			return rescueFailure(ctx, err, "make the table "+t.Name())
		}
	}
	progress := newMeter(backup.Progress{TablesTotal: len(r.plan.Tables), BytesTotal: total}, report)
	for i, t := range r.plan.Tables {
		if err := r.loadTable(ctx, t, r.plan.Sources[i], progress); err != nil {
			return err
		}
	}
	for i, t := range r.plan.Tables {
		if s := r.plan.Sources[i]; s.KeyAmong() {
			sql := fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", ident(r.plan.Schema, t.As), idents(s.Key))
			if _, err := r.conn.Exec(ctx, sql); err != nil {
				return rescueFailure(ctx, err, "make the primary key of "+t.Name())
			}
		}
	}
	progress.finish()
	return nil
}

// createTable is the statement for a table of these columns, whose types have been checked.
func createTable(schema, name string, columns []backup.Column) string {
	defs := make([]string, 0, len(columns))
	for _, c := range columns {
		def := ident(c.Name) + " " + c.Type
		if c.NotNull {
			def += " NOT NULL"
		}
		defs = append(defs, def)
	}
	return fmt.Sprintf("CREATE TABLE %s (%s)", ident(schema, name), strings.Join(defs, ", "))
}

func idents(names []string) string {
	quoted := make([]string, 0, len(names))
	for _, n := range names {
		quoted = append(quoted, ident(n))
	}
	return strings.Join(quoted, ", ")
}

// loadTable loads the rows of one table. The table is of the same transaction, so its rows can be written as if they were there for ever.
func (r *rescuing) loadTable(ctx context.Context, t backup.RescuedTable, s backup.TableSource, progress *meter) error {
	names := make([]string, 0, len(s.Columns))
	for _, c := range s.Columns {
		names = append(names, c.Name)
	}
	list := ""
	if len(names) > 0 {
		list = " (" + idents(names) + ")"
	}
	sql := fmt.Sprintf("COPY %s%s FROM STDIN WITH (FREEZE)", ident(r.plan.Schema, t.As), list)
	progress.note(func(p *backup.Progress) { p.Table = t.Name() })
	var rows int64
	for i := range s.Pieces {
		n, err := r.loadPiece(ctx, t, s, i, sql, progress)
		if err != nil {
			return err
		}
		rows += n
	}
	if rows != t.Rows {
		return otherCount(t, "the file has", rows)
	}
	progress.note(func(p *backup.Progress) { p.TablesDone++ })
	return nil
}

// loadPiece sends one piece's rows to the server and returns how many that has taken.
func (r *rescuing) loadPiece(ctx context.Context, t backup.RescuedTable, s backup.TableSource, i int, sql string, progress *meter) (int64, error) {
	text, err := s.Piece(ctx, i)
	if err != nil {
		return 0, err
	}
	defer func() { _ = text.Close() }()
	scanner := sqltext.NewScanner(text, sqltext.Options{MaxStatement: maxRescueHead})
	item, err := scanner.Next()
	if err != nil {
		return 0, unreadablePiece(t, err)
	}
	if item.Kind != sqltext.Copy {
		return 0, unreadablePiece(t, fmt.Errorf("line %d of the piece is no COPY", item.Line))
	}
	rows, offset := int64(0), scanner.Offset() // that are told as progress
	source := &copySource{r: scanner.CopyData(), after: func() {
		moreRows, more := scanner.CopyRows()-rows, scanner.Offset()-offset
		rows, offset = rows+moreRows, offset+more
		progress.note(func(p *backup.Progress) { p.Rows, p.Bytes = p.Rows+moreRows, p.Bytes+more })
	}}
	tag, err := r.conn.PgConn().CopyFrom(ctx, source, sql)
	damage := source.stop()
	if damage == nil && ctx.Err() == nil {
		// What the server has refused may be what was damaged: that is known at the end of the piece only.
		damage = toEnd(scanner)
	}
	switch {
	case damage != nil:
		return 0, unreadablePiece(t, damage)
	case err != nil:
		return 0, rescueFailure(ctx, err, "take the rows of "+t.Name())
	case tag.RowsAffected() != scanner.CopyRows():
		return 0, otherCount(t, fmt.Sprintf("of %d rows of the file the server took", scanner.CopyRows()), tag.RowsAffected())
	}
	return tag.RowsAffected(), nil
}

// maxRescueHead bounds the statement before the rows of a piece: it has a name for each of at most 1,600 columns.
const maxRescueHead = 1 << 20

// toEnd reads a piece to its end, behind which nothing may come: only there is it known to be what was written.
func toEnd(scanner *sqltext.Scanner) error {
	if _, err := io.Copy(io.Discard, scanner.CopyData()); err != nil {
		return err
	}
	item, err := scanner.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("line %d of the piece comes behind its rows", item.Line)
}

// unreadablePiece is a file that is not what was written.
func unreadablePiece(t backup.RescuedTable, cause error) error {
	var told *backup.Error
	if errors.As(cause, &told) || errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return &backup.Error{Code: backup.CodeFileChanged, Cause: cause,
		Text: fmt.Sprintf("The rows of %s could not be read as they were written: the backup's file is damaged.", t.Name()),
		Hint: "Nothing was changed. Choose another backup."}
}

func otherCount(t backup.RescuedTable, what string, n int64) error {
	return &backup.Error{Code: backup.CodeVerifyMismatch,
		Text: fmt.Sprintf("The backup holds %d rows of %s; %s %d.", t.Rows, t.Name(), what, n),
		Hint: "Nothing was changed. Try again; if it happens again, choose another backup."}
}

// rescueFailure puts the server's refusal into an operator's words. The verb phrase says of what.
func rescueFailure(ctx context.Context, err error, doing string) error {
	var pg *pgconn.PgError
	if ctx.Err() == nil && roomless(err) {
		return &backup.Error{Code: backup.CodeDiskFull, Cause: err, Log: words(err), Text: fmt.Sprintf("The database server has no room left to %s.", doing),
			Hint: "Nothing was changed. Free space on the database server, or rescue fewer tables at a time."}
	}
	if ctx.Err() != nil || lost(err) || !errors.As(err, &pg) {
		return serverFailure(ctx, err, doing)
	}
	return &backup.Error{Code: backup.CodeLoadFailed, Cause: fmt.Errorf("%s: %w", doing, err), Log: words(err),
		Text: fmt.Sprintf("The server could not %s: %s.", doing, shorten(pg.Message)),
		Hint: "Nothing was changed. A type may have changed since the backup, such as an enum that lost a value; the server's own words are in the log."}
}
