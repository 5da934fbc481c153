package postgres

import (
	"context"
	"strconv"
)

// loadTable is a table or materialized view of the copy.
type loadTable struct {
	oid   string
	kind  string
	bytes int64 // of its heap
	// ordinary tells a table of the file's own whose rows are kept where they are sent to, for good.
	ordinary bool
	// untouched tells one that is empty, and of which nobody is told when rows come and go: to truncate it changes nothing.
	untouched bool
	// vacuumed tells one of which the file does not say whether autovacuum looks after it.
	vacuumed bool
	children []*loadTable // partitions, and tables that inherit from it
}

// loadTables are those of the copy by their names, as they were when the copy was asked last.
type loadTables struct {
	named   map[tableName]*loadTable
	indexes map[tableName]*loadTable // those that the file has made beside its turn, and the tables that they are of
}

// listLoadTables spells its operators out: an upload may have made others that are found first.
const listLoadTables = `SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.pg_relation_size(c.oid),
	c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relpersistence OPERATOR(pg_catalog.<>) 't' AND a.amname OPERATOR(pg_catalog.=) 'heap'
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
			AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
			AND d.deptype OPERATOR(pg_catalog.=) 'e'),
	NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid)
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class OPERATOR(pg_catalog.=) c.oid),
	NOT EXISTS (SELECT FROM pg_catalog.unnest(c.reloptions) o WHERE o OPERATOR(pg_catalog.~~) 'autovacuum_enabled=%')
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	LEFT JOIN pg_catalog.pg_am a ON a.oid OPERATOR(pg_catalog.=) c.relam
	WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m,f}'::pg_catalog."char"[]) AND c.oid OPERATOR(pg_catalog.>=) 16384`

// readLoadTables asks the copy for its tables. indexes are those that are known already.
func (s *staged) readLoadTables(ctx context.Context, indexes map[tableName]*loadTable) (*loadTables, error) {
	found, err := s.query(ctx, listLoadTables)
	if err != nil {
		return nil, serverFailure(ctx, err, "list the copy's tables")
	}
	r := &loadTables{named: make(map[tableName]*loadTable, len(found)), indexes: map[tableName]*loadTable{}}
	numbered := make(map[string]*loadTable, len(found))
	for _, f := range found {
		bytes, _ := strconv.ParseInt(f[4], 10, 64) // none for what has no storage
		t := &loadTable{oid: f[0], kind: f[3], bytes: bytes, ordinary: f[5] == "t", untouched: f[6] == "t" && bytes == 0, vacuumed: f[7] == "t"}
		r.named[tableName{f[1], f[2]}], numbered[t.oid] = t, t
	}
	links, err := s.query(ctx, `SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits`)
	if err != nil {
		return nil, serverFailure(ctx, err, "list the copy's partitions")
	}
	for _, l := range links {
		parent, child := numbered[l[0]], numbered[l[1]]
		if parent != nil && child != nil { // others are indexes
			parent.children = append(parent.children, child)
		}
	}
	for name, t := range indexes {
		if now := numbered[t.oid]; now != nil {
			r.indexes[name] = now
		}
	}
	return r, nil
}

// each gives a table and all below it.
func (t *loadTable) each(do func(*loadTable)) {
	do(t)
	for _, c := range t.children {
		c.each(do)
	}
}
