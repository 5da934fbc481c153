package sqltext

import "strings"

// Statements that are a hazard whatever they say further.
var hazardous = map[string]*reason{
	"ALTER SYSTEM": {codeServer, "it changes the configuration of the whole server", takeOut},
	"CHECKPOINT":   {codeServer, "it acts on the whole server", takeOut},
	"LOAD":         {codeCode, "it loads a library into the server", takeOut},

	"PREPARE TRANSACTION": {codeTx, "it leaves a transaction behind that blocks the exchange of the databases", takeOut},
	"COMMIT PREPARED":     {codeTx, "it decides on a transaction that is not the file's", takeOut},
	"ROLLBACK PREPARED":   {codeTx, "it decides on a transaction that is not the file's", takeOut},
	"ROLLBACK":            {codeTx, "it undoes what was loaded before it", takeOut},
	"ABORT":               {codeTx, "it undoes what was loaded before it", takeOut},

	"LISTEN":   {codeSession, "it talks to other sessions", takeOut},
	"UNLISTEN": {codeSession, "it talks to other sessions", takeOut},
	"NOTIFY":   {codeSession, "it talks to other sessions", takeOut},

	"CREATE FOREIGN DATA WRAPPER": {codeElsewhere, "it lets the database reach other servers", notByUpload},
	"CREATE SERVER":               {codeElsewhere, "it lets the database reach another server", notByUpload},
	"ALTER SERVER":                {codeElsewhere, "it lets the database reach another server", notByUpload},
	"CREATE USER MAPPING":         {codeElsewhere, "it holds a login for another server", notByUpload},
	"ALTER USER MAPPING":          {codeElsewhere, "it holds a login for another server", notByUpload},
	"IMPORT FOREIGN SCHEMA":       {codeElsewhere, "it reads from another server", notByUpload},

	"CREATE ACCESS METHOD":         {codeSuperuser, "only a superuser may create an access method", notByUpload},
	"CREATE OPERATOR CLASS":        {codeSuperuser, "only a superuser may create an operator class", notByUpload},
	"CREATE OPERATOR FAMILY":       {codeSuperuser, "only a superuser may create an operator family", notByUpload},
	"CREATE TEXT SEARCH PARSER":    {codeSuperuser, "only a superuser may create a parser for text search", notByUpload},
	"CREATE TEXT SEARCH TEMPLATE":  {codeSuperuser, "only a superuser may create a template for text search", notByUpload},
	"CREATE TABLESPACE":            {codeSpace, "tablespaces belong to the whole server", plainDump},
	"ALTER TABLESPACE":             {codeSpace, "tablespaces belong to the whole server", plainDump},
	"DROP TABLESPACE":              {codeSpace, "tablespaces belong to the whole server", plainDump},
	"COMMENT ON TABLESPACE":        {codeSpace, "tablespaces belong to the whole server", plainDump},
	"SECURITY LABEL ON TABLESPACE": {codeSpace, "tablespaces belong to the whole server", plainDump},

	"CREATE ROLE": aboutRole, "CREATE USER": aboutRole, "CREATE GROUP": aboutRole,
	"ALTER ROLE": aboutRole, "ALTER USER": aboutRole, "ALTER GROUP": aboutRole,
	"DROP ROLE": aboutRole, "DROP USER": aboutRole, "DROP GROUP": aboutRole,
	"COMMENT ON ROLE": aboutRole, "SECURITY LABEL ON ROLE": aboutRole,
	"REASSIGN OWNED": {codeRole, "it changes the owner of everything of a role, other databases included", takeOut},
	"DROP OWNED":     {codeRole, "it drops everything of a role", takeOut},
}

var (
	aboutRole   = &reason{codeRole, "roles belong to the whole server", plainDump}
	becomesRole = &reason{codeRole, "it makes the rest of the file run as another role", "Make the dump without --role, or take the line out."}
	membership  = &reason{codeRole, "it makes a role a member of another, which holds for the whole server", takeOut}
)

// statement judges a statement that is not rows.
func (j *Judge) statement(item Item, p phrase) Ruling {
	verb := Verb(item.Text)
	if r, ok := j.aboutDatabase(item, verb, p); ok {
		return r
	}
	if r := hazardous[verb]; r != nil {
		return r.ruling(item)
	}
	if r := nameOfOther(p); r != nil {
		return r.ruling(item)
	}
	switch verb {
	case "SET ROLE", "RESET ROLE":
		if last := p[len(p)-1]; verb == "RESET ROLE" || last.Is("none") || last.Is("default") {
			return Ruling{Ignore: "one login loads all of the file"}
		}
		return becomesRole.ruling(item)
	case "COPY":
		return copyElsewhere(item)
	case "GRANT", "REVOKE":
		return j.grant(item)
	case "CREATE EXTENSION":
		return extension(item, p)
	case "CREATE LANGUAGE":
		return language(item, p)
	case "CREATE FUNCTION", "CREATE PROCEDURE":
		return routine(item)
	case "CREATE TYPE":
		return baseType(item, p)
	case "CREATE CAST":
		if p.find("without", "function") >= 0 {
			return (&reason{codeSuperuser, "only a superuser may create a cast without a function", notByUpload}).ruling(item)
		}
	case "CREATE TABLE":
		if queryBehind(item) {
			return executed(item)
		}
	case "CREATE MATERIALIZED VIEW", "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "WITH", "CALL", "PREPARE", "EXPLAIN", "DECLARE", "EXECUTE":
		return executed(item)
	}
	return Ruling{}
}

// isSetting reports whether a statement only changes a setting of the session.
func isSetting(p phrase) bool {
	if p.any(0, "set", "reset") {
		return true
	}
	i := 1
	if p.has(1, "pg_catalog") && p.punct(2, '.') {
		i = 3
	}
	return p.has(0, "select") && p.has(i, "set_config")
}

// queryBehind reports whether a CREATE TABLE is filled by a query: AS outside of parentheses.
func queryBehind(item Item) bool {
	depth := 0
	for t := range item.Tokens() {
		switch {
		case t.IsPunct('('):
			depth++
		case t.IsPunct(')'):
			depth--
		case depth == 0 && t.Is("as"):
			return true
		}
	}
	return false
}

// copyElsewhere judges a COPY that takes no rows from the script.
func copyElsewhere(item Item) Ruling {
	depth := 0
	out, place, changes := false, false, false
	for t := range item.Tokens() {
		switch {
		case place:
			return copyPlace(item, t, out, changes)
		case t.IsPunct('('):
			depth++
		case t.IsPunct(')'):
			depth--
		case depth == 0 && (t.Is("from") || t.Is("to")):
			place, out = true, t.Is("to")
		case depth > 0:
			changes = changes || t.Is("insert") || t.Is("update") || t.Is("delete") || t.Is("merge")
		}
	}
	return Ruling{}
}

// copyPlace judges where a COPY goes to or comes from: t is the token behind TO or FROM.
func copyPlace(item Item, t Token, out, changes bool) Ruling {
	switch {
	case t.Is("program"):
		return (&reason{codeProgram, "it runs a program on the database server", takeOut}).ruling(item)
	case t.Kind == String || t.Kind == Param:
		return (&reason{codeFile, "it reads or writes a file of the database server", "Use COPY … FROM stdin with the rows in the file, as pg_dump does."}).ruling(item)
	case out && changes:
		return (&reason{codeOutput, "it changes rows and writes them out, where nobody reads them", takeOut}).ruling(item)
	case out:
		return Ruling{Ignore: "it only writes rows out"}
	}
	return Ruling{}
}

// grant judges GRANT and REVOKE by what they are on.
func (j *Judge) grant(item Item) Ruling {
	var on []Token // from ON to the end of the list of names, if it is on databases
	for t := range item.Tokens() {
		if len(on) > 0 && (t.Is("to") || t.Is("from")) || len(on) == maxPhrase {
			break
		}
		if len(on) > 0 || t.Is("on") {
			on = append(on, t)
		}
	}
	p := phrase(on)
	switch {
	case len(p) == 0:
		return membership.ruling(item)
	case p.has(1, "tablespace"):
		return hazardous["CREATE TABLESPACE"].ruling(item)
	case p.has(1, "parameter"):
		return (&reason{codeServer, "it gives rights on the server's configuration", takeOut}).ruling(item)
	case !p.has(1, "database"):
		return Ruling{}
	}
	for i := 2; i < len(p); i += 2 {
		if name := p.name(i); j.database != "" && name != j.database {
			return j.second(name).ruling(item)
		}
	}
	if len(p) > 3 && j.database == "" {
		return j.second(p.name(4)).ruling(item)
	}
	return Ruling{Ignore: "the database keeps the rights that it has"}
}

// reachesOut are extensions that let SQL reach out of its database: no right of a login holds them back.
func reachesOut(name string) bool {
	switch name {
	case "dblink", "adminpack", "plsh":
		return true
	}
	return strings.HasSuffix(name, "_fdw") || untrusted(name)
}

// untrusted are languages whose functions are not held by the server's rights.
func untrusted(name string) bool {
	switch name {
	case "c", "internal", "plsh", "plpythonu", "plpython2u", "plpython3u", "plperlu", "pltclu", "pljavau", "plrustu", "plluau":
		return true
	}
	return false
}

func extension(item Item, p phrase) Ruling {
	name := p.name(p.past(2, "if", "not", "exists"))
	if reachesOut(strings.ToLower(name)) {
		return (&reason{codeExtension, "the extension " + Shorten([]byte(name)) + " reaches out of the database", notByUpload}).ruling(item)
	}
	return Ruling{}
}

// language judges CREATE LANGUAGE, which is CREATE EXTENSION for every language that the server brings.
func language(item Item, p phrase) Ruling {
	i := p.find("language") + 1
	name := strings.ToLower(p.name(i))
	if name == "" && i < len(p) {
		name, _ = p[i].Literal() // up to PostgreSQL 9.0
	}
	switch {
	case untrusted(name):
		return (&reason{codeExtension, "functions in this language are not held by the server's rights", notByUpload}).ruling(item)
	case p.find("handler") >= 0:
		return (&reason{codeSuperuser, "only a superuser may create a language", notByUpload}).ruling(item)
	case name == "plpgsql":
		return Ruling{Ignore: "every database has it"}
	}
	return Ruling{}
}

// routine judges CREATE FUNCTION by its language. What its body does is held by the rights of whoever calls it.
func routine(item Item) Ruling {
	depth := 0
	var last, before Token
	for t := range item.Tokens() {
		switch {
		case t.IsPunct('('):
			depth++
		case t.IsPunct(')'):
			depth--
		case depth > 0:
		case before.Is("begin") && last.Is("atomic"), last.Is("return"): // the body has begun
			return Ruling{}
		case last.Is("language"):
			name := t.Name()
			if v, ok := t.Literal(); ok {
				name = v
			}
			if untrusted(strings.ToLower(name)) || t.Kind == String && name == "" || escaped(t) {
				return (&reason{codeCode, "functions in this language run in the server, not held by its rights", notByUpload}).ruling(item)
			}
		}
		before, last = last, t
	}
	return Ruling{}
}

// baseType judges CREATE TYPE name (INPUT = …), which makes types of functions in C.
func baseType(item Item, p phrase) Ruling {
	i := 3
	for p.punct(i, '.') {
		i += 2
	}
	if !p.punct(i, '(') {
		return Ruling{}
	}
	for ; i+1 < len(p); i++ {
		if p.has(i, "input") && p[i+1].Kind == Operator {
			return (&reason{codeSuperuser, "only a superuser may create a base type", notByUpload}).ruling(item)
		}
	}
	return Ruling{}
}
