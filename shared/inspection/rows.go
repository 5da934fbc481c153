package inspection

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// rowCounter counts the rows of each table, and notices where the text can't tell them any more.
type rowCounter struct {
	tables []table
	index  map[name]int
	path   []string // search_path: where names without a schema are looked for
	total  int64
	copies int

	inexact   int64 // line from which on rows can't be foretold
	trigger   int64 // line of the first trigger or rule: rows that come behind it may become others
	functions bool  // the script has made functions

	prefix []byte // of the last INSERT, up to the end of its table's name
	target int    // its table
}

type name struct{ schema, table string }

type table struct {
	rows    backup.TableRows
	foreign bool // a view or temporary: not to be found in the copy
	parent  bool // partitioned: its rows are in its partitions
	gone    bool
}

func newRowCounter() *rowCounter {
	return &rowCounter{index: map[name]int{}, path: []string{"public"}}
}

// list are the tables in the order in which they were named first.
func (c *rowCounter) list() []backup.TableRows {
	out := make([]backup.TableRows, 0, len(c.tables))
	for _, t := range c.tables {
		if t.gone || t.foreign {
			continue
		}
		t.rows.Schema, t.rows.Table = strings.ToValidUTF8(t.rows.Schema, "?"), strings.ToValidUTF8(t.rows.Table, "?")
		out = append(out, t.rows)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// unforetold notes that rows can't be foretold behind a line.
func (c *rowCounter) unforetold(line int64) {
	if c.inexact == 0 || line < c.inexact {
		c.inexact = line
	}
}

// find is the index of a table, which is made where it is not there.
func (c *rowCounter) find(schema, tableName string) (int, error) {
	schema, tableName = sqltext.Truncate(schema), sqltext.Truncate(tableName)
	if schema == "" {
		schema = c.path[0]
		for _, s := range c.path {
			if i, ok := c.index[name{s, tableName}]; ok && !c.tables[i].gone {
				schema = s
				break
			}
		}
	}
	key := name{schema, tableName}
	if i, ok := c.index[key]; ok {
		c.tables[i].gone = false
		return i, nil
	}
	if len(c.tables) == maxTables {
		return 0, &backup.Error{Code: backup.CodeFileLimit, Text: fmt.Sprintf("The file has more than %d tables.", maxTables),
			Hint: "Split the dump by schemas."}
	}
	c.index[key] = len(c.tables)
	c.tables = append(c.tables, table{rows: backup.TableRows{Schema: schema, Table: tableName}})
	return len(c.tables) - 1, nil
}

// filled counts rows of a statement.
func (c *rowCounter) filled(i int, line, rows, size int64) {
	t := &c.tables[i]
	t.rows.Rows += rows
	t.rows.Bytes += size
	c.total += rows
	if c.trigger > 0 {
		c.unforetold(c.trigger)
	}
	if t.foreign || t.parent {
		c.unforetold(line)
	}
}

// copied counts the rows of a COPY.
func (c *rowCounter) copied(line int64, exact bool, r backup.TableRows) error {
	i, err := c.find(r.Schema, r.Table)
	if err != nil {
		return err
	}
	c.copies++
	c.filled(i, line, r.Rows, r.Bytes)
	if !exact {
		c.unforetold(line)
	}
	return nil
}

// insert counts the rows of an INSERT. It is false where the statement names no table as PostgreSQL's does.
func (c *rowCounter) insert(item sqltext.Item, in sqltext.Insertion) (bool, error) {
	if !c.sameTarget(item.Text) {
		schema, tableName, end, ok := sqltext.InsertTarget(item.Text)
		if !ok {
			return false, nil
		}
		i, err := c.find(schema, tableName)
		if err != nil {
			return true, err
		}
		c.prefix, c.target = append(c.prefix[:0], item.Text[:end]...), i
	}
	c.filled(c.target, item.Line, in.Rows, int64(len(item.Text)))
	if !in.Exact || in.Calls && c.functions {
		c.unforetold(item.Line)
	}
	return true, nil
}

// sameTarget reports whether an INSERT begins as the last one did, to the end of its table's name. It saves reading it.
func (c *rowCounter) sameTarget(text []byte) bool {
	if len(c.prefix) == 0 || !bytes.HasPrefix(text, c.prefix) {
		return false
	}
	rest := text[len(c.prefix):]
	if len(rest) == 0 || rest[0] != ' ' && rest[0] != '(' && rest[0] != '\n' {
		return false
	}
	rest = bytes.TrimLeft(rest[:min(len(rest), 16)], " \n")
	return len(rest) > 0 && (rest[0] == '(' || rest[0]|0x20 >= 'a' && rest[0]|0x20 <= 'z')
}

// statement takes in a statement that is no INSERT and no COPY of rows.
func (c *rowCounter) statement(item sqltext.Item, verb string, h head) error {
	c.prefix = c.prefix[:0] // the path may change, or a table of that name be made
	switch verb {
	case "CREATE TABLE":
		return c.createTable(item, h)
	case "CREATE VIEW":
		schema, view, _ := h.tableName(h.past(1, "or", "replace", "temp", "temporary", "recursive", "view"))
		i, err := c.find(schema, view)
		if err == nil {
			c.tables[i].foreign = true
		}
		return err
	case "CREATE TRIGGER", "CREATE CONSTRAINT TRIGGER", "CREATE RULE":
		if c.trigger == 0 {
			c.trigger = item.Line
		}
	case "CREATE FUNCTION", "CREATE PROCEDURE":
		c.functions = true
	case "SELECT", "VALUES":
		c.query(item)
	case "SET", "RESET", "DISCARD":
		c.settings(h)
	case "DROP TABLE", "DROP SCHEMA":
		c.drop(item, verb, h)
	case "ALTER TABLE", "ALTER SCHEMA":
		if h.has("rename", "to") || h.has("set", "schema") {
			c.unforetold(item.Line)
		}
	case "UPDATE", "DELETE", "TRUNCATE", "MERGE":
		if c.total > 0 {
			c.unforetold(item.Line)
		}
	case "WITH", "DO", "CALL", "EXECUTE", "EXPLAIN":
		c.unforetold(item.Line)
	}
	return nil
}

// createTable takes in a table.
func (c *rowCounter) createTable(item sqltext.Item, h head) error {
	temporary := h.is(1, "temp") || h.is(1, "temporary") || h.is(2, "temp") || h.is(2, "temporary")
	at := h.past(1, "global", "local", "temp", "temporary", "unlogged", "table", "if", "not", "exists")
	schema, tableName, _ := h.tableName(at)
	if schema == "pg_temp" {
		temporary = true
	}
	i, err := c.find(schema, tableName)
	if err != nil {
		return err
	}
	t := &c.tables[i]
	t.foreign = temporary
	depth := 0
	var last sqltext.Token
	for token := range item.Tokens() {
		switch {
		case token.IsPunct('('):
			depth++
		case token.IsPunct(')'):
			depth--
		case depth == 0 && token.Is("as"):
			c.unforetold(item.Line)
		case depth == 0 && last.Is("partition") && token.Is("by"):
			t.parent = true
		}
		last = token
	}
	return nil
}

// drop takes in what is dropped. Tables that have no rows yet are just gone.
func (c *rowCounter) drop(item sqltext.Item, verb string, h head) {
	if verb != "DROP TABLE" || h.has("cascade") && c.total > 0 {
		if c.total > 0 {
			c.unforetold(item.Line)
		}
		return
	}
	for at := h.past(2, "if", "exists"); at < len(h); at++ {
		schema, tableName, next := h.tableName(at)
		if schema == "" {
			schema = c.path[0]
		}
		if i, ok := c.index[name{schema, tableName}]; ok {
			if c.tables[i].rows.Rows > 0 {
				c.unforetold(item.Line)
			}
			c.tables[i].gone = true
		}
		if at = next; at >= len(h) || !h[at].IsPunct(',') {
			return
		}
	}
}

// harmless are functions, and words before a parenthesis, that change no rows. pg_dump writes the first of them.
var harmless = map[string]bool{}

func init() {
	for w := range strings.FieldsSeq(`setval set_config lo_create lo_creat lo_open lo_close lo_unlink lowrite loread lo_from_bytea lo_put lo_lseek
		lo_lseek64 lo_truncate nextval currval lastval pg_get_serial_sequence coalesce max min count sum greatest least nullif version now current_setting
		current_database cast exists in from values and or not any all some on using over filter where when then else by row select as interval decode encode
		format quote_ident quote_literal concat upper lower to_regclass row_number`) {
		harmless[w] = true
	}
}

// query takes in a SELECT: it changes rows where it makes a table, or calls a function that is not known to change none.
func (c *rowCounter) query(item sqltext.Item) {
	for schema, function := range item.Calls() {
		if schema != "pg_catalog" && !(schema == "" && harmless[function]) {
			c.unforetold(item.Line)
			return
		}
	}
	depth := 0
	for t := range item.Tokens() {
		switch {
		case t.IsPunct('('):
			depth++
		case t.IsPunct(')'):
			depth--
		case depth == 0 && t.Is("into"):
			c.unforetold(item.Line)
			return
		}
	}
	c.setConfig(item)
}
