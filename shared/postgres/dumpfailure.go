package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
)

var (
	deniedFor = regexp.MustCompile(`permission denied for (table|view|materialized view|sequence|schema|large object|relation|foreign table) (.+)`)
	rowPolicy = regexp.MustCompile(`query would be affected by row-level security policy for table "(.+)"`)
)

// dumpFailure says why pg_dump failed, as far as its own words tell. log is the end of its standard error, err its exit.
func dumpFailure(ctx context.Context, t backup.Target, log string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("dump %s: %w", t.Name, ctx.Err())
	}
	out := &backup.Error{Code: backup.CodeToolFailed, Cause: err, Log: cleanLog(log, t.Credentials.Password)}
	if signal := signalled(err); signal != 0 {
		out.Text = fmt.Sprintf("pg_dump was ended by a signal (%v) before the dump was complete.", signal)
		out.Hint = "Nothing was kept. Create a new backup; if it happens again, give the worker more memory."
		return out
	}
	if explain(out, t, log) {
		return out
	}
	switch {
	case strings.Contains(log, "server closed the connection"), strings.Contains(log, "terminating connection"),
		strings.Contains(log, "could not receive data"), strings.Contains(log, "connection to server"):
		ended(out)
	default:
		out.Text = fmt.Sprintf("pg_dump failed (%v).", err)
		out.Hint = "Nothing was kept. Its own words are in the log."
	}
	return out
}

// dumpError says why one of our own sessions could not read what is to be dumped.
func dumpError(ctx context.Context, t backup.Target, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("dump %s: %w", t.Name, ctx.Err())
	}
	var told *backup.Error
	if errors.As(err, &told) {
		return err
	}
	out := &backup.Error{Code: backup.CodeInternal, Cause: err, Log: cleanLog(words(err), t.Credentials.Password)}
	switch {
	case explain(out, t, out.Log):
	case lost(err):
		ended(out)
	default:
		out.Text = "The server could not give what is to be backed up."
		out.Hint = "Nothing was kept. The server's own words are in the log."
	}
	return out
}

// ended says that the server went away.
func ended(out *backup.Error) {
	out.Code = backup.CodeUnreachable
	out.Text = "The connection to the server ended before the dump was complete."
	out.Hint = "Nothing was kept. Check the server's log, and create a new backup."
}

// explain puts what a server said into an operator's words. It is false for what it does not know.
func explain(out *backup.Error, t backup.Target, log string) bool {
	user := ident(t.Credentials.Username)
	if m := deniedFor.FindStringSubmatch(log); m != nil {
		name := qualified(log, m[2])
		out.Code = backup.CodePermission
		out.Text = fmt.Sprintf("User %s may not read the %s %s, so a backup would not be complete.", user, m[1], name)
		out.Hint = grantFor(m[1], name, user)
		return true
	}
	if m := rowPolicy.FindStringSubmatch(log); m != nil {
		out.Code = backup.CodePermission
		out.Text = fmt.Sprintf("Row level security of the table %s hides rows from user %s, so a backup would not be complete.", m[1], user)
		out.Hint = fmt.Sprintf("ALTER ROLE %s BYPASSRLS;", user)
		return true
	}
	switch {
	case strings.Contains(log, "lock timeout"):
		out.Code = backup.CodeToolFailed
		out.Text = "Somebody holds a table locked, and the dump waited two minutes for it."
		out.Hint = "Look for long ALTER TABLE, VACUUM FULL or LOCK statements, and create a new backup after them."
	case strings.Contains(log, "max_locks_per_transaction"):
		out.Code = backup.CodeToolFailed
		out.Text = "The server can't lock as many tables at once as this database has."
		out.Hint = "Raise max_locks_per_transaction on the server."
	default:
		return false
	}
	return true
}

// qualified finds the schema of a name that the server gave without it, in the statement that pg_dump quotes.
func qualified(log, name string) string {
	name = strings.TrimSpace(name)
	for _, form := range []string{name, ident(name)} {
		if m := regexp.MustCompile(`((?:"(?:[^"]|"")+"|[^\s",.]+)\.` + regexp.QuoteMeta(form) + `)(?:[\s,;(]|$)`).FindStringSubmatch(log); m != nil {
			return m[1]
		}
	}
	return name
}

// grantFor is the one statement that lets user read an object.
func grantFor(kind, name, user string) string {
	switch kind {
	case "schema":
		return fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", name, user)
	case "sequence":
		return fmt.Sprintf("GRANT SELECT ON SEQUENCE %s TO %s;", name, user)
	case "large object":
		return fmt.Sprintf("GRANT SELECT ON LARGE OBJECT %s TO %s;", name, user)
	}
	return fmt.Sprintf("GRANT SELECT ON TABLE %s TO %s;", name, user)
}
