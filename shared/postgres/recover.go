package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

const (
	// endingTime is how long sessions may take to go after they were ended.
	endingTime = 15 * time.Second
	// inUseTime is for how long a database that can't be dropped yet is tried again: a busy server takes long to let sessions go, and to write
	// the checkpoint that dropping needs. Who drops in a worker's last seconds gives less by the context.
	inUseTime = 45 * time.Second
)

// Recover ends the sessions of other attempts at a job, drops what they made, and finds out whether one of them switched. The
// sessions come first: one of them might be about to switch.
func (e *Engine) Recover(ctx context.Context, t backup.Target, a backup.Attempt) (*backup.Switched, error) {
	admin, err := e.connect(ctx, t, a, secretLogin(t, maintenance(t.Credentials)))
	if code := sqlState(err); code == missingDatabase || code == insufficientRight {
		// A secret that is good enough for backups need not reach the maintenance database: their sessions can be ended from live.
		admin, err = e.connect(ctx, t, a, secretLogin(t, t.Credentials.DBName))
	}
	if err != nil {
		return nil, err
	}
	defer closing(ctx, admin)
	if err := endAttempts(ctx, admin, t, a); err != nil {
		return nil, err
	}
	switched, err := findKept(ctx, admin, a.Job)
	if err != nil {
		return nil, serverFailure(ctx, err, "look for a finished switch")
	}
	own := stagedName(a)
	databases, err := queryStrings(ctx, admin, `SELECT datname FROM pg_database WHERE datname ~ $1 AND datname <> $2`, attemptPattern(a.Job), own)
	if err != nil {
		return nil, serverFailure(ctx, err, "look for staged databases")
	}
	for _, name := range databases {
		if err := dropDatabase(ctx, admin, name); err != nil {
			return nil, err
		}
	}
	roles, err := queryStrings(ctx, admin, `SELECT rolname FROM pg_roles WHERE rolname ~ $1 AND rolname <> $2`, attemptPattern(a.Job), own)
	if err != nil {
		return nil, serverFailure(ctx, err, "look for throw-away logins")
	}
	for _, name := range roles {
		if err := dropLogin(ctx, admin, name); err != nil {
			return nil, err
		}
	}
	if len(databases)+len(roles) > 0 || switched != nil {
		e.log.InfoContext(ctx, "attempts recovered", "job", a.Job, "databases", databases, "logins", roles, "switched", switched != nil)
	}
	return switched, nil
}

// attemptPattern matches the names of a job's staged databases and logins, and not its kept database.
func attemptPattern(job string) string { return "^" + prefix + job + "_[0-9]+$" }

// endAttempts ends the sessions of other attempts and waits until they are gone. So it does with those of this attempt that run a statement
// still: whoever recovers waits for none of them, and one that is left at its commit, such as on a server that waits for its standby, would
// switch after the answer that it did not.
func endAttempts(ctx context.Context, admin *pgx.Conn, t backup.Target, a backup.Attempt) error {
	limited, cancel := context.WithTimeout(ctx, endingTime)
	defer cancel()
	const others = `FROM pg_stat_activity s JOIN pg_roles r ON r.oid = s.usesysid, pg_roles me
		WHERE me.rolname = current_user AND starts_with(s.application_name, $1) AND (s.application_name <> $2 OR s.state = 'active') AND s.pid <> pg_backend_pid()`
	const mine = ` AND (me.rolsuper OR NOT r.rolsuper AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')))`
	left := 0
	err := waitUntil(limited, func() (bool, error) {
		if _, err := admin.Exec(limited, `SELECT pg_terminate_backend(s.pid) `+others+mine, sessions(a.Job), applicationName(a)); err != nil {
			return false, err
		}
		err := admin.QueryRow(limited, `SELECT count(*) `+others, sessions(a.Job), applicationName(a)).Scan(&left)
		return left == 0, err
	})
	if err == nil {
		return nil
	}
	if left > 0 && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return &backup.Error{Code: backup.CodePermission, Cause: err,
			Text: fmt.Sprintf("%d sessions of an earlier attempt at this job are still on the server, and user %s may not end them.", left, ident(t.Credentials.Username)),
			Hint: fmt.Sprintf("An administrator of the server can end them, or run: GRANT pg_signal_backend TO %s;", ident(t.Credentials.Username))}
	}
	return serverFailure(ctx, err, "end the sessions of an earlier attempt")
}

// findKept looks for the database that a job's switch has replaced. Name and comment were given in the switch's transaction:
// they are there together, or there was none.
func findKept(ctx context.Context, admin *pgx.Conn, job string) (*backup.Switched, error) {
	h, err := readHeld(ctx, admin, keptName(job))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // no switch is an answer, and the port's contract
	}
	if err != nil {
		return nil, err
	}
	if _, ok := h.kept(); !ok {
		return nil, fmt.Errorf("the database %s does not say that it was kept by job %s", h.name, job)
	}
	return &backup.Switched{Kept: h.name, KeptBytes: bytesOnDisk(ctx, admin, h.name)}, nil
}

// dropDatabase drops one of ours, and whoever may have come to look at it (monitoring connects to every database).
func dropDatabase(ctx context.Context, admin *pgx.Conn, name string) error {
	if _, _, ok := parseName(name); !ok {
		return fmt.Errorf("refuse to drop the database %q: a restore has not made it", name)
	}
	began := time.Now()
	var inUse error // why it has to be tried again
	err := waitUntil(ctx, func() (bool, error) {
		if _, err := admin.Exec(ctx, sessionsQuery, []string{name}); err != nil {
			return false, err
		}
		// A template can't be dropped. Live may have been one, and code of a file can make one of its copy, for as long as it runs.
		if err := noTemplate(ctx, admin, name); err != nil {
			return false, err
		}
		// It waits up to 5 s for sessions to go by itself.
		_, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+ident(name))
		// Dropping needs a checkpoint, and that fails for as long as any disk of the server is full.
		if sqlState(err) == objectInUse || err != nil && strings.Contains(message(err), "checkpoint request failed") {
			inUse = err
			if time.Since(began) < inUseTime {
				return false, nil
			}
		}
		return true, err
	})
	if err != nil && inUse != nil {
		err = inUse
	}
	if err != nil {
		return serverFailure(ctx, err, "drop the database "+name)
	}
	return nil
}

func noTemplate(ctx context.Context, admin *pgx.Conn, name string) error {
	var template bool
	err := admin.QueryRow(ctx, `SELECT datistemplate FROM pg_database WHERE datname = $1`, name).Scan(&template)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !template {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = admin.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s IS_TEMPLATE false", ident(name)))
	return err
}

// dropLogin drops a throw-away login where there is one of that name: even to ask for it with IF EXISTS takes the right to create roles.
func dropLogin(ctx context.Context, admin *pgx.Conn, name string) error {
	var there bool
	err := admin.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, name).Scan(&there)
	if err == nil && there {
		_, err = admin.Exec(ctx, "DROP ROLE IF EXISTS "+ident(name))
	}
	if err != nil {
		return serverFailure(ctx, err, "drop the restore's login")
	}
	return nil
}

// Discard ends the loader's session and drops the copy and its login, or closes a copy again that was parked before. A copy that was
// switched in bears another name now, so nothing here can reach it. ctx bounds it: a worker whose time ends needs some of it to
// say how the restore ended.
func (s *staged) Discard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if s.settled {
		s.logOut(ctx)
		return nil
	}
	s.dismiss(ctx)
	_, mended := s.mendLogin(ctx)
	s.logOut(ctx)
	admin, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, maintenance(s.t.Credentials)))
	if err != nil {
		return err
	}
	defer closing(ctx, admin)
	if s.resumed {
		if err := s.shut(ctx, admin); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return serverFailure(ctx, err, "close the rehearsed copy")
		}
		return nil
	}
	if err := dropDatabase(ctx, admin, s.name); err != nil {
		return err
	}
	// The name is the attempt's own: a throw-away login bears it, or nobody does.
	return errors.Join(dropLogin(ctx, admin, s.name), mended)
}
