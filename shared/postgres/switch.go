package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

const (
	// switchTries is how often the exchange is tried. Each try holds newcomers up for the 5 s that a rename waits, so it is few.
	switchTries = 3
	// switchPause lies between two tries, for clients that were held up and for prepared transactions to end.
	switchPause = time.Second
	// endSessionsEvery and endSessionsFor drive the connection that ends sessions while the rename waits for them to go.
	endSessionsEvery = 20 * time.Millisecond
	endSessionsFor   = 8 * time.Second
	// exchangeTime is the most that the exchange's transaction may take.
	exchangeTime = 30 * time.Second
)

// Switch hands the copy over and exchanges it with live.
func (s *staged) Switch(ctx context.Context, confirm func(context.Context) error) (backup.Switched, error) {
	s.logOut(ctx)
	if err := s.handOver(ctx); err != nil {
		return backup.Switched{}, err
	}
	admin, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, maintenance(s.t.Credentials)))
	if err != nil {
		return backup.Switched{}, err
	}
	defer closing(ctx, admin)
	if err := s.finishCopy(ctx, admin); err != nil {
		return backup.Switched{}, err
	}
	return s.exchange(ctx, admin, confirm)
}

// finishCopy gives the copy live's properties and drops the throw-away login, which owns nothing any more.
func (s *staged) finishCopy(ctx context.Context, admin *pgx.Conn) error {
	err := pgx.BeginFunc(ctx, admin, func(tx pgx.Tx) error {
		for _, sql := range s.carry {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return serverFailure(ctx, err, "give the copy the settings of the database")
	}
	if s.loader.kind == backup.LoaderThrowAway {
		if _, err := admin.Exec(ctx, "DROP ROLE "+ident(s.loader.user)); err != nil {
			return serverFailure(ctx, err, "drop the restore's login")
		}
	}
	return nil
}

// exchange tries until the two databases have changed places, a few times.
func (s *staged) exchange(ctx context.Context, admin *pgx.Conn, confirm func(context.Context) error) (backup.Switched, error) {
	var held time.Duration
	for try := 1; ; try++ {
		blocked, err := s.prepared(ctx, admin)
		if err != nil {
			return backup.Switched{}, err
		}
		if len(blocked) == 0 {
			if err := confirm(ctx); err != nil {
				return backup.Switched{}, fmt.Errorf("confirm the switch: %w", err)
			}
			took, err := s.tryExchange(ctx)
			held += took
			switch code := sqlState(err); {
			case err == nil:
				s.switched = true
				s.e.log.InfoContext(ctx, "database switched", "restore", s.a.Job, "attempt", s.a.Number, "downtime", held, "try", try)
				return backup.Switched{Kept: keptName(s.a.Job), Downtime: held}, nil
			case code != objectInUse && code != lockNotAvailable:
				return backup.Switched{}, serverFailure(ctx, err, "exchange the databases")
			}
		}
		if try == switchTries {
			return backup.Switched{}, s.blocked(ctx, admin)
		}
		select {
		case <-ctx.Done():
			return backup.Switched{}, fmt.Errorf("switch %s: %w", s.t.Name, ctx.Err())
		case <-time.After(switchPause):
		}
	}
}

// kept is the comment on a database that was replaced. Together with the name it is the proof that a switch happened, and of
// which restore.
type kept struct {
	Restore  string    `json:"restore"`
	Attempt  int       `json:"attempt"`
	Kept     time.Time `json:"kept"`
	Database string    `json:"database"`          // its name before
	Comment  string    `json:"comment,omitempty"` // its comment before
}

// exchangeStatements are one transaction, sent as one message: a worker that dies before has changed nothing, and after has
// changed everything.
func (s *staged) exchangeStatements(now time.Time) (string, error) {
	note, err := json.Marshal(kept{s.a.Job, s.a.Number, now.UTC().Truncate(time.Second), s.live.name, s.live.comment})
	if err != nil {
		return "", fmt.Errorf("describe the kept database: %w", err)
	}
	old := ident(keptName(s.a.Job))
	return strings.Join([]string{
		"BEGIN",
		"SET LOCAL lock_timeout = '6s'",
		// The rename locks the database, so that newcomers queue on it, and waits up to 5 s for those inside to go: this is the gate.
		fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", ident(s.live.name), old),
		fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", ident(s.name), ident(s.live.name)),
		fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS false", old),
		fmt.Sprintf("COMMENT ON DATABASE %s IS %s", old, literal(string(note))),
		"COMMIT",
	}, "; "), nil
}

// tryExchange runs the transaction on one connection while another ends the sessions that are in its way. It returns how long
// clients were kept out. It is not stopped half-way by ctx: once the statements are sent, their outcome has to be known.
func (s *staged) tryExchange(ctx context.Context) (time.Duration, error) {
	sql, err := s.exchangeStatements(time.Now())
	if err != nil {
		return 0, err
	}
	there := secretLogin(s.t, maintenance(s.t.Credentials))
	gate, err := s.e.connect(ctx, s.t, s.a, there)
	if err != nil {
		return 0, err
	}
	defer closing(ctx, gate)
	usher, err := s.e.connect(ctx, s.t, s.a, there)
	if err != nil {
		return 0, err
	}
	defer closing(ctx, usher)

	firm, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTime)
	defer cancel()
	began := time.Now()
	done := make(chan struct{})
	ushered := make(chan struct{})
	go func() {
		defer close(ushered)
		s.endSessions(firm, usher, done)
	}()
	_, err = gate.PgConn().Exec(firm, sql).ReadAll()
	close(done)
	<-ushered
	if err != nil && sqlState(err) == "" || err != nil && lost(err) {
		// No answer. Whether the transaction was committed stands in the server.
		err = s.resolve(firm, gate.PgConn().PID(), err)
	}
	if err != nil {
		return time.Since(began), err
	}
	s.awaitLive(firm)
	return time.Since(began), nil
}

// sessionsQuery ends the sessions of two databases that we may end. Others are left out: the first of them would fail the
// statement for all. Autovacuum has no user; a rename ends it itself.
const sessionsQuery = `SELECT pg_terminate_backend(s.pid) FROM pg_stat_activity s JOIN pg_roles r ON r.oid = s.usesysid, pg_roles me
	WHERE s.datname = ANY ($1) AND s.pid <> pg_backend_pid() AND me.rolname = current_user
	AND (me.rolsuper OR NOT r.rolsuper AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')))`

// endSessions ends the sessions in live, and those that came to the copy, until done.
func (s *staged) endSessions(ctx context.Context, usher *pgx.Conn, done <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, endSessionsFor)
	defer cancel()
	every := time.NewTicker(endSessionsEvery)
	defer every.Stop()
	for {
		if _, err := usher.Exec(ctx, sessionsQuery, []string{s.live.name, s.name}); err != nil && ctx.Err() == nil {
			s.e.log.WarnContext(ctx, "sessions not ended", "restore", s.a.Job, "error", err)
		}
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// resolve finds out what became of a transaction whose answer was lost. nil means that it was committed.
func (s *staged) resolve(ctx context.Context, pid uint32, lostErr error) error {
	admin, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, maintenance(s.t.Credentials)))
	if err != nil {
		return fmt.Errorf("%w; and asking what became of it: %v", lostErr, err)
	}
	defer closing(ctx, admin)
	// As long as that session is there it may still commit.
	err = waitUntil(ctx, func() (bool, error) {
		var there bool
		err := admin.QueryRow(ctx, `SELECT EXISTS (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND application_name = $2)`,
			pid, applicationName(s.a)).Scan(&there)
		return !there, err
	})
	if err != nil {
		return fmt.Errorf("%w; and asking what became of it: %v", lostErr, err)
	}
	switched, err := findKept(ctx, admin, s.a.Job)
	if err != nil {
		return fmt.Errorf("%w; and asking what became of it: %v", lostErr, err)
	}
	if switched == nil {
		return lostErr
	}
	return nil
}

// awaitLive comes back when a client can be in the database again: that is the end of the downtime.
func (s *staged) awaitLive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = waitUntil(ctx, func() (bool, error) {
		conn, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, s.live.name))
		if err != nil {
			// A limit on connections or a missing right is an answer of the database too.
			return sqlState(err) != "" && sqlState(err) != missingDatabase && !lost(err), nil
		}
		closing(ctx, conn)
		return true, nil
	})
}

// waitUntil asks until the answer is yes, an error, or ctx ends.
func waitUntil(ctx context.Context, done func() (bool, error)) error {
	every := time.NewTicker(endSessionsEvery)
	defer every.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
		}
	}
}

// prepared are the names of prepared transactions in live. A rename fails while there are any, after it has kept clients out
// for 5 s in vain.
func (s *staged) prepared(ctx context.Context, admin *pgx.Conn) ([]string, error) {
	names, err := queryStrings(ctx, admin, `SELECT gid FROM pg_prepared_xacts WHERE database = $1 ORDER BY prepared`, s.live.name)
	if err != nil {
		return nil, serverFailure(ctx, err, "look for prepared transactions")
	}
	return names, nil
}

// blocked says who is in the way.
func (s *staged) blocked(ctx context.Context, admin *pgx.Conn) error {
	names, err := s.prepared(ctx, admin)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return &backup.Error{Code: backup.CodeSwitchBlocked,
			Text: fmt.Sprintf("Prepared transactions of the database are in the way of the switch: %s.", some(names)),
			Hint: fmt.Sprintf("Live was not changed. In the database: COMMIT PREPARED %s; or ROLLBACK PREPARED, and restore again.", literal(names[0]))}
	}
	names, err = queryStrings(ctx, admin, `SELECT format('%s (%s, %s)', coalesce(usename, backend_type), coalesce(nullif(application_name, ''), 'no application name'), count(*))
		FROM pg_stat_activity WHERE datname = $1 GROUP BY usename, backend_type, application_name ORDER BY 1`, s.live.name)
	if err != nil {
		return serverFailure(ctx, err, "look for sessions")
	}
	hint := "Live was not changed. End these sessions, and restore again. Sessions of a superuser can be ended by a superuser only."
	if !s.me.super && !s.me.signals {
		hint = fmt.Sprintf("Live was not changed. Let the worker end sessions, and restore again: GRANT pg_signal_backend TO %s;", ident(s.me.name))
	}
	return &backup.Error{Code: backup.CodeSwitchBlocked, Hint: hint,
		Text: fmt.Sprintf("The database could not be switched, because these sessions did not end: %s.", some(names))}
}
