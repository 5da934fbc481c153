package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// copyAll reads the rows of all tables on some connections, each with about as many bytes.
func copyAll(ctx context.Context, c backup.Credentials, connections int) error {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return err
	}
	config.Host, config.Port, config.User, config.Password, config.Database = c.Host, uint16(c.Port), c.Username, c.Password.Reveal(), c.DBName
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tables, err := largestFirst(ctx, conn)
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, names := range divide(tables, connections) {
		g.Go(func() error {
			conn, err := pgx.ConnectConfig(ctx, config)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			for _, name := range names {
				if _, err := conn.PgConn().CopyTo(ctx, io.Discard, "COPY "+name+" TO STDOUT"); err != nil {
					return fmt.Errorf("copy %s: %w", name, err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

type table struct {
	Name  string
	Bytes int64 // about, of its rows as text
}

// largestFirst lists the tables. Pictures take twice as many bytes as hex as they do on disk.
func largestFirst(ctx context.Context, conn *pgx.Conn) ([]table, error) {
	rows, err := conn.Query(ctx, `SELECT c.oid::regclass::text, pg_relation_size(c.oid) + coalesce(2 * pg_relation_size(nullif(c.reltoastrelid, 0)), 0) AS bytes
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' ORDER BY bytes DESC`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[table])
}

// divide gives each table, the largest first, to the connection that has the least.
func divide(tables []table, connections int) [][]string {
	names, load := make([][]string, connections), make([]int64, connections)
	for _, t := range tables {
		least := 0
		for i := range load {
			if load[i] < load[least] {
				least = i
			}
		}
		names[least], load[least] = append(names[least], t.Name), load[least]+t.Bytes
	}
	return names
}
