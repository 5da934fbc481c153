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

// live is the database that a restore would replace.
type live struct {
	oid        uint32
	name       string
	owner      string
	encoding   string
	collate    string
	ctype      string
	provider   string // c (libc), i (ICU) or b (builtin)
	locale     string // of ICU and builtin
	rules      string // of ICU
	tablespace string
	comment    string
	limit      int // connections; -1: none
	template   bool
}

// self is what the secret's role may do.
type self struct {
	name       string
	super      bool
	createDB   bool
	createRole bool
	signals    bool // may end the sessions of every role that is no superuser
	replica    bool // the server follows another one
	version    int
}

func (s self) major() int { return s.version / 10000 }

// settable is the kind of membership that lets a role give objects to another, as pg_has_role calls it.
func (s self) settable() string {
	if s.major() >= 16 {
		return "SET"
	}
	return "MEMBER"
}

// want is a right that is missing, with the one statement that an administrator runs.
type want struct{ text, statement string }

// preflight reads what is needed to know and refuses a restore that could not be switched in, whatever is restored. checkNeed goes on
// from there.
func (e *Engine) preflight(ctx context.Context, conn *pgx.Conn, t backup.Target) (live, self, error) {
	me, err := readSelf(ctx, conn)
	if err != nil {
		return live{}, self{}, err
	}
	if maintenance(t.Credentials) == t.Credentials.DBName {
		return live{}, self{}, &backup.Error{Code: backup.CodeUnsupported,
			Text: fmt.Sprintf("The database %q is the one that the worker connects to while it renames.", t.Credentials.DBName),
			Hint: "Name another database of the server, that this user may connect to, as maintenanceDatabase in the secret."}
	}
	if me.replica {
		return live{}, self{}, errReplica(t)
	}
	l, err := readLive(ctx, conn, me, t.Credentials.DBName)
	if errors.Is(err, pgx.ErrNoRows) {
		return live{}, self{}, &backup.Error{Code: backup.CodeMissing, Cause: err,
			Text: fmt.Sprintf("The server %s has no database named %q.", address(t.Credentials), t.Credentials.DBName),
			Hint: "Check dbname in the database's secret. A restore replaces a database that is there: create an empty one first."}
	}
	if err != nil {
		return live{}, self{}, serverFailure(ctx, err, "read the properties of the database")
	}
	missing, err := missingRights(ctx, conn, me, l)
	if err != nil {
		return live{}, self{}, serverFailure(ctx, err, "read the rights of the database's user")
	}
	if err := refusal(missing); err != nil {
		return live{}, self{}, err
	}
	return l, me, e.oldPrepared(ctx, conn, l)
}

// errReplica says that a server takes no changes.
func errReplica(t backup.Target) error {
	return &backup.Error{Code: backup.CodeUnsupported,
		Text: fmt.Sprintf("The server %s is a read replica: it follows another server and takes no changes.", address(t.Credentials)),
		Hint: "Name the primary server as host in the secret, and restore there: the replica follows."}
}

func refusal(missing []want) error {
	if len(missing) == 0 {
		return nil
	}
	var texts, statements []string
	for _, m := range missing {
		texts, statements = append(texts, m.text), append(statements, m.statement)
	}
	return &backup.Error{Code: backup.CodePermission, Text: strings.Join(texts, " "),
		Hint: "An administrator of the server can run: " + strings.Join(statements, " ")}
}

func readSelf(ctx context.Context, conn *pgx.Conn) (s self, err error) {
	err = conn.QueryRow(ctx, `SELECT rolname, rolsuper, rolcreatedb OR rolsuper, rolcreaterole OR rolsuper,
		pg_has_role('pg_signal_backend', 'USAGE'), pg_is_in_recovery(), current_setting('server_version_num')::int
		FROM pg_roles WHERE rolname = current_user`).Scan(&s.name, &s.super, &s.createDB, &s.createRole, &s.signals, &s.replica, &s.version)
	if err != nil {
		return s, serverFailure(ctx, err, "read the rights of the database's user")
	}
	return s, nil
}

func readLive(ctx context.Context, conn *pgx.Conn, me self, name string) (l live, err error) {
	// The columns for locales came with 15, 16 and 17.
	provider, locale, rules := "'c'", "NULL", "NULL"
	if me.major() >= 15 {
		provider, locale = "datlocprovider::text", "daticulocale"
	}
	if me.major() >= 16 {
		rules = "daticurules"
	}
	if me.major() >= 17 {
		locale = "datlocale"
	}
	err = conn.QueryRow(ctx, `SELECT d.oid, datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, `+
		provider+`, coalesce(`+locale+`, ''), coalesce(`+rules+`, ''), spcname, coalesce(shobj_description(d.oid, 'pg_database'), ''),
		datconnlimit, datistemplate
		FROM pg_database d JOIN pg_tablespace s ON s.oid = dattablespace WHERE datname = $1`, name).
		Scan(&l.oid, &l.name, &l.owner, &l.encoding, &l.collate, &l.ctype, &l.provider, &l.locale, &l.rules, &l.tablespace,
			&l.comment, &l.limit, &l.template)
	return l, err
}

// missingRights are those without which no restore can be switched in.
func missingRights(ctx context.Context, conn *pgx.Conn, me self, l live) (missing []want, err error) {
	var owns, gives, ownerIsSuper bool
	err = conn.QueryRow(ctx, `SELECT pg_has_role(oid, 'USAGE'), pg_has_role(oid, $2), rolsuper FROM pg_roles WHERE rolname = $1`,
		l.owner, me.settable()).Scan(&owns, &gives, &ownerIsSuper)
	if err != nil {
		return nil, err
	}
	switch {
	case owns && gives:
	case ownerIsSuper: // nobody should be made a member of a superuser for this
		missing = append(missing, want{fmt.Sprintf("User %s is not the owner of the database %s.", ident(me.name), ident(l.name)),
			fmt.Sprintf("ALTER DATABASE %s OWNER TO %s;", ident(l.name), ident(me.name))})
	default:
		missing = append(missing, want{fmt.Sprintf("User %s is no member of %s, which owns the database %s.", ident(me.name), ident(l.owner), ident(l.name)),
			grantRole(l.owner, me)})
	}
	if !me.createDB {
		missing = append(missing, want{fmt.Sprintf("User %s may not create databases, which renaming needs too.", ident(me.name)),
			fmt.Sprintf("ALTER ROLE %s CREATEDB;", ident(me.name))})
	}
	return missing, nil
}

// grantRole is the statement that makes us a full member of role.
func grantRole(role string, me self) string {
	options := ""
	if me.major() >= 16 {
		options = " WITH INHERIT TRUE, SET TRUE"
	}
	return fmt.Sprintf("GRANT %s TO %s%s;", ident(role), ident(me.name), options)
}

// preparedAge is how old a prepared transaction must be to be taken for a forgotten one. Younger ones come and go with the
// clients that use two-phase commit; the switch waits for them.
const preparedAge = time.Minute

// oldPrepared refuses a database with a forgotten prepared transaction: it would block the rename.
func (e *Engine) oldPrepared(ctx context.Context, conn *pgx.Conn, l live) error {
	names, err := queryStrings(ctx, conn, `SELECT gid FROM pg_prepared_xacts WHERE database = $1 AND prepared < now() - $2::interval ORDER BY prepared`,
		l.name, e.preparedAge)
	if err != nil {
		return serverFailure(ctx, err, "look for prepared transactions")
	}
	if len(names) == 0 {
		return nil
	}
	return &backup.Error{Code: backup.CodeSwitchBlocked,
		Text: fmt.Sprintf("The database has prepared transactions that nobody ends: %s. They would block the switch.", strings.Join(names, ", ")),
		Hint: fmt.Sprintf("In the database: COMMIT PREPARED %s; or ROLLBACK PREPARED, whichever is right, for each.", literal(names[0]))}
}

// staying are properties of live that its replacement can't have, as SQL or as a remark in SQL: they belong to the database
// itself and stay with it.
func staying(ctx context.Context, conn *pgx.Conn, me self, l live) (lines []string, err error) {
	slots, err := queryStrings(ctx, conn, `SELECT format('-- The logical replication slot %s stays with the replaced database. In the new one: SELECT pg_create_logical_replication_slot(%L, %L);',
		slot_name, slot_name, plugin) FROM pg_replication_slots WHERE datoid = $1 ORDER BY slot_name`, l.oid)
	if err != nil {
		return nil, err
	}
	subscriptions, err := queryStrings(ctx, conn, `SELECT format('-- The subscription %s stays with the replaced database: create it again where it is wanted.', quote_ident(subname))
		FROM pg_subscription WHERE subdbid = $1 ORDER BY subname`, l.oid)
	if err != nil {
		return nil, err
	}
	lines = append(slots, subscriptions...)
	if !me.super && !me.signals {
		lines = append(lines, fmt.Sprintf("GRANT pg_signal_backend TO %s; -- before the switch: without it, sessions of other users must end by themselves",
			ident(me.name)))
	}
	return lines, nil
}

// queryStrings returns a query's only column.
func queryStrings(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]string, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
