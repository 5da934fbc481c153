package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// loaderLife is how long a throw-away login can be used at most. A worker's time ends long before; the sweep after a lost one
// drops the login with its database.
const loaderLife = 24 * time.Hour

// loader is who loads a staged copy and owns it until it is handed over. It never is SET ROLE, which the file could undo, but
// a login.
type loader struct {
	kind     backup.Loader
	user     string
	password backup.Sensitive
}

// chooseLoader takes the safest login that there is, and creates the throw-away one. What was uploaded is never run as the secret's
// role: that owns live.
func (s *staged) chooseLoader(ctx context.Context, conn *pgx.Conn) (err error) {
	if s.uploaded() {
		if err := refuseOwner(ctx, conn, s.live, s.me); err != nil {
			return err
		}
	}
	switch c := s.t.Credentials; {
	case c.RestoreUsername != "":
		s.loader = loader{backup.LoaderPrepared, c.RestoreUsername, c.RestorePassword}
		if err := checkPrepared(ctx, conn, c.RestoreUsername, s.me, s.live); err != nil {
			return err
		}
	case s.me.createRole:
		if s.loader, err = throwAway(ctx, conn, s.a, s.me); err != nil {
			return err
		}
	case s.uploaded():
		return errNoLoader(s.me)
	default:
		s.loader = loader{backup.LoaderOwner, c.Username, c.Password}
		return nil
	}
	if !s.uploaded() {
		return nil
	}
	before, err := readLogin(ctx, conn, s.loader.user)
	if err != nil {
		return serverFailure(ctx, err, "read the state of the restore's login")
	}
	s.before = &before
	return nil
}

// errNoLoader says how an upload gets a login of its own.
func errNoLoader(me self) error {
	user := me.name + "_restore"
	return &backup.Error{Code: backup.CodePermission,
		Text: "An uploaded file is loaded by a login that can reach nothing but its copy, and there is none for this database.",
		Hint: fmt.Sprintf("An administrator of the server can run: CREATE ROLE %s LOGIN PASSWORD '…' CONNECTION LIMIT 8; %s and put it into the database's secret as restoreUsername and restorePassword. Or: ALTER ROLE %s CREATEROLE; then each restore makes a login of its own.",
			ident(user), grantRole(user, me), ident(me.name))}
}

// reaches are the roles through which a login could get further than its copy: mighty ones, those that own databases, and those that
// own something in live or were given rights there. It takes the login, us, and live's OID.
const reaches = `SELECT m.rolname FROM pg_roles r, pg_roles m WHERE r.rolname = $1 AND pg_has_role(r.oid, m.oid, 'MEMBER') AND (
	m.oid <> r.oid AND (m.rolsuper OR m.rolcreaterole OR m.rolcreatedb OR m.rolreplication OR m.rolbypassrls
		OR m.rolname ~ '^pg_' AND m.rolname <> 'pg_database_owner' OR EXISTS (SELECT FROM pg_database d WHERE d.datdba = m.oid))
	OR m.rolname = $2
	OR EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = m.oid AND d.dbid = $3))
	ORDER BY 1`

// checkPrepared refuses a prepared login that could reach more than its staged copy, or that we could not hand over from.
func checkPrepared(ctx context.Context, conn *pgx.Conn, user string, me self, l live) error {
	var mighty, inherits, member bool
	var owned []string
	err := conn.QueryRow(ctx, `SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
		pg_has_role(oid, 'USAGE'), pg_has_role(oid, $2), ARRAY(SELECT datname::text FROM pg_database WHERE datdba = r.oid)
		FROM pg_roles r WHERE rolname = $1`, user, me.settable()).Scan(&mighty, &inherits, &member, &owned)
	if errors.Is(err, pgx.ErrNoRows) {
		return &backup.Error{Code: backup.CodePermission,
			Text: fmt.Sprintf("The secret's restoreUsername %s does not exist on the server.", ident(user)),
			Hint: fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '…' CONNECTION LIMIT 8; %s", ident(user), grantRole(user, me))}
	}
	if err != nil {
		return serverFailure(ctx, err, "read the rights of the secret's restoreUsername")
	}
	through, err := queryStrings(ctx, conn, reaches, user, me.name, l.oid)
	if err != nil {
		return serverFailure(ctx, err, "read the rights of the secret's restoreUsername")
	}
	switch {
	case mighty || len(through) > 0:
		return tooMighty(user, mighty, through, l)
	case !inherits || !member:
		return refusal([]want{{fmt.Sprintf("User %s is no member of the secret's restoreUsername %s, so it could not take over what that one restores.",
			ident(me.name), ident(user)), grantRole(user, me)}})
	}
	return soleCopy(user, owned, "")
}

// tooMighty says how a prepared login becomes nobody special.
func tooMighty(user string, mighty bool, through []string, l live) error {
	statements := []string{fmt.Sprintf("ALTER ROLE %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;", ident(user))}
	if !mighty { // else it may be a member of every role because it is a superuser
		statements = statements[:0]
		for _, role := range through {
			if role != user {
				statements = append(statements, fmt.Sprintf("REVOKE %s FROM %s;", ident(role), ident(user)))
			} else {
				statements = append(statements, fmt.Sprintf("in the database %s: REASSIGN OWNED BY %s TO %s; DROP OWNED BY %s;",
					ident(l.name), ident(user), ident(l.owner), ident(user)))
			}
		}
	}
	return &backup.Error{Code: backup.CodePermission,
		Text: fmt.Sprintf("The secret's restoreUsername %s has rights beyond its own copy, and a restore runs code from the file as that user.", ident(user)),
		Hint: "An administrator of the server can run: " + strings.Join(statements, " ")}
}

// soleCopy refuses a loader that owns another database than its copy: handing over moves every database of a role.
func soleCopy(user string, owned []string, name string) error {
	for _, other := range owned {
		if other != name {
			return &backup.Error{Code: backup.CodeUnsupported,
				Text: fmt.Sprintf("The secret's restoreUsername %s owns the database %s already: it can load one restore at a time.", ident(user), ident(other)),
				Hint: "Wait until the other restore has ended, or give each database a restoreUsername of its own."}
		}
	}
	return nil
}

// throwAway creates a login for this attempt alone and makes us its member, in one transaction: a login that we are no member
// of could not be cleaned up after.
func throwAway(ctx context.Context, conn *pgx.Conn, a backup.Attempt, me self) (loader, error) {
	l := loader{backup.LoaderThrowAway, stagedName(a), backup.Sensitive(rand.Text() + rand.Text())}
	verifier, err := scramVerifier(l.password.Reveal())
	if err != nil {
		return loader{}, err
	}
	statements := []string{
		fmt.Sprintf("CREATE ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 8 PASSWORD %s VALID UNTIL %s",
			ident(l.user), literal(verifier), literal(time.Now().Add(loaderLife).UTC().Format(time.RFC3339))),
		strings.TrimSuffix(grantRole(l.user, me), ";"),
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range statements {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return loader{}, serverFailure(ctx, err, "create a login for the restore")
	}
	return l, nil
}

// scramVerifier is what the server would make of a password (RFC 5802, RFC 7677; src/common/scram-common.c). It goes to the
// server in the password's place, so that no log of statements holds a password. The password is ASCII: SASLprep leaves it as it is.
func scramVerifier(password string) (string, error) {
	const iterations = 4096
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive a login's verifier: %w", err)
	}
	sign := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(stored[:]), b64(sign("Server Key"))), nil
}
