package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// memo is what Resume needs of a parked copy besides its name. It holds no secret: statements of owners and grants, and names.
type memo struct {
	Loader   backup.Loader `json:"loader"`
	User     string        `json:"user"`  // that loaded
	Copy     uint32        `json:"copy"`  // OID
	Live     uint32        `json:"live"`  // OID of live at the rehearsal
	Owner    string        `json:"owner"` // of live at the rehearsal
	HandOver []handedOver  `json:"handOver,omitempty"`
}

// handedOver is a statement that was found to be possible when the hand-over was rehearsed.
type handedOver struct {
	Line  int64  `json:"line"`
	SQL   string `json:"sql"`
	Owner string `json:"owner,omitempty"`
	In    string `json:"in,omitempty"`
	As    string `json:"as,omitempty"`
	Path  string `json:"path,omitempty"`
}

// parked is the comment on a parked copy.
type parked struct {
	Rehearsal string    `json:"rehearsal"` // the job that made the copy
	Attempt   int       `json:"attempt"`
	Parked    time.Time `json:"parked"`
	Database  string    `json:"database"` // that it is a copy for
}

// Park closes the copy to everybody. What is in it stays the loader's, but the database itself becomes the owner's of live: a prepared login
// could open it again, and could load no other restore for as long as the copy is kept.
func (s *staged) Park(ctx context.Context) (backup.Parked, error) {
	s.logOut(ctx)
	m := memo{Loader: s.loader.kind, User: s.loader.user, Copy: s.oid, Live: s.live.oid, Owner: s.live.owner}
	for _, l := range s.file.handOver {
		m.HandOver = append(m.HandOver, handedOver{l.line, l.sql, l.owner, l.in, l.as, l.path})
	}
	text, err := json.Marshal(m)
	if err != nil {
		return backup.Parked{}, fmt.Errorf("describe the parked copy: %w", err)
	}
	admin, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, maintenance(s.t.Credentials)))
	if err != nil {
		return backup.Parked{}, err
	}
	defer closing(ctx, admin)
	if err := s.shut(ctx, admin); err != nil {
		return backup.Parked{}, serverFailure(ctx, err, "close the rehearsed copy")
	}
	s.settled = true
	s.e.log.InfoContext(ctx, "copy parked", "restore", s.a.Job, "attempt", s.a.Number)
	return backup.Parked{Name: s.name, Bytes: bytesOnDisk(ctx, admin, s.name), Memo: text}, nil
}

// shut closes the copy in one transaction and then ends the sessions in it. It can be repeated.
func (s *staged) shut(ctx context.Context, admin *pgx.Conn) error {
	job, attempt, _ := parseName(s.name)
	note, err := json.Marshal(parked{job, attempt, time.Now().UTC().Truncate(time.Second), s.live.name})
	if err != nil {
		return fmt.Errorf("describe the parked copy: %w", err)
	}
	err = pgx.BeginFunc(ctx, admin, func(tx pgx.Tx) error {
		if err := s.forget(ctx, tx); err != nil {
			return err
		}
		statements := []string{
			fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", ident(s.name), ident(s.live.owner)),
			fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS false", ident(s.name)),
			fmt.Sprintf("COMMENT ON DATABASE %s IS %s", ident(s.name), literal(string(note))),
		}
		there, err := s.loaderIsThere(ctx, tx)
		if err != nil {
			return err
		}
		if there && s.loader.kind == backup.LoaderThrowAway {
			statements = append(statements, fmt.Sprintf("ALTER ROLE %s NOLOGIN PASSWORD NULL", ident(s.loader.user)))
		}
		return execAll(ctx, tx, statements)
	})
	if err != nil {
		return err
	}
	return s.empty(ctx, admin)
}

// empty ends the sessions in the closed copy that may be ended. One that may not, such as a superuser's, or does not go,
// hurts nobody in there, and is named when it is in the way of a switch.
func (s *staged) empty(ctx context.Context, admin *pgx.Conn) error {
	limited, cancel := context.WithTimeout(ctx, endingTime)
	defer cancel()
	err := waitUntil(limited, func() (bool, error) {
		rows, err := admin.Query(limited, sessionsQuery, []string{s.name})
		if err != nil {
			return false, err
		}
		ended, err := pgx.CollectRows(rows, pgx.RowTo[bool])
		return !slices.Contains(ended, true), err
	})
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		s.e.log.WarnContext(ctx, "sessions in the closed copy not ended", "copy", s.name)
		return nil
	}
	return err
}

// admit opens the copy to the secret's role, which has to be in it to hand over what the loader owns, as a database without properties
// of its own. For as long as it was the loader's, code of the file could give it settings, which take effect in whoever logs in
// (such as another role), a limit that keeps everybody out, or rights for others.
func (s *staged) admit(ctx context.Context) error {
	admin, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, maintenance(s.t.Credentials)))
	if err != nil {
		return err
	}
	defer closing(ctx, admin)
	shared := s.resumed && s.loader.kind == backup.LoaderPrepared
	err = pgx.BeginFunc(ctx, admin, func(tx pgx.Tx) error {
		if shared {
			// Handing over moves every database of a login, so while that goes on it must not be another restore's.
			if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", ident(s.name), ident(s.loader.user))); err != nil {
				return err
			}
		}
		return s.forget(ctx, tx)
	})
	if err != nil {
		return serverFailure(ctx, err, "open the copy")
	}
	if shared {
		return s.loadsAlone(ctx, admin)
	}
	return nil
}

// forget opens the copy and takes away all properties that a database has.
func (s *staged) forget(ctx context.Context, tx pgx.Tx) error {
	var owner string
	if err := tx.QueryRow(ctx, `SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1`, s.name).Scan(&owner); err != nil {
		return err
	}
	name := ident(s.name)
	statements := []string{
		fmt.Sprintf("ALTER DATABASE %s RESET ALL", name),
		fmt.Sprintf("ALTER DATABASE %s WITH ALLOW_CONNECTIONS true CONNECTION LIMIT -1 IS_TEMPLATE false", name),
	}
	rows, err := tx.Query(ctx, `SELECT DISTINCT format('REVOKE ALL ON DATABASE %I FROM ', datname) ||
		CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END || ' CASCADE'
		FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE datname = $1 AND a.grantee <> datdba`, s.name)
	if err != nil {
		return err
	}
	revoke, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	statements = append(statements, revoke...)
	statements = append(statements, fmt.Sprintf("GRANT ALL ON DATABASE %s TO %s", name, ident(owner)))
	if err := execAll(ctx, tx, statements); err != nil {
		return err
	}
	return s.forgetRoles(ctx, tx)
}

// forgetRoles takes away what single roles have set in the copy, where we may. What the loader has set for itself is no harm.
func (s *staged) forgetRoles(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT rolname FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = setrole
		WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = $1) ORDER BY 1`, s.name)
	if err != nil {
		return err
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, role := range roles {
		sql := fmt.Sprintf("ALTER ROLE %s IN DATABASE %s RESET ALL", ident(role), ident(s.name))
		if role == s.loader.user { // every role may do that for itself
			sql = fmt.Sprintf("SET LOCAL ROLE %s; %s; RESET ROLE", ident(role), sql)
		}
		if err := savepoint(ctx, tx, sql); err != nil {
			if sqlState(err) == "" {
				return err
			}
			s.e.log.WarnContext(ctx, "setting of a role in the copy not reset", "role", role, "copy", s.name, "error", err)
		}
	}
	return nil
}

// loaderIsThere reports whether the loader exists. A throw-away login is gone after its copy was handed over, also when the exchange
// has failed then.
func (s *staged) loaderIsThere(ctx context.Context, tx pgx.Tx) (there bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, s.loader.user).Scan(&there)
	return there, err
}

func execAll(ctx context.Context, tx pgx.Tx, statements []string) error {
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// Resume takes up a copy that another attempt has parked. It changes nothing: the copy stays closed until Switch.
func (e *Engine) Resume(ctx context.Context, t backup.Target, a backup.Attempt, p backup.Parked) (backup.Staged, error) {
	var m memo
	if _, n, ok := parseName(p.Name); !ok || n == 0 || json.Unmarshal(p.Memo, &m) != nil || m.Copy == 0 {
		return nil, rehearseAgain(backup.CodeUnsupported, "What is known of the rehearsed copy is not in a form that this version understands.")
	}
	admin, err := e.connect(ctx, t, a, secretLogin(t, maintenance(t.Credentials)))
	if err != nil {
		return nil, err
	}
	defer closing(ctx, admin)
	s := &staged{e: e, t: t, a: a, name: p.Name, resumed: true, loader: loader{kind: m.Loader, user: m.User}}
	for _, l := range m.HandOver {
		s.file.handOver = append(s.file.handOver, later{line: l.Line, sql: l.SQL, owner: l.Owner, in: l.In, as: l.As, path: l.Path})
	}
	if s.live, s.me, err = e.preflight(ctx, admin, t); err != nil {
		return nil, err
	}
	if err := s.fits(ctx, admin, m); err != nil {
		return nil, err
	}
	if err := s.planCarry(ctx, admin); err != nil {
		return nil, err
	}
	e.log.InfoContext(ctx, "parked copy taken up", "job", a.Job, "attempt", a.Number, "copy", p.Name)
	return s, nil
}

// fits refuses to go on where copy or live are not what they were at the rehearsal.
func (s *staged) fits(ctx context.Context, admin *pgx.Conn, m memo) error {
	err := s.readCopy(ctx, admin)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return rehearseAgain(backup.CodeMissing, fmt.Sprintf("The rehearsed copy %s is not on the server any more.", ident(s.name)))
	case err != nil:
		return serverFailure(ctx, err, "look at the rehearsed copy")
	case s.oid != m.Copy:
		return rehearseAgain(backup.CodeSwitchBlocked, fmt.Sprintf("The database %s is not the copy that was rehearsed.", ident(s.name)))
	case s.live.oid != m.Live:
		return rehearseAgain(backup.CodeSwitchBlocked, fmt.Sprintf("The database %s was replaced since the rehearsal.", ident(s.live.name)))
	case s.live.owner != m.Owner:
		return rehearseAgain(backup.CodeSwitchBlocked, fmt.Sprintf("The database %s has another owner since the rehearsal: %s, and before it was %s.",
			ident(s.live.name), ident(s.live.owner), ident(m.Owner)))
	}
	return nil
}

func rehearseAgain(code backup.Code, text string) error {
	return &backup.Error{Code: code, Text: text, Hint: "Live was not changed. Rehearse the restore again, or start it as a real run."}
}
