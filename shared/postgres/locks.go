package postgres

// errand is a statement that touches nothing but tables that it names, so that it may be run beside others.
type errand struct {
	touches []touch
	makes   tableName // the index that it makes on the first of these
	checks  string    // the foreign key that it makes on the first of these for the second, and holds all rows to
}

// touch is what an errand names.
type touch struct {
	name   tableName
	index  bool // it is an index, and its table is meant
	only   bool // what is below the table is left alone
	shared bool // others that say so may be at the table too, as when two indexes of a table are built
}

// parseErrand reads what is known to take no other locks than its tables' own
// (https://www.postgresql.org/docs/current/explicit-locking.html). It is false for all else.
func parseErrand(p phrase) (errand, bool) {
	switch {
	case p.begins("create", "index"):
		return parseIndex(p, 2)
	case p.begins("create", "unique", "index"):
		return parseIndex(p, 3)
	case p.begins("alter", "table", "only"):
		return parseAlterTable(p, 3, true)
	case p.begins("alter", "table"):
		return parseAlterTable(p, 2, false)
	case p.begins("alter", "index"):
		return parseAlterIndex(p)
	case p.begins("comment", "on", "index"):
		name, ok := p.fullName(3)
		return errand{touches: []touch{{name: name, index: true}}}, ok
	case p.begins("comment", "on", "constraint") && p.has(4, "on"):
		name, ok := p.fullName(5)
		return errand{touches: []touch{{name: name}}}, ok
	}
	return errand{}, false
}

// nameTokens is how many tokens schema.name has.
const nameTokens = 3

// fullName is the schema.name that stands at token i.
func (p phrase) fullName(i int) (name tableName, ok bool) {
	if i+2 >= len(p) || !p[i+1].IsPunct('.') {
		return name, false
	}
	name = tableName{p[i].Name(), p[i+2].Name()}
	return name, name.schema != "" && name.table != ""
}

// parseIndex reads name ON [ONLY] table … from token i on.
func parseIndex(p phrase, i int) (errand, bool) {
	if p.name(i) == "" || p.is(i, "concurrently") || !p.has(i+1, "on") { // or IF NOT EXISTS, or no name
		return errand{}, false
	}
	at, only := i+2, p.has(i+2, "only")
	if only {
		at++
	}
	name, ok := p.fullName(at)
	return errand{touches: []touch{{name: name, only: only, shared: true}}, makes: tableName{name.schema, p[i].Name()}}, ok
}

// parseAlterTable reads table and the one thing that is done to it, from token i on.
func parseAlterTable(p phrase, i int, only bool) (errand, bool) {
	name, ok := p.fullName(i)
	if !ok || p.commands() != 1 {
		return errand{}, false
	}
	e, i := errand{touches: []touch{{name: name, only: only}}}, i+nameTokens
	switch {
	case p.has(i, "cluster", "on"), p.has(i, "replica", "identity"):
		return e, true
	case !p.has(i, "add", "constraint") || p.name(i+2) == "":
		return errand{}, false
	case p.is(i+3, "primary", "unique", "exclude"):
		e.makes = tableName{name.schema, p[i+2].Name()}
		return e, true
	case p.has(i+3, "foreign", "key"):
		other, ok := p.referenced(i + 5)
		e.touches = append(e.touches, touch{name: other})
		if p.count("not", "valid")+p.count("not", "enforced") == 0 {
			e.checks = p.name(i + 2)
		}
		return e, ok
	}
	return errand{}, false
}

// referenced is the table that a foreign key points to.
func (p phrase) referenced(from int) (tableName, bool) {
	for i := from; i < len(p); i++ {
		if p.has(i, "references") {
			return p.fullName(i + 1)
		}
	}
	return tableName{}, false
}

// parseAlterIndex reads index ATTACH PARTITION index, which locks both indexes' tables, and what is done to a column of one.
func parseAlterIndex(p phrase) (errand, bool) {
	name, ok := p.fullName(2)
	e, i := errand{touches: []touch{{name: name, index: true}}}, 2+nameTokens
	if p.has(i, "attach", "partition") {
		part, is := p.fullName(i + 2)
		e.touches = append(e.touches, touch{name: part, index: true})
		return e, ok && is
	}
	return e, ok && p.has(i, "alter", "column") && p.commands() == 1
}

// lock is a table that a statement locks while it runs.
type lock struct {
	table  *loadTable
	shared bool // others with such a lock are let in
}

// locks are those of an errand. It is false where one of its names is not known.
func (r *loadTables) locks(e errand) (locks []lock, ok bool) {
	for _, n := range e.touches {
		t := r.named[n.name]
		if n.index {
			t = r.indexes[n.name]
		}
		switch {
		case t == nil:
			return nil, false
		case n.index, n.only && (n.shared || t.kind != "p"): // ALTER TABLE ONLY looks at partitions all the same
			locks = append(locks, lock{t, n.shared})
		default:
			t.each(func(t *loadTable) { locks = append(locks, lock{t, n.shared}) })
		}
	}
	return locks, true
}
