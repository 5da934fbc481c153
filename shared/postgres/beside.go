package postgres

import (
	"context"
	"fmt"
)

// What is run beside the text's turn is judged in its turn, by the goroutine that reads the text. The first session of the crew is the
// one in which all else is run, so whoever wants to use it waits for the others first: settle.

// prepare makes a crew ready to work beside each other, with the settings that the file has made so far. It is false where they can't.
func (l *loading) prepare(ctx context.Context) (ready bool, err error) {
	if l.tables != nil || !l.beside {
		return l.beside, nil
	}
	if l.conn.TxStatus() != 'I' {
		return false, nil // what it has done is not to be seen by others yet
	}
	crew, err := l.crew(ctx, allowed(l.t))
	if err != nil {
		return false, err
	}
	if len(crew) == 1 {
		l.beside = false
		return false, nil
	}
	if err := l.follow(ctx, crew); err != nil {
		return false, err
	}
	var indexes map[tableName]*loadTable
	if l.known != nil {
		indexes = l.known.indexes
	}
	if l.tables, err = l.readLoadTables(ctx, indexes); err != nil {
		return false, err
	}
	l.known = l.tables
	if l.schedule == nil {
		l.schedule = newSchedule(ctx, crew, l.perform)
	}
	return true, nil
}

// putOff leaves a statement to the crew. It is false for one that has to be run in its turn.
func (l *loading) putOff(ctx context.Context, t *task, e errand, words phrase) (put bool, err error) {
	if ready, err := l.prepare(ctx); !ready || err != nil {
		return false, err
	}
	if t.locks, put = l.tables.locks(e); !put {
		return false, nil
	}
	if e.makes.table != "" {
		l.tables.indexes[e.makes] = t.locks[0].table
		t.builds = true
	}
	for _, k := range t.locks {
		t.weight += k.table.bytes
	}
	t.standard = l.scanner.StandardConformingStrings()
	l.learn(t.line, words)
	if l.script != nil {
		l.learnScript(words)
	}
	l.file.statements++
	splitForeignKey(t, e)
	return true, l.schedule.add(t)
}

// splitFrom is how many bytes a table must have for its foreign keys to be made first and checked later: it takes one statement more, which
// smaller ones don't earn.
const splitFrom = 1 << 20

// splitForeignKey makes of a task that adds a foreign key one that adds it unchecked, with the check behind it. To add one locks the table
// that it points to against all others of the kind, and in a school everything points to the same few tables; to check one does not.
func splitForeignKey(t *task, e errand) {
	if e.checks == "" || t.locks[0].table.bytes < splitFrom {
		return
	}
	check := &task{line: t.line, standard: t.standard, weight: t.weight, isCheck: true}
	for i, k := range t.locks {
		if k.table.kind != "r" {
			return // the server checks those of a partitioned table's parts at once or never
		}
		check.locks = append(check.locks, lock{k.table, i > 0})
	}
	check.sql = "ALTER TABLE ONLY " + e.touches[0].name.quoted() + " VALIDATE CONSTRAINT " + ident(e.checks)
	t.sql += "\n NOT VALID" // on a line of its own: the statement may end in a comment
	t.check = check
}

// perform runs a statement that was put off.
func (l *loading) perform(ctx context.Context, c *session, t *task) error {
	if t.builds {
		if err := c.exec(ctx, fmt.Sprintf("SET max_parallel_maintenance_workers = %d", t.helpers)); err != nil {
			return serverFailure(ctx, err, "say how many processes build an index")
		}
	}
	if err := l.single(ctx, c, t.sql); err != nil {
		return loadFailure(ctx, err, t.line, t.sql)
	}
	return l.sameSession(ctx, c, t.line, t.standard)
}

// settle waits for what was put off.
func (l *loading) settle() error {
	if l.schedule == nil {
		return nil
	}
	return l.schedule.settle()
}
