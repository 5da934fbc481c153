package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Compare counts live's tables as the secret's role, beside the copy's, which Verify has counted.
func (s *staged) Compare(ctx context.Context, report func(backup.Progress)) (backup.Comparison, error) {
	tables, err := s.compareTables(ctx, report)
	return backup.Comparison{Tables: tables}, err
}

func (s *staged) compareTables(ctx context.Context, report func(backup.Progress)) ([]backup.TableChange, error) {
	conn, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, s.live.name))
	if err != nil {
		return nil, err
	}
	defer closing(ctx, conn)
	// A table that somebody holds locked must not hold up a restore; one whose rows a policy would hide is not counted.
	if _, err := conn.Exec(ctx, "SET lock_timeout = '5s'; SET row_security = off"); err != nil {
		return nil, serverFailure(ctx, err, "count the rows of live")
	}
	rows, err := conn.Query(ctx, listTables)
	if err != nil {
		return nil, serverFailure(ctx, err, "list the tables of live")
	}
	type table struct {
		Schema, Table string
		Member        bool
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		return nil, serverFailure(ctx, err, "list the tables of live")
	}
	changes := map[tableName]*backup.TableChange{}
	for _, c := range s.counted {
		changes[nameOf(c)] = &backup.TableChange{Schema: c.Schema, Table: c.Table, Live: -1, After: c.Rows}
	}
	progress := newMeter(backup.Progress{TablesTotal: len(found)}, report)
	for _, f := range found {
		if f.Member {
			continue
		}
		name := tableName{f.Schema, f.Table}
		if changes[name] == nil {
			changes[name] = &backup.TableChange{Schema: f.Schema, Table: f.Table, After: -1}
		}
		progress.note(func(p *backup.Progress) { p.Table = f.Schema + "." + f.Table })
		if changes[name].Live, err = countLive(ctx, conn, name); err != nil {
			return nil, err
		}
		progress.note(func(p *backup.Progress) { p.TablesDone, p.Rows = p.TablesDone+1, p.Rows+max(changes[name].Live, 0) })
	}
	progress.finish()
	return inOrder(changes), nil
}

// countLive is a table's rows, -1 where the server does not let us count them.
func countLive(ctx context.Context, conn *pgx.Conn, t tableName) (n int64, err error) {
	err = conn.QueryRow(ctx, "SELECT count(*) FROM ONLY "+ident(t.schema, t.table)).Scan(&n)
	if err != nil && (ctx.Err() != nil || lost(err)) {
		return 0, serverFailure(ctx, err, "count the rows of "+t.schema+"."+t.table)
	}
	if err != nil {
		return -1, nil //nolint:nilerr // not readable, locked or dropped meanwhile: said as -1
	}
	return n, nil
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
