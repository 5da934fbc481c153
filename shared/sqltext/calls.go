package sqltext

import (
	"iter"
	"strings"
)

// executed judges the functions that a statement calls by itself. A name counts where it stands before a parenthesis, and not where
// that opens a list of columns.
func executed(item Item) Ruling {
	var found *reason
	eachCall(item, func(c call) bool {
		found = c.hazard()
		return found == nil
	})
	if found == nil {
		return Ruling{}
	}
	return found.ruling(item)
}

// call is a call of a function, as far as it matters.
type call struct {
	schema   string // "" where it names none
	name     Token
	argument Token // the first one's first token
	alone    bool  // which is all of the argument
}

// eachCall gives the calls of a statement, until each returns false.
func eachCall(item Item, each func(call) bool) {
	var w [7]Token // the last tokens; w[4] is looked at, with what stands around it
	look := func() bool {
		if !w[4].IsPunct('(') || w[3].Kind != Word && w[3].Kind != QuotedIdent {
			return true
		}
		c := call{name: w[3], argument: w[5], alone: w[6].IsPunct(',') || w[6].IsPunct(')')}
		lead := w[2]
		if w[2].IsPunct('.') {
			c.schema, lead = w[1].Name(), w[0]
		}
		if lead.Is("into") || lead.Is("copy") || lead.Is("as") || lead.Is("table") {
			return true
		}
		return each(c)
	}
	odd := 0 // tokens of UESCAPE 'c' to leave out
	for t := range item.Tokens() {
		if t.Is("uescape") && escaped(w[6]) {
			odd = 2
		}
		if odd > 0 {
			odd--
			continue
		}
		copy(w[:], w[1:])
		w[6] = t
		if !look() {
			return
		}
	}
	for range 2 {
		copy(w[:], w[1:])
		w[6] = Token{}
		if !look() {
			return
		}
	}
}

// escaped reports whether t is an identifier written with escapes, U&"…".
func escaped(t Token) bool { return t.Kind == QuotedIdent && t.Text[0] != '"' }

// hazard is why a call must not be made; nil where it may.
func (c call) hazard() *reason {
	if escaped(c.name) {
		return &reason{codeCode, "it calls a function whose name is hidden by escapes", takeOut}
	}
	name := c.name.Ident()
	if strings.HasPrefix(name, "dblink") {
		return &reason{codeElsewhere, "it reaches another server", takeOut}
	}
	if c.schema != "" && c.schema != "pg_catalog" {
		return nil
	}
	if name == "set_config" {
		return c.setConfig()
	}
	for _, f := range reachingFunctions {
		if name == f.name || f.prefix && strings.HasPrefix(name, f.name) {
			return &f.reason
		}
	}
	return nil
}

// setConfig judges a call of set_config: it must say what it sets.
func (c call) setConfig() *reason {
	setting, ok := c.argument.Literal()
	switch {
	case !ok || !c.alone:
		return &reason{codeSetting, "it changes a setting whose name is computed", takeOut}
	case strings.EqualFold(setting, "role"), strings.EqualFold(setting, "session_authorization"):
		return becomesRole
	}
	return nil
}

type reaching struct {
	name   string
	prefix bool // and all that begin so
	reason reason
}

var (
	readsFiles  = reason{codeFile, "it reads or writes files of the database server", takeOut}
	wholeServer = reason{codeServer, "it acts on the whole server", takeOut}
	sessions    = reason{codeSession, "it reaches other sessions", takeOut}
)

// reachingFunctions are the server's functions that reach out of the database.
var reachingFunctions = []reaching{
	{"pg_read_", true, readsFiles}, {"pg_file_", true, readsFiles}, {"pg_ls_", true, readsFiles}, {"pg_write_", true, readsFiles},
	{"pg_stat_file", false, readsFiles}, {"pg_logdir_ls", false, readsFiles}, {"pg_logfile_rotate", false, wholeServer},
	{"pg_current_logfile", false, readsFiles}, {"lo_import", true, readsFiles}, {"lo_export", true, readsFiles},
	{"pg_reload_conf", false, wholeServer}, {"pg_rotate_logfile", true, wholeServer}, {"pg_switch_", true, wholeServer},
	{"pg_create_restore_point", false, wholeServer}, {"pg_promote", false, wholeServer}, {"pg_backup_", true, wholeServer},
	{"pg_start_backup", false, wholeServer}, {"pg_stop_backup", false, wholeServer}, {"pg_wal_replay_", true, wholeServer},
	{"pg_xlog_replay_", true, wholeServer}, {"pg_create_physical_replication_slot", false, wholeServer},
	{"pg_create_logical_replication_slot", false, wholeServer}, {"pg_copy_physical_replication_slot", false, wholeServer},
	{"pg_copy_logical_replication_slot", false, wholeServer}, {"pg_drop_replication_slot", false, wholeServer},
	{"pg_replication_slot_advance", false, wholeServer}, {"pg_logical_", true, wholeServer}, {"pg_replication_origin_", true, wholeServer},
	{"pg_log_backend_memory_contexts", false, sessions}, {"pg_terminate_backend", false, sessions}, {"pg_cancel_backend", false, sessions},
	{"pg_notify", false, sessions}, {"pg_import_system_collations", false, wholeServer},
}

// mayReach reports whether a word may be the name of a function that executed looks for. It has no false negative; it is asked of
// every word of every INSERT.
func mayReach(w []byte) bool {
	if len(w) < 5 {
		return false
	}
	switch w[0] | 0x20 {
	case 'p':
		return w[2] == '_' && w[1]|0x20 == 'g'
	case 'l':
		return w[2] == '_' && w[1]|0x20 == 'o'
	case 'd':
		return same(w[:min(len(w), 6)], "dblink")
	case 's':
		return same(w, "set_config")
	}
	return false
}

// Calls gives the functions that a statement calls by itself, as schema and name; schema is "" where it names none. Keywords before a
// parenthesis, such as IN and VALUES, come along.
func (i Item) Calls() iter.Seq2[string, string] {
	return func(yield func(schema, name string) bool) {
		eachCall(i, func(c call) bool { return yield(c.schema, c.name.Name()) })
	}
}
