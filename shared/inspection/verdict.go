package inspection

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// end judges a file that was read to its end.
func (in *inspector) end() error {
	f := &in.found
	f.Completeness = backup.Unproven
	header := in.scanner.Header()
	_, marked := in.scanner.EndMark()
	switch {
	case in.text.n == 0:
		return &backup.Error{Code: backup.CodeNotSQL, Text: "The file is empty.", Hint: "Check how it was made, then upload it again."}
	case len(f.Statements) == 0 && in.inserts == 0 && f.HazardCount == 0 && !header.Known:
		return &backup.Error{Code: backup.CodeNotSQL, Text: "The file has no SQL statement.", Hint: "Check how it was made, then upload it again."}
	case header.Known && marked:
		f.Completeness = backup.Proven
	case header.Known:
		in.cut(in.text.lineCount(), "a dump: the end mark of pg_dump is missing")
	case in.began > 0:
		in.cut(in.text.lineCount(), fmt.Sprintf("a transaction: the COMMIT for line %d is missing", in.began))
	}
	if header.Cluster {
		in.hazard(backup.Hazard{Code: "cluster_dump", Line: 1, Text: "-- PostgreSQL database cluster dump",
			Why: "a dump by pg_dumpall holds several databases and the server's roles", Hint: wantsOne})
	}
	if err := in.dangerous(); err != nil {
		return err
	}
	if f.Completeness == backup.Cut {
		return incomplete(f, nil)
	}
	return nil
}

const wantsOne = "Dump the one database by pg_dump, and upload that."

// cut notes that the text ends too early.
func (in *inspector) cut(line int64, inside string) {
	in.found.Completeness, in.found.CutAt, in.found.CutIn = backup.Cut, line, inside
}

// incomplete is the error for a file that is cut.
func incomplete(f *backup.Inspection, cause error) *backup.Error {
	e := &backup.Error{Code: backup.CodeFileCut, Cause: cause, Hint: "Compare its size with the original's, and upload it again. If the original ends there too, make a new dump.",
		Text: fmt.Sprintf("The file is not complete: it ends at line %d inside %s.", f.CutAt, f.CutIn)}
	if cause != nil {
		e.Log = cause.Error()
	}
	return e
}

// dangerous is the error for a file with hazards; nil where it has none. It names the first ones.
func (in *inspector) dangerous() error {
	f := &in.found
	if f.HazardCount == 0 {
		return nil
	}
	var b strings.Builder
	switch f.HazardCount {
	case 1:
		b.WriteString("The file has a statement that must not be run.")
	default:
		fmt.Fprintf(&b, "The file has %d statements that must not be run.", f.HazardCount)
	}
	if in.scanner.Header().Cluster {
		b.WriteString(" It is a dump of a whole server by pg_dumpall.")
	}
	const named = 3
	for i, h := range f.Hazards[:min(len(f.Hazards), named)] {
		if i > 0 && h.Line == f.Hazards[i-1].Line {
			continue
		}
		fmt.Fprintf(&b, " Line %d: %s (%s).", h.Line, h.Text, h.Why)
	}
	hint := f.Hazards[0].Hint
	if in.scanner.Header().Cluster {
		hint = wantsOne
	}
	return &backup.Error{Code: backup.CodeDangerous, Text: b.String(), Hint: hint}
}

// broken judges an error that ended the reading. What was found dangerous before it goes first.
func (in *inspector) broken(err error) error {
	if in.ctx.Err() != nil {
		return fmt.Errorf("inspect the file: %w", in.ctx.Err())
	}
	if in.file.err != nil {
		return fmt.Errorf("inspect the file: %w", in.file.err)
	}
	var rejected *backup.Error
	var syntax *sqltext.SyntaxError
	switch {
	case errors.As(err, &rejected):
		var stream *streamError
		if errors.As(err, &stream) {
			in.cut(in.text.lines+1, stream.inside)
			rejected = stream.error(in.found.CutAt)
		}
		if rejected.Code == backup.CodeWrongEngine {
			in.found.Engine = foreignKind(rejected)
			return rejected
		}
	case errors.As(err, &syntax):
		rejected = in.unreadable(syntax)
	default:
		return fmt.Errorf("inspect the file: %w", err)
	}
	if rejected.Code != backup.CodeNotSQL && !(rejected.Code == backup.CodeDangerous && in.found.HazardCount == 1) {
		if danger := in.dangerous(); danger != nil {
			return danger
		}
	}
	return rejected
}

// unreadable judges a text that can't be split into statements.
func (in *inspector) unreadable(e *sqltext.SyntaxError) *backup.Error {
	switch e.Fault {
	case sqltext.Ended:
		in.cut(e.Line, e.Inside)
		if len(in.found.Statements) == 0 && in.inserts == 0 {
			if what := guess(in.text.peek); what != "" {
				return notSQLBut(what)
			}
		}
		out := incomplete(&in.found, e)
		if e.Began != e.Line {
			out.Text = fmt.Sprintf("The file is not complete: it ends at line %d inside %s, which began at line %d.", e.Line, e.Inside, e.Began)
		}
		return out
	case sqltext.TooLong:
		return &backup.Error{Code: backup.CodeFileLimit, Cause: e, Log: e.Error(),
			Text: fmt.Sprintf("The statement at line %d is longer than %d MiB.", e.Began, in.limits.Statement>>20),
			Hint: "Make the dump anew without --inserts or with fewer rows for each INSERT. If the line looks odd, a quote does not close before it."}
	case sqltext.NotText:
		return &backup.Error{Code: backup.CodeNotSQL, Cause: e, Log: e.Error(),
			Text: fmt.Sprintf("Line %d has a NUL byte, which no SQL text has: the file is damaged, or in an encoding such as UTF-16.", e.Line),
			Hint: "Convert the file to UTF-8 or make the dump anew, then upload it again."}
	}
	in.hazard(backup.Hazard{Code: "ambiguous", Line: e.Line, Text: sqltext.Shorten([]byte(e.What)),
		Why: "psql and the server would read it differently, so that it has no meaning to rely on", Hint: "Make the dump anew with pg_dump and UTF-8."})
	return &backup.Error{Code: backup.CodeDangerous, Cause: e, Log: e.Error(), Text: fmt.Sprintf("Line %d can't be read safely: %s.", e.Line, e.What),
		Hint: "Make the dump anew with pg_dump and UTF-8."}
}

func notUTF8(line int64) error {
	return &backup.Error{Code: backup.CodeNotSQL,
		Text: fmt.Sprintf("Line %d has bytes that are no UTF-8, and the file names no other encoding.", line),
		Hint: "Convert the file (iconv -f LATIN1 -t UTF-8), or begin it with the encoding it has, such as SET client_encoding = 'LATIN1';"}
}

var newline = []byte{'\n'}

func countLines(text []byte) int64 { return int64(bytes.Count(text, newline)) }
