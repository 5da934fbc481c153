package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// staged is a copy that is being built.
type staged struct {
	e      *Engine
	t      backup.Target
	a      backup.Attempt
	need   backup.Need
	name   string
	oid    uint32
	live   live
	me     self
	loader loader
	before *loginState // the loader as it was, where an upload could change it
	byHand []string
	carry  []string // statements that give the copy live's database properties, tried
	// tablespace is the copy's: live's, where the secret's role may use that.
	tablespace string
	// warnings are told with the report.
	warnings []string

	conn    *session   // the loader's in the copy, nil while there is none
	others  []*session // the rest of its crew
	full    bool       // the server lets in no more of them
	file    file       // what Load learned
	counted []backup.TableRows
	paused  []tableName // tables that autovacuum is kept away from
	resumed bool        // the copy was parked by another attempt
	settled bool        // the copy was switched in or parked: there is nothing to discard
	// powerless is the server's last warning that a right could not be given or taken.
	powerless string
}

var _ backup.Staged = (*staged)(nil)

// Stage checks that a restore can go through, chooses its login and creates an empty database for it.
func (e *Engine) Stage(ctx context.Context, t backup.Target, a backup.Attempt, need backup.Need) (backup.Staged, error) {
	admin, err := e.connect(ctx, t, a, secretLogin(t, maintenance(t.Credentials)))
	if err != nil {
		return nil, err
	}
	defer closing(ctx, admin)
	s := &staged{e: e, t: t, a: a, need: need, name: stagedName(a)}
	if s.live, s.me, err = e.preflight(ctx, admin, t); err != nil {
		return nil, err
	}
	if err = s.checkNeed(ctx, admin, need); err != nil {
		return nil, err
	}
	if err = s.create(ctx, admin); err != nil {
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if derr := s.Discard(tidy); derr != nil {
			e.log.ErrorContext(ctx, "staged copy not discarded", "restore", a.Job, "attempt", a.Number, "error", derr)
		}
		return nil, err
	}
	e.log.InfoContext(ctx, "database staged", "restore", a.Job, "attempt", a.Number, "loader", s.loader.kind)
	return s, nil
}

// create makes the login, the database, what the loader may not make itself, and logs the loader in.
func (s *staged) create(ctx context.Context, admin *pgx.Conn) (err error) {
	if err := s.chooseLoader(ctx, admin); err != nil {
		return err
	}
	for _, sql := range []string{s.createDatabase(ctx, admin), "REVOKE ALL ON DATABASE " + ident(s.name) + " FROM PUBLIC"} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return serverFailure(ctx, err, "create a database for the restore")
		}
	}
	if err := s.readCopy(ctx, admin); err != nil {
		return serverFailure(ctx, err, "look at the copy")
	}
	if s.loader.kind == backup.LoaderPrepared {
		if err := s.loadsAlone(ctx, admin); err != nil {
			return err
		}
	}
	if err := s.planCarry(ctx, admin); err != nil {
		return err
	}
	if err := s.createExtensions(ctx); err != nil {
		return err
	}
	return s.logIn(ctx)
}

// loadsAlone refuses a prepared login that owns another database at the same time. Two restores that share one each look after their own copy
// has come to be that login's: at least the later sees the other.
func (s *staged) loadsAlone(ctx context.Context, admin *pgx.Conn) error {
	owned, err := queryStrings(ctx, admin, `SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = $1`, s.loader.user)
	if err != nil {
		return serverFailure(ctx, err, "look for other restores of the secret's restoreUsername")
	}
	return soleCopy(s.loader.user, owned, s.name)
}

// createDatabase is the statement for a database that sorts, compares and encodes as live does.
func (s *staged) createDatabase(ctx context.Context, admin *pgx.Conn) string {
	var b strings.Builder
	l := s.live
	fmt.Fprintf(&b, "CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING %s LC_COLLATE %s LC_CTYPE %s",
		ident(s.name), ident(s.loader.user), literal(l.encoding), literal(l.collate), literal(l.ctype))
	switch {
	case s.me.major() < 15:
	case l.provider == "i":
		fmt.Fprintf(&b, " LOCALE_PROVIDER icu ICU_LOCALE %s", literal(l.locale))
		if l.rules != "" {
			fmt.Fprintf(&b, " ICU_RULES %s", literal(l.rules))
		}
	case l.provider == "b":
		fmt.Fprintf(&b, " LOCALE_PROVIDER builtin BUILTIN_LOCALE %s", literal(l.locale))
	default:
		b.WriteString(" LOCALE_PROVIDER libc")
	}
	var may bool
	if err := admin.QueryRow(ctx, `SELECT has_tablespace_privilege(oid, 'CREATE') FROM pg_tablespace WHERE spcname = $1`, l.tablespace).Scan(&may); err == nil && may {
		fmt.Fprintf(&b, " TABLESPACE %s", ident(l.tablespace))
	}
	return b.String()
}

// readCopy learns what the server knows of the copy. The error is pgx.ErrNoRows where it is gone.
func (s *staged) readCopy(ctx context.Context, admin *pgx.Conn) error {
	return admin.QueryRow(ctx, `SELECT d.oid, spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = $1`, s.name).
		Scan(&s.oid, &s.tablespace)
}

// neverCreated are extensions that reach out of the database: nobody creates them on a file's behalf with more rights than the
// loader's.
func neverCreated(name string) bool {
	return name == "dblink" || name == "adminpack" || name == "plperlu" || strings.HasSuffix(name, "_fdw") || strings.HasPrefix(name, "plpython")
}

// createExtensions creates those extensions of live that the loader may not, where the secret's role may. It happens in the
// empty copy, before anything from the file could be in the way of an extension's script.
func (s *staged) createExtensions(ctx context.Context) error {
	from, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, s.live.name))
	if err != nil {
		return err
	}
	defer closing(ctx, from)
	rows, err := from.Query(ctx, `SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
		WHERE e.extname <> 'plpgsql' AND (SELECT bool_and(v.superuser AND NOT v.trusted) FROM pg_available_extension_versions v
			WHERE v.name = e.extname) ORDER BY e.oid`)
	if err != nil {
		return serverFailure(ctx, err, "read the extensions of the database")
	}
	type extension struct{ Name, Schema string }
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[extension])
	if err != nil {
		return serverFailure(ctx, err, "read the extensions of the database")
	}
	if len(found) == 0 {
		return nil
	}
	to, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, s.name))
	if err != nil {
		return err
	}
	defer closing(ctx, to)
	for _, x := range found {
		if neverCreated(x.Name) || s.uploaded() && !slices.Contains(s.need.Inspection.Extensions, x.Name) {
			continue // the file's own statement will be refused, with its line
		}
		if !strings.HasPrefix(x.Schema, "pg_") {
			if _, err := to.Exec(ctx, fmt.Sprintf("CREATE SCHEMA IF NOT EXISTS %s AUTHORIZATION %s", ident(x.Schema), ident(s.loader.user))); err != nil {
				return serverFailure(ctx, err, "create the schema of an extension")
			}
		}
		if _, err := to.Exec(ctx, fmt.Sprintf("CREATE EXTENSION IF NOT EXISTS %s WITH SCHEMA %s CASCADE", ident(x.Name), ident(x.Schema))); err != nil {
			return &backup.Error{Code: backup.CodePermission, Cause: err, Log: words(err),
				Text: fmt.Sprintf("The database has the extension %s, which user %s may not create in the copy.", ident(x.Name), ident(s.me.name)),
				Hint: fmt.Sprintf("Let an administrator mark it as trusted in the server's extension folder, or, if it is not used: DROP EXTENSION %s; and create a new backup.",
					ident(x.Name))}
		}
	}
	return nil
}

// Loader says which login loads.
func (s *staged) Loader() backup.Loader { return s.loader.kind }

// ByHand is SQL for what Switch can't carry over from live.
func (s *staged) ByHand() []string { return s.byHand }
