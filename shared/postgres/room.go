package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

const (
	// emptyDatabase is what a database takes before anything is in it.
	emptyDatabase = 8 << 20
	// rowOverhead is what a row takes besides its values: 24 bytes of header, 4 of line pointer, some padding, and about as much for
	// an index. Bytes of text and 60 for each row came to 0.8 to 1.2 of the disk space of tables with keys (narrow and wide, 30,000 to
	// 300,000 rows), and to 1.9 of bytea, whose text has two digits for a byte.
	rowOverhead = 60
)

// copySize is how many bytes of disk a copy will take. Live's own size tells most where it has about as many rows: it has the
// indexes. It is not trusted where it would be bloat.
func copySize(need backup.Need, liveBytes, liveRows int64) int64 {
	text, rows := need.SQLBytes, backup.TotalRows(need.Tables)
	if need.Inspection != nil {
		if text == 0 {
			text = need.Inspection.SQLBytes
		}
		if rows == 0 {
			rows = backup.TotalRows(need.Inspection.Tables)
		}
	}
	byText := emptyDatabase + text + rowOverhead*rows
	switch {
	case text == 0 && rows == 0:
		return max(liveBytes, emptyDatabase)
	case liveBytes > 0 && liveRows > 0 && rows >= liveRows/2 && rows <= 2*liveRows:
		return min(max(emptyDatabase, int64(float64(liveBytes)*float64(rows)/float64(liveRows))), 2*byText)
	}
	return byText
}

// disk is what is known of the server's.
type disk struct {
	used   int64 // by databases whose size may be asked
	hidden int   // databases whose size may not
	wal    int64 // what the log of changes may grow to
}

// readDisk adds up the sizes of databases. One may be dropped meanwhile, which is an error of the whole: it is asked again then.
func readDisk(ctx context.Context, conn *pgx.Conn) (d disk, err error) {
	for range 3 {
		err = conn.QueryRow(ctx, `SELECT coalesce(sum(pg_database_size(oid)) FILTER (WHERE may), 0)::bigint, count(*) FILTER (WHERE NOT may)::int,
			pg_size_bytes(current_setting('max_wal_size')) + pg_size_bytes(current_setting('wal_keep_size'))
			FROM (SELECT oid, has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE') AS may FROM pg_database) d
			WHERE may IS NOT NULL`).Scan(&d.used, &d.hidden, &d.wal)
		if err == nil || ctx.Err() != nil || lost(err) {
			break
		}
	}
	return d, err
}

// checkRoom refuses a restore that would fill the disk, where the secret says how large that is. No server tells a client.
func (s *staged) checkRoom(ctx context.Context, admin, conn *pgx.Conn, need backup.Need) error {
	var liveBytes, liveRows int64
	err := conn.QueryRow(ctx, `SELECT pg_database_size(current_database()), (SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+userTables+`)`).Scan(&liveBytes, &liveRows)
	if err != nil {
		return serverFailure(ctx, err, "ask how large the database is")
	}
	warning, err := checkRoom(ctx, admin, s.t, demand{what: "copy", bytes: copySize(need, liveBytes, liveRows), tablespace: s.live.tablespace, user: s.me.name})
	if warning != "" {
		s.warnings = append(s.warnings, warning)
	}
	return err
}

// demand is what a restore will take of the server's disk.
type demand struct {
	what       string // that takes it, in a word
	bytes      int64
	tablespace string // where
	user       string // who asks
}

// checkRoom refuses what would fill the disk, where the secret says how large that is. Else it may warn.
func checkRoom(ctx context.Context, conn *pgx.Conn, t backup.Target, n demand) (warning string, err error) {
	d, err := readDisk(ctx, conn)
	if err != nil {
		return "", serverFailure(ctx, err, "ask how large the server's databases are")
	}
	total := t.Credentials.StorageBytes
	switch {
	case total == 0:
		return fmt.Sprintf("The %s will take about %s of the server's disk, and its log of changes (WAL) up to %s while it is loaded. No server tells how much is free: with the size of the disk as storageBytes in the database's secret, it is checked before a restore.",
			n.what, backup.FormatBytes(n.bytes), backup.FormatBytes(d.wal)), nil
	case n.tablespace != "pg_default":
		return fmt.Sprintf("The %s will take about %s. Whether there is room was not checked: the database is in the tablespace %s, and storageBytes is the size of the server's own disk.",
			n.what, backup.FormatBytes(n.bytes), ident(n.tablespace)), nil
	case d.used+d.wal+n.bytes > total:
		return "", &backup.Error{Code: backup.CodeDiskFull,
			Text: fmt.Sprintf("The server's disk has no room for the restore. Of %s (storageBytes in the secret) its databases take %s and its log of changes (WAL) up to %s; the %s needs about %s, which is %s too much.",
				backup.FormatBytes(total), backup.FormatBytes(d.used), backup.FormatBytes(d.wal), n.what, backup.FormatBytes(n.bytes), backup.FormatBytes(d.used+d.wal+n.bytes-total)),
			Hint: "Nothing was changed. Drop databases that earlier restores keep (br_…_kept), enlarge the disk and storageBytes with it, or free space otherwise."}
	case d.hidden > 0:
		return fmt.Sprintf("There is room for the %s of about %s, if %d databases of the server whose size user %s may not ask leave %s of the disk. To count them: GRANT pg_read_all_stats TO %s;",
			n.what, backup.FormatBytes(n.bytes), d.hidden, ident(n.user), backup.FormatBytes(d.wal+n.bytes), ident(n.user)), nil
	}
	return "", nil
}
