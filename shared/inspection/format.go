package inspection

import (
	"bytes"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// format is something that a file is instead of SQL.
type format struct{ is, hint string }

func (f *format) error() error {
	return &backup.Error{Code: backup.CodeNotSQL, Text: "The file " + f.is + ", not SQL text.", Hint: f.hint}
}

var gzipMagic = []byte{0x1f, 0x8b}

const (
	unpack  = "Unpack it, and upload the .sql file itself, plain or compressed by gzip."
	convert = "Save it as UTF-8 (iconv -f UTF-16 -t UTF-8), then upload it again."
	another = "Upload a dump made by pg_dump, plain or compressed by gzip."
)

// magics are the beginnings of files that are often given the name of a dump.
var magics = []struct {
	at     int
	magic  string
	format format
}{
	{0, "PGDMP", format{"is an archive of pg_dump in its custom format", "Make it plain: pg_restore -f out.sql file, then upload out.sql."}},
	{257, "ustar", format{"is a tar archive", "Unpack it. If it has a toc.dat it is pg_dump's tar format: make it plain by pg_restore -f out.sql file."}},
	{0, "toc.dat", format{"is a tar archive of pg_dump", "Make it plain: pg_restore -f out.sql file, then upload out.sql."}},
	{0, "PK\x03\x04", format{"is a zip archive", unpack}},
	{0, "PK\x05\x06", format{"is an empty zip archive", unpack}},
	{0, "\xfd7zXZ\x00", format{"is compressed by xz", "Decompress it (xz -d), then upload it plain or compressed by gzip."}},
	{0, "BZh", format{"is compressed by bzip2", "Decompress it (bzip2 -d), then upload it plain or compressed by gzip."}},
	{0, "\x28\xb5\x2f\xfd", format{"is compressed by zstd", "Decompress it (zstd -d), then upload it plain or compressed by gzip."}},
	{0, "\x04\x22\x4d\x18", format{"is compressed by lz4", "Decompress it (lz4 -d), then upload it plain or compressed by gzip."}},
	{0, "7z\xbc\xaf\x27\x1c", format{"is a 7z archive", unpack}},
	{0, "Rar!", format{"is a RAR archive", unpack}},
	{0, "SQLite format 3\x00", format{"is a database file of SQLite", another}},
	{0, "%PDF", format{"is a PDF document", another}},
	{0, "\x00\x00\xfe\xff", format{"is text in UTF-32", "Save it as UTF-8 (iconv -f UTF-32 -t UTF-8), then upload it again."}},
	{0, "\xff\xfe\x00\x00", format{"is text in UTF-32", "Save it as UTF-8 (iconv -f UTF-32 -t UTF-8), then upload it again."}},
	{0, "\xff\xfe", format{"is text in UTF-16", convert}},
	{0, "\xfe\xff", format{"is text in UTF-16", convert}},
	{0, "\x7fELF", format{"is a program", another}},
	{0, "MZ\x90\x00", format{"is a program", another}},
}

// kindOf is what the beginning of a file shows it to be, nil where it may be text.
func kindOf(head []byte) *format {
	for i, m := range magics {
		if len(head) > m.at && bytes.HasPrefix(head[m.at:], []byte(m.magic)) {
			return &magics[i].format
		}
	}
	nul := bytes.Count(head, []byte{0})
	switch {
	case nul == 0:
		return nil
	case nul*3 > len(head)*2:
		return &format{"is text in UTF-32, or no text", "Save it as UTF-8, then upload it again."}
	case nul*3 > len(head):
		return &format{"is text in UTF-16 without its mark", convert}
	}
	return &format{"is of a binary kind that is not known", another}
}

// commands are the first words of PostgreSQL's commands.
var commands = map[string]bool{}

func init() {
	for w := range strings.FieldsSeq(`ABORT ALTER ANALYZE ANALYSE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE DECLARE
		DELETE DISCARD DO DROP END EXECUTE EXPLAIN FETCH GRANT IMPORT INSERT LISTEN LOAD LOCK MERGE MOVE NOTIFY PREPARE REASSIGN REFRESH REINDEX
		RELEASE RESET REVOKE ROLLBACK SAVEPOINT SECURITY SELECT SET SHOW START TABLE TRUNCATE UNLISTEN UPDATE VACUUM VALUES WITH`) {
		commands[w] = true
	}
}

// known reports whether a verb begins with a command of PostgreSQL.
func known(verb string) bool {
	word, _, _ := strings.Cut(verb, " ")
	return commands[word] && len(verb) < 64
}

// notSQL is the error for a text that does not begin as SQL does. Where its beginning is a long comment, it can't tell yet.
func notSQL(text []byte) error {
	if what := guess(text); what != "" {
		return notSQLBut(what)
	}
	return nil
}

func notSQLBut(what string) *backup.Error {
	return &backup.Error{Code: backup.CodeNotSQL, Text: "The file " + what + ", not SQL text.", Hint: another}
}

// guess is what a text is by its first tokens, "" where it may be SQL.
func guess(text []byte) string {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	trimmed := bytes.TrimLeft(text, " \t\r\n\f\v;")
	lower := bytes.ToLower(trimmed[:min(len(trimmed), 512)])
	switch {
	case len(trimmed) == 0:
		return ""
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		return "is an HTML page"
	case bytes.HasPrefix(lower, []byte("<?xml")) && bytes.Contains(lower, []byte("<error>")):
		return "is an error message of S3 in XML"
	case lower[0] == '<':
		return "is XML or HTML"
	case lower[0] == '{':
		return "is JSON"
	case lower[0] == '[':
		return "is JSON"
	case lower[0] == '#':
		return "" // a comment of MySQL: otherEngine says so
	}
	return guessByTokens(text, trimmed)
}

func guessByTokens(text, trimmed []byte) string {
	var first, second sqltext.Token
	n := 0
	for t := range sqltext.Tokens(text) {
		if t.IsPunct(';') {
			continue
		}
		if n++; n == 1 {
			first = t
		} else {
			second = t
			break
		}
	}
	separated := columns(trimmed)
	switch {
	case n == 0, first.IsPunct('('), first.IsPunct('\\'), first.Offset+len(first.Text) == len(text):
		return ""
	case first.Kind != sqltext.Word && separated:
		return "is a table in CSV"
	case first.Kind != sqltext.Word:
		return "begins as no SQL statement does: it is something else"
	case second.IsPunct(','):
		return "is a table in CSV"
	case commands[strings.ToUpper(first.Ident())], otherCommands[first.Ident()] != "":
		return ""
	case separated:
		return "is a table in CSV"
	}
	return "begins as no SQL statement does: it is something else"
}

// columns reports whether the first two lines of a text are as many columns each.
func columns(text []byte) bool {
	first, rest, _ := bytes.Cut(text, newline)
	second, _, _ := bytes.Cut(rest, newline)
	for _, sep := range []string{",", ";", "\t"} {
		n := bytes.Count(first, []byte(sep))
		if n > 0 && (len(second) == 0 && n > 1 || n == bytes.Count(second, []byte(sep))) {
			return true
		}
	}
	return false
}
