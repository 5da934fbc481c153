package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// tableName is a table's full name, for maps.
type tableName struct{ schema, table string }

func nameOf(t backup.TableRows) tableName { return tableName{t.Schema, t.Table} }

// listTables names the user's tables, and whether an extension brought them.
const listTables = `SELECT n.nspname, c.relname, ` + extensionMember + ` FROM pg_catalog.pg_class c
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ` + userTables + ` ORDER BY 1, 2`

// Verify counts the copy's tables, checks sequences and constraints, then switches row level security on, fills the
// materialized views and collects statistics. All of it runs as the loader: it may run code from the file.
func (s *staged) Verify(ctx context.Context, want backup.Want, report func(backup.Progress)) error {
	// Without row_security = off a policy would hide rows from the count instead of refusing it.
	if err := s.exec(ctx, "SET row_security = off"); err != nil {
		return serverFailure(ctx, err, "count the copy's rows")
	}
	if err := s.countTables(ctx, want.Tables, report); err != nil {
		return err
	}
	if err := mismatch(want.Tables, s.file.tables, s.counted); err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{s.checkSequences, s.checkOwnedSequences, s.checkConstraints, s.protect, s.fillViews} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	// Without statistics the database would wake up with bad plans, on the day on which it can least afford them.
	if err := s.exec(ctx, "ANALYZE"); err != nil {
		return serverFailure(ctx, err, "collect the copy's statistics")
	}
	return nil
}

// countTables counts every table of the copy that no extension brought: those hold rows of the extension's own besides the file's.
func (s *staged) countTables(ctx context.Context, want []backup.TableRows, report func(backup.Progress)) error {
	tables, err := s.query(ctx, listTables)
	if err != nil {
		return serverFailure(ctx, err, "list the copy's tables")
	}
	progress := newMeter(backup.Progress{TablesTotal: max(len(tables), len(want))}, report)
	s.counted = make([]backup.TableRows, 0, len(tables))
	for _, row := range tables {
		if row[2] == "t" {
			continue
		}
		t := backup.TableRows{Schema: row[0], Table: row[1]}
		progress.note(func(p *backup.Progress) { p.Table = t.Name() })
		n, err := s.query(ctx, "SELECT count(*) FROM ONLY "+ident(t.Schema, t.Table))
		if err != nil {
			return serverFailure(ctx, err, "count the rows of "+t.Name())
		}
		if t.Rows, err = strconv.ParseInt(n[0][0], 10, 64); err != nil {
			return fmt.Errorf("count the rows of %s: %w", t.Name(), err)
		}
		s.counted = append(s.counted, t)
		progress.note(func(p *backup.Progress) { p.TablesDone, p.Rows = p.TablesDone+1, p.Rows+t.Rows })
	}
	progress.finish()
	return nil
}

// mismatch compares what a backup holds with what the server took and with what it counts now.
func mismatch(want, loaded, counted []backup.TableRows) error {
	took, has, wanted := map[tableName]int64{}, map[tableName]int64{}, map[tableName]bool{}
	for _, t := range loaded {
		took[nameOf(t)] += t.Rows
	}
	for _, t := range counted {
		has[nameOf(t)] = t.Rows
	}
	var wrong []string
	for _, t := range want {
		wanted[nameOf(t)] = true
		n, isLoaded := took[nameOf(t)]
		c, isCounted := has[nameOf(t)]
		switch {
		case !isLoaded:
			wrong = append(wrong, fmt.Sprintf("%s is not in the file", t.Name()))
		case n != t.Rows:
			wrong = append(wrong, fmt.Sprintf("%s: %d rows in the backup, %d in the file", t.Name(), t.Rows, n))
		case isCounted && c != t.Rows:
			wrong = append(wrong, fmt.Sprintf("%s: %d rows in the backup, %d in the copy", t.Name(), t.Rows, c))
		}
	}
	for _, t := range counted {
		if !wanted[nameOf(t)] && t.Rows > 0 {
			wrong = append(wrong, fmt.Sprintf("%s has %d rows and is not in the backup", t.Name(), t.Rows))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrongCopy("The restored copy does not hold what the backup holds: "+some(wrong)+".", strings.Join(wrong, "\n"))
}

// some are the first few of many.
func some(list []string) string {
	const few = 5
	if len(list) <= few {
		return strings.Join(list, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(list[:few], "; "), len(list)-few)
}

func wrongCopy(text, log string) error {
	return &backup.Error{Code: backup.CodeVerifyMismatch, Text: text, Log: lastBytes(log, logBytes),
		Hint: "Live was not changed. Try again; if it happens again, restore another backup."}
}

// checkSequences compares the values that the file set with what the sequences have. They are not compared with the largest
// key: a database whose sequence was behind its keys is restored as it was.
func (s *staged) checkSequences(ctx context.Context) error {
	for _, q := range s.file.sequences {
		name, err := s.query(ctx, "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "+
			q.name+"::pg_catalog.regclass")
		if err != nil {
			return serverFailure(ctx, err, "find the sequence "+q.name)
		}
		full := ident(name[0]...)
		found, err := s.query(ctx, "SELECT last_value, is_called FROM "+full)
		if err != nil {
			return serverFailure(ctx, err, "read the sequence "+full)
		}
		value, called := found[0][0], found[0][1]
		if value != q.value || called != q.called[:1] {
			return wrongCopy(fmt.Sprintf("The sequence %s stands at %s, and the file set it to %s.", full, value, q.value), "")
		}
	}
	return nil
}

// checkOwnedSequences looks at the sequences of columns that the file did not set: those must not give out a key that is there.
func (s *staged) checkOwnedSequences(ctx context.Context) error {
	set := make([]string, 0, len(s.file.sequences)+1)
	for _, q := range s.file.sequences {
		set = append(set, q.name+"::pg_catalog.regclass")
	}
	found, err := s.query(ctx, `SELECT sn.nspname, s.relname, tn.nspname, t.relname, a.attname
		FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
		JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0
		JOIN pg_catalog.pg_class t ON t.oid = d.refobjid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
		JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid AND a.atttypid IN (20, 21, 23)
		WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
		AND s.oid <> ALL (ARRAY[`+strings.Join(set, ", ")+`]::pg_catalog.oid[]) ORDER BY 1, 2`)
	if err != nil {
		return serverFailure(ctx, err, "list the copy's sequences")
	}
	for _, f := range found {
		behind, err := s.query(ctx, fmt.Sprintf("SELECT coalesce((SELECT max(%s) FROM %s) > (SELECT last_value FROM %s), false)",
			ident(f[4]), ident(f[2], f[3]), ident(f[0], f[1])))
		if err != nil {
			return serverFailure(ctx, err, "compare a sequence with its column")
		}
		if behind[0][0] == "t" {
			return wrongCopy(fmt.Sprintf("The sequence %s is behind the keys of %s, and the file does not set it.", ident(f[0], f[1]), ident(f[2], f[3])), "")
		}
	}
	return nil
}

// checkConstraints wants every constraint checked but those that the file itself leaves unchecked, and every index usable. The
// index of a partitioned table alone is left out: it is valid as soon as all its parts are.
func (s *staged) checkConstraints(ctx context.Context) error {
	found, err := s.query(ctx, `SELECT coalesce(conrelid::pg_catalog.regclass::text, contypid::pg_catalog.regtype::text), conname FROM pg_catalog.pg_constraint
		WHERE NOT convalidated AND conparentid = 0 ORDER BY 1, 2`)
	if err != nil {
		return serverFailure(ctx, err, "check the copy's constraints")
	}
	if len(found) > s.file.notValid {
		return wrongCopy(fmt.Sprintf("%d constraints of the copy were not checked, and the file leaves out %d.", len(found), s.file.notValid),
			fmt.Sprint(found))
	}
	found, err = s.query(ctx, `SELECT indexrelid::pg_catalog.regclass::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = indexrelid
		WHERE NOT (indisvalid AND indisready) AND c.relkind = 'i'`)
	if err != nil {
		return serverFailure(ctx, err, "check the copy's indexes")
	}
	if len(found) > 0 {
		return wrongCopy(fmt.Sprintf("%d indexes of the copy can't be used.", len(found)), fmt.Sprint(found))
	}
	return nil
}

// protect switches row level security on, as the file wants it.
func (s *staged) protect(ctx context.Context) error { return s.runLater(ctx, s.file.protect) }

// fillViews fills the materialized views, last of all and with row level security in effect, as REFRESH does live.
func (s *staged) fillViews(ctx context.Context) error {
	if err := s.exec(ctx, "SET row_security = on"); err != nil {
		return serverFailure(ctx, err, "fill the materialized views")
	}
	return s.runLater(ctx, s.file.refresh)
}

func (s *staged) runLater(ctx context.Context, list []later) error {
	for _, l := range list {
		if err := s.exec(ctx, l.sql); err != nil {
			return loadFailure(ctx, err, l.line, l.sql)
		}
	}
	return nil
}

// query runs a query as the loader and returns its rows as text; NULL is "".
func (s *staged) query(ctx context.Context, sql string) ([][]string, error) {
	results, err := s.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, r := range results {
		for _, row := range r.Rows {
			line := make([]string, len(row))
			for i, v := range row {
				line[i] = string(v)
			}
			out = append(out, line)
		}
	}
	return out, nil
}
