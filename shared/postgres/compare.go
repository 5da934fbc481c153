package postgres

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Compare reads live as the secret's role, and the copy as the loader: its views, policies and indexes may run code of the file.
func (s *staged) Compare(ctx context.Context, report func(backup.Progress)) (out backup.Comparison, err error) {
	conn, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, s.live.name))
	if err != nil {
		return out, err
	}
	defer closing(ctx, conn)
	// A table that somebody holds locked must not hold up a restore; one whose rows a policy would hide is not counted.
	if _, err := conn.Exec(ctx, describing); err != nil {
		return out, serverFailure(ctx, err, "compare the copy with live")
	}
	if err := s.afresh(ctx); err != nil {
		return out, serverFailure(ctx, err, "compare the copy with live")
	}
	if err := s.compareObjects(ctx, conn, &out); err != nil {
		return out, err
	}
	if out.Tables, err = s.compareTables(ctx, conn, report); err != nil {
		return out, err
	}
	out.LiveBytes, out.CopyBytes = s.sizes(ctx, conn)
	return out, nil
}

// afresh makes the loader's session as it was when it began: the file may have left settings, temporary tables with names of the
// system's, or prepared statements behind.
func (s *staged) afresh(ctx context.Context) error {
	if err := s.exec(ctx, "DISCARD ALL"); err != nil {
		return err
	}
	if err := unlimit(ctx, s.conn.PgConn); err != nil {
		return err
	}
	return s.exec(ctx, describing)
}

// compareObjects compares the schemas. Where others change live's all the time, that is said and no reason to fail.
func (s *staged) compareObjects(ctx context.Context, conn *pgx.Conn, out *backup.Comparison) error {
	after, err := s.describeCopy(ctx)
	if err != nil {
		return serverFailure(ctx, err, "read the schema of the copy")
	}
	before, err := describeLive(ctx, conn, s.me.major())
	if err != nil && (ctx.Err() != nil || lost(err)) {
		return serverFailure(ctx, err, "read the schema of live")
	}
	if err != nil {
		s.e.log.WarnContext(ctx, "schema of live not compared", "restore", s.a.Job, "attempt", s.a.Number, "error", err)
		s.warnings = append(s.warnings, "The schemas were not compared: the server could not describe that of the live database, as when its tables are locked or being changed. The server's words: "+message(err))
		return nil
	}
	out.Objects, out.ObjectCount = diffObjects(before, after)
	return nil
}

func (s *staged) compareTables(ctx context.Context, conn *pgx.Conn, report func(backup.Progress)) ([]backup.TableChange, error) {
	live, found, err := s.listLive(ctx, conn)
	if err != nil {
		return nil, err
	}
	changes := map[tableName]*backup.TableChange{}
	for _, c := range s.counted {
		changes[nameOf(c)] = &backup.TableChange{Schema: c.Schema, Table: c.Table, Live: -1, After: c.Rows}
	}
	progress := newMeter(backup.Progress{TablesTotal: len(found)}, report)
	for _, name := range found {
		if changes[name] == nil {
			changes[name] = &backup.TableChange{Schema: name.schema, Table: name.table, After: -1}
		}
		change := changes[name]
		progress.note(func(p *backup.Progress) { p.Table = name.String() })
		if err := live.count(ctx, change); err != nil {
			return nil, err
		}
		progress.note(func(p *backup.Progress) { p.TablesDone, p.Rows = p.TablesDone+1, p.Rows+max(change.Live, 0) })
	}
	live.ofCopyOnly(changes, found)
	progress.finish()
	return inOrder(changes), nil
}

// listLive lists live's tables, but those of extensions, and chooses how the newest rows of all are told.
func (s *staged) listLive(ctx context.Context, conn *pgx.Conn) (*liveTables, []tableName, error) {
	rows, err := conn.Query(ctx, listTables)
	if err != nil {
		return nil, nil, serverFailure(ctx, err, "list the tables of live")
	}
	type table struct {
		Schema, Table string
		Member        bool
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		return nil, nil, serverFailure(ctx, err, "list the tables of live")
	}
	var found []tableName
	for _, f := range list {
		if !f.Member {
			found = append(found, tableName{f.Schema, f.Table})
		}
	}
	ofLive, err := momentsOfLive(ctx, conn)
	if err != nil {
		return nil, nil, serverFailure(ctx, err, "list the columns of live")
	}
	ofCopy, err := s.momentsOfCopy(ctx)
	if err != nil {
		return nil, nil, serverFailure(ctx, err, "list the columns of the copy")
	}
	live := &liveTables{conn: conn, large: s.e.largeTable, best: bestMoments(ofLive, ofCopy, s.e.largeTable)}
	live.newest, err = s.newestOfCopy(ctx, live.best)
	return live, found, err
}

// countLive is a table's rows, -1 where the server does not let us count them.
func countLive(ctx context.Context, conn *pgx.Conn, t tableName) (n int64, err error) {
	err = conn.QueryRow(ctx, "SELECT count(*) FROM ONLY "+t.quoted()).Scan(&n)
	if err != nil && (ctx.Err() != nil || lost(err)) {
		return 0, serverFailure(ctx, err, "count the rows of "+t.String())
	}
	if err != nil {
		return -1, nil //nolint:nilerr // not readable, locked or dropped meanwhile: said as -1
	}
	return n, nil
}

// sizes of live and of the copy on the server's disk; 0 where it can't be told.
func (s *staged) sizes(ctx context.Context, conn *pgx.Conn) (live, after int64) {
	const own = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())"
	if err := conn.QueryRow(ctx, own).Scan(&live); err != nil {
		s.e.log.WarnContext(ctx, "size of live not read", "restore", s.a.Job, "error", err)
	}
	rows, err := s.query(ctx, own)
	if err == nil {
		after, err = strconv.ParseInt(rows[0][0], 10, 64)
	}
	if err != nil {
		s.e.log.WarnContext(ctx, "size of the copy not read", "restore", s.a.Job, "error", err)
	}
	return live, after
}

func inOrder(changes map[tableName]*backup.TableChange) []backup.TableChange {
	out := make([]backup.TableChange, 0, len(changes))
	for _, c := range changes {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b backup.TableChange) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Table, b.Table))
	})
	return out
}
