package inspection

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// The kinds of database servers whose files are recognised.
const (
	mysqlServer  = "MySQL or MariaDB"
	sqlServer    = "Microsoft SQL Server"
	oracleServer = "Oracle"
	sqliteFile   = "SQLite"
)

// otherCommands are words that begin a statement elsewhere, and never in PostgreSQL.
var otherCommands = map[string]string{
	"use": mysqlServer, "delimiter": mysqlServer, "unlock": mysqlServer, "replace": mysqlServer, "handler": mysqlServer, "pragma": sqliteFile,
	"go": sqlServer, "exec": sqlServer, "print": sqlServer, "rem": oracleServer, "whenever": oracleServer, "define": oracleServer, "prompt": oracleServer,
}

// otherSettings are what SET is followed by elsewhere.
var otherSettings = map[string]string{
	"foreign_key_checks": mysqlServer, "unique_checks": mysqlServer, "sql_mode": mysqlServer, "autocommit": mysqlServer, "sql_notes": mysqlServer,
	"character_set_client": mysqlServer, "character_set_results": mysqlServer, "collation_connection": mysqlServer, "sql_log_bin": mysqlServer,
	"ansi_nulls": sqlServer, "nocount": sqlServer, "identity_insert": sqlServer, "quoted_identifier": sqlServer, "ansi_padding": sqlServer,
	"xact_abort": sqlServer, "define": oracleServer, "sqlblanklines": oracleServer, "serveroutput": oracleServer, "scan": oracleServer,
}

// otherTypes are words in CREATE TABLE behind which no table of PostgreSQL is.
var otherTypes = map[string]string{
	"autoincrement": sqliteFile, "varchar2": oracleServer, "nvarchar2": oracleServer, "datetime2": sqlServer, "uniqueidentifier": sqlServer,
	"mediumtext": mysqlServer, "longtext": mysqlServer, "longblob": mysqlServer, "mediumblob": mysqlServer, "tinyint": mysqlServer,
}

// otherEngine is the error for an item that only another kind of server understands; nil for all others.
func otherEngine(item sqltext.Item, verb string, h head) error {
	server := ""
	switch {
	case item.Kind == sqltext.Comment:
		server = byComment(item.Text)
	case verb == "CREATE TABLE":
		if server = byWords(h); server == "" {
			server = byTable(item)
		}
	case verb == "SELECT":
	default:
		server = byWords(h)
	}
	if server == "" {
		return nil
	}
	return &backup.Error{Code: backup.CodeWrongEngine,
		Text: fmt.Sprintf("The file is for %s, not for PostgreSQL: see line %d, %s", server, item.Line, sqltext.Shorten(item.Text[:min(len(item.Text), 120)])),
		Hint: "Upload a dump that pg_dump made of a PostgreSQL database."}
}

// foreignKind is the engine that an error of otherEngine is about, where it is one of ours.
func foreignKind(e *backup.Error) backup.EngineKind {
	if strings.Contains(e.Text, mysqlServer) {
		return backup.MySQL
	}
	return ""
}

// byComment knows the headers that other tools write, and comments that MySQL runs.
func byComment(text []byte) string {
	for prefix, server := range map[string]string{
		"-- MySQL dump ": mysqlServer, "-- MariaDB dump ": mysqlServer, "-- phpMyAdmin SQL Dump": mysqlServer, "/*M!": mysqlServer, "-- Adminer ": mysqlServer,
		"/****** Object:": sqlServer,
	} {
		if bytes.HasPrefix(text, []byte(prefix)) && !(prefix == "-- Adminer " && bytes.Contains(text, []byte("PostgreSQL"))) {
			return server
		}
	}
	if len(text) > 4 && string(text[:3]) == "/*!" && text[3] >= '0' && text[3] <= '9' {
		return mysqlServer
	}
	return ""
}

// byWords looks at a statement's first tokens.
func byWords(h head) string {
	if len(h) == 0 {
		return ""
	}
	if h[0].Kind == sqltext.Operator && h[0].Text[0] == '#' {
		return mysqlServer
	}
	if s := otherCommands[h.name(0)]; s != "" {
		if h.name(0) == "use" && len(h) > 1 && h[1].IsPunct('[') {
			return sqlServer
		}
		return s
	}
	switch {
	case h.is(0, "set") && len(h) > 1:
		if h[1].Kind == sqltext.Operator && h[1].Text[0] == '@' {
			return mysqlServer
		}
		return otherSettings[strings.ToLower(h.name(h.past(1, "session", "global")))]
	case h.is(0, "lock") && h.is(1, "tables"), h.is(0, "insert") && h.is(1, "ignore"), h.is(0, "lock") && h.is(1, "instance"):
		return mysqlServer
	}
	for i, t := range h[1:min(len(h), 7)] {
		if t.Kind == sqltext.Operator && t.Text[0] == '`' && h[i].Kind == sqltext.Word {
			return mysqlServer
		}
		if t.IsPunct('[') && (h.is(i, "table") || h.is(i, "into") || h.is(i, "database") || h.is(i, "exists") || h.is(i, "schema")) {
			return sqlServer
		}
	}
	return ""
}

// byTable looks through a CREATE TABLE.
func byTable(item sqltext.Item) string {
	depth := 0
	var last sqltext.Token
	for t := range item.Tokens() {
		switch {
		case t.IsPunct('('):
			depth++
		case t.IsPunct(')'):
			depth--
		case depth == 0 && last.Is("engine") && t.Kind == sqltext.Operator && string(t.Text) == "=":
			return mysqlServer
		case t.Kind == sqltext.Word && last.Kind == sqltext.Word && (t.Is("auto_increment") || t.Is("unsigned")) && depth == 1,
			t.Is("auto_increment") && last.IsPunct(')') && depth == 1:
			return mysqlServer
		case t.Kind == sqltext.Word && depth == 1 && !last.IsPunct('(') && !last.IsPunct(',') && !last.IsPunct('.'):
			if s := otherTypes[t.Ident()]; s != "" {
				return s
			}
		}
		last = t
	}
	return ""
}

// head are the first tokens of a statement.
type head []sqltext.Token

func newHead(item sqltext.Item) head {
	const most = 24
	var h head
	for t := range item.Tokens() {
		h = append(h, t)
		if len(h) == most {
			break
		}
	}
	return h
}

func (h head) is(i int, keyword string) bool { return i >= 0 && i < len(h) && h[i].Is(keyword) }

func (h head) name(i int) string {
	if i < 0 || i >= len(h) {
		return ""
	}
	return h[i].Name()
}

// past is the first token from i on that is none of these keywords.
func (h head) past(i int, keywords ...string) int {
again:
	for _, k := range keywords {
		if h.is(i, k) {
			i++
			goto again
		}
	}
	return i
}

// has reports whether these keywords stand one behind the other somewhere.
func (h head) has(keywords ...string) bool {
	for i := range h {
		n := 0
		for n < len(keywords) && h.is(i+n, keywords[n]) {
			n++
		}
		if n == len(keywords) {
			return true
		}
	}
	return false
}

// tableName reads a name of up to two parts at i, and returns the token behind it.
func (h head) tableName(i int) (schema, table string, next int) {
	table, next = h.name(i), i+1
	for next+1 < len(h) && h[next].IsPunct('.') {
		schema, table = table, h.name(next+1)
		next += 2
	}
	return schema, table, next
}
