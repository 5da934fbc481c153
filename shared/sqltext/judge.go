package sqltext

import (
	"strings"
	"unicode"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Ruling is what a Judge says of an item.
type Ruling struct {
	// Hazard is why the item must not be run, and the file be refused. nil where it may.
	Hazard *backup.Hazard
	// Ignore is why the item is harmless because nobody runs it, such as \restrict. "" where it is to be run.
	Ignore string
}

// Judge decides of each item of a script whether it may be run. It has a memory: the preamble that creates and connects to one
// database is harmless, a second database is not. It is asked twice of the same file, by the inspection and by whoever runs it.
//
// It judges what a script does by itself. What stands in bodies of functions, DO blocks, CHECKs, defaults and index expressions is
// held by the rights of the login that loads: no lexer sees to the bottom of it.
type Judge struct {
	database string // under which the script creates or connects to its database
	begun    bool   // something else than settings and the preamble was seen
	tokens   phrase
}

// NewJudge returns a judge for the items of one script, from its first on.
func NewJudge() *Judge { return &Judge{} }

// Database is the name under which the script drops, creates or connects to its database, as far as it was read.
func (j *Judge) Database() string { return j.database }

// Rule decides of the next item.
func (j *Judge) Rule(item Item) Ruling {
	switch item.Kind {
	case Meta:
		return j.meta(item)
	case Comment:
		return Ruling{}
	case Copy:
		j.begun = true
		if r := nameOfOther(j.read(item)); r != nil {
			return r.ruling(item)
		}
		return executed(item)
	}
	if item.insert.is && !item.insert.named && item.insert.dots < 2 {
		j.begun = true // rows and nothing else: by far the most statements of a dump with INSERT
		return Ruling{}
	}
	p := j.read(item)
	if len(p) == 0 {
		return Ruling{}
	}
	r := j.statement(item, p)
	j.begun = j.begun || r.Hazard == nil && r.Ignore == "" && !isSetting(p)
	return r
}

// Reasons for a hazard. Codes are stable: they are part of the API.
const (
	codePsql      = "psql_command"   // a command of psql that does something outside of the database, or changes what is read
	codeVariable  = "psql_variable"  // a variable of psql
	codeProgram   = "program"        // runs a program on the server
	codeFile      = "server_file"    // reads or writes files of the server
	codeCode      = "server_code"    // loads code into the server that no right holds back
	codeServer    = "server_setting" // changes the whole server
	codeSession   = "other_session"  // reaches other sessions
	codeRole      = "role"           // makes, changes or becomes a role
	codeDatabase  = "other_database" // reaches another database
	codeElsewhere = "foreign_server" // reaches another server
	codeSpace     = "tablespace"     // belongs to the server's disks
	codeExtension = "extension"      // installs what reaches out of the database
	codeTx        = "transaction"    // undoes what was loaded, or leaves it undecided
	codeSuperuser = "superuser"      // only a superuser may do it
	codeSetting   = "setting"        // a setting that can't be followed
	codeOutput    = "output"         // writes rows where nobody reads them
	takeOut       = "Take it out of the file, then upload it again."
	plainDump     = "Dump the one database by pg_dump, which writes nothing of the kind, and upload that."
	notByUpload   = "An uploaded file is loaded by a login that may not do this. Take it out, and have it done on the server by who may."
	otherDatabase = "A file for one database is wanted: take out what is about the other."
)

// reason is why something is a hazard.
type reason struct{ code, why, hint string }

// ruling makes a hazard of it.
func (r *reason) ruling(item Item) Ruling {
	return Ruling{Hazard: &backup.Hazard{Code: r.code, Line: item.Line, Text: r.text(item), Why: r.why, Hint: r.hint}}
}

// text is the item for people to read. Statements that can hold a password are shown without their strings: a record is no place for
// one.
func (r *reason) text(item Item) string {
	switch r.code {
	case codeRole, codeElsewhere, codeServer, codeSession, codeExtension:
		if item.Kind != Meta {
			return Shorten(masked(item))
		}
	case codeVariable, codePsql:
		switch name := MetaName(item.Text); name {
		case "set", "setenv", "connect", "c", "password", "prompt":
			return Shorten([]byte(`\` + name + " …"))
		}
	case codeDatabase:
		if item.Kind == Meta {
			return Shorten([]byte(`\` + MetaName(item.Text) + " …"))
		}
	}
	return Shorten(item.Text)
}

// masked is the beginning of a statement, without comments and with … for each string.
func masked(item Item) []byte {
	var out []byte
	end := 0
	for t := range item.Tokens() {
		if len(out) > 2*maxShort {
			break
		}
		if t.Offset > end && len(out) > 0 {
			out = append(out, ' ')
		}
		end = t.Offset + len(t.Text)
		if t.Kind == String {
			out = append(out, "'…'"...)
			continue
		}
		out = append(out, t.Text[:min(len(t.Text), maxShort)]...)
	}
	return out
}

// BeforeString is a statement up to its first string, for people to read: strings may hold passwords. It is the same whatever is held of
// backslashes, which matter in strings only. What has no string is left as it is.
func BeforeString(text string) string {
	for t := range Tokens([]byte(text)) {
		if t.Kind == String {
			return text[:t.Offset] + "…"
		}
	}
	return text
}

// maxShort is the longest text that Shorten returns, in characters.
const maxShort = 200

// Shorten makes one line of a statement or command for people to read: valid UTF-8 of at most 200 characters, without control
// characters.
func Shorten(text []byte) string {
	long := len(text) > 8*maxShort
	line := strings.ToValidUTF8(string(text[:min(len(text), 8*maxShort)]), "?")
	line = strings.Join(strings.Fields(line), " ")
	line = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, line)
	runes := []rune(line)
	if len(runes) > maxShort {
		runes, long = runes[:maxShort], true
	}
	if long {
		runes = append(runes[:min(len(runes), maxShort-2)], ' ', '…')
	}
	return string(runes)
}

// phrase are the first tokens of a statement.
type phrase []Token

// maxPhrase is how many tokens of a statement are kept. What may stand further behind is looked for token by token.
const maxPhrase = 64

// read are the first tokens of a statement, valid until the next call.
func (j *Judge) read(item Item) phrase {
	j.tokens = j.tokens[:0]
	for t := range item.Tokens() {
		j.tokens = append(j.tokens, t)
		if len(j.tokens) == maxPhrase {
			break
		}
	}
	return j.tokens
}

// has reports whether these keywords stand at token i.
func (p phrase) has(i int, keywords ...string) bool {
	if i < 0 || len(p) < i+len(keywords) {
		return false
	}
	for n, k := range keywords {
		if !p[i+n].Is(k) {
			return false
		}
	}
	return true
}

// any reports whether one of these keywords stands at token i.
func (p phrase) any(i int, keywords ...string) bool {
	for _, k := range keywords {
		if p.has(i, k) {
			return true
		}
	}
	return false
}

// name is the identifier at token i, as the server has it, "" where there is none.
func (p phrase) name(i int) string {
	if i < 0 || i >= len(p) {
		return ""
	}
	return p[i].Name()
}

// punct reports whether the punctuation c stands at token i.
func (p phrase) punct(i int, c byte) bool { return i >= 0 && i < len(p) && p[i].IsPunct(c) }

// find is the first place of these keywords, -1 where there is none.
func (p phrase) find(keywords ...string) int {
	for i := range p {
		if p.has(i, keywords...) {
			return i
		}
	}
	return -1
}

// past is the first token from i on that is none of these keywords.
func (p phrase) past(i int, keywords ...string) int {
	for p.any(i, keywords...) {
		i++
	}
	return i
}
