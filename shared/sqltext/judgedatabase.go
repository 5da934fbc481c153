package sqltext

// aboutDatabase judges what is about a whole database. Many scripts, and pg_dump --create, begin with dropping, creating and connecting
// to the one they are for. The restore makes a database itself, so all this may be left out, as long as there is only one.
func (j *Judge) aboutDatabase(item Item, verb string, p phrase) (Ruling, bool) {
	switch verb {
	case "CREATE DATABASE", "DROP DATABASE":
		return j.makeDatabase(item, p), true
	case "ALTER DATABASE":
		return j.alterDatabase(item, p), true
	case "COMMENT ON DATABASE", "SECURITY LABEL ON DATABASE":
		name := p.name(p.find("database") + 1)
		if j.database != "" && name != j.database {
			return j.second(name).ruling(item), true
		}
		return Ruling{Ignore: "the database keeps its comment and labels"}, true
	case "ALTER ROLE", "ALTER USER": // pg_dump --create: ALTER ROLE r IN DATABASE d SET …
		if i := p.find("in", "database"); i == 3 {
			return j.property(item, p.name(i+2)), true
		}
	case "REINDEX":
		if i := p.find("database"); i > 0 {
			return j.property(item, p.name(p.past(i+1, "concurrently"))), true
		}
	case "UPDATE": // pg_dump --create --clean: UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'd'
		i := 1
		if p.has(1, "pg_catalog") && p.punct(2, '.') {
			i = 3
		}
		if p.name(i) != "pg_database" {
			break
		}
		name, ok := p[len(p)-1].Literal()
		if !ok || !p.has(len(p)-3, "datname") {
			name = ""
		}
		if name != "" && p.has(i+1, "set", "datistemplate") {
			j.own(name) // it stands before DROP DATABASE
		}
		return j.property(item, name), true
	}
	return Ruling{}, false
}

// makeDatabase judges CREATE DATABASE and DROP DATABASE.
func (j *Judge) makeDatabase(item Item, p phrase) Ruling {
	name := p.name(p.past(2, "if", "exists"))
	switch {
	case j.begun && (j.database == "" || name == j.database):
		return (&reason{codeDatabase, "it stands behind other statements, so that they are for another database", otherDatabase}).ruling(item)
	case name == "" || !j.own(name):
		return j.second(name).ruling(item)
	}
	if i := p.find("template"); i > 0 && p.has(0, "create") {
		if i++; i < len(p) && p[i].Kind == Operator {
			i++
		}
		switch from := p.name(i); from {
		case "template0", "template1", "default":
		default:
			return (&reason{codeDatabase, "the database is to be a copy of another, which is not in the file", otherDatabase}).ruling(item)
		}
	}
	return Ruling{Ignore: "the restore makes its own database"}
}

func (j *Judge) alterDatabase(item Item, p phrase) Ruling {
	if p.has(3, "rename") {
		return (&reason{codeDatabase, "it renames a database", otherDatabase}).ruling(item)
	}
	return j.property(item, p.name(2))
}

// property judges what changes a database's properties.
func (j *Judge) property(item Item, name string) Ruling {
	if name == "" || name != j.database {
		return j.second(name).ruling(item)
	}
	return Ruling{Ignore: "the database keeps the properties that it has"}
}

// nameOfOther is the reason for a name with a database in front, as in COPY other.public.t. The server refuses every such name but
// those that name the database they run in, and the copy has a name of its own.
func nameOfOther(p phrase) *reason {
	for i := range p {
		named := p.any(i, "into", "copy", "table", "update", "truncate", "only", "exists", "view", "sequence")
		if !named && !(i == 1 && p.has(0, "delete", "from")) {
			continue
		}
		at := i + 1
		if p.name(at) != "" && p.punct(at+1, '.') && p.name(at+2) != "" && p.punct(at+3, '.') && p.name(at+4) != "" {
			return &reason{codeDatabase, "it names a database in front of a table", "Take the database's name out: schema and table are enough."}
		}
	}
	return nil
}
