package postgres

import (
	"context"
	"fmt"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// checkTypes refuses columns whose types live does not have. A type comes out of a file and becomes a part of a statement, so it has to
// pass twice: its characters can't begin a comment, a string or another statement, and the server reads the whole of it as the name of
// a type that is there. to_regtype takes what CREATE TABLE takes in that place, by the same grammar, and nothing behind it.
func (r *rescuing) checkTypes(ctx context.Context) error {
	switch r.encoding() {
	case "UTF8", "SQL_ASCII", "MULE_INTERNAL":
	default: // in some others a character may have a quote's byte in it
		return &backup.Error{Code: backup.CodeUnsupported, Text: fmt.Sprintf("The file's names and rows are in the encoding %q, which no backup is written in.", r.plan.Encoding),
			Hint: "Nothing was changed. Choose another backup."}
	}
	if _, err := r.conn.Exec(ctx, "SET client_encoding = "+literal(r.encoding())); err != nil {
		return serverFailure(ctx, err, "take names in the file's encoding")
	}
	known := map[string]bool{}
	for i, s := range r.plan.Sources {
		for _, c := range s.Columns {
			if known[c.Type] {
				continue
			}
			if err := r.checkType(ctx, r.plan.Tables[i], c); err != nil {
				return err
			}
			known[c.Type] = true
		}
	}
	return nil
}

func (r *rescuing) checkType(ctx context.Context, t backup.RescuedTable, c backup.Column) error {
	if !typeText(c.Type) {
		return &backup.Error{Code: backup.CodeUnsupported,
			Text: fmt.Sprintf("The file says of the column %s of %s that its type is %q, which is not the name of a type.", ident(c.Name), t.Name(), c.Type),
			Hint: "Nothing was changed. Choose another backup."}
	}
	var there bool
	err := r.conn.QueryRow(ctx, `SELECT to_regtype($1) IS NOT NULL`, c.Type).Scan(&there)
	if err != nil && sqlState(err) == "" {
		return serverFailure(ctx, err, "look for the type "+c.Type)
	}
	if err == nil && there {
		return nil
	}
	out := &backup.Error{Code: backup.CodeUnsupported, Cause: err,
		Text: fmt.Sprintf("The column %s of %s has the type %s, which the live database does not have.", ident(c.Name), t.Name(), c.Type),
		Hint: "Nothing was changed. Create the type in the live database as it was, and start the restore again; or restore the whole backup."}
	if err != nil {
		out.Log = words(err)
	}
	return out
}

// typeText reports whether a text has the form in which a server writes types: names, quoted or not, with dots and spaces between them, a
// list of numbers or names in brackets, and square brackets. It is stricter than SQL: no comments, no strings, no signs but that of a number.
func typeText(s string) bool {
	depth, last := 0, byte(' ')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			end := quotedEnd(s, i)
			if end < 0 || isNameByte(last) {
				return false
			}
			i = end
		case isNameByte(c), c == '.' && (isNameByte(last) || last == '"'):
		case c == ' ' && i > 0 && last != ' ':
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 1:
		case c == '-' && depth == 1 && (last == ',' || last == '('):
		case c == '[' && depth == 0 && i+1 < len(s) && s[i+1] == ']':
		case c == ']' && last == '[':
		default:
			return false
		}
		if depth < 0 || depth > 1 {
			return false
		}
		last = c
	}
	return s != "" && depth == 0 && (s[0] == '"' || isNameByte(s[0]) && (s[0] < '0' || s[0] > '9'))
}

// quotedEnd is where the quoted name ends that begins at i, -1 where it does not, or holds nothing or what no name holds.
func quotedEnd(s string, i int) int {
	for j := i + 1; j < len(s); j++ {
		switch {
		case s[j] == 0:
			return -1
		case s[j] != '"':
		case j+1 < len(s) && s[j+1] == '"':
			j++
		case j == i+1:
			return -1
		default:
			return j
		}
	}
	return -1
}

func isNameByte(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
