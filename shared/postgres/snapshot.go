package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// snapshot is the moment of a database that is dumped. Its transaction holds every table in ACCESS SHARE mode, so that none is altered,
// emptied or dropped until all of it is read. It was taken after the locks: what it shows of a table's form is the form that the table has.
type snapshot struct {
	conn       *pgx.Conn
	id         string
	since      time.Time // by which the server has to keep what is deleted
	relations  []relation
	positions  []position
	references []reference
	objects    bool  // there are large objects
	large      int64 // bytes on disk of large objects
}

// reference is a foreign key.
type reference struct {
	Constraint, FromName, ToName string
	From, To                     uint32 // OIDs of tables
}

// errChanged says that the database's tables were changed while the dump began: it begins again.
var errChanged = errors.New("tables were changed while the dump began")

// lockWait is how long a dump waits for a table that somebody holds, as long as ALTER TABLE or VACUUM FULL may take.
const lockWait = 120 * time.Second

// takeSnapshot locks the tables and takes the snapshot. errChanged where somebody was faster.
func (e *Engine) takeSnapshot(ctx context.Context, conn *pgx.Conn, t backup.Target, c charset, selected backup.Selection) (*snapshot, error) {
	user := t.Credentials.Username
	before, err := readRelations(ctx, conn)
	if err != nil {
		return nil, raced(dumpError(ctx, t, err))
	}
	for _, r := range before {
		if err := r.unreadable(user, selected); err != nil {
			return nil, err
		}
	}
	if err := lockTables(ctx, conn, before); err != nil {
		return nil, raced(dumpError(ctx, t, err))
	}
	s := &snapshot{conn: conn, since: time.Now()}
	if err := s.read(ctx, user, c); err != nil {
		return nil, dumpError(ctx, t, err)
	}
	same := slices.EqualFunc(before, s.relations, func(a, b relation) bool { return a.OID == b.OID && a.named() == b.named() })
	if !same {
		return nil, errChanged
	}
	return s, nil
}

// lockTables begins the snapshot's transaction, which has no snapshot yet: LOCK takes none.
func lockTables(ctx context.Context, conn *pgx.Conn, list []relation) error {
	statements := []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", fmt.Sprintf("SET LOCAL lock_timeout = %d", lockWait.Milliseconds())}
	const many = 500 // in one statement
	for from := 0; from < len(list); from += many {
		names := make([]string, 0, many)
		for _, r := range list[from:min(from+many, len(list))] {
			names = append(names, "ONLY "+ident(r.Schema, r.Name))
		}
		statements = append(statements, "LOCK TABLE "+strings.Join(names, ", ")+" IN ACCESS SHARE MODE")
	}
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// read takes the snapshot by its first question, and reads what the dump has to know.
func (s *snapshot) read(ctx context.Context, user string, c charset) (err error) {
	if err = s.conn.QueryRow(ctx, "SELECT pg_export_snapshot(), EXISTS (SELECT FROM pg_largeobject_metadata)").Scan(&s.id, &s.objects); err != nil {
		return err
	}
	for _, sql := range settings(c) {
		if _, err := s.conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if s.relations, err = readRelations(ctx, s.conn); err != nil {
		return err
	}
	if err = readColumns(ctx, s.conn, s.relations); err != nil {
		return err
	}
	if s.positions, err = readPositions(ctx, s.conn, user); err != nil {
		return err
	}
	rows, err := s.conn.Query(ctx, `SELECT quote_ident(conname), conrelid::regclass::text, confrelid::regclass::text, conrelid, confrelid
		FROM pg_constraint WHERE contype = 'f' ORDER BY 2, 1`)
	if err != nil {
		return err
	}
	if s.references, err = pgx.CollectRows(rows, pgx.RowToStructByPos[reference]); err != nil {
		return err
	}
	return s.conn.QueryRow(ctx, "SELECT pg_relation_size('pg_largeobject')").Scan(&s.large)
}

// raced tells the error of a table that was dropped or changed while we looked at it.
func raced(err error) error {
	switch sqlState(err) {
	case undefinedTable, undefinedSchema, internalError:
		return fmt.Errorf("%w: %w", errChanged, err)
	}
	return err
}

// charset says in which encoding texts travel: UTF-8 whatever the database's is, so that names can be read by people and in JSON, but bytes
// without an encoding stay as they are.
type charset string

func charsetOf(s server) charset {
	if s.charset == "SQL_ASCII" || s.charset == "MULE_INTERNAL" {
		return charset(s.charset)
	}
	return "UTF8"
}

// settings make a session write values as pg_dump has them written, whatever settings the role or the database has.
func settings(c charset) []string {
	return []string{
		"SET client_encoding = " + literal(string(c)), "SELECT set_config('search_path', '', false)", "SET DateStyle = ISO", "SET IntervalStyle = postgres",
		"SET extra_float_digits = 3", "SET bytea_output = hex", "SET row_security = off", "SET synchronize_seqscans = off",
		// A range of pages is read by one process, as such.
		"SET enable_tidscan = on", "SET max_parallel_workers_per_gather = 0", "SET jit = off",
	}
}
