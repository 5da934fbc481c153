package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// tableThere is a table as the catalog has it.
type tableThere struct {
	oid    uint32
	quoted string // schema and name as SQL
	kind   string // of relation; "" where there is none
}

func readTable(ctx context.Context, conn *pgx.Conn, schema, name string) (t tableThere, err error) {
	err = conn.QueryRow(ctx, `SELECT quote_ident($1) || '.' || quote_ident($2)`, schema, name).Scan(&t.quoted)
	if err != nil {
		return t, err
	}
	err = conn.QueryRow(ctx, `SELECT c.oid, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
		schema, name).Scan(&t.oid, &t.kind)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return t, err
}

// sharedColumns are the columns of a rescued table: whether live's table has them and takes values for them, whether it takes only its own
// unless it is overridden, and whether they are of the rescued table's key.
const sharedColumns = `SELECT quote_ident(a.attname), l.attnum IS NOT NULL AND l.attgenerated = '', coalesce(l.attidentity = 'a', false), coalesce(a.attnum = ANY (k.indkey), false)
	FROM pg_attribute a LEFT JOIN pg_attribute l ON l.attrelid = $2 AND l.attname = a.attname AND l.attnum > 0 AND NOT l.attisdropped
	LEFT JOIN pg_index k ON k.indrelid = a.attrelid AND k.indisprimary
	WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`

// bringBack is SQL that brings the rows of a rescued table back that live lacks. It is for people to look at: only they know what is right.
// There is none where a name is not UTF-8, as in a database of SQL_ASCII: records are JSON and can't hold it.
func bringBack(ctx context.Context, conn *pgx.Conn, schema string, t backup.RescuedTable) (string, error) {
	if strings.ContainsRune(t.Name(), utf8.RuneError) {
		return "", nil
	}
	sql, err := bringBackSQL(ctx, conn, schema, t)
	if !utf8.ValidString(sql) {
		sql = ""
	}
	return sql, err
}

func bringBackSQL(ctx context.Context, conn *pgx.Conn, schema string, t backup.RescuedTable) (string, error) {
	live, err := readTable(ctx, conn, t.Schema, t.Table)
	if err != nil {
		return "", err
	}
	rescued, err := readTable(ctx, conn, schema, t.As)
	if err != nil {
		return "", err
	}
	if rescued.kind == "" {
		return "", nil // somebody has moved it already
	}
	switch live.kind {
	case "r", "p", "f":
	case "":
		return moveBack(ctx, conn, live, rescued, t)
	default:
		return fmt.Sprintf("-- %s is something else than a table in the live database.\n", comment(live.quoted)), nil
	}
	rows, err := conn.Query(ctx, sharedColumns, rescued.oid, live.oid)
	if err != nil {
		return "", err
	}
	type column struct {
		Name                string
		Shared, Always, Key bool
	}
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		return "", err
	}
	var into, from, same, gone []string
	overriding, keyed := "", true
	for _, c := range columns {
		if !c.Shared {
			gone = append(gone, c.Name)
			keyed = keyed && !c.Key
			continue
		}
		into, from = append(into, c.Name), append(from, "r."+c.Name)
		if c.Key {
			same = append(same, fmt.Sprintf("l.%s = r.%s", c.Name, c.Name))
		}
		if c.Always {
			overriding = " OVERRIDING SYSTEM VALUE"
		}
	}
	return insertBack(live, rescued, into, from, gone, overriding, keyed && len(same) > 0, strings.Join(same, " AND ")), nil
}

func insertBack(live, rescued tableThere, into, from, gone []string, overriding string, keyed bool, same string) string {
	var b strings.Builder
	if len(gone) > 0 {
		fmt.Fprintf(&b, "-- %s takes no values for these columns any more: %s.\n", comment(live.quoted), comment(strings.Join(gone, ", ")))
	}
	if !keyed {
		b.WriteString("-- Without a primary key nothing tells which rows are there already: this adds all of them.\n")
	}
	list := ""
	if len(into) > 0 {
		list = " (" + strings.Join(into, ", ") + ")"
	}
	fmt.Fprintf(&b, "INSERT INTO %s%s%s\nSELECT %s FROM %s r", live.quoted, list, overriding, strings.Join(from, ", "), rescued.quoted)
	if keyed {
		fmt.Fprintf(&b, "\nWHERE NOT EXISTS (SELECT FROM %s l WHERE %s)", live.quoted, same)
	}
	b.WriteString(";\n")
	return b.String()
}

// moveBack is SQL that puts a table where live has none.
func moveBack(ctx context.Context, conn *pgx.Conn, live, rescued tableThere, t backup.RescuedTable) (string, error) {
	var schema, name, as string
	if err := conn.QueryRow(ctx, `SELECT quote_ident($1), quote_ident($2), quote_ident($3)`, t.Schema, t.Table, t.As).Scan(&schema, &name, &as); err != nil {
		return "", err
	}
	sql := fmt.Sprintf("-- The live database has no table %s. This makes the rescued one that: with its rows and its primary key, and without\n"+
		"-- the defaults, other constraints, indexes, triggers and rights that it had.\nALTER TABLE %s SET SCHEMA %s;\n", comment(live.quoted), rescued.quoted, schema)
	if as != name {
		sql += fmt.Sprintf("ALTER TABLE %s.%s RENAME TO %s;\n", schema, as, name)
	}
	return sql, nil
}
