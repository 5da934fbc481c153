package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// tableName is a table's full name, for maps.
type tableName struct{ schema, table string }

func nameOf(t backup.TableRows) tableName { return tableName{t.Schema, t.Table} }

// String is the name as people read it.
func (t tableName) String() string { return t.schema + "." + t.table }

// quoted is the name as it stands in a statement.
func (t tableName) quoted() string { return ident(t.schema, t.table) }

// Verify counts the copy's tables, checks sequences and constraints, then switches row level security on, fills the
// materialized views and collects statistics. All of it runs as the loader: it may run code from the file.
func (s *staged) Verify(ctx context.Context, want backup.Want, report func(backup.Progress)) error {
	crew, err := s.crew(ctx, allowed(s.t))
	if err != nil {
		return err
	}
	defer s.dismiss(ctx)
	if err := s.countTables(ctx, crew, want.Tables, report); err != nil {
		return err
	}
	checks := []func(context.Context) error{s.checkSequences, s.checkOwnedSequences, s.checkConstraints, s.checkIndexes, s.protect, s.fillViews}
	if s.uploaded() {
		// Nothing but the text says how sequences and constraints should be, and the rest of it may change that unseen.
		checks = []func(context.Context) error{s.checkSequences, s.checkIndexes, s.protect, s.fillViews}
		if err := s.compareFilled(ctx, want); err != nil {
			return err
		}
	} else if err := s.mismatch(want.Tables); err != nil {
		return err
	}
	for _, check := range checks {
		if err := check(ctx); err != nil {
			return err
		}
	}
	if err := s.analyze(ctx, crew); err != nil {
		return err
	}
	if err := s.resumeAutovacuum(ctx); err != nil {
		return err
	}
	s.dismiss(ctx) // before the login is looked at, which takes a connection of its own
	if err := s.recount(ctx); err != nil {
		return err
	}
	return s.refuseChangedLogin(ctx)
}

// mismatch compares what a backup holds with what the server took and with what it counts now.
func (s *staged) mismatch(want []backup.TableRows) error {
	loaded, counted := s.file.tables.list, s.counted
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
	return s.wrong(wrong)
}

// wrong is the error that lists what differs, nil where nothing does.
func (s *staged) wrong(list []string) error {
	if len(list) == 0 {
		return nil
	}
	source := "backup"
	if s.uploaded() {
		source = "file"
	}
	slices.Sort(list)
	return s.wrongCopy("The restored copy does not hold what the "+source+" holds: "+some(list)+".", strings.Join(list, "\n"))
}

// some are the first few of many.
func some(list []string) string {
	const few = 5
	if len(list) <= few {
		return strings.Join(list, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(list[:few], "; "), len(list)-few)
}

func (s *staged) wrongCopy(text, log string) error {
	hint := "Live was not changed. Try again; if it happens again, restore another backup."
	if s.uploaded() {
		hint = "Live was not changed. Something in the file changes rows unseen: a trigger, a rule or a function."
	}
	return &backup.Error{Code: backup.CodeVerifyMismatch, Text: text, Log: lastBytes(log, logBytes), Hint: hint}
}

// checkSequences compares the values that the file set with what the sequences have. They are not compared with the largest
// key: a database whose sequence was behind its keys is restored as it was.
func (s *staged) checkSequences(ctx context.Context) error {
	for _, q := range s.file.sequences {
		name, err := s.query(ctx, "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass("+
			q.name+")")
		if err != nil {
			return serverFailure(ctx, err, "find the sequence "+q.name)
		}
		if len(name) == 0 && s.uploaded() {
			continue // dropped later on
		}
		if len(name) == 0 {
			return s.wrongCopy(fmt.Sprintf("The sequence %s of the file is not there.", q.name), "")
		}
		full := ident(name[0]...)
		found, err := s.query(ctx, "SELECT last_value, is_called FROM "+full)
		if err != nil {
			return serverFailure(ctx, err, "read the sequence "+full)
		}
		value, called := found[0][0], found[0][1]
		if value != q.value || called != q.called[:1] {
			return s.wrongCopy(fmt.Sprintf("The sequence %s stands at %s, and the file set it to %s.", full, value, q.value), "")
		}
	}
	return nil
}

// behind is a sequence that would give out a key which is there.
type behind struct{ sequence, table string }

// checkOwnedSequences looks at the sequences of columns that the file did not set: those must not give out a key that is there.
func (s *staged) checkOwnedSequences(ctx context.Context) error {
	found, err := s.sequencesBehind(ctx)
	if err != nil || len(found) == 0 {
		return err
	}
	return s.wrongCopy(fmt.Sprintf("The sequence %s is behind the keys of %s, and the file does not set it.", found[0].sequence, found[0].table), "")
}

// sequencesBehind are the sequences of columns that the file did not set and that are behind their column.
func (s *staged) sequencesBehind(ctx context.Context) (list []behind, err error) {
	set := make([]string, 0, len(s.file.sequences)+1)
	for _, q := range s.file.sequences {
		set = append(set, "pg_catalog.to_regclass("+q.name+")")
	}
	found, err := s.query(ctx, `SELECT sn.nspname, s.relname, tn.nspname, t.relname, a.attname
		FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
		JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0
		JOIN pg_catalog.pg_class t ON t.oid = d.refobjid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
		JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid AND a.atttypid IN (20, 21, 23)
		WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
		AND array_position(ARRAY[`+strings.Join(set, ", ")+`]::pg_catalog.oid[], s.oid) IS NULL ORDER BY 1, 2`)
	if err != nil {
		return nil, serverFailure(ctx, err, "list the copy's sequences")
	}
	for _, f := range found {
		late, err := s.query(ctx, fmt.Sprintf("SELECT coalesce((SELECT max(%s) FROM %s) > (SELECT last_value FROM %s), false)",
			ident(f[4]), ident(f[2], f[3]), ident(f[0], f[1])))
		if err != nil {
			return nil, serverFailure(ctx, err, "compare a sequence with its column")
		}
		if late[0][0] == "t" {
			list = append(list, behind{sequence: ident(f[0], f[1]), table: ident(f[2], f[3])})
		}
	}
	return list, nil
}

// checkConstraints wants every constraint checked but those that the file itself leaves unchecked.
func (s *staged) checkConstraints(ctx context.Context) error {
	found, err := s.query(ctx, `SELECT coalesce(conrelid::pg_catalog.regclass::text, contypid::pg_catalog.regtype::text), conname FROM pg_catalog.pg_constraint
		WHERE NOT convalidated AND conparentid = 0 ORDER BY 1, 2`)
	if err != nil {
		return serverFailure(ctx, err, "check the copy's constraints")
	}
	if len(found) > s.file.notValid {
		return s.wrongCopy(fmt.Sprintf("%d constraints of the copy were not checked, and the file leaves out %d.", len(found), s.file.notValid),
			fmt.Sprint(found))
	}
	return nil
}

// checkIndexes wants every index usable. The index of a partitioned table alone is left out: it is valid as soon as all its parts
// are.
func (s *staged) checkIndexes(ctx context.Context) error {
	found, err := s.query(ctx, `SELECT indexrelid::pg_catalog.regclass::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = indexrelid
		WHERE NOT (indisvalid AND indisready) AND c.relkind = 'i'`)
	if err != nil {
		return serverFailure(ctx, err, "check the copy's indexes")
	}
	if len(found) > 0 {
		return s.wrongCopy(fmt.Sprintf("%d indexes of the copy can't be used.", len(found)), fmt.Sprint(found))
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
		err := s.exec(ctx, l.statement())
		if sqlState(err) == undefinedTable && s.file.filled.drops {
			continue // it was dropped by a later statement of the file
		}
		if err != nil {
			return loadFailure(ctx, err, l.line, l.sql)
		}
	}
	return nil
}
