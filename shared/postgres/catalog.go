package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// relation is a table whose rows a dump may hold, or the head of a partitioned table, which has none.
type relation struct {
	OID     uint32
	Schema  string
	Name    string
	Owner   string
	Quoted  string // schema and name as SQL, quoted where they have to be
	Head    bool   // of a partitioned table
	Heap    bool   // its rows lie in pages, which can be asked for by number
	Pages   int64
	Size    int64 // bytes on disk without what lies out of line
	Toast   int64 // bytes on disk of what lies out of line
	Tuples  float64
	Names   []string // of the partitioned tables that it is a part of, as schema.table
	Visible bool     // our role may use its schema and read it
	Usable  bool     // our role may use its schema
	Hidden  bool     // row level security is in effect for our role
	// Extension is the one that brought it; Condition is what its author says of the rows that are the user's.
	Extension string
	Condition string
	columns   []dumpfile.Column
	quoted    []string // the columns' names as SQL
	key       []string
}

// named is the relation's name, as a selection means it.
func (r relation) named() tableName { return tableName{r.Schema, r.Name} }

// bytes is about how long its rows are as text. A row takes 24 bytes of header, 4 of line pointer and some padding in its page, and
// only tabs and a newline in a dump. Values out of line are compressed there to about two thirds and are not in the dump.
func (r relation) bytes() int64 {
	return max(r.Size-32*int64(max(r.Tuples, 0)), r.Size/4) + r.Toast*3/2
}

// userRelations are the tables that a dump is about: those of the user, and those of extensions whose authors want some of their rows in
// dumps. c is pg_class, n is pg_namespace; x is the extension.
const userRelations = `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	LEFT JOIN LATERAL (SELECT e.extname, e.extcondition[array_position(e.extconfig, c.oid)] AS condition, array_position(e.extconfig, c.oid) IS NOT NULL AS wanted
		FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' LIMIT 1) x ON true
	WHERE c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND coalesce(x.wanted, true)`

const relationsQuery = `SELECT c.oid, n.nspname, c.relname, pg_get_userbyid(c.relowner), quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind = 'p',
	coalesce((SELECT amname = 'heap' FROM pg_am WHERE oid = c.relam), false),
	coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int, coalesce(pg_relation_size(c.oid), 0),
	coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0), c.reltuples::float8,
	CASE WHEN c.relispartition THEN ARRAY(SELECT pn.nspname || '.' || pc.relname FROM pg_partition_ancestors(c.oid) a JOIN pg_class pc ON pc.oid = a.relid
		JOIN pg_namespace pn ON pn.oid = pc.relnamespace WHERE a.relid <> c.oid) ELSE '{}' END,
	coalesce(has_table_privilege(c.oid, 'SELECT'), true), coalesce(has_schema_privilege(n.oid, 'USAGE'), true), row_security_active(c.oid),
	coalesce(x.extname, ''), coalesce(x.condition, '') ` + userRelations + ` AND c.relkind IN ('r', 'p') ORDER BY 2, 3`

// columnsQuery has the columns that a COPY of a table has: all but generated ones.
const columnsQuery = `SELECT a.attrelid, a.attname, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_attribute a
	WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attrelid, a.attnum`

const keysQuery = `SELECT i.indrelid, a.attname FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(attnum, place)
	JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
	WHERE i.indisprimary AND i.indrelid = ANY($1) AND k.place <= i.indnkeyatts ORDER BY i.indrelid, k.place`

// readRelations lists them in the order of their names, without their columns.
func readRelations(ctx context.Context, conn *pgx.Conn) ([]relation, error) {
	rows, err := conn.Query(ctx, relationsQuery)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r relation, err error) {
		err = row.Scan(&r.OID, &r.Schema, &r.Name, &r.Owner, &r.Quoted, &r.Head, &r.Heap, &r.Pages, &r.Size, &r.Toast, &r.Tuples, &r.Names,
			&r.Visible, &r.Usable, &r.Hidden, &r.Extension, &r.Condition)
		return r, err
	})
}

// readColumns fills in the columns and the primary keys of relations.
func readColumns(ctx context.Context, conn *pgx.Conn, list []relation) error {
	at := make(map[uint32]*relation, len(list))
	oids := make([]uint32, len(list))
	for i := range list {
		oids[i], at[list[i].OID] = list[i].OID, &list[i]
	}
	rows, err := conn.Query(ctx, columnsQuery, oids)
	if err != nil {
		return err
	}
	var oid uint32
	var column dumpfile.Column
	var name string
	_, err = pgx.ForEachRow(rows, []any{&oid, &column.Name, &name, &column.Type, &column.NotNull}, func() error {
		at[oid].columns, at[oid].quoted = append(at[oid].columns, column), append(at[oid].quoted, name)
		return nil
	})
	if err != nil {
		return err
	}
	if rows, err = conn.Query(ctx, keysQuery, oids); err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&oid, &name}, func() error {
		at[oid].key = append(at[oid].key, name)
		return nil
	})
	return err
}

// unreadable is what keeps us from reading all rows of a relation: nil where nothing does.
func (r relation) unreadable(user string, selected backup.Selection) error {
	user = ident(user)
	out := &backup.Error{Code: backup.CodePermission}
	switch {
	case !r.Usable:
		out.Text = fmt.Sprintf("User %s may not read the schema %s, so a backup would not be complete.", user, ident(r.Schema))
		out.Hint = grantFor("schema", ident(r.Schema), user)
	case !r.Visible:
		out.Text = fmt.Sprintf("User %s may not read the table %s, so a backup would not be complete.", user, r.Quoted)
		out.Hint = grantFor("table", r.Quoted, user)
	case r.Hidden && !r.Head && r.wanted(selected):
		out.Text = fmt.Sprintf("Row level security of the table %s hides rows from user %s, so a backup would not be complete.", r.Quoted, user)
		out.Hint = fmt.Sprintf("ALTER ROLE %s BYPASSRLS;", user)
	default:
		return nil
	}
	return out
}

// wanted reports whether a selection wants the rows of a relation. A partition is meant by the names of its whole, too; rows of an
// extension's tables belong to the schema.
func (r relation) wanted(s backup.Selection) bool {
	return r.Extension != "" || s.Wants(append([]string{r.Schema + "." + r.Name}, r.Names...)...)
}

// position is where a sequence stands.
type position struct {
	Schema, Name, Owner, Quoted string
	Value                       int64
	Called                      bool
	readable, usable            bool
}

const sequencesQuery = `SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner), quote_ident(n.nspname) || '.' || quote_ident(c.relname),
	has_sequence_privilege(c.oid, 'SELECT'), has_schema_privilege(n.oid, 'USAGE') ` + userRelations + ` AND c.relkind = 'S' ORDER BY 1, 2`

// readPositions reads where all sequences stand. What they have given out before the snapshot was taken is behind that.
func readPositions(ctx context.Context, conn *pgx.Conn, user string) ([]position, error) {
	rows, err := conn.Query(ctx, sequencesQuery)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p position, err error) {
		err = row.Scan(&p.Schema, &p.Name, &p.Owner, &p.Quoted, &p.readable, &p.usable)
		return p, err
	})
	if err != nil {
		return nil, err
	}
	const many = 200 // in one question
	for from := 0; from < len(list); from += many {
		some := list[from:min(from+many, len(list))]
		var parts []string
		for i, p := range some {
			if !p.readable || !p.usable {
				return nil, p.unreadable(user)
			}
			parts = append(parts, fmt.Sprintf("SELECT %d, last_value, is_called FROM %s", i, ident(p.Schema, p.Name)))
		}
		rows, err := conn.Query(ctx, strings.Join(parts, " UNION ALL "), pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return nil, err
		}
		var i int
		var value int64
		var called bool
		if _, err := pgx.ForEachRow(rows, []any{&i, &value, &called}, func() error {
			some[i].Value, some[i].Called = value, called
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (p position) unreadable(user string) error {
	kind, name := "sequence", p.Quoted
	if !p.usable {
		kind, name = "schema", ident(p.Schema)
	}
	return &backup.Error{Code: backup.CodePermission, Hint: grantFor(kind, name, ident(user)),
		Text: fmt.Sprintf("User %s may not read the %s %s, so a backup would not be complete.", ident(user), kind, name)}
}

// text is the statement that sets the sequence, as pg_dump writes it.
func (p position) text() string {
	return fmt.Sprintf("--\n-- Name: %s; Type: SEQUENCE SET; Schema: %s; Owner: %s\n--\n\nSELECT pg_catalog.setval(%s, %d, %t);\n\n\n",
		comment(p.Name), comment(p.Schema), comment(p.Owner), literal(p.Quoted), p.Value, p.Called)
}

// comment is a name as it may stand in a comment: on one line.
func comment(name string) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(name)
}
