// Package inspection reads an uploaded file from its first byte to its last and says what it holds. Nothing of it is run.
//
// [Inspect] is the only way in. Between the file's bytes and the judgement are a hash, the compression, and the scanner and the judge
// of package sqltext. Memory is constant: it does not grow with the file, but with the number of tables that it names, of which it takes
// up to 50,000.
package inspection

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// Limits bound what is read. The zero value of a field means its default.
type Limits struct {
	SQLBytes  int64 // of uncompressed text: 1 TiB
	Ratio     int64 // of uncompressed to compressed bytes, from the first 64 MiB of text on: 250. Dumps reach about 20
	Statement int   // bytes of one statement: 256 MiB, what a restore takes
}

func (l Limits) withDefaults() Limits {
	if l.SQLBytes <= 0 {
		l.SQLBytes = 1 << 40
	}
	if l.Ratio <= 0 {
		l.Ratio = 250
	}
	if l.Statement <= 0 {
		l.Statement = 256 << 20
	}
	return l
}

// Result is what was found.
type Result struct {
	Inspection backup.Inspection
	SHA256     string // of the file's bytes, lower-case hex; "" where the file was not read to its end
}

// Inspect reads r, a file for databases of the given engine, to its end. The error is a *backup.Error where the file is to be rejected
// (the result is good then, as far as it was read), and any other where it could not be read.
func Inspect(ctx context.Context, r io.Reader, engine backup.EngineKind, l Limits, report func(backup.Progress)) (Result, error) {
	if engine != backup.Postgres {
		return Result{}, &backup.Error{Code: backup.CodeUnsupported, Text: "Files for this kind of database server can't be inspected yet.",
			Hint: "Upload to a PostgreSQL database."}
	}
	in := newInspector(ctx, r, l.withDefaults(), report)
	err := in.run()
	in.found.SQLBytes, in.found.Lines, in.found.Bytes = in.text.n, in.text.lineCount(), in.file.n
	in.found.Compressed = in.text.compressed
	in.describe()
	return Result{Inspection: in.found, SHA256: in.file.sum()}, err
}

// The most that a record holds of each.
const (
	maxHazards    = 100
	maxIgnored    = 1000
	maxKinds      = 250
	maxTables     = 50_000
	maxExtensions = 200
	reportEvery   = time.Second
)

// inspector is one inspection.
type inspector struct {
	ctx     context.Context
	file    *fileReader
	text    *textReader
	limits  Limits
	scanner *sqltext.Scanner
	judge   *sqltext.Judge
	rows    *rowCounter
	found   backup.Inspection
	inserts int64 // statements; the other kinds are counted in found
	began   int64 // line of the transaction that is open, else 0
	sink    utf8Sink
}

func newInspector(ctx context.Context, r io.Reader, l Limits, report func(backup.Progress)) *inspector {
	in := &inspector{ctx: ctx, limits: l, judge: sqltext.NewJudge(), rows: newRowCounter()}
	in.found.Statements = map[string]int64{}
	in.file = newFileReader(ctx, r)
	in.text = &textReader{file: in.file, limits: l}
	in.scanner = sqltext.NewScanner(in.text, sqltext.Options{MaxStatement: l.Statement, Comments: true})
	if report != nil {
		var last time.Time
		in.text.progress = func() {
			if now := time.Now(); now.Sub(last) >= reportEvery {
				last = now
				report(backup.Progress{Bytes: in.text.n, Rows: in.rows.total + in.scanner.CopyRows(), TablesDone: in.rows.copies})
			}
		}
	}
	return in
}

// run reads the file to its end.
func (in *inspector) run() error {
	if err := in.text.open(); err != nil {
		return in.broken(err)
	}
	for {
		item, err := in.scanner.Next()
		if errors.Is(err, io.EOF) {
			return in.end()
		}
		if err != nil {
			return in.broken(err)
		}
		if err := in.item(item); err != nil {
			return in.broken(err)
		}
	}
}

// item takes in one item.
func (in *inspector) item(item sqltext.Item) error {
	if item.Kind == sqltext.Comment {
		return otherEngine(item, "", nil)
	}
	utf8 := in.scanner.ClientEncoding() == "UTF8"
	if utf8 && item.Kind != sqltext.Meta {
		if i := invalidUTF8(item.Text); i >= 0 {
			return notUTF8(item.Line + countLines(item.Text[:i]))
		}
	}
	_, insert := item.Insertion()
	verb, h := "INSERT", head(nil)
	if item.Kind == sqltext.Statement && !insert {
		verb, h = sqltext.Verb(item.Text), newHead(item)
		if err := in.recognise(item, verb, h); err != nil {
			return err
		}
	}
	ruling := in.judge.Rule(item)
	switch {
	case ruling.Hazard != nil:
		in.hazard(*ruling.Hazard)
	case ruling.Ignore != "":
		in.ignore(item, ruling.Ignore)
	}
	in.found.Encoding = in.scanner.ClientEncoding()
	switch item.Kind {
	case sqltext.Copy:
		return in.copy(item, utf8)
	case sqltext.Statement:
		if insert {
			return in.insert(item)
		}
		in.count(verb)
		if ruling.Ignore == "" {
			return in.statement(item, verb, h)
		}
	}
	return nil
}

// recognise refuses a statement that only another kind of server understands, and a text whose first statement is none at all.
func (in *inspector) recognise(item sqltext.Item, verb string, h head) error {
	if err := otherEngine(item, verb, h); err != nil {
		return err
	}
	if len(in.found.Statements) == 0 && in.inserts == 0 && !known(verb) {
		return notSQL(in.text.peek)
	}
	return nil
}

// insert takes in an INSERT.
func (in *inspector) insert(item sqltext.Item) error {
	in.inserts++
	insertion, _ := item.Insertion()
	known, err := in.rows.insert(item, insertion)
	if err != nil || known {
		return err
	}
	if err := otherEngine(item, "INSERT", newHead(item)); err != nil {
		return err
	}
	in.rows.unforetold(item.Line)
	return nil
}

// copy reads the rows of a COPY.
func (in *inspector) copy(item sqltext.Item, utf8 bool) error {
	in.found.Statements["COPY"]++
	schema, table, _, _ := sqltext.CopyTarget(item.Text) // the scanner makes this kind of item of a COPY that names one
	exact := item.PlainCopy()
	line, before := item.Line, in.scanner.Offset() // the item's text goes with the next read
	in.sink = utf8Sink{}
	to := io.Discard
	if utf8 {
		to = &in.sink
	}
	began := in.scanner.Line() + 1
	if _, err := io.Copy(to, in.scanner.CopyData()); err != nil {
		if in.sink.bad {
			return notUTF8(began + in.sink.lines)
		}
		return err
	}
	if in.sink.n > 0 {
		return notUTF8(in.scanner.Line() - 1)
	}
	return in.rows.copied(line, exact, backup.TableRows{Schema: schema, Table: table, Rows: in.scanner.CopyRows(), Bytes: in.scanner.Offset() - before})
}

// statement takes in a statement that is to be run.
func (in *inspector) statement(item sqltext.Item, verb string, h head) error {
	switch verb {
	case "BEGIN", "START TRANSACTION":
		in.began = item.Line
	case "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE TRANSACTION":
		if !h.has("savepoint") && !h.has("chain") {
			in.began = 0
		}
	case "CREATE EXTENSION":
		in.extension(h.name(h.past(2, "if", "not", "exists")))
	}
	return in.rows.statement(item, verb, h)
}

// count counts a statement of a kind. Words that are no command of PostgreSQL are one kind.
func (in *inspector) count(verb string) {
	if _, there := in.found.Statements[verb]; !there && (!known(verb) || len(in.found.Statements) >= maxKinds) {
		verb = "OTHER"
	}
	in.found.Statements[verb]++
}

func (in *inspector) extension(name string) {
	for _, e := range in.found.Extensions {
		if e == name {
			return
		}
	}
	if name != "" && len(in.found.Extensions) < maxExtensions {
		in.found.Extensions = append(in.found.Extensions, strings.ToValidUTF8(name, "?"))
	}
}

func (in *inspector) hazard(h backup.Hazard) {
	if in.found.HazardCount++; in.found.HazardCount <= maxHazards {
		in.found.Hazards = append(in.found.Hazards, h)
	}
}

func (in *inspector) ignore(item sqltext.Item, why string) {
	if in.found.IgnoredCount++; in.found.IgnoredCount <= maxIgnored {
		in.found.Ignored = append(in.found.Ignored, backup.Skipped{Line: item.Line, Text: sqltext.Shorten([]byte(sqltext.BeforeString(string(item.Text)))), Why: why})
	}
}

// describe fills in what is known only when the file was read, or as far as it was.
func (in *inspector) describe() {
	f, h := &in.found, in.scanner.Header()
	if in.inserts > 0 {
		f.Statements["INSERT"] = in.inserts
	}
	f.Tables, f.RowsInexact = in.rows.list(), in.rows.inexact
	f.Database = strings.ToValidUTF8(in.judge.Database(), "?")
	if f.Encoding == "" {
		f.Encoding = in.scanner.ClientEncoding()
	}
	if h.Known {
		f.Engine, f.Tool = backup.Postgres, "pg_dump"
		if h.Cluster {
			f.Tool = "pg_dumpall"
		}
		f.ToolVersion, f.ServerVersion = version(h.ToolVersion), version(h.ServerVersion)
	}
	if f.Engine == "" && f.Statements["COPY"] > 0 {
		f.Engine = backup.Postgres
	}
}

// version is the number at the beginning of a version.
func version(s string) string {
	number, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return sqltext.Shorten([]byte(number))
}
