package postgres

import "context"

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
	crew, err := l.crew(ctx)
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
	return true, l.schedule.add(t)
}

// perform runs a statement that was put off.
func (l *loading) perform(ctx context.Context, c *session, t *task) error {
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
