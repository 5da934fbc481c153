package postgres

import (
	"strings"

	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// action is what becomes of a statement of the file.
type action int

const (
	run      action = iota
	skip            // not run, and listed
	drop            // not run, and not worth a line: what it would do is there, or is done by the hand-over
	handOver        // run by the secret's role when the copy is handed over: owners and grants
	protect         // row level security: on only after the rows are counted, or they would be hidden from their counter
	refresh         // materialized views, last of all
	refuse          // nothing that a dump of one database holds
)

// verdict is a policy's word on a statement.
type verdict struct {
	action action
	why    string
	// forgiven are SQLSTATEs with which the statement may fail; it is listed with why then.
	forgiven []string
	// quiet: not even that.
	quiet bool
}

// phrase are a statement's tokens.
type phrase []sqltext.Token

func parse(item sqltext.Item) (p phrase) {
	for t := range item.Tokens() {
		p = append(p, t)
	}
	return p
}

// begins reports whether the statement begins with these keywords.
func (p phrase) begins(keywords ...string) bool { return p.has(0, keywords...) }

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

// ends reports whether the statement ends with these keywords.
func (p phrase) ends(keywords ...string) bool { return p.has(len(p)-len(keywords), keywords...) }

// count is how often these keywords stand in the statement.
func (p phrase) count(keywords ...string) (n int) {
	for i := range p {
		if p.has(i, keywords...) {
			n++
		}
	}
	return n
}

// name is the identifier at token i, "" where there is none.
func (p phrase) name(i int) string {
	if i < 0 || i >= len(p) {
		return ""
	}
	return p[i].Ident()
}

// is tells at i one of several keywords.
func (p phrase) is(i int, keywords ...string) bool {
	for _, k := range keywords {
		if p.has(i, k) {
			return true
		}
	}
	return false
}

// sessionRole is the role in SET SESSION AUTHORIZATION role, "" for DEFAULT.
func (p phrase) sessionRole() string {
	switch last := p[len(p)-1]; {
	case last.Kind == sqltext.String:
		return strings.ReplaceAll(strings.Trim(string(last.Text), "'"), "''", "'")
	case last.Is("default"):
		return ""
	default:
		return last.Ident()
	}
}

// newOwner is the role in … OWNER TO role, "" where the statement is another.
func (p phrase) newOwner() string {
	if n := len(p); n > 4 && p.has(n-3, "owner", "to") {
		return p[n-1].Name()
	}
	return ""
}

// commands is how many commands an ALTER has: ALTER TABLE takes several, with commas between them.
func (p phrase) commands() int {
	n, depth := 1, 0
	for _, t := range p {
		switch {
		case t.IsPunct('('):
			depth++
		case t.IsPunct(')'):
			depth--
		case depth == 0 && t.IsPunct(','):
			n++
		}
	}
	return n
}

// onlyProtects reports whether all commands of an ALTER TABLE are about row level security: others may run code, and must be run before
// the rows are counted.
func (p phrase) onlyProtects() bool { return p.commands() == p.count("row", "level", "security") }

// schemaOfName is the schema of the first name with a dot.
func (p phrase) schemaOfName() string {
	for i := 1; i+1 < len(p); i++ {
		if p[i].IsPunct('.') {
			return p.name(i - 1)
		}
	}
	return ""
}

// Objects of the whole server. No dump of one database names them.
var ofServer = []string{"database", "role", "user", "group", "tablespace", "system"}

// judge decides on a statement of a dump that runs as a login which is nobody special. heir is the role that owns everything after
// the hand-over.
func judge(p phrase, heir string) verdict {
	switch {
	case len(p) == 0:
		return verdict{action: drop}
	case p.begins("set"), p.begins("reset"):
		return judgeSet(p)
	case p.begins("alter"):
		return judgeAlter(p, heir)
	case p.begins("create"):
		return judgeCreate(p)
	case p.begins("comment", "on"):
		return judgeComment(p)
	case p.begins("grant"), p.begins("revoke"):
		return judgeGrant(p)
	case p.begins("refresh", "materialized"):
		return verdict{action: refresh}
	case p.begins("security", "label"):
		return verdict{action: skip, why: "security labels belong to the server's own label provider"}
	case p.begins("drop") && p.is(1, ofServer...),
		p.is(0, "copy", "do", "call", "execute", "load", "listen", "notify", "prepare", "rollback", "abort", "savepoint", "lock", "vacuum"):
		return verdict{action: refuse}
	}
	return verdict{}
}

// verdict is what the policy says of a statement of this file.
func (l *loading) verdict(p phrase) (v verdict) {
	if l.script == nil {
		v = judge(p, l.heir())
	} else {
		v = judgeScript(p, l.heir(), l.script.mighty)
	}
	// What is handed over is run by the secret's role in a session of its own. A string could end elsewhere there, as the file may have
	// changed how strings are read, and what follows would be statements. No grant and no change of owner has one.
	if v.action == handOver && !p.readsOneWay() {
		return verdict{action: refuse}
	}
	if v.action == handOver && l.script != nil && l.file.role != l.heir() && l.script.mighty[l.file.role] {
		return verdict{action: skip, why: "an upload does nothing as a role with rights beyond the database"}
	}
	return v
}

// readsOneWay reports whether a statement means the same whatever a session's settings are, and names roles as they are: escapes would
// hide which one is meant.
func (p phrase) readsOneWay() bool {
	for _, t := range p {
		if t.Kind == sqltext.String || t.Kind == sqltext.QuotedIdent && t.Text[0] != '"' || t.IsPunct(';') || t.IsPunct('\\') {
			return false
		}
	}
	return true
}

// judgeScript decides on a statement of an upload. A script may do what no dump does: it runs as a login of its own, which may do
// that to its own copy only.
func judgeScript(p phrase, heir string, mighty map[string]bool) verdict {
	v := judge(p, heir)
	switch {
	case p.has(0, "prepare", "transaction"), p.is(0, "commit", "rollback") && p.is(1, "prepared"):
		return verdict{action: refuse} // it would outlive its session, and block whatever becomes of the copy
	case p.is(0, "rollback", "abort") && p.count("to") == 0:
		return verdict{action: refuse} // rows that the server has confirmed would be gone
	case p.is(0, "do", "call", "execute", "listen", "notify", "prepare", "rollback", "savepoint", "lock", "vacuum"):
		return verdict{}
	case p.is(0, "set", "reset") && (p.is(1, "application_name") || p.is(1, "session", "local") && p.is(2, "application_name")):
		return verdict{action: skip, why: "the restore's session keeps its name"}
	case p.begins("set", "session", "authorization") && p.sessionRole() != "" && p.sessionRole() != heir:
		return verdict{action: skip, why: "what follows belongs to the database's owner"}
	case p.begins("refresh", "materialized"):
		return verdict{action: refresh}
	case p.begins("alter", "table") && p.ends("disable", "row", "level", "security") && p.onlyProtects():
		return verdict{action: protect} // in its turn with those that switch it on
	case v.action == handOver && mighty[p.newOwner()]:
		return verdict{action: skip, why: "an upload gives nothing to a role with rights beyond the database"}
	case v.action == handOver && p.newOwner() != "" && p.is(len(p)-1, "current_user", "current_role", "session_user"):
		return verdict{action: drop} // the loader, whose heir is the database's owner
	}
	return v
}

// judgeGrant: grants are replayed by the secret's role, which may do more than the loader. Membership in roles, which names no
// object, and rights on what belongs to the whole server are in no dump of one database.
func judgeGrant(p phrase) verdict {
	for i := range p {
		if p.has(i, "on") {
			if p.is(i+1, ofServer...) || p.is(i+1, "parameter") {
				break
			}
			return verdict{action: handOver}
		}
	}
	return verdict{action: refuse}
}

func judgeSet(p phrase) verdict {
	switch {
	case p.has(1, "session", "authorization"): // the session keeps track of it: see (*staged).authorize
		return verdict{action: drop}
	case p.is(1, "role"), p.is(1, "session", "local") && p.is(2, "role"):
		return verdict{action: refuse}
	case p.is(1, "default_tablespace") && len(p) > 3 && p[len(p)-1].Kind == sqltext.String && len(p[len(p)-1].Text) > 2,
		p.is(1, "default_tablespace") && p.name(len(p)-1) != "" && !p.is(len(p)-1, "default"):
		return verdict{action: skip, why: "the copy is in one tablespace"}
	}
	// A newer pg_dump sets what an older server does not know, such as transaction_timeout.
	return verdict{forgiven: []string{undefinedObject}, why: "this server does not know the setting"}
}

func judgeAlter(p phrase, heir string) verdict {
	switch {
	case p.is(1, ofServer...):
		return verdict{action: refuse}
	case p.has(1, "event", "trigger"):
		return verdict{action: skip, why: "event triggers need a superuser"}
	case p.has(1, "subscription"):
		return verdict{action: skip, why: "a subscription must not start in a copy"}
	case p.has(1, "publication") && p.count("tables", "in", "schema") > 0:
		return verdict{action: skip, why: "a publication of whole schemas needs a superuser"}
	case p.has(1, "default", "privileges"):
		return verdict{action: handOver}
	case p.newOwner() != "" && p.commands() > 1:
		return verdict{action: refuse} // what stands besides it would be run by the secret's role, or be lost
	case p.newOwner() == heir && !(p.has(1, "schema") && p.name(2) == "public"):
		return verdict{action: drop} // the hand-over gives everything to the heir
	case p.newOwner() != "":
		return verdict{action: handOver}
	case p.ends("row", "level", "security") && p.is(len(p)-4, "enable", "force") && p.onlyProtects():
		return verdict{action: protect}
	}
	return verdict{}
}

func judgeCreate(p phrase) verdict {
	switch {
	case p.is(1, ofServer...):
		return verdict{action: refuse}
	case p.has(1, "event", "trigger"):
		return verdict{action: skip, why: "event triggers need a superuser"}
	case p.has(1, "subscription"):
		return verdict{action: skip, why: "a subscription must not start in a copy"}
	case p.has(1, "publication") && (p.count("for", "all") > 0 || p.count("tables", "in", "schema") > 0):
		return verdict{action: skip, why: "a publication of all tables or whole schemas needs a superuser"}
	case p.has(1, "extension") && (p.name(2) == "plpgsql" || p.name(5) == "plpgsql"):
		return verdict{action: drop} // every database has it
	case p.has(1, "schema"):
		return verdict{forgiven: []string{duplicateSchema}, quiet: true} // public, and those made for extensions
	case p.has(1, "policy"):
		return verdict{forgiven: []string{undefinedObject}, why: "the policy is for a role that this server does not have"}
	}
	return verdict{}
}

func judgeComment(p phrase) verdict {
	switch {
	case p.is(2, "extension"):
		return verdict{action: skip, why: "an extension brings its comment itself"}
	case p.has(2, "event", "trigger"), p.is(2, "subscription"):
		return verdict{action: skip, why: "what it describes was skipped"}
	case p.is(2, "database"):
		return verdict{action: skip, why: "the database keeps the comment it has"}
	case p.is(2, ofServer...):
		return verdict{action: refuse}
	case p.is(2, "schema"), p.is(2, "language"), p.is(2, "publication"), p.is(2, "cast"):
		// schema public and built-in languages belong to a superuser before PostgreSQL 15; a publication may have been skipped.
		return verdict{forgiven: []string{insufficientRight, undefinedObject}, why: "only the object's owner may describe it"}
	}
	return verdict{}
}

// withoutLeakproof takes LEAKPROOF out of CREATE FUNCTION: only a superuser may promise it. The planner is more careful with such
// a function then; its results are the same. The second result is false where the word is not there.
func withoutLeakproof(text string, p phrase) (string, bool) {
	if !p.begins("create") || !(p.is(1, "function") || p.has(1, "or", "replace", "function")) {
		return text, false
	}
	for i, t := range p {
		if t.Is("leakproof") {
			end := t.Offset + len(t.Text)
			start := t.Offset
			if i > 0 && p[i-1].Is("not") {
				start = p[i-1].Offset
			}
			return text[:start] + text[end:], true
		}
	}
	return text, false
}

// shorten makes a line of a statement, for people.
func shorten(text string) string {
	const limit = 200
	line := strings.Join(strings.Fields(text[:min(len(text), 4*limit)]), " ")
	if len(line) <= limit {
		return strings.ToValidUTF8(line, "?")
	}
	return strings.ToValidUTF8(line[:limit], "") + " …"
}
