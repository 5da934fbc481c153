package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// listTables names the user's tables, and whether an extension brought them.
const listTables = `SELECT n.nspname, c.relname, ` + extensionMember + ` FROM pg_catalog.pg_class c
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ` + userTables + ` ORDER BY 1, 2`

// countTables counts every table of the copy that no extension brought: those hold rows of the extension's own besides the file's. A
// crew counts the largest first.
func (s *staged) countTables(ctx context.Context, crew []*session, want []backup.TableRows, report func(backup.Progress)) error {
	for _, c := range crew {
		// Without this a policy would hide rows from the count instead of refusing it.
		if err := c.exec(ctx, "SET row_security = off"); err != nil {
			return serverFailure(ctx, err, "count the copy's rows")
		}
	}
	found, err := s.query(ctx, `SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE `+userTables+` AND NOT `+extensionMember+` ORDER BY pg_catalog.pg_relation_size(c.oid) DESC, 1, 2`)
	if err != nil {
		return serverFailure(ctx, err, "list the copy's tables")
	}
	progress := newMeter(backup.Progress{TablesTotal: max(len(found), len(want))}, report)
	counted := make([]backup.TableRows, len(found))
	err = share(ctx, crew, len(found), func(ctx context.Context, c *session, i int) error {
		t := backup.TableRows{Schema: found[i][0], Table: found[i][1]}
		progress.note(func(p *backup.Progress) { p.Table = t.Name() })
		n, err := c.query(ctx, "SELECT pg_catalog.count(*) FROM ONLY "+ident(t.Schema, t.Table))
		if err != nil {
			return serverFailure(ctx, err, "count the rows of "+t.Name())
		}
		if t.Rows, err = strconv.ParseInt(n[0][0], 10, 64); err != nil {
			return fmt.Errorf("count the rows of %s: %w", t.Name(), err)
		}
		counted[i] = t
		progress.note(func(p *backup.Progress) { p.TablesDone, p.Rows = p.TablesDone+1, p.Rows+t.Rows })
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(counted, func(a, b backup.TableRows) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Table, b.Table))
	})
	s.counted = counted
	progress.finish()
	return nil
}

// recount counts an upload's tables again where code of the file may have changed them since: what was counted is what is reported.
// Views are filled and statistics collected with it.
func (s *staged) recount(ctx context.Context) error {
	if !s.uploaded() {
		return nil
	}
	const firstOfUsers = 16384 // FirstNormalObjectId
	found, err := s.query(ctx, fmt.Sprintf("SELECT EXISTS (SELECT FROM pg_catalog.pg_proc WHERE oid >= %d)", firstOfUsers))
	if err != nil {
		return serverFailure(ctx, err, "list the copy's functions")
	}
	if found[0][0] == "f" {
		return nil
	}
	// Forced row level security would refuse the count even to the owner. It is lifted in a transaction that is rolled back.
	if err := s.exec(ctx, "BEGIN"); err != nil {
		return serverFailure(ctx, err, "count the copy's rows again")
	}
	forced, err := s.query(ctx, `SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relforcerowsecurity AND `+userTables)
	if err != nil {
		return serverFailure(ctx, err, "count the copy's rows again")
	}
	for _, f := range forced {
		if err := s.exec(ctx, "ALTER TABLE "+ident(f...)+" NO FORCE ROW LEVEL SECURITY"); err != nil {
			return serverFailure(ctx, err, "count the copy's rows again")
		}
	}
	before := s.counted
	if err := s.countTables(ctx, []*session{s.conn}, nil, nil); err != nil { // the others don't see what this transaction has done
		return err
	}
	if err := s.exec(ctx, "ROLLBACK"); err != nil {
		return serverFailure(ctx, err, "count the copy's rows again")
	}
	return s.wrong(changedRows(before, s.counted))
}

// changedRows are the tables that have other rows in a second count.
func changedRows(first, second []backup.TableRows) (wrong []string) {
	was := map[tableName]int64{}
	for _, t := range first {
		was[nameOf(t)] = t.Rows
	}
	for _, t := range second {
		if n, ok := was[nameOf(t)]; !ok || n != t.Rows {
			wrong = append(wrong, fmt.Sprintf("%s: %d rows first, %d when all was done", t.Name(), n, t.Rows))
		}
		delete(was, nameOf(t))
	}
	for t := range was {
		wrong = append(wrong, t.String()+" was gone when all was done")
	}
	return wrong
}

// analyzed are the tables of which ANALYZE without a name collects statistics, those that take longest first: every one that the owner of a
// database may look at. A partitioned table brings all its partitions with it. Of each as many rows are looked at, whatever its size, so
// a table with many partitions takes longest: last of all it would keep one session busy while the others have nothing left to do.
//
// It says also which are remote: those with a part on another server, a foreign table among their partitions or children. To collect statistics
// of one the server would go there, with what the file says of the way, for rows that are not restored; and it fails where nobody answers.
// Their parts that are here are taken by themselves.
const analyzed = `WITH RECURSIVE remote AS (
		SELECT i.inhparent AS oid FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class f ON f.oid = i.inhrelid WHERE f.relkind = 'f'
		UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN remote ON remote.oid = i.inhrelid)
	SELECT n.nspname, c.relname, c.oid IN (SELECT oid FROM remote) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND NOT c.relisshared
		AND (NOT c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN remote ON remote.oid = i.inhparent WHERE i.inhrelid = c.oid))
	ORDER BY (SELECT count(*) FROM pg_catalog.pg_partition_tree(c.oid) t WHERE c.relkind = 'p') DESC, coalesce(pg_catalog.pg_relation_size(c.oid), 0) DESC, 1, 2`

// analyze collects statistics. Without them the database would wake up with bad plans, on the day on which it can least afford them.
func (s *staged) analyze(ctx context.Context, crew []*session) error {
	found, err := s.query(ctx, analyzed)
	if err != nil {
		return serverFailure(ctx, err, "list the copy's tables")
	}
	var here []string
	for _, t := range found {
		name := ident(t[0], t[1])
		if remote := t[2] == "t"; !remote {
			here = append(here, name)
			continue
		}
		s.warn("No statistics were collected of the table %s, as a part of it is a foreign table: the server would have to ask another one. Run ANALYZE %s when the restore is in use.", name, name)
	}
	for _, c := range crew {
		if err := c.exec(ctx, "SET row_security = on"); err != nil {
			return serverFailure(ctx, err, "collect the copy's statistics")
		}
	}
	return share(ctx, crew, len(here), func(ctx context.Context, c *session, i int) error {
		if err := c.exec(ctx, "ANALYZE "+here[i]); err != nil {
			return serverFailure(ctx, err, "collect the copy's statistics")
		}
		return nil
	})
}
