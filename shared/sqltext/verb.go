package sqltext

import (
	"iter"
	"strings"
)

// objects are the kinds of objects that CREATE, ALTER, DROP, COMMENT ON and SECURITY LABEL name by more than one word.
var objects = []string{
	"ACCESS METHOD", "CONSTRAINT TRIGGER", "DEFAULT PRIVILEGES", "EVENT TRIGGER", "FOREIGN DATA WRAPPER", "FOREIGN TABLE",
	"LARGE OBJECT", "MATERIALIZED VIEW", "OPERATOR CLASS", "OPERATOR FAMILY", "TEXT SEARCH CONFIGURATION",
	"TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "UNIQUE INDEX", "USER MAPPING",
}

// commands are the other commands of more than one word.
var commands = []string{
	"COMMIT PREPARED", "DROP OWNED", "IMPORT FOREIGN SCHEMA", "PREPARE TRANSACTION", "REASSIGN OWNED",
	"REFRESH MATERIALIZED VIEW", "RESET ROLE", "RESET SESSION AUTHORIZATION", "ROLLBACK PREPARED", "SET CONSTRAINTS",
	"SET ROLE", "SET SESSION AUTHORIZATION", "SET SESSION CHARACTERISTICS", "SET TRANSACTION", "START TRANSACTION",
}

// Verb is what a statement does, as leading keywords in capitals with single spaces:
//
//   - CREATE, ALTER or DROP and the kind of object: "CREATE TABLE", "CREATE UNIQUE INDEX", "ALTER DEFAULT PRIVILEGES",
//     "DROP FOREIGN DATA WRAPPER". Words that only qualify are left out: OR REPLACE, TEMPORARY, TEMP, GLOBAL, LOCAL,
//     UNLOGGED, RECURSIVE, TRUSTED, PROCEDURAL, and DEFAULT before CONVERSION.
//   - COMMENT ON and SECURITY LABEL with the kind of object: "COMMENT ON EXTENSION", "SECURITY LABEL ON TABLE"; without
//     FOR provider.
//   - Those of two words or more in the list commands, such as "SET ROLE", "REFRESH MATERIALIZED VIEW", "DROP OWNED". SET
//     role = … is "SET ROLE", SET session_authorization = … is "SET SESSION AUTHORIZATION"; SESSION and LOCAL are left out.
//   - else the first word: "SELECT", "INSERT", "COPY", "GRANT", "DO", "SET". Parentheses before it are left out.
//
// It is "" where there is no word to begin with.
func Verb(text []byte) string {
	w := leading(text)
	if len(w) == 0 {
		return ""
	}
	for _, c := range commands {
		if hasWords(w, c) {
			return c
		}
	}
	switch w[0] {
	case "CREATE", "ALTER", "DROP":
		return join(w[0], object(w[1:]))
	case "COMMENT":
		if len(w) > 1 && w[1] == "ON" {
			return join("COMMENT ON", object(w[2:]))
		}
	case "SECURITY":
		return securityLabel(w)
	case "SET":
		return setVerb(w)
	}
	return w[0]
}

// verbWords is how many leading words can matter: SECURITY LABEL FOR provider ON TEXT SEARCH CONFIGURATION has eight.
const verbWords = 10

// leading are the first words of a statement, in capitals. A quoted identifier or a string that stands among them ends
// them, but for SET "role" and the provider of a label.
func leading(text []byte) (w []string) {
	for t := range Tokens(text) {
		switch {
		case len(w) == 0 && t.IsPunct('('):
			continue
		case t.Kind == Word:
			w = append(w, strings.ToUpper(t.Ident()))
		case t.Kind == QuotedIdent && len(w) > 0 && w[0] == "SET":
			w = append(w, strings.ToUpper(t.Ident()))
		case (t.Kind == QuotedIdent || t.Kind == String) && len(w) == 3 && w[0] == "SECURITY":
			w = append(w, "")
		default:
			return w
		}
		if len(w) == verbWords {
			return w
		}
	}
	return w
}

// hasWords reports whether w begins with the words of command.
func hasWords(w []string, command string) bool {
	c := strings.Fields(command)
	if len(w) < len(c) {
		return false
	}
	for i := range c {
		if w[i] != c[i] {
			return false
		}
	}
	return true
}

// object is the kind of object that w begins with, behind words that only qualify it.
func object(w []string) string {
	for i := range w {
		switch w[i] {
		case "OR", "REPLACE", "TEMPORARY", "TEMP", "GLOBAL", "LOCAL", "UNLOGGED", "RECURSIVE", "TRUSTED", "PROCEDURAL":
			continue
		case "DEFAULT":
			if i+1 < len(w) && w[i+1] == "CONVERSION" {
				continue
			}
		}
		for _, o := range objects {
			if hasWords(w[i:], o) {
				return o
			}
		}
		return w[i]
	}
	return ""
}

func join(verb, object string) string {
	if object == "" {
		return verb
	}
	return verb + " " + object
}

// securityLabel reads SECURITY LABEL [ FOR provider ] ON object.
func securityLabel(w []string) string {
	if len(w) > 4 && w[2] == "FOR" {
		w = append(w[:2:2], w[4:]...)
	}
	if !hasWords(w, "SECURITY LABEL ON") {
		return w[0]
	}
	return join("SECURITY LABEL ON", object(w[3:]))
}

// setVerb tells the forms of SET apart that change who runs what follows.
func setVerb(w []string) string {
	for len(w) > 2 && (w[1] == "SESSION" || w[1] == "LOCAL") {
		w = append(w[:1:1], w[2:]...)
	}
	if len(w) > 1 {
		switch w[1] {
		case "ROLE":
			return "SET ROLE"
		case "AUTHORIZATION", "SESSION_AUTHORIZATION":
			return "SET SESSION AUTHORIZATION"
		case "TRANSACTION":
			return "SET TRANSACTION"
		}
	}
	return "SET"
}

// copyStatement is a COPY as far as it matters to whoever reads or runs a script.
type copyStatement struct {
	schema, table string
	columns       []string
	fromClient    bool // COPY … FROM stdin
	binary        bool
	ok            bool // COPY of a table, not of a query
}

// CopyTarget is the table of a COPY of either direction, with its names as the server has them, and the columns where
// they are listed. schema is "" where the statement names none. ok is false for a COPY of a query and whatever else.
func CopyTarget(text []byte) (schema, table string, columns []string, ok bool) {
	c := parseCopy(Tokens(text))
	return c.schema, c.table, c.columns, c.ok
}

// parseCopy reads COPY [ BINARY ] [ [ database. ] schema. ] table [ (columns) ] [ WITH OIDS ] FROM | TO place options.
func parseCopy(text iter.Seq[Token]) (c copyStatement) {
	next, stop := iter.Pull(text)
	defer stop()
	t, _ := next()
	if !t.Is("copy") {
		return c
	}
	if t, _ = next(); t.Is("binary") {
		c.binary = true
		t, _ = next()
	}
	for t.Kind == Word || t.Kind == QuotedIdent {
		c.schema, c.table = c.table, t.Ident()
		if t, _ = next(); !t.IsPunct('.') {
			c.ok = true
			break
		}
		t, _ = next()
	}
	if !c.ok {
		return copyStatement{}
	}
	if t.Kind == Punct && t.IsPunct('(') {
		for t, _ = next(); t.Kind == Word || t.Kind == QuotedIdent; t, _ = next() {
			c.columns = append(c.columns, t.Ident())
			if t, _ = next(); !t.IsPunct(',') {
				break
			}
		}
		t, _ = next()
	}
	if t.Is("with") {
		_, _ = next() // OIDS, up to PostgreSQL 11
		t, _ = next()
	}
	if !t.Is("from") {
		return c
	}
	t, _ = next()
	// The server's grammar takes STDOUT here too and reads from the client all the same.
	c.fromClient = t.Is("stdin") || t.Is("stdout")
	for t, more := next(); more; t, more = next() {
		c.binary = c.binary || t.Is("binary") || t.Kind == String && strings.EqualFold(string(t.Text), "'binary'") ||
			t.Kind == QuotedIdent && t.Ident() == "binary"
	}
	return c
}
