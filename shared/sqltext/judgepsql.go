package sqltext

import (
	"bytes"
	"fmt"
	"strings"
)

// Commands of psql that only change how it shows things, or that show something. They may be left out.
var displays = map[string]bool{
	"a": true, "C": true, "conninfo": true, "echo": true, "errverbose": true, "f": true, "H": true, "html": true, "pset": true, "qecho": true,
	"t": true, "T": true, "timing": true, "warn": true, "x": true, "copyright": true, "h": true, "help": true, "?": true, "l": true, "z": true,
}

// Variables of psql that only change how it shows things or goes on after an error. A restore stops at the first one in any case.
var displayVariables = map[string]bool{
	"ECHO": true, "ECHO_HIDDEN": true, "ON_ERROR_STOP": true, "QUIET": true, "SHOW_CONTEXT": true, "SHOW_ALL_RESULTS": true, "VERBOSITY": true,
	"HIDE_TABLEAM": true, "HIDE_TOAST_COMPRESSION": true, "COMP_KEYWORD_CASE": true, "FETCH_COUNT": true,
}

// What commands of psql do that is no business of a file.
var commandDoes = map[string]string{
	"!": "runs a program on the machine of whoever restores", "gexec": "runs text that a query returns", "copy": "reads or writes a file, or runs a program",
	"i": "reads another file", "ir": "reads another file", "include": "reads another file", "include_relative": "reads another file",
	"o": "writes to a file or a program", "out": "writes to a file or a program", "w": "writes a file", "write": "writes a file", "s": "writes a file",
	"g": "sends the statement early, and may write to a file or a program", "gx": "sends the statement early, and may write to a file or a program",
	"gset": "makes variables of a query's result", "setenv": "changes the environment of psql", "getenv": "reads the environment of psql",
	"cd": "changes the working directory", "e": "opens an editor", "edit": "opens an editor", "ef": "opens an editor", "ev": "opens an editor",
	"lo_import": "reads a file", "lo_export": "writes a file", "lo_unlink": "deletes a large object", "password": "changes a password", "prompt": "asks for input",
	"q": "ends the script, so that what follows would not be read", "quit": "ends the script, so that what follows would not be read",
	"if": "leaves parts of the script out", "elif": "leaves parts of the script out", "else": "leaves parts of the script out", "endif": "leaves parts of the script out",
	"encoding": "changes the encoding of what follows", "watch": "repeats a statement without end", "r": "throws the statement away", "reset": "throws the statement away",
	".": "ends rows, but stands outside of them: rows are missing before it, or the file is damaged",
}

const takeCommandOut = "psql is not used for a restore. Take the command out of the file, then upload it again."

// meta judges a command of psql. Nobody runs any: what matters is whether the file means the same without it.
func (j *Judge) meta(item Item) Ruling {
	name := MetaName(item.Text)
	refuse := func(code, why string) Ruling {
		r := reason{code, why, takeCommandOut}
		if name == "encoding" {
			r.hint = "Put SET client_encoding = '…'; in its place, or convert the file to UTF-8."
		}
		return r.ruling(item)
	}
	switch {
	case bytes.IndexByte(item.Text, '`') >= 0:
		return refuse(codePsql, "psql runs what stands in backquotes as a program")
	case item.Inside:
		return refuse(codePsql, "a command of psql in the middle of a statement changes what the server is sent")
	case name == "restrict", name == "unrestrict":
		return Ruling{Ignore: "it protects psql, which is not used here"}
	case name == "encoding" && !j.begun && beforeConnect(item.Text):
		return Ruling{Ignore: "pg_dump writes it before it connects, and sets the encoding after it"}
	case name == "connect", name == "c":
		return j.connect(item)
	case name == "set", name == "unset":
		return setVariable(item, name, refuse)
	case displays[name], isDescribe(name):
		return Ruling{Ignore: "it only makes psql show something"}
	}
	if does, ok := commandDoes[name]; ok {
		return refuse(codePsql, "a command of psql that "+does)
	}
	return refuse(codePsql, "a command of psql that is not known here")
}

// isDescribe reports whether a command is one of the \d family, such as \dt+.
func isDescribe(name string) bool {
	return strings.HasPrefix(name, "d") && len(name) < 8 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzACDFLOPS+") == ""
}

// beforeConnect reports whether \encoding is what pg_dump --create writes before it connects to a database with an odd name. Without the
// command a text is read as UTF-8, which is stricter than SQL_ASCII.
func beforeConnect(text []byte) bool {
	args, ok := metaArguments(text)
	return ok && len(args) == 1 && encodingName(args[0]) == "SQL_ASCII"
}

// setVariable judges \set and \unset.
func setVariable(item Item, command string, refuse func(code, why string) Ruling) Ruling {
	args, ok := metaArguments(item.Text)
	switch {
	case !ok:
		return refuse(codeVariable, "the command's arguments can't be read")
	case len(args) == 0 && command == "set", len(args) > 0 && displayVariables[args[0]]:
		return Ruling{Ignore: "it only changes what psql shows and when it stops"}
	}
	return refuse(codeVariable, "a variable of psql changes what psql reads, and psql is not used here")
}

// metaArguments are the arguments of a command, without their quotes. ok is false where a quote does not close.
func metaArguments(text []byte) (args []string, ok bool) {
	text = bytes.TrimLeft(text, `\`)
	if i := bytes.IndexAny(text, " \t\r\f\v"); i >= 0 {
		text = text[i:]
	} else {
		return nil, true
	}
	var arg []byte
	open := false // an argument has begun
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case class[c] == space:
			if open {
				args = append(args, string(arg))
			}
			arg, open = arg[:0], false
		case c == '\'' || c == '"':
			n := quotedArgument(text[i:], &arg)
			if n == 0 {
				return args, false
			}
			i, open = i+n-1, true
		default:
			arg, open = append(arg, c), true
		}
	}
	if open {
		args = append(args, string(arg))
	}
	return args, true
}

// quotedArgument reads a quoted part of an argument and returns its length, 0 where it does not close.
func quotedArgument(text []byte, arg *[]byte) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote && i+1 < len(text) && text[i+1] == quote:
			*arg = append(*arg, c)
			i++
		case c == quote:
			return i + 1
		case c == '\\' && quote == '\'' && i+1 < len(text):
			*arg = append(*arg, text[i+1])
			i++
		default:
			*arg = append(*arg, c)
		}
	}
	return 0
}

// connect judges \connect: to the script's one database, before anything else, it is harmless.
func (j *Judge) connect(item Item) Ruling {
	name, why := connectTo(item.Text)
	if why != "" {
		r := reason{codeDatabase, why, otherDatabase}
		return r.ruling(item)
	}
	if name != "" && !j.own(name) {
		return j.second(name).ruling(item)
	}
	if j.begun {
		r := reason{codeDatabase, "it connects anew behind other statements, which loses their settings", takeOut}
		return r.ruling(item)
	}
	return Ruling{Ignore: "the restore loads into a database that it makes itself"}
}

// connectTo is the database that \connect names, "" where it stays in the present one. why is not "" where it can't be told, or where
// it names more than a database.
func connectTo(text []byte) (name, why string) {
	args, ok := metaArguments(text)
	if !ok {
		return "", "the command's arguments can't be read"
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "-reuse-previous=") {
		args = args[1:]
	}
	for len(args) > 0 && args[len(args)-1] == ";" {
		args = args[:len(args)-1]
	}
	if len(args) == 0 {
		return "", ""
	}
	for _, a := range args[1:] {
		if a = strings.TrimRight(a, ";"); a != "-" && a != "" {
			return "", "it connects as another user, or to another server"
		}
	}
	name = strings.TrimRight(args[0], ";")
	switch {
	case name == "-":
		return "", ""
	case strings.Contains(name, "://"):
		return "", "it connects to a server of its own choice"
	case strings.HasPrefix(name, ":"):
		return "", "it names the database by a variable of psql"
	case strings.Contains(name, "="):
		return connectionString(name)
	}
	return Truncate(name), ""
}

// connectionString reads dbname='…', as pg_dump writes it for names with odd characters.
func connectionString(s string) (name, why string) {
	value, ok := strings.CutPrefix(strings.TrimSpace(s), "dbname=")
	if !ok {
		return "", "it connects by more than a database's name"
	}
	if !strings.HasPrefix(value, "'") {
		if strings.ContainsAny(value, " '\\=") {
			return "", "it connects by more than a database's name"
		}
		return Truncate(value), ""
	}
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '\\' && i+1 < len(value):
			i++
			b.WriteByte(value[i])
		case value[i] == '\'':
			if i != len(value)-1 {
				return "", "it connects by more than a database's name"
			}
			return Truncate(b.String()), ""
		default:
			b.WriteByte(value[i])
		}
	}
	return "", "the command's arguments can't be read"
}

// own reports whether name is the script's one database, which the first name makes it.
func (j *Judge) own(name string) bool {
	if j.database == "" && !j.begun {
		j.database = name
	}
	return j.database == name
}

// second is the reason for a database that is not the script's one.
func (j *Judge) second(name string) *reason {
	why := fmt.Sprintf("it is about the database %q", Shorten([]byte(name)))
	if j.database != "" {
		why += fmt.Sprintf(", and the script is for %q", Shorten([]byte(j.database)))
	}
	return &reason{codeDatabase, why, otherDatabase}
}
