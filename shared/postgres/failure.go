package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// The SQLSTATEs that are told apart: https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	divisionByZero      = "22012"
	invalidPassword     = "28P01"
	invalidLogin        = "28000"
	missingDatabase     = "3D000"
	insufficientRight   = "42501"
	undefinedObject     = "42704"
	undefinedTable      = "42P01"
	undefinedSchema     = "3F000"
	internalError       = "XX000" // among others, of what was dropped while it was looked at
	duplicateSchema     = "42P06"
	tooManyConnections  = "53300"
	diskFull            = "53100"
	limitExceeded       = "53400" // a file limit such as temp_file_limit
	objectInUse         = "55006"
	lockNotAvailable    = "55P03"
	deadlock            = "40P01"
	queryCancelled      = "57014"
	featureNotSupported = "0A000"
	ioError             = "58030"
	notRevoked          = "01006" // a warning
	notGranted          = "01007" // a warning
)

// sqlState is the server's code for err, or "" where the server did not speak.
func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// words are what the server said, with its detail and hint.
func words(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (SQLSTATE %s)", pg.Severity, pg.Message, pg.Code)
	for _, part := range []struct{ label, text string }{{"DETAIL", pg.Detail}, {"HINT", pg.Hint}, {"CONTEXT", pg.Where}} {
		if part.text != "" {
			fmt.Fprintf(&b, "\n%s: %s", part.label, part.text)
		}
	}
	return lastBytes(b.String(), logBytes)
}

// lost reports whether the session is gone: ended by an administrator or a restart, or cut.
func lost(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "57P01", "57P02", "57P03", "57P05":
			return true
		}
		return strings.HasPrefix(pg.Code, "08")
	}
	return true
}

// connectFailure puts an error of connecting into an operator's words.
func connectFailure(ctx context.Context, err error, c backup.Credentials, l login) error {
	if ctx.Err() != nil {
		return fmt.Errorf("connect to %s: %w", address(c), ctx.Err())
	}
	out := &backup.Error{Code: backup.CodeUnreachable, Cause: err, Log: cleanLog(words(err), l.password)}
	switch code := sqlState(err); {
	case code == invalidPassword, code == invalidLogin:
		out.Code = backup.CodeLoginRefused
		out.Text = fmt.Sprintf("The server %s refused the login of user %q.", address(c), l.user)
		out.Hint = "Check the username and password in the database's secret, and the server's pg_hba.conf."
	case code == missingDatabase:
		out.Code = backup.CodeMissing
		out.Text = fmt.Sprintf("The server %s has no database named %q.", address(c), l.database)
		out.Hint = "Check dbname (and maintenanceDatabase) in the database's secret."
	case code == insufficientRight:
		out.Code = backup.CodePermission
		out.Text = fmt.Sprintf("User %q may not connect to the database %q.", l.user, l.database)
		out.Hint = fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s;", ident(l.database), ident(l.user))
	case code == tooManyConnections:
		out.Code = backup.CodeNoConnections
		out.Text = fmt.Sprintf("The server %s has no connection left for user %q.", address(c), l.user)
		out.Hint = "Try again when fewer clients are connected, or raise max_connections."
	case strings.Contains(err.Error(), "refused TLS"):
		out.Text = fmt.Sprintf("The server %s does not speak TLS, which sslmode %s asks for.", address(c), sslMode(c))
		out.Hint = "Switch TLS on at the server. Or set sslmode in the secret to disable, if nobody can listen in between."
	case code != "":
		out.Text = fmt.Sprintf("The server %s does not let anybody in at the moment.", address(c))
		out.Hint = "It may be starting, stopping or recovering. Its own words are in the log."
	default:
		out.Text = fmt.Sprintf("No connection to the database server at %s.", address(c))
		out.Hint = "Check that the server runs, host and port in the secret, and the network between (security groups, VPC)."
	}
	return out
}

// serverFailure puts an error of one of our own statements into an operator's words. The verb phrase says what it was for.
func serverFailure(ctx context.Context, err error, doing string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	var told *backup.Error
	if errors.As(err, &told) {
		return err // in an operator's words already
	}
	out := &backup.Error{Code: backup.CodeInternal, Cause: fmt.Errorf("%s: %w", doing, err), Log: words(err)}
	switch code := sqlState(err); {
	case code == insufficientRight:
		out.Code, out.Text = backup.CodePermission, fmt.Sprintf("The database role lacks a right: it may not %s.", doing)
		out.Hint = "The server's own words are in the log."
	case roomless(err):
		out.Code, out.Text = backup.CodeDiskFull, fmt.Sprintf("The database server has no room left to %s.", doing)
		out.Hint = "Free space on the database server: a restore needs room for a second copy of the database."
	case lost(err):
		out.Code, out.Text = backup.CodeUnreachable, fmt.Sprintf("The connection to the server was lost while trying to %s.", doing)
		out.Hint = "Check that the server runs, and try again."
	default:
		out.Text = fmt.Sprintf("The server could not %s.", doing)
		out.Hint = "The server's own words are in the log."
	}
	return out
}

// roomless reports whether the server ran out of space. A full file system shows as disk_full, or as an io_error in its own
// words; a limit on temporary files as a limit exceeded.
func roomless(err error) bool {
	switch sqlState(err) {
	case diskFull, limitExceeded:
		return true
	case ioError:
		return strings.Contains(err.Error(), "No space left")
	}
	return false
}

// logBytes is how much of a tool's or server's words a record takes.
const logBytes = 8 << 10

// lastBytes is the end of s, n bytes at most, from the beginning of a character.
func lastBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[len(s)-n:], "")
}

// cleanLog removes passwords. No server or tool that we know writes them, but the next one might.
func cleanLog(s string, passwords ...backup.Sensitive) string {
	for _, p := range passwords {
		if p.Reveal() != "" {
			s = strings.ReplaceAll(s, p.Reveal(), "[redacted]")
		}
	}
	return strings.ToValidUTF8(s, "?")
}
