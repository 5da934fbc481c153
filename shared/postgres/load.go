package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// maxStatement is the longest statement taken from a file, in bytes. Rows are no statements; the longest that pg_dump writes are
// functions and views. The scanner may hold twice as much while its buffer grows, which the worker's memory has to bear.
const maxStatement = 256 << 20

// file is what was learned from a file while it was loaded.
type file struct {
	statements int64
	tables     []backup.TableRows
	skipped    []backup.Skipped
	handOver   []later
	protect    []later
	refresh    []later
	sequences  []sequence
	notValid   int // constraints that the file leaves unchecked
	role       string
}

// later is a statement whose time has not come.
type later struct {
	line  int64
	sql   string
	owner string // the new owner that it names, if it does
	in    string // the schema of what it is about
	as    string // who ran it where the file was written, if not the object's owner
}

// sequence is a value that the file sets.
type sequence struct {
	line   int64
	name   string // the literal that the file has
	value  string
	called string
}

// Load runs the SQL text of r in the copy, statement by statement, as the loader.
func (s *staged) Load(ctx context.Context, r io.Reader, report func(backup.Progress)) (backup.Loaded, error) {
	progress := newMeter(backup.Progress{}, report)
	in := &watched{r: r, w: io.Discard}
	scanner := sqltext.NewScanner(in, sqltext.Options{MaxStatement: maxStatement})
	for {
		item, err := scanner.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return backup.Loaded{}, unreadable(ctx, err)
		}
		switch item.Kind {
		case sqltext.Meta:
			err = checkMeta(item)
		case sqltext.Copy:
			err = s.copyTable(ctx, scanner, item, in, progress)
		case sqltext.Statement:
			if err = s.statement(ctx, item); err == nil {
				err = s.sameStrings(scanner, item)
			}
		}
		if err != nil {
			return backup.Loaded{}, err
		}
		progress.note(func(p *backup.Progress) { p.Bytes = in.n })
	}
	if _, ok := scanner.EndMark(); !ok {
		return backup.Loaded{}, &backup.Error{Code: backup.CodeFileCut, Text: "The backup's file ends without the mark that pg_dump writes last.",
			Hint: "The file is not complete: restore another backup."}
	}
	if s.conn.TxStatus() != 'I' {
		return backup.Loaded{}, &backup.Error{Code: backup.CodeLoadFailed, Text: "The file ends inside a transaction.", Hint: "Restore another backup."}
	}
	if err := s.rehearseHandOver(ctx); err != nil {
		return backup.Loaded{}, err
	}
	progress.finish()
	slices.SortStableFunc(s.file.skipped, func(a, b backup.Skipped) int { return int(a.Line - b.Line) })
	return backup.Loaded{Statements: s.file.statements, Tables: s.file.tables, Skipped: s.file.skipped}, nil
}

// unreadable tells an error of the text from one of its source.
func unreadable(ctx context.Context, err error) error {
	var syntax *sqltext.SyntaxError
	if ctx.Err() != nil || !errors.As(err, &syntax) {
		return fmt.Errorf("read the file: %w", err)
	}
	return &backup.Error{Code: backup.CodeFileCut, Cause: err, Log: err.Error(),
		Text: fmt.Sprintf("The backup's file can't be read as SQL at line %d.", syntax.Line),
		Hint: "The file is cut or damaged: restore another backup."}
}

// checkMeta lets pass what pg_dump writes for psql's protection. Everything else could only be run by psql, which is not here.
func checkMeta(item sqltext.Item) error {
	word, _, _ := bytes.Cut(item.Text, []byte(" "))
	switch string(word) {
	case `\restrict`, `\unrestrict`:
		if !item.Inside {
			return nil
		}
	}
	return &backup.Error{Code: backup.CodeLoadFailed,
		Text: fmt.Sprintf("Line %d has a command for psql, which is not run: %s", item.Line, shorten(string(item.Text))),
		Hint: "Restore a backup that was made here."}
}

// sameStrings stops when the server would read strings otherwise than the scanner does, as after a function that changed the
// setting: from there on the two could differ in where a statement ends.
func (s *staged) sameStrings(scanner *sqltext.Scanner, item sqltext.Item) error {
	if (s.conn.ParameterStatus("standard_conforming_strings") == "on") == scanner.StandardConformingStrings() {
		return nil
	}
	return &backup.Error{Code: backup.CodeLoadFailed,
		Text: fmt.Sprintf("Line %d changed how the server reads strings (standard_conforming_strings) in a way that can't be followed.", item.Line),
		Hint: "Nothing was changed. Restore a backup that was made here."}
}

// copyTable sends one table's rows. The server's count, and the file's, must be the same.
func (s *staged) copyTable(ctx context.Context, scanner *sqltext.Scanner, item sqltext.Item, in *watched, progress *meter) error {
	text := string(item.Text)
	schema, table, _, ok := sqltext.CopyTarget(item.Text)
	if !ok {
		return refused(item.Line, text)
	}
	rows := backup.TableRows{Schema: schema, Table: table}
	before := in.n
	total := backup.TotalRows(s.file.tables)
	source := &copySource{r: scanner.CopyData(), after: func() {
		progress.note(func(p *backup.Progress) { p.Table, p.Bytes, p.Rows = rows.Name(), in.n, total+scanner.CopyRows() })
	}}
	tag, err := s.conn.CopyFrom(ctx, source, text)
	if source.err != nil {
		return unreadable(ctx, source.err)
	}
	if err != nil {
		return loadFailure(ctx, err, item.Line, text)
	}
	if _, err := io.Copy(io.Discard, source); err != nil {
		return unreadable(ctx, err)
	}
	if tag.RowsAffected() != scanner.CopyRows() {
		return &backup.Error{Code: backup.CodeVerifyMismatch,
			Text: fmt.Sprintf("The file has %d rows for the table %s, and the server took %d.", scanner.CopyRows(), rows.Name(), tag.RowsAffected()),
			Hint: "Nothing was changed. Try again; if it happens again, restore another backup."}
	}
	rows.Rows, rows.Bytes = tag.RowsAffected(), in.n-before
	s.file.tables = append(s.file.tables, rows)
	s.file.statements++
	progress.note(func(p *backup.Progress) { p.TablesDone, p.Rows, p.Table = p.TablesDone+1, total+rows.Rows, "" })
	return nil
}

// copySource remembers its reader's error: the server would only repeat its text.
type copySource struct {
	r     io.Reader
	after func()
	err   error
}

func (c *copySource) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	c.after()
	return n, err
}

// statement does with a statement what the policy says.
func (s *staged) statement(ctx context.Context, item sqltext.Item) error {
	text, words := string(item.Text), parse(item)
	v := judge(words, s.heir())
	wait := later{line: item.Line, sql: text, owner: words.newOwner(), in: words.schemaOfName(), as: s.file.role}
	switch v.action {
	case refuse:
		return refused(item.Line, text)
	case skip:
		s.skip(item.Line, text, v.why)
		return nil
	case drop:
		s.authorize(words)
		return nil
	case handOver:
		s.file.handOver = append(s.file.handOver, wait)
		return nil
	case protect:
		s.file.protect = append(s.file.protect, wait)
		return nil
	case refresh:
		s.file.refresh = append(s.file.refresh, wait)
		return nil
	}
	return s.run(ctx, item.Line, text, words, v)
}

func (s *staged) run(ctx context.Context, line int64, text string, words phrase, v verdict) error {
	err := s.exec(ctx, text)
	if sqlState(err) == insufficientRight {
		if milder, ok := withoutLeakproof(text, words); ok {
			s.skip(line, text, "created without LEAKPROOF, which only a superuser may promise")
			err = s.exec(ctx, milder)
		}
	}
	if err != nil && slices.Contains(v.forgiven, sqlState(err)) {
		if !v.quiet {
			s.skip(line, text, v.why)
		}
		return nil
	}
	if err != nil {
		return loadFailure(ctx, err, line, text)
	}
	s.file.statements++
	s.learn(line, words)
	return nil
}

// exec runs one statement as the loader and gives its rows away.
func (s *staged) exec(ctx context.Context, sql string) error {
	_, err := s.conn.Exec(ctx, sql).ReadAll()
	return err
}

// learn keeps what Verify asks about.
func (s *staged) learn(line int64, p phrase) {
	if p.begins("create") || p.begins("alter") {
		s.file.notValid += p.count("not", "valid") + p.count("not", "enforced")
		return
	}
	// SELECT pg_catalog.setval('public.t_id_seq', 42, true)
	if len(p) >= 11 && p.begins("select") && p.has(1, "pg_catalog") && p.has(3, "setval") && p[5].Kind == sqltext.String {
		value := ""
		for _, t := range p[7 : len(p)-3] { // a sign is a token of its own
			value += string(t.Text)
		}
		s.file.sequences = append(s.file.sequences, sequence{line: line, name: string(p[5].Text), value: value, called: string(p[len(p)-2].Text)})
	}
}

// authorize follows SET SESSION AUTHORIZATION, which pg_dump writes around grants that somebody else than the owner gave.
func (s *staged) authorize(p phrase) {
	switch {
	case p.begins("set", "session", "authorization"):
		s.file.role = p.name(3)
		if p[len(p)-1].Kind == sqltext.String {
			s.file.role = strings.ReplaceAll(strings.Trim(string(p[len(p)-1].Text), "'"), "''", "'")
		} else if p.is(3, "default") {
			s.file.role = ""
		}
	case p.begins("reset", "session", "authorization"):
		s.file.role = ""
	}
}

// maxSkipped keeps a report to a size that a record can have. Grants to roles that are not there can be many.
const maxSkipped = 1000

func (s *staged) skip(line int64, text, why string) {
	switch n := len(s.file.skipped); {
	case n == maxSkipped:
		why = "and more like it: the list ends here"
	case n > maxSkipped:
		return
	}
	s.file.skipped = append(s.file.skipped, backup.Skipped{Line: line, Text: shorten(text), Why: why})
}

func refused(line int64, text string) error {
	return &backup.Error{Code: backup.CodeLoadFailed,
		Text: fmt.Sprintf("Line %d has a statement that no dump of one database holds: %s", line, shorten(text)),
		Hint: "Nothing was changed. Restore a backup that was made here."}
}

// loadFailure says which statement the server refused.
func loadFailure(ctx context.Context, err error, line int64, text string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("load line %d: %w", line, ctx.Err())
	}
	out := &backup.Error{Code: backup.CodeLoadFailed, Cause: err, Log: words(err)}
	var pg *pgconn.PgError
	switch {
	case roomless(err):
		out.Code, out.Text = backup.CodeDiskFull, fmt.Sprintf("The database server has no room left for the copy: it was full at line %d of the file.", line)
		out.Hint = "Live was not changed. Free space on the database server: a restore needs room for a second copy of the database."
	case lost(err):
		out.Code, out.Text = backup.CodeUnreachable, fmt.Sprintf("The connection to the server was lost while line %d of the file was loaded.", line)
		out.Hint = "Live was not changed. Check the server and start the restore again."
	case errors.As(err, &pg) && pg.Code == insufficientRight:
		out.Code, out.Text = backup.CodePermission, fmt.Sprintf("The restore's login may not run line %d: %s", line, shorten(text))
		out.Hint = "Live was not changed. It needs a superuser of the server: the server's own words are in the log."
	default:
		out.Text = fmt.Sprintf("The server refused line %d: %s", line, shorten(text))
		out.Hint = "Live was not changed. The server's own words are in the log."
	}
	return out
}
