package postgres

import "context"

// While a table's rows are loaded and indexed, autovacuum would read what it has just been given, and hold the lock that every index and
// key of the table needs: each statement that meets it waits until the server sends it away, which takes a second (deadlock_timeout).
// There is nothing for it to do: rows are written frozen, and the statistics are collected before the copy is switched in.

// pauseAutovacuum keeps autovacuum away from the large tables that are about to be loaded, where the file has no word of its own on it. An
// upload may have one further on.
func (h *hauling) pauseAutovacuum(ctx context.Context) error {
	if h.script != nil {
		return nil
	}
	for _, c := range h.cargoes {
		t := h.known.named[c.table]
		if t == nil || !t.ordinary || !t.vacuumed || c.bytes < freezeFrom {
			continue
		}
		if err := h.exec(ctx, "ALTER TABLE ONLY "+c.table.quoted()+" SET (autovacuum_enabled = false)"); err != nil {
			return serverFailure(ctx, err, "keep autovacuum away from "+c.table.String())
		}
		h.paused = append(h.paused, c.table)
	}
	return nil
}

// resumeAutovacuum gives the tables back to autovacuum.
func (s *staged) resumeAutovacuum(ctx context.Context) error {
	for _, name := range s.paused {
		if err := s.exec(ctx, "ALTER TABLE ONLY "+name.quoted()+" RESET (autovacuum_enabled)"); err != nil {
			return serverFailure(ctx, err, "give "+name.String()+" back to autovacuum")
		}
	}
	s.paused = nil
	return nil
}
