package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// planCarry finds out what the copy needs to be live's equal as a database: its settings, rights and limits, which no dump of
// a database holds. (The comment is the exchange's: until then it says what the copy is.) Each statement is tried in a transaction that is rolled back; what we may not do becomes SQL for
// an administrator, known before anything is switched.
func (s *staged) planCarry(ctx context.Context, admin *pgx.Conn) error {
	forCopy, err := carryStatements(ctx, admin, s.live, s.name)
	if err != nil {
		return serverFailure(ctx, err, "read the settings of the database")
	}
	forLive, err := carryStatements(ctx, admin, s.live, s.live.name)
	if err != nil {
		return serverFailure(ctx, err, "read the settings of the database")
	}
	tx, err := admin.Begin(ctx)
	if err != nil {
		return serverFailure(ctx, err, "rehearse the hand-over")
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", ident(s.name), ident(s.live.owner))); err != nil {
		return serverFailure(ctx, err, "hand the copy over to the owner of the database")
	}
	for i, sql := range forCopy {
		err := savepoint(ctx, tx, sql)
		switch {
		case err == nil:
			s.carry = append(s.carry, sql)
		case sqlState(err) == "":
			return serverFailure(ctx, err, "rehearse the hand-over")
		default:
			s.byHand = append(s.byHand, forLive[i]+";")
		}
	}
	if s.tablespace != s.live.tablespace {
		s.byHand = append(s.byHand, fmt.Sprintf("ALTER DATABASE %s SET TABLESPACE %s;", ident(s.live.name), ident(s.live.tablespace)))
	}
	lines, err := staying(ctx, admin, s.me, s.live)
	if err != nil {
		return serverFailure(ctx, err, "look for what stays with the replaced database")
	}
	s.byHand = append(s.byHand, lines...)
	return nil
}

// carryStatements give the database called name what live has.
func carryStatements(ctx context.Context, admin *pgx.Conn, l live, name string) (statements []string, err error) {
	rows, err := admin.Query(ctx, `SELECT coalesce((SELECT rolname FROM pg_roles WHERE oid = setrole), ''), unnest(setconfig)
		FROM pg_db_role_setting WHERE setdatabase = $1 ORDER BY 1, 2`, l.oid)
	if err != nil {
		return nil, err
	}
	type setting struct{ Role, Config string }
	settings, err := pgx.CollectRows(rows, pgx.RowToStructByPos[setting])
	if err != nil {
		return nil, err
	}
	for _, x := range settings {
		target := "ALTER DATABASE " + ident(name)
		if x.Role != "" {
			target = "ALTER ROLE " + ident(x.Role) + " IN DATABASE " + ident(name)
		}
		key, value, _ := strings.Cut(x.Config, "=")
		statements = append(statements, fmt.Sprintf("%s SET %s TO %s", target, ident(strings.Split(key, ".")...), settingValue(key, value)))
	}
	grants, err := databaseGrants(ctx, admin, l, name)
	if err != nil {
		return nil, err
	}
	statements = append(statements, grants...)
	if l.limit >= 0 {
		statements = append(statements, fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT %d", ident(name), l.limit))
	}
	if l.template {
		statements = append(statements, fmt.Sprintf("ALTER DATABASE %s IS_TEMPLATE true", ident(name)))
	}
	return statements, nil
}

// databaseGrants are live's rights from the ground up. Its owner has all rights without a word, so those that live took from
// it are taken here.
func databaseGrants(ctx context.Context, admin *pgx.Conn, l live, name string) ([]string, error) {
	rows, err := admin.Query(ctx, `SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
		a.privilege_type, a.is_grantable AND a.grantee <> d.datdba
		FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE d.oid = $1 ORDER BY 1, 2`, l.oid)
	if err != nil {
		return nil, err
	}
	type grant struct {
		Grantee, Privilege string
		Grantable          bool
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[grant])
	if err != nil {
		return nil, err
	}
	on := " ON DATABASE " + ident(name)
	statements := []string{"REVOKE ALL" + on + " FROM PUBLIC, " + ident(l.owner)}
	for _, g := range found {
		option := ""
		if g.Grantable {
			option = " WITH GRANT OPTION"
		}
		statements = append(statements, fmt.Sprintf("GRANT %s%s TO %s%s", g.Privilege, on, g.Grantee, option))
	}
	return statements, nil
}

// settingValue writes a setting's stored value as a statement takes it. Some settings are lists of names: their stored form is
// quoted already and must not become one name with commas in it. The list is variable_is_guc_list_quote of pg_dump.
func settingValue(key, value string) string {
	switch strings.ToLower(key) {
	case "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces",
		"unix_socket_directories", "restrict_nonsystem_relation_kind":
	default:
		return literal(value)
	}
	var parts []string
	for rest := value; rest != ""; {
		var part string
		rest = strings.TrimLeft(rest, " ")
		if strings.HasPrefix(rest, `"`) {
			end := 1
			for end < len(rest) && (rest[end] != '"' || strings.HasPrefix(rest[end:], `""`)) {
				if rest[end] == '"' {
					end++
				}
				end++
			}
			part = strings.ReplaceAll(rest[1:min(end, len(rest))], `""`, `"`)
			_, rest, _ = strings.Cut(rest[min(end, len(rest)):], ",")
		} else {
			part, rest, _ = strings.Cut(rest, ",")
			part = strings.TrimRight(part, " ")
		}
		parts = append(parts, literal(part))
	}
	if len(parts) == 0 {
		return "''"
	}
	return strings.Join(parts, ", ")
}
