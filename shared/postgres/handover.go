package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// heir owns whatever the file gives to nobody else, after the hand-over.
func (s *staged) heir() string {
	if s.loader.kind == backup.LoaderOwner {
		return s.me.name
	}
	return s.live.owner
}

// rehearseHandOver does the whole hand-over in a transaction that is rolled back, so that what can't be carried over is known
// before the switch, and in a dry run too. Those statements are listed and not tried again.
func (s *staged) rehearseHandOver(ctx context.Context) error {
	return s.inCopy(ctx, func(tx pgx.Tx) error {
		possible := s.file.handOver[:0]
		for _, l := range inTurn(s.file.handOver) {
			s.powerless = ""
			err := s.replay(ctx, tx, l)
			switch {
			case err != nil && sqlState(err) == "":
				return err
			case err != nil:
				s.skip(l.line, l.sql, "not possible for the database's user: "+message(err))
			case s.powerless != "": // who may not grant gets a warning, no error
				s.skip(l.line, l.sql, "not possible for the database's user: "+s.powerless)
			default:
				possible = append(possible, l)
			}
		}
		s.file.handOver = possible
		return errRehearsed
	})
}

// handOver gives the copy to the owner of live, and then owners and rights to whom the file gives them.
func (s *staged) handOver(ctx context.Context) error {
	return s.inCopy(ctx, func(tx pgx.Tx) error {
		for _, l := range inTurn(s.file.handOver) {
			if err := s.replay(ctx, tx, l); err != nil {
				return loadFailure(ctx, err, l.line, l.sql)
			}
		}
		return nil
	})
}

var errRehearsed = errors.New("rehearsed")

// inTurn puts owners before grants: a grant is recorded as given by the owner of its time.
func inTurn(list []later) []later {
	out := make([]later, 0, len(list))
	for _, l := range list {
		if l.owner != "" {
			out = append(out, l)
		}
	}
	for _, l := range list {
		if l.owner == "" {
			out = append(out, l)
		}
	}
	return out
}

// inCopy connects to the copy as the secret's role, takes it over from the loader, does do, and commits, or rolls back when do
// fails. No code of the file runs in here: owners and grants evaluate nothing.
func (s *staged) inCopy(ctx context.Context, do func(pgx.Tx) error) error {
	if err := s.admit(ctx); err != nil {
		return err
	}
	s.powerless = ""
	conn, err := s.e.connectNoticing(ctx, s.t, s.a, secretLogin(s.t, s.name), func(n *pgconn.Notice) {
		if n.Code == notGranted || n.Code == notRevoked {
			s.powerless = n.Message
		}
	})
	if err != nil {
		return err
	}
	defer closing(ctx, conn)
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := s.takeOver(ctx, tx); err != nil {
			return serverFailure(ctx, err, "hand the copy over to the owner of the database")
		}
		return do(tx)
	})
	var told *backup.Error
	switch {
	case err == nil, errors.Is(err, errRehearsed):
		return nil
	case errors.As(err, &told), ctx.Err() != nil:
		return err
	}
	return serverFailure(ctx, err, "hand the copy over to the owner of the database")
}

// takeOver gives everything that the loader owns in the copy to the owner of live. The database goes first and the schemas
// second: REASSIGN OWNED wants the new owner to have CREATE on the schema of every function and type, and meets them in the order
// in which pg_shdepend happens to hold them.
func (s *staged) takeOver(ctx context.Context, tx pgx.Tx) error {
	statements := []string{fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", ident(s.name), ident(s.live.owner))}
	if s.loader.kind == backup.LoaderOwner {
		// What the file gives to nobody stays with the secret's role. REASSIGN OWNED would move that role's other databases.
		if s.me.name == s.live.owner {
			return nil
		}
		_, err := tx.Exec(ctx, statements[0])
		return err
	}
	there, err := s.loaderIsThere(ctx, tx)
	if err != nil {
		return err
	}
	if !there { // it was dropped when an earlier attempt had handed over: it can't be dropped before
		_, err := tx.Exec(ctx, statements[0])
		return err
	}
	rows, err := tx.Query(ctx, `SELECT format('ALTER SCHEMA %I OWNER TO %I', nspname, $2::text) FROM pg_namespace
		WHERE pg_get_userbyid(nspowner) = $1 ORDER BY nspname`, s.loader.user, s.live.owner)
	if err != nil {
		return err
	}
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	statements = append(statements, schemas...)
	statements = append(statements,
		fmt.Sprintf("REASSIGN OWNED BY %s TO %s", ident(s.loader.user), ident(s.live.owner)),
		"DROP OWNED BY "+ident(s.loader.user))
	return execAll(ctx, tx, statements)
}

// replay runs one statement in a savepoint of its own.
func (s *staged) replay(ctx context.Context, tx pgx.Tx, l later) error {
	sql := l.statement()
	if l.as != "" {
		sql = fmt.Sprintf("SET LOCAL ROLE %s; %s; RESET ROLE", ident(l.as), sql)
	}
	err := savepoint(ctx, tx, sql)
	if l.owner == "" || l.in == "" || sqlState(err) != insufficientRight || !strings.Contains(message(err), "for schema") {
		return err
	}
	// A new owner needs CREATE on the schema at this moment only. Live may have taken the right back since.
	schema, owner := ident(l.in), ident(l.owner)
	if savepoint(ctx, tx, fmt.Sprintf("GRANT CREATE ON SCHEMA %s TO %s; %s; REVOKE CREATE ON SCHEMA %s FROM %s", schema, owner, sql, schema, owner)) == nil {
		return nil
	}
	return err
}

// savepoint runs statements such that their failure leaves the transaction usable.
func savepoint(ctx context.Context, tx pgx.Tx, sql string) error {
	_, err := tx.Exec(ctx, "SAVEPOINT replay; "+sql+"; RELEASE SAVEPOINT replay")
	if err == nil {
		return nil
	}
	if _, rerr := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT replay; RELEASE SAVEPOINT replay"); rerr != nil {
		return fmt.Errorf("%w (and the savepoint is lost: %v)", rerr, err)
	}
	return err
}

// message is the server's sentence alone.
func message(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Message
	}
	return err.Error()
}
