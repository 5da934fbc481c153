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

// chooseLoader takes the safest login that there is, and creates the throw-away one.
func chooseLoader(ctx context.Context, conn *pgx.Conn, t backup.Target, a backup.Attempt, me self, l live) (loader, error) {
	switch c := t.Credentials; {
	case c.RestoreUsername != "":
		prepared := loader{backup.LoaderPrepared, c.RestoreUsername, c.RestorePassword}
		return prepared, checkPrepared(ctx, conn, c.RestoreUsername, me, l)
	case me.createRole:
		return throwAway(ctx, conn, a, me)
	default:
		return loader{backup.LoaderOwner, c.Username, c.Password}, nil
	}
}

// checkPrepared refuses a prepared login that could reach more than its staged copy, or that we could not hand over from.
func checkPrepared(ctx context.Context, conn *pgx.Conn, user string, me self, l live) error {
	var mighty, inherits, member, reaches bool
	var owned []string
	err := conn.QueryRow(ctx, `SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
		pg_has_role(oid, 'USAGE'), pg_has_role(oid, $2), pg_has_role(oid, $3::name, 'MEMBER') OR pg_has_role(oid, $4::name, 'MEMBER'),
		ARRAY(SELECT datname::text FROM pg_database WHERE datdba = r.oid)
		FROM pg_roles r WHERE rolname = $1`, user, me.settable(), me.name, l.owner).Scan(&mighty, &inherits, &member, &reaches, &owned)
	if errors.Is(err, pgx.ErrNoRows) {
		return &backup.Error{Code: backup.CodePermission,
			Text: fmt.Sprintf("The secret's restoreUsername %s does not exist on the server.", ident(user)),
			Hint: fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '…' CONNECTION LIMIT 8; %s", ident(user), grantRole(user, me))}
	}
	if err != nil {
		return serverFailure(ctx, err, "read the rights of the secret's restoreUsername")
	}
	switch {
	case mighty || reaches:
		return &backup.Error{Code: backup.CodePermission,
			Text: fmt.Sprintf("The secret's restoreUsername %s has rights beyond its own copy, and a restore runs code from the file as that user.", ident(user)),
			Hint: fmt.Sprintf("ALTER ROLE %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS; and REVOKE %s, %s FROM %s;",
				ident(user), ident(me.name), ident(l.owner), ident(user))}
	case !inherits || !member:
		return refusal([]want{{fmt.Sprintf("User %s is no member of the secret's restoreUsername %s, so it could not take over what that one restores.",
			ident(me.name), ident(user)), grantRole(user, me)}})
	}
	return soleCopy(user, owned, "")
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
