package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// checkNeed looks for what would stop the restore of just this file later on, and says it before any work is done. What need not
// stop it becomes a warning.
func (s *staged) checkNeed(ctx context.Context, admin *pgx.Conn, need backup.Need) error {
	conn, err := s.checkSessions(ctx, admin)
	if err != nil {
		return err
	}
	defer closing(ctx, conn)
	if err := s.checkExtensions(ctx, conn, need); err != nil {
		return err
	}
	if err := s.checkEncoding(ctx, conn, need); err != nil {
		return err
	}
	s.checkVersion(ctx, conn, need)
	return s.checkRoom(ctx, admin, conn, need)
}

// Warnings are what an operator should know of the server.
func (s *staged) Warnings() []string { return s.warnings }

func (s *staged) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// A switch has up to four sessions of the secret's role at a time: three in the maintenance database, and one in the database that
// was switched in. The loader has one, and for a moment another where one is taken up again.
const (
	sessionsOfSecret = 4
	sessionsOfLoader = 2
)

// checkSessions opens as many sessions as the restore will need and closes them but one in live. Sessions that others have can't
// be told from the server's own processes without more rights, so nothing is counted: they are there or not.
func (s *staged) checkSessions(ctx context.Context, admin *pgx.Conn) (conn *pgx.Conn, err error) {
	if err := s.loaderLimit(ctx, admin); err != nil {
		return nil, err
	}
	if conn, err = s.e.connect(ctx, s.t, s.a, secretLogin(s.t, s.live.name)); err != nil {
		return nil, s.sessionFailure(ctx, admin, err)
	}
	for range sessionsOfSecret - 2 { // admin is one
		more, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, maintenance(s.t.Credentials)))
		if err != nil {
			closing(ctx, conn)
			return nil, s.sessionFailure(ctx, admin, err)
		}
		defer closing(ctx, more)
	}
	return conn, nil
}

// loaderLimit refuses a prepared login that may not have the sessions that a restore needs.
func (s *staged) loaderLimit(ctx context.Context, admin *pgx.Conn) error {
	user := s.t.Credentials.RestoreUsername
	if user == "" {
		return nil
	}
	limits, err := queryStrings(ctx, admin, `SELECT rolconnlimit::text FROM pg_roles WHERE rolname = $1 AND NOT rolsuper AND rolconnlimit BETWEEN 0 AND $2`,
		user, sessionsOfLoader-1)
	if err != nil {
		return serverFailure(ctx, err, "read the rights of the secret's restoreUsername")
	}
	if len(limits) == 0 {
		return nil
	}
	return &backup.Error{Code: backup.CodeNoConnections,
		Text: fmt.Sprintf("The secret's restoreUsername %s may have %s sessions at a time, and a restore needs up to %d.", ident(user), limits[0], sessionsOfLoader),
		Hint: fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT 8;", ident(user))}
}

// sessionFailure says which limit keeps a session from being opened.
func (s *staged) sessionFailure(ctx context.Context, admin *pgx.Conn, err error) error {
	if sqlState(err) != tooManyConnections {
		return err
	}
	out := &backup.Error{Code: backup.CodeNoConnections, Cause: err, Log: words(err)}
	var ofServer, ofRole, ofDatabase, role, database int
	qerr := admin.QueryRow(ctx, `SELECT current_setting('max_connections')::int, (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
		(SELECT datconnlimit FROM pg_database WHERE oid = $1), count(*) FILTER (WHERE usename = current_user), count(*) FILTER (WHERE datid = $1)
		FROM pg_stat_activity`, s.live.oid).Scan(&ofServer, &ofRole, &ofDatabase, &role, &database)
	switch {
	case qerr != nil:
		return err
	case ofRole >= 0 && role+sessionsOfSecret > ofRole:
		out.Text = fmt.Sprintf("User %s may have %d sessions at a time and has %d; a restore needs up to %d.", ident(s.me.name), ofRole, role, sessionsOfSecret)
		out.Hint = fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT %d;", ident(s.me.name), ofRole+2*sessionsOfSecret)
	case ofDatabase >= 0 && database >= ofDatabase:
		out.Text = fmt.Sprintf("The database %s may have %d sessions at a time and has %d; a restore needs one to compare.", ident(s.live.name), ofDatabase, database)
		out.Hint = fmt.Sprintf("Try again when fewer clients are connected, or: ALTER DATABASE %s CONNECTION LIMIT %d;", ident(s.live.name), ofDatabase+2)
	default:
		out.Text = fmt.Sprintf("The server has fewer than %d sessions left, which a restore needs, of the %d that it allows.", sessionsOfSecret, ofServer)
		out.Hint = "Try again when fewer clients are connected, or raise max_connections."
	}
	return out
}

// checkExtensions refuses a file with extensions that can't be created. What a backup has is not known: live's stand for it.
func (s *staged) checkExtensions(ctx context.Context, conn *pgx.Conn, need backup.Need) error {
	here, err := queryStrings(ctx, conn, `SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY extname`)
	if err != nil {
		return serverFailure(ctx, err, "read the extensions of the database")
	}
	wanted, whose := here, "The live database"
	if need.Inspection != nil {
		wanted, whose = need.Inspection.Extensions, "The file"
	}
	missing, err := queryStrings(ctx, conn, `SELECT DISTINCT name FROM unnest($1::text[]) name WHERE name NOT IN (SELECT name FROM pg_available_extensions) ORDER BY name`, wanted)
	if err != nil {
		return serverFailure(ctx, err, "read the extensions of the server")
	}
	if len(missing) > 0 {
		return &backup.Error{Code: backup.CodeUnsupported,
			Text: fmt.Sprintf("%s needs extensions that the server does not have: %s.", whose, some(missing)),
			Hint: fmt.Sprintf("Install them on the server (on Debian: %s), or, where they are not used, take their CREATE EXTENSION out of the file.", packages(missing, s.me.major()))}
	}
	if need.Inspection == nil {
		return nil // live's own are created beforehand, or refused, by createExtensions
	}
	untrusted, err := queryStrings(ctx, conn, `SELECT name FROM pg_available_extension_versions WHERE name = ANY ($1) AND NOT name = ANY ($2)
		GROUP BY name HAVING bool_and(superuser AND NOT trusted) ORDER BY name`, wanted, here)
	if err != nil {
		return serverFailure(ctx, err, "read the extensions of the server")
	}
	untrusted = slices.DeleteFunc(untrusted, neverCreated) // the file's own statement is refused, with its line
	if len(untrusted) == 0 {
		return nil
	}
	return &backup.Error{Code: backup.CodePermission,
		Text: fmt.Sprintf("The file creates extensions that only a superuser may create, and the live database does not have: %s.", some(untrusted)),
		Hint: fmt.Sprintf("An administrator can mark them as trusted in the server's extension folder. Where user %s may create them, this in the database %s is enough: CREATE EXTENSION %s;",
			ident(s.me.name), ident(s.live.name), ident(untrusted[0]))}
}

// contrib are the extensions that come with the server's own sources; Debian has them in the server's package.
var contrib = []string{"adminpack", "amcheck", "autoinc", "bloom", "bool_plperl", "btree_gin", "btree_gist", "citext", "cube", "dblink", "dict_int", "dict_xsyn",
	"earthdistance", "file_fdw", "fuzzystrmatch", "hstore", "insert_username", "intagg", "intarray", "isn", "lo", "ltree", "moddatetime", "pageinspect", "pg_buffercache",
	"pg_freespacemap", "pg_logicalinspect", "pg_prewarm", "pg_stat_statements", "pg_surgery", "pg_trgm", "pg_visibility", "pg_walinspect", "pgcrypto", "pgrowlocks",
	"pgstattuple", "postgres_fdw", "refint", "seg", "sslinfo", "tablefunc", "tcn", "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp", "xml2"}

// packages are where extensions are found, as far as their names tell.
func packages(extensions []string, major int) string {
	var names []string
	for _, x := range extensions {
		name := fmt.Sprintf("postgresql-%d-%s", major, strings.ReplaceAll(x, "_", "-"))
		switch {
		case slices.Contains(contrib, x):
			name = "postgresql-contrib"
		case strings.HasPrefix(x, "postgis"):
			name = fmt.Sprintf("postgresql-%d-postgis-3", major)
		case strings.HasPrefix(x, "pl"): // plperl, plpython3u, pltcl
			name = fmt.Sprintf("postgresql-%s-%d", strings.TrimSuffix(x, "u"), major)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return some(names)
}

// checkEncoding refuses text that the server can't bring into live's encoding, and warns where it may fail for single characters.
func (s *staged) checkEncoding(ctx context.Context, conn *pgx.Conn, need backup.Need) error {
	if need.Inspection == nil || need.Inspection.Encoding == "" {
		return nil // a backup is in the encoding of its database
	}
	name := need.Inspection.Encoding
	var code int
	var text string
	var convertible bool
	err := conn.QueryRow(ctx, `SELECT e, pg_encoding_to_char(e), EXISTS (SELECT FROM pg_conversion WHERE conforencoding = e AND contoencoding = pg_char_to_encoding($2) AND condefault)
		FROM (SELECT pg_char_to_encoding($1) e) x`, name, s.live.encoding).Scan(&code, &text, &convertible)
	switch {
	case err != nil:
		return serverFailure(ctx, err, "read the encodings of the server")
	case code < 0:
		return &backup.Error{Code: backup.CodeUnsupported, Text: fmt.Sprintf("The file's text is in the encoding %q, which PostgreSQL does not know.", name),
			Hint: "Write the file again in UTF-8, with SET client_encoding = 'UTF8';"}
	case text == s.live.encoding:
	case text == "SQL_ASCII":
		s.warn("The file does not say in which encoding its text is (client_encoding is SQL_ASCII). The database's is %s: bytes that are not valid in it are refused, and others may turn out as wrong characters.", s.live.encoding)
	case s.live.encoding == "SQL_ASCII":
		s.warn("The database has no encoding (SQL_ASCII): the file's text is stored byte by byte as the %s that it is.", text)
	case !convertible:
		return &backup.Error{Code: backup.CodeUnsupported,
			Text: fmt.Sprintf("The file's text is in the encoding %s, which the server can't convert to the database's %s.", text, s.live.encoding),
			Hint: "Write the file again in UTF-8, or in the database's encoding, with the client_encoding to match."}
	case s.live.encoding != "UTF8":
		s.warn("The file's text is in %s and the database in %s: a row with a character that %s lacks would be refused.", text, s.live.encoding, s.live.encoding)
	}
	return nil
}

var leadingNumber = regexp.MustCompile(`^\D*(\d+)`)

// majorOf is a version's first number: 15 of 15.18, and 9 of 9.6.24; 0 where there is none.
func majorOf(version string) int {
	if m := leadingNumber.FindStringSubmatch(version); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return 0
}

// checkVersion warns of text that was written for another server.
func (s *staged) checkVersion(ctx context.Context, conn *pgx.Conn, need backup.Need) {
	version := need.ServerVersion
	if version == "" && need.Inspection != nil {
		version = need.Inspection.ServerVersion
	}
	here := fmt.Sprintf("%d", s.me.major())
	if server, err := readServer(ctx, conn); err == nil {
		here = server.text
	}
	switch major := majorOf(version); {
	case major > s.me.major():
		s.warn("The file comes from PostgreSQL %s and the server is %s: what only the newer version knows would be refused, with its line.", version, here)
	case major > 0 && major < 9:
		s.warn("The file comes from PostgreSQL %s, and the server is %s: what has been dropped from PostgreSQL since would be refused, with its line.", version, here)
	}
}
