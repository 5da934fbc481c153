package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

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
	tables     tally
	skipped    []backup.Skipped
	handOver   []later
	// handOverBytes is the text of these.
	handOverBytes int
	protect       []later
	refresh       []later
	sequences     []sequence
	notValid      int // constraints that the file leaves unchecked
	role          string
	ended         bool // it was run to its end
	filled        filled
}

// tally adds up the rows of tables, in the order in which these were met first.
type tally struct {
	list  []backup.TableRows
	at    map[tableName]int
	total int64
}

func (t *tally) add(rows backup.TableRows) {
	t.total += rows.Rows
	i, ok := t.at[nameOf(rows)]
	if !ok {
		if t.at == nil {
			t.at = map[tableName]int{}
		}
		t.at[nameOf(rows)] = len(t.list)
		t.list = append(t.list, rows)
		return
	}
	t.list[i].Rows += rows.Rows
	t.list[i].Bytes += rows.Bytes
}

// maxHandOver bounds what has to be remembered until the hand-over, in bytes of text: some 500,000 grants.
const maxHandOver = 64 << 20

// later is a statement whose time has not come.
type later struct {
	line  int64
	sql   string
	owner string // the new owner that it names, if it does
	in    string // the schema of what it is about
	as    string // who ran it where the file was written, if not the object's owner
	path  string // the search_path under which its names are meant; "" where they are whole
}

// statement is what is to be run, with its names understood as where the file has it.
func (l later) statement() string {
	if l.path == "" {
		return l.sql
	}
	return "SET LOCAL search_path TO " + l.path + "; " + l.sql
}

// sequence is a value that the file sets.
type sequence struct {
	line   int64
	name   string // the literal that the file has
	value  string
	called string
}

// loading is one run of Load.
type loading struct {
	*staged
	text     backup.Text
	scanner  *sqltext.Scanner // of the part that is run in its turn
	complete bool             // the end mark was the last that was seen
	read     atomic.Int64     // bytes of text
	progress *meter
	script   *script // nil for a backup
	// What is run beside that.
	beside   bool        // something may be
	schedule *schedule   // nil until something is
	tables   *loadTables // nil where they may have changed since they were read
	known    *loadTables // as they were read last
}

// Load runs the text in the copy as the loader: what has to be done in its turn, statement by statement in one session; rows of tables
// that the text has in pieces of their own, and statements that are known to touch nothing but their tables, in several.
func (s *staged) Load(ctx context.Context, text backup.Text, report func(backup.Progress)) (backup.Loaded, error) {
	l := &loading{staged: s, text: text, progress: newMeter(backup.Progress{}, report), beside: allowed(s.t) > 1 && !s.unforeseeable()}
	if err := l.begin(ctx); err != nil {
		return backup.Loaded{}, err
	}
	err := l.run(ctx)
	if ended := l.settle(); ended != nil {
		err = ended // it came first in the text
	}
	if err == nil {
		err = l.end(ctx)
	}
	if l.schedule != nil {
		l.schedule.stop()
	}
	if err != nil {
		return backup.Loaded{}, err
	}
	s.dismiss(ctx) // what comes next takes sessions of the secret's role, and that may be the loader
	if err := s.rehearseHandOver(ctx); err != nil {
		return backup.Loaded{}, err
	}
	l.progress.finish()
	slices.SortStableFunc(s.file.skipped, func(a, b backup.Skipped) int { return cmp.Compare(a.Line, b.Line) })
	return backup.Loaded{Statements: s.file.statements, Tables: s.file.tables.list, Skipped: s.file.skipped}, nil
}

// run runs the whole text.
func (l *loading) run(ctx context.Context) error {
	if pieces := l.text.Pieces(); pieces != nil && !l.unforeseeable() {
		return l.runPieces(ctx, pieces)
	}
	r, err := l.text.All(ctx)
	if err != nil {
		return fmt.Errorf("open the file: %w", err)
	}
	return l.part(ctx, r, 1)
}

// part runs a part of the text that begins in a line of the whole, and closes it.
func (l *loading) part(ctx context.Context, r io.ReadCloser, line int64) error {
	defer func() { _ = r.Close() }()
	escapes := l.scanner != nil && !l.scanner.StandardConformingStrings()
	l.scanner = sqltext.NewScanner(&counted{r, &l.read}, sqltext.Options{MaxStatement: maxStatement, Line: line, Escapes: escapes})
	for {
		item, err := l.scanner.Next()
		if errors.Is(err, io.EOF) {
			_, l.complete = l.scanner.EndMark()
			return nil
		}
		if err != nil {
			return l.unreadable(ctx, err)
		}
		if err := l.item(ctx, item); err != nil {
			return err
		}
		l.progress.note(func(p *backup.Progress) { p.Bytes = l.read.Load() })
	}
}

// counted adds what was read to a count.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// item does what an item of the text asks for.
func (l *loading) item(ctx context.Context, item sqltext.Item) error {
	if l.script != nil {
		if done, err := l.scriptItem(ctx, item); done || err != nil {
			return err
		}
	}
	switch item.Kind {
	case sqltext.Meta:
		return l.checkMeta(item)
	case sqltext.Copy:
		if err := l.settle(); err != nil {
			return err
		}
		return l.copyTable(ctx, item)
	case sqltext.Statement:
		return l.statement(ctx, item)
	}
	return nil
}

// end sees that the file is whole.
func (l *loading) end(ctx context.Context) error {
	if l.script != nil {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	if !l.complete && !l.unproven() {
		return &backup.Error{Code: backup.CodeFileCut, Text: "The file ends without the mark that pg_dump writes last.",
			Hint: "The file is not complete: " + l.another()}
	}
	if l.conn.TxStatus() != 'I' {
		return &backup.Error{Code: backup.CodeLoadFailed, Text: "The file ends inside a transaction: it has a BEGIN without its COMMIT.",
			Hint: "Nothing was changed. " + l.remedy()}
	}
	if l.script != nil {
		return l.endScript(ctx)
	}
	return nil
}

// unreadable tells an error of the text from one of its source.
func (s *staged) unreadable(ctx context.Context, err error) error {
	var syntax *sqltext.SyntaxError
	if ctx.Err() != nil || !errors.As(err, &syntax) {
		return fmt.Errorf("read the file: %w", err)
	}
	return &backup.Error{Code: backup.CodeFileCut, Cause: err, Log: err.Error(),
		Text: fmt.Sprintf("The file can't be read as SQL at line %d.", syntax.Line),
		Hint: "The file is cut or damaged: " + s.another()}
}

// checkMeta lets pass what pg_dump writes for psql's protection. Everything else could only be run by psql, which is not here.
func (s *staged) checkMeta(item sqltext.Item) error {
	switch sqltext.MetaName(item.Text) {
	case "restrict", "unrestrict":
		if !item.Inside {
			return nil
		}
	}
	return &backup.Error{Code: s.refusalCode(),
		Text: fmt.Sprintf("Line %d has a command for psql, which is not run: %s", item.Line, shorten(string(item.Text))),
		Hint: "Nothing was changed. " + s.remedy()}
}

// sameSession stops when the server would read strings otherwise than the scanner does, as after a function that changed the
// setting: from there on the two could differ in where a statement ends. And the session keeps the name by which whoever
// comes after a worker that died finds it.
func (l *loading) sameSession(ctx context.Context, c *session, line int64, standard bool) error {
	if (c.ParameterStatus("standard_conforming_strings") == "on") != standard {
		return &backup.Error{Code: backup.CodeLoadFailed,
			Text: fmt.Sprintf("Line %d changed how the server reads strings (standard_conforming_strings) in a way that can't be followed.", line),
			Hint: "Nothing was changed. " + l.remedy()}
	}
	if encoding := c.ParameterStatus("client_encoding"); sqltext.UnsafeEncoding(encoding) {
		return &backup.Error{Code: backup.CodeLoadFailed,
			Text: fmt.Sprintf("Line %d changed the client encoding to %s, whose characters contain the bytes of quotes and backslashes.", line, encoding),
			Hint: "Nothing was changed. " + l.remedy()}
	}
	name := applicationName(l.a)
	if c.ParameterStatus("application_name") == name || c.TxStatus() == 'E' {
		return nil
	}
	if err := c.exec(ctx, "SET application_name = "+literal(name)); err != nil {
		return serverFailure(ctx, err, "give the restore's session its name back")
	}
	return nil
}

// statement does with a statement what the policy says.
func (l *loading) statement(ctx context.Context, item sqltext.Item) error {
	text, words := string(item.Text), parse(item)
	v := l.verdict(words)
	wait := later{line: item.Line, sql: text, owner: words.newOwner(), in: words.schemaOfName(), as: l.giver()}
	switch v.action {
	case refuse:
		return l.refused(item.Line, text)
	case skip:
		l.skip(item.Line, text, v.why)
		l.authorize(words)
		return nil
	case drop:
		l.authorize(words)
		return nil
	case handOver, protect, refresh:
		var err error
		if wait.path, err = l.searchPath(ctx); err != nil {
			return err
		}
		if wait.in == "" && l.script != nil {
			wait.in = l.script.first
		}
	}
	switch {
	case v.action == refresh && l.script != nil && len(l.file.protect) == 0:
		// A script may read the view further on.
	case v.action == handOver:
		l.file.handOver = append(l.file.handOver, wait)
		if l.file.handOverBytes += len(wait.sql) + len(wait.path); l.file.handOverBytes > maxHandOver {
			return &backup.Error{Code: l.refusalCode(),
				Text: fmt.Sprintf("Line %d: owners and grants of the file have more than %d MiB of text.", item.Line, maxHandOver>>20), Hint: "Nothing was changed. " + l.remedy()}
		}
		return nil
	case v.action == protect:
		l.file.protect = append(l.file.protect, wait)
		return nil
	case v.action == refresh:
		l.file.refresh = append(l.file.refresh, wait)
		return nil
	}
	if e, ok := parseErrand(words); ok && l.beside && v.forgiven == nil {
		if put, err := l.putOff(ctx, &task{line: item.Line, sql: text}, e, words); put || err != nil {
			return err
		}
	}
	if err := l.settle(); err != nil {
		return err
	}
	l.tables = nil
	if err := l.execute(ctx, item.Line, text, words, v); err != nil {
		return err
	}
	return l.sameSession(ctx, l.conn, item.Line, l.scanner.StandardConformingStrings())
}

// giver is who hands over what the file says. A superuser would give what belongs to the server, such as the catalog, to whom the file
// names: an upload is handed over by the owner of live then.
func (l *loading) giver() string {
	if l.script != nil && l.me.super && l.file.role == "" {
		return l.live.owner
	}
	return l.file.role
}

// execute runs a statement in its turn.
func (l *loading) execute(ctx context.Context, line int64, text string, words phrase, v verdict) error {
	err := l.single(ctx, l.conn, text)
	if sqlState(err) == insufficientRight {
		if milder, ok := withoutLeakproof(text, words); ok {
			l.skip(line, text, "created without LEAKPROOF, which only a superuser may promise")
			err = l.single(ctx, l.conn, milder)
		}
	}
	if err != nil && slices.Contains(v.forgiven, sqlState(err)) {
		if !v.quiet {
			l.skip(line, text, v.why)
		}
		return nil
	}
	if err != nil {
		return loadFailure(ctx, err, line, text)
	}
	l.file.statements++
	l.learn(line, words)
	if l.script != nil {
		l.learnScript(words)
	}
	return nil
}

// single runs one statement of the file. That of an upload goes by the extended protocol, in which the server itself refuses a second
// one behind it: a routine's body can be written so that psql, and the scanner, end it later than the server does.
func (l *loading) single(ctx context.Context, c *session, sql string) error {
	if l.script == nil {
		return c.exec(ctx, sql)
	}
	return c.single(ctx, sql)
}

// learn keeps what Verify asks about.
func (s *staged) learn(line int64, p phrase) {
	if p.begins("create") || p.begins("alter") {
		s.file.notValid += p.count("not", "valid") + p.count("not", "enforced")
		return
	}
	// SELECT pg_catalog.setval('public.t_id_seq', 42, true)
	if len(p) >= 11 && p.begins("select") && p.has(1, "pg_catalog") && p.has(3, "setval") && p[5].Kind == sqltext.String &&
		!bytes.ContainsRune(p[5].Text, '\\') {
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
		s.file.role = p.sessionRole()
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
	s.file.skipped = append(s.file.skipped, backup.Skipped{Line: line, Text: shorten(sqltext.BeforeString(text)), Why: why})
}

func (s *staged) refused(line int64, text string) error {
	return &backup.Error{Code: s.refusalCode(),
		Text: fmt.Sprintf("Line %d has a statement that no dump of one database holds: %s", line, shorten(shown(text))),
		Hint: "Nothing was changed. " + s.remedy()}
}

// shown is a statement as it may be shown. A record is no place for a password.
func shown(text string) string {
	if strings.Contains(strings.ToLower(text[:min(len(text), 4096)]), "password") {
		return sqltext.BeforeString(text)
	}
	return text
}

// loadFailure says which statement the server refused.
func loadFailure(ctx context.Context, err error, line int64, text string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("load line %d: %w", line, ctx.Err())
	}
	text = shown(text)
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
