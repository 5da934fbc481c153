package postgres

import (
	"context"
	"encoding/json"
	"errors"
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

// exchange is two databases that change places in one transaction: live is kept under the name of the job that exchanges them, and next takes
// live's name.
type exchange struct {
	e    *Engine
	t    backup.Target
	a    backup.Attempt
	me   self
	live live
	next next
}

// next is the database that becomes live: the copy of a restore, or a kept database that comes back.
type next struct {
	oid     uint32
	name    string
	comment string // that it has as live
}

// run tries until the two databases have changed places, a few times. confirm is called right before each try.
func (x *exchange) run(ctx context.Context, admin *pgx.Conn, confirm func(context.Context) error) (backup.Switched, error) {
	var held time.Duration
	for try := 1; ; try++ {
		blocked, err := x.prepared(ctx, admin)
		if err != nil {
			return backup.Switched{}, err
		}
		if len(blocked) == 0 {
			if err := confirm(ctx); err != nil {
				return backup.Switched{}, fmt.Errorf("confirm the switch: %w", err)
			}
			took, err := x.try(ctx)
			held += took
			switch code := sqlState(err); {
			case err == nil:
				x.e.log.InfoContext(ctx, "database switched", "job", x.a.Job, "attempt", x.a.Number, "downtime", held, "try", try)
				name := keptName(x.a.Job)
				return backup.Switched{Kept: name, KeptBytes: bytesOnDisk(ctx, admin, name), Downtime: held}, nil
			case code == divisionByZero, code == missingDatabase:
				return backup.Switched{}, x.others(err)
			case code != objectInUse && code != lockNotAvailable:
				return backup.Switched{}, serverFailure(ctx, err, "exchange the databases")
			}
		}
		if try == switchTries {
			return backup.Switched{}, x.blocked(ctx, admin)
		}
		select {
		case <-ctx.Done():
			return backup.Switched{}, fmt.Errorf("switch %s: %w", x.t.Name, ctx.Err())
		case <-time.After(switchPause):
		}
	}
}

// statements are one transaction, sent as one message: a worker that dies before has changed nothing, and after has changed everything.
func (x *exchange) statements(now time.Time) (string, error) {
	note, err := json.Marshal(kept{Job: x.a.Job, Attempt: x.a.Number, Kept: now.UTC().Truncate(time.Second),
		Database: x.live.name, Comment: x.live.comment, ReplacedBy: x.next.oid})
	if err != nil {
		return "", fmt.Errorf("describe the kept database: %w", err)
	}
	old, comment := keptName(x.a.Job), "NULL"
	if x.next.comment != "" {
		comment = literal(x.next.comment)
	}
	return strings.Join([]string{
		"BEGIN",
		"SET LOCAL lock_timeout = '6s'",
		// The rename locks the database, so that newcomers queue on it, and waits up to 5 s for those inside to go: this is the gate.
		fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", ident(x.live.name), ident(old)),
		fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", ident(x.next.name), ident(x.live.name)),
		// Somebody may have renamed others into their places meanwhile: then this divides by zero.
		fmt.Sprintf("SELECT 1 / (count(*) / 2) FROM pg_database WHERE oid = %d AND datname = %s OR oid = %d AND datname = %s",
			x.live.oid, literal(old), x.next.oid, literal(x.live.name)),
		fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true", ident(x.live.name)),
		fmt.Sprintf("COMMENT ON DATABASE %s IS %s", ident(x.live.name), comment),
		fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS false", ident(old)),
		fmt.Sprintf("COMMENT ON DATABASE %s IS %s", ident(old), literal(string(note))),
		"COMMIT",
	}, "; "), nil
}

// others says that a database is not the one that was looked at any more.
func (x *exchange) others(cause error) error {
	var told *backup.Error
	if errors.As(cause, &told) {
		return cause // of connecting
	}
	return &backup.Error{Code: backup.CodeSwitchBlocked, Cause: cause, Log: words(cause),
		Text: fmt.Sprintf("The database %s, or the one that would take its place, was dropped, renamed or replaced by somebody else meanwhile.", ident(x.live.name)),
		Hint: "Live was not changed. See who works on the server's databases, and try again."}
}

// try runs the transaction on one connection while another ends the sessions that are in its way. It returns how long
// clients were kept out. It is not stopped half-way by ctx: once the statements are sent, their outcome has to be known.
func (x *exchange) try(ctx context.Context) (time.Duration, error) {
	sql, err := x.statements(time.Now())
	if err != nil {
		return 0, err
	}
	there := secretLogin(x.t, maintenance(x.t.Credentials))
	gate, err := x.e.connect(ctx, x.t, x.a, there)
	if err != nil {
		return 0, err
	}
	defer closing(ctx, gate)
	usher, err := x.e.connect(ctx, x.t, x.a, there)
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
		x.endSessions(firm, usher, done)
	}()
	_, err = gate.PgConn().Exec(firm, sql).ReadAll()
	close(done)
	<-ushered
	if err != nil && sqlState(err) == "" || err != nil && lost(err) {
		// No answer. Whether the transaction was committed stands in the server.
		err = x.resolve(firm, gate.PgConn().PID(), err)
	}
	if err != nil {
		return time.Since(began), err
	}
	return x.awaitLive(firm).Sub(began), nil
}

// sessionsQuery ends the sessions of two databases that we may end. Others are left out: the first of them would fail the
// statement for all. Autovacuum has no user; a rename ends it itself.
const sessionsQuery = `SELECT pg_terminate_backend(s.pid) FROM pg_stat_activity s JOIN pg_roles r ON r.oid = s.usesysid, pg_roles me
	WHERE s.datname = ANY ($1) AND s.pid <> pg_backend_pid() AND me.rolname = current_user
	AND (me.rolsuper OR NOT r.rolsuper AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')))`

// endSessions ends the sessions in live, and those that came to the next one, until done.
func (x *exchange) endSessions(ctx context.Context, usher *pgx.Conn, done <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, endSessionsFor)
	defer cancel()
	every := time.NewTicker(endSessionsEvery)
	defer every.Stop()
	for {
		if _, err := usher.Exec(ctx, sessionsQuery, []string{x.live.name, x.next.name}); err != nil && ctx.Err() == nil {
			x.e.log.WarnContext(ctx, "sessions not ended", "job", x.a.Job, "error", err)
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
func (x *exchange) resolve(ctx context.Context, pid uint32, lostErr error) error {
	admin, err := x.e.connect(ctx, x.t, x.a, secretLogin(x.t, maintenance(x.t.Credentials)))
	if err != nil {
		return fmt.Errorf("%w; and asking what became of it: %v", lostErr, err)
	}
	defer closing(ctx, admin)
	if err := awaitEnd(ctx, admin, pid, x.a); err != nil {
		return fmt.Errorf("%w; and asking what became of it: %v", lostErr, err)
	}
	switched, err := findKept(ctx, admin, x.a.Job)
	if err != nil {
		return fmt.Errorf("%w; and asking what became of it: %v", lostErr, err)
	}
	if switched == nil {
		return lostErr
	}
	return nil
}

// awaitLive returns when the downtime ended: when the first client began to connect that was let in. How long it took to log in among
// all who come back at that moment is their load, and was several times the outage.
func (x *exchange) awaitLive(ctx context.Context) (began time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := waitUntil(ctx, func() (bool, error) {
		began = time.Now()
		conn, err := x.e.connect(ctx, x.t, x.a, secretLogin(x.t, x.live.name))
		if err != nil {
			// A limit on connections or a missing right is an answer of the database too.
			return sqlState(err) != "" && sqlState(err) != missingDatabase && !lost(err), nil
		}
		closing(ctx, conn)
		return true, nil
	})
	if err != nil {
		x.e.log.WarnContext(ctx, "switched database not reached", "job", x.a.Job, "error", err)
		return time.Now()
	}
	return began
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

// prepared are the names of prepared transactions in the two databases. A rename fails while there are any, after it has kept clients out
// for 5 s in vain.
func (x *exchange) prepared(ctx context.Context, admin *pgx.Conn) ([]string, error) {
	names, err := queryStrings(ctx, admin, `SELECT gid FROM pg_prepared_xacts WHERE database IN ($1, $2) ORDER BY prepared`, x.live.name, x.next.name)
	if err != nil {
		return nil, serverFailure(ctx, err, "look for prepared transactions")
	}
	return names, nil
}

// blocked says who is in the way.
func (x *exchange) blocked(ctx context.Context, admin *pgx.Conn) error {
	names, err := x.prepared(ctx, admin)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return &backup.Error{Code: backup.CodeSwitchBlocked,
			Text: fmt.Sprintf("Prepared transactions of the database are in the way of the switch: %s.", some(names)),
			Hint: fmt.Sprintf("Live was not changed. In the database: COMMIT PREPARED %s; or ROLLBACK PREPARED, and try again.", literal(names[0]))}
	}
	names, err = queryStrings(ctx, admin, `SELECT format('%s (%s, %s)', coalesce(usename, backend_type), coalesce(nullif(application_name, ''), 'no application name'), count(*))
		FROM pg_stat_activity WHERE datname IN ($1, $2) GROUP BY usename, backend_type, application_name ORDER BY 1`, x.live.name, x.next.name)
	if err != nil {
		return serverFailure(ctx, err, "look for sessions")
	}
	if len(names) == 0 {
		names = []string{"they went after the last try"}
	}
	hint := "Live was not changed. End these sessions, and try again. Sessions of a superuser can be ended by a superuser only."
	if !x.me.super && !x.me.signals {
		hint = fmt.Sprintf("Live was not changed. Let the worker end sessions, and try again: GRANT pg_signal_backend TO %s;", ident(x.me.name))
	}
	return &backup.Error{Code: backup.CodeSwitchBlocked, Hint: hint,
		Text: fmt.Sprintf("The database could not be switched, because these sessions did not end: %s.", some(names))}
}
