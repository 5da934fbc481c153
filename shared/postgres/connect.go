package postgres

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// connectTimeout is for one connection, TLS and login included.
const connectTimeout = 10 * time.Second

var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// sslMode is the secret's, else require, so that a password never crosses a network in the clear because a server was
// told to say "no TLS" (which libpq's own default, prefer, would accept). RDS speaks TLS in its default configuration. On
// this machine there is no network to cross: prefer.
func sslMode(c backup.Credentials) string {
	if c.SSLMode != "" {
		return c.SSLMode
	}
	if ip := net.ParseIP(c.Host); c.Host == "localhost" || strings.HasPrefix(c.Host, "/") || ip != nil && ip.IsLoopback() {
		return "prefer"
	}
	return "require"
}

func port(c backup.Credentials) int {
	if c.Port == 0 {
		return 5432
	}
	return c.Port
}

// maintenance is the database to be connected to while the target is renamed.
func maintenance(c backup.Credentials) string {
	if c.MaintenanceDatabase == "" {
		return "postgres"
	}
	return c.MaintenanceDatabase
}

// login is who connects, and where to.
type login struct {
	user     string
	password backup.Sensitive
	database string
}

func secretLogin(t backup.Target, database string) login {
	return login{user: t.Credentials.Username, password: t.Credentials.Password, database: database}
}

// connect opens a session whose name tells which attempt it belongs to. Errors are in an operator's words.
func (e *Engine) connect(ctx context.Context, t backup.Target, a backup.Attempt, l login) (*pgx.Conn, error) {
	return e.connectNoticing(ctx, t, a, l, nil)
}

// connectNoticing is connect with somebody who is told of the server's warnings.
func (e *Engine) connectNoticing(ctx context.Context, t backup.Target, a backup.Attempt, l login, notice func(*pgconn.Notice)) (*pgx.Conn, error) {
	config, err := e.config(t.Credentials, a, l)
	if err != nil {
		return nil, err
	}
	if notice != nil {
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notice(n) }
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, connectFailure(ctx, err, t.Credentials, l)
	}
	if err := unlimit(ctx, conn.PgConn()); err != nil {
		closing(ctx, conn)
		return nil, connectFailure(ctx, err, t.Credentials, l)
	}
	return conn, nil
}

// unlimit takes away those limits on a session that older servers do not know (they came with 14 and 17), and which therefore
// can't be given at its start.
func unlimit(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := conn.Exec(ctx, `SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')`).ReadAll()
	return err
}

func (e *Engine) config(c backup.Credentials, a backup.Attempt, l login) (*pgx.ConnConfig, error) {
	if !slices.Contains(sslModes, sslMode(c)) {
		return nil, &backup.Error{Code: backup.CodeBadSecret, Text: "The database's secret has an sslmode that PostgreSQL does not know.",
			Hint: "Use one of " + strings.Join(sslModes, ", ") + "."}
	}
	settings := []string{"host=" + conninfo(c.Host), "port=" + strconv.Itoa(port(c)), "user=" + conninfo(l.user),
		"dbname=" + conninfo(l.database), "sslmode=" + sslMode(c)}
	if e.rootCert != "" {
		settings = append(settings, "sslrootcert="+conninfo(e.rootCert))
	}
	config, err := pgx.ParseConfig(strings.Join(settings, " "))
	if err != nil {
		return nil, &backup.Error{Code: backup.CodeBadSecret, Text: "The database's secret does not describe a connection.",
			Hint: "Check host, port, sslmode and the certificates.", Cause: err}
	}
	// A network that is gone without a word must not hold a job for as long as the system would wait.
	dialer := net.Dialer{Timeout: connectTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6}}
	config.DialFunc = dialer.DialContext
	config.Password = l.password.Reveal()
	config.ConnectTimeout = connectTimeout
	// Settings of the role or the database must not change what our statements mean or end them early. Those given at the start
	// of a session come before both.
	config.RuntimeParams = map[string]string{
		"application_name":                    applicationName(a),
		"client_encoding":                     "UTF8",
		"client_min_messages":                 "warning",
		"search_path":                         "pg_catalog",
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"default_transaction_read_only":       "off",
		"default_transaction_isolation":       "read committed",
		"DateStyle":                           "ISO",
		"IntervalStyle":                       "postgres",
	}
	return config, nil
}

// conninfo quotes a value of a connection string.
func conninfo(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// closing ends a session politely, also when the context of the work has ended.
func closing(ctx context.Context, conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// server is what has to be known of a server and the live database before anything else.
type server struct {
	version int    // as server_version_num: 150018
	text    string // as people write it: 15.18
	oid     uint32 // of the database that is connected to
	charset string // its encoding
}

func (s server) major() int { return s.version / 10000 }

func readServer(ctx context.Context, conn *pgx.Conn) (s server, err error) {
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, split_part(current_setting('server_version'), ' ', 1),
		oid, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()`).
		Scan(&s.version, &s.text, &s.oid, &s.charset)
	if err != nil {
		return s, serverFailure(ctx, err, "ask the server for its version")
	}
	return s, nil
}

func address(c backup.Credentials) string { return fmt.Sprintf("%s:%d", c.Host, port(c)) }
