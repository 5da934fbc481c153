package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// A login needs nobody's leave to change its own password and its own settings, and before PostgreSQL 15 its own members. Code of an
// uploaded file could so lock out the next restore, or let somebody into its copy.

// loginState is what a login can change of itself, but for its password, which nobody can read.
type loginState struct {
	settings []loginSetting
	members  []loginMember
}

type loginSetting struct{ Database, Config string } // of all databases where Database is ""

type loginMember struct {
	Name  string
	Admin bool
}

func readLogin(ctx context.Context, conn *pgx.Conn, user string) (state loginState, err error) {
	rows, err := conn.Query(ctx, `SELECT coalesce(d.datname, ''), c FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
		LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c WHERE r.rolname = $1 ORDER BY 1, 2`, user)
	if err != nil {
		return state, err
	}
	if state.settings, err = pgx.CollectRows(rows, pgx.RowToStructByPos[loginSetting]); err != nil {
		return state, err
	}
	rows, err = conn.Query(ctx, `SELECT pg_get_userbyid(m.member), bool_or(m.admin_option) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
		WHERE r.rolname = $1 GROUP BY 1 ORDER BY 1`, user)
	if err != nil {
		return state, err
	}
	state.members, err = pgx.CollectRows(rows, pgx.RowToStructByPos[loginMember])
	return state, err
}

func (s loginState) equal(o loginState) bool {
	return slices.Equal(s.settings, o.settings) && slices.Equal(s.members, o.members)
}

// memberStatements make s of now, as far as members go.
func (s loginState) memberStatements(now loginState, user string) (sql []string) {
	for _, m := range now.members {
		if !slices.Contains(s.members, m) {
			sql = append(sql, fmt.Sprintf("REVOKE %s FROM %s", ident(user), ident(m.Name)))
		}
	}
	for _, m := range s.members {
		if !slices.Contains(now.members, m) {
			option := ""
			if m.Admin {
				option = " WITH ADMIN OPTION"
			}
			sql = append(sql, fmt.Sprintf("GRANT %s TO %s%s", ident(user), ident(m.Name), option))
		}
	}
	return sql
}

// settingStatements make s of now, as far as settings go.
func (s loginState) settingStatements(now loginState, user string) (sql []string) {
	statement := func(x loginSetting, form string) string {
		in := ""
		if x.Database != "" {
			in = " IN DATABASE " + ident(x.Database)
		}
		key, value, _ := strings.Cut(x.Config, "=")
		name := ident(strings.Split(key, ".")...)
		if form == "SET" {
			name += " TO " + settingValue(key, value)
		}
		return fmt.Sprintf("ALTER ROLE %s%s %s %s", ident(user), in, form, name)
	}
	for _, x := range now.settings {
		if !slices.Contains(s.settings, x) {
			sql = append(sql, statement(x, "RESET"))
		}
	}
	for _, x := range s.settings {
		if !slices.Contains(now.settings, x) {
			sql = append(sql, statement(x, "SET"))
		}
	}
	return sql
}

// refuseChangedLogin refuses an upload whose code changed the login that runs it, after that was put right.
func (s *staged) refuseChangedLogin(ctx context.Context) error {
	changed, err := s.mendLogin(ctx)
	if err != nil || !changed {
		return err
	}
	return &backup.Error{Code: backup.CodeDangerous,
		Text: "Code in the file changed the login that it was loaded by: its password, its settings or its members.",
		Hint: "The login was put right and nothing else was changed. " + s.remedy()}
}

// mendLogin puts the loader right where an upload's code has changed it. An error says what could not be put right, and how to.
func (s *staged) mendLogin(ctx context.Context) (changed bool, err error) {
	if s.before == nil {
		return false, nil
	}
	admin, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, maintenance(s.t.Credentials)))
	if err != nil {
		return false, err
	}
	defer closing(ctx, admin)
	now, err := readLogin(ctx, admin, s.loader.user)
	if err != nil {
		return false, serverFailure(ctx, err, "read the state of the restore's login")
	}
	var failures []error
	var statements []string
	for _, sql := range s.before.memberStatements(now, s.loader.user) {
		statements = append(statements, sql+";")
		if _, err := admin.Exec(ctx, sql); err != nil {
			failures = append(failures, err, s.asLoader(ctx, sql))
		}
	}
	for _, sql := range s.before.settingStatements(now, s.loader.user) {
		statements = append(statements, sql+";")
		failures = append(failures, beLoader(ctx, admin, s.loader.user, sql))
	}
	if s.lockedOut(ctx) {
		statements = append(statements, fmt.Sprintf("ALTER ROLE %s PASSWORD '…'; -- the secret's restorePassword", ident(s.loader.user)))
		failures = append(failures, s.resetPassword(ctx, admin))
	}
	if len(statements) == 0 {
		return false, nil
	}
	s.e.log.WarnContext(ctx, "login changed by an upload", "restore", s.a.Job, "attempt", s.a.Number, "login", s.loader.user)
	now, err = readLogin(ctx, admin, s.loader.user)
	if err == nil && s.before.equal(now) && !s.lockedOut(ctx) {
		return true, nil
	}
	return true, &backup.Error{Code: backup.CodeDangerous, Cause: errors.Join(append(failures, err)...),
		Text: fmt.Sprintf("Code in the file changed the login %s that it was loaded by, and it could not be put right.", ident(s.loader.user)),
		Hint: "Live was not changed. An administrator of the server can run: " + strings.Join(statements, " ")}
}

// lockedOut reports whether the server refuses the loader's password.
func (s *staged) lockedOut(ctx context.Context) bool {
	conn, err := s.e.connect(ctx, s.t, s.a, login{s.loader.user, s.loader.password, maintenance(s.t.Credentials)})
	closing(ctx, conn)
	return sqlState(err) == invalidPassword
}

// resetPassword gives the loader the password that we know of it. One with letters beyond ASCII would have to be prepared as the
// server does before it is hashed; that one is left to a person.
func (s *staged) resetPassword(ctx context.Context, admin *pgx.Conn) error {
	password := s.loader.password.Reveal()
	for _, c := range []byte(password) {
		if c < ' ' || c > '~' {
			return errors.New("the password has letters beyond ASCII")
		}
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	return beLoader(ctx, admin, s.loader.user, fmt.Sprintf("ALTER ROLE %s PASSWORD %s", ident(s.loader.user), literal(verifier)))
}

// beLoader runs a statement of ours as the loader in a session of the secret's role, which is its member.
func beLoader(ctx context.Context, admin *pgx.Conn, user, sql string) error {
	return pgx.BeginFunc(ctx, admin, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL ROLE "+ident(user)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sql)
		return err
	})
}

// asLoader runs a statement of ours in a session of the loader's own: that which is there, even if it could not be opened again.
func (s *staged) asLoader(ctx context.Context, sql string) error {
	if s.conn != nil && !s.conn.IsClosed() {
		if s.conn.TxStatus() != 'I' {
			if err := s.exec(ctx, "ROLLBACK"); err != nil {
				return err
			}
		}
		return s.exec(ctx, sql)
	}
	config, err := s.e.config(s.t.Credentials, s.a, login{s.loader.user, s.loader.password, maintenance(s.t.Credentials)})
	if err != nil {
		return err
	}
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql).ReadAll()
	return err
}
