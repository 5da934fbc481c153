package postgres

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sync/errgroup"
)

// session is a session of the loader's in the copy. It speaks the wire protocol bare: statements go as they stand.
type session struct{ *pgconn.PgConn }

// open opens a session of the loader's.
func (s *staged) open(ctx context.Context) (*session, error) {
	l := login{s.loader.user, s.loader.password, s.name}
	config, err := s.e.config(s.t.Credentials, s.a, l)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["search_path"], config.MaxProtocolMessageBodyLen = s.searchPath(), maxAnswer
	// No statement of a load has to be on disk before the next: the commit of the exchange, or of the parking, waits for all that was
	// written before it.
	config.RuntimeParams["synchronous_commit"] = "off"
	// The server is not to have more to do at the same time than the secret allows, also where one session works for all.
	config.RuntimeParams["max_parallel_maintenance_workers"] = strconv.Itoa(allowed(s.t) - 1)
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if err != nil {
		return nil, connectFailure(ctx, err, s.t.Credentials, l)
	}
	if err := unlimit(ctx, conn); err != nil {
		(&session{conn}).end(ctx)
		return nil, connectFailure(ctx, err, s.t.Credentials, l)
	}
	return &session{conn}, nil
}

// end ends the session, also when the context of the work has ended. When it returns the server has let go of it, so that a login with
// few connections can have the next: pgconn's own Close does not wait for that.
func (c *session) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if h, err := c.Hijack(); err == nil {
		defer func() { _ = h.Conn.Close() }()
		if until, ok := ctx.Deadline(); ok && h.Conn.SetDeadline(until) == nil {
			h.Frontend.Send(&pgproto3.Terminate{})
			_ = h.Frontend.Flush()
			_, _ = io.Copy(io.Discard, h.Conn)
		}
		return
	}
	_ = c.Close(ctx)
	select {
	case <-c.CleanupDone(): // one that was cut off ends what it has running
	case <-ctx.Done():
	}
}

// logIn opens the session in which everything is run that has to be run in its turn.
func (s *staged) logIn(ctx context.Context) (err error) {
	s.conn, err = s.open(ctx)
	return err
}

// logOut ends the loader's sessions.
func (s *staged) logOut(ctx context.Context) {
	s.dismiss(ctx)
	if s.conn != nil {
		s.conn.end(ctx)
		s.conn = nil
	}
}

// crew are n sessions that may work at the same time: the loader's first, and as many besides it as the server lets in. A login may have
// fewer connections than we would like, and then those that it has do.
func (s *staged) crew(ctx context.Context, n int) ([]*session, error) {
	for len(s.others)+1 < n && !s.full {
		c, err := s.open(ctx)
		if sqlState(err) == tooManyConnections {
			s.full = true
			s.e.log.WarnContext(ctx, "restore goes on with fewer connections", "restore", s.a.Job, "attempt", s.a.Number, "connections", len(s.others)+1)
			break
		}
		if err != nil {
			return nil, err
		}
		s.others = append(s.others, c)
	}
	return append([]*session{s.conn}, s.others[:min(n-1, len(s.others))]...), nil
}

// dismiss ends all sessions of the crew but the first.
func (s *staged) dismiss(ctx context.Context) {
	for _, c := range s.others {
		c.end(ctx)
	}
	s.others = nil
}

// share lets a crew do n pieces of work: each session takes the next one when it is done with its last. The first failure ends the
// others.
func share(ctx context.Context, crew []*session, n int, do func(ctx context.Context, c *session, i int) error) error {
	work := make(chan int, n)
	for i := range n {
		work <- i
	}
	close(work)
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range crew {
		group.Go(func() error {
			for i := range work {
				if err := ctx.Err(); err != nil {
					return fmt.Errorf("work on the copy: %w", err)
				}
				if err := do(ctx, c, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// notFollowed are settings that show as a session's own and are none.
var notFollowed = []string{"role", "session_authorization", "transaction_isolation", "transaction_read_only", "transaction_deferrable", "seed", "application_name"}

// follow gives the other sessions the settings that the file has made in the first: what they run must mean the same.
func (s *staged) follow(ctx context.Context, crew []*session) error {
	if len(crew) < 2 {
		return nil
	}
	found, err := s.query(ctx, `SELECT s.name, s.setting FROM pg_catalog.pg_settings s WHERE s.source OPERATOR(pg_catalog.=) 'session'
		AND s.context OPERATOR(pg_catalog.=) ANY (ARRAY['user', 'superuser']) ORDER BY 1`)
	if err != nil {
		return serverFailure(ctx, err, "read the settings of the restore's session")
	}
	var calls []string
	for _, f := range found {
		if !slices.Contains(notFollowed, f[0]) {
			calls = append(calls, fmt.Sprintf("pg_catalog.set_config(%s, %s, false)", literal(f[0]), literal(f[1])))
		}
	}
	sql := "RESET ALL"
	if len(calls) > 0 {
		sql += "; SELECT " + strings.Join(calls, ", ")
	}
	for _, c := range crew[1:] {
		if err := c.exec(ctx, sql); err != nil {
			return serverFailure(ctx, err, "give the restore's sessions the same settings")
		}
	}
	return nil
}

// exec runs statements and gives their rows away as they come.
func (c *session) exec(ctx context.Context, sql string) error {
	_, err := c.tags(ctx, sql)
	return err
}

// tags runs statements in one message, which makes them one transaction where none is open. It returns the server's word on each
// that was run, also where a later one failed.
func (c *session) tags(ctx context.Context, sql string) (done []pgconn.CommandTag, err error) {
	results := c.Exec(ctx, sql)
	for results.NextResult() {
		rows := results.ResultReader()
		for rows.NextRow() {
			continue // nobody wants them, and there may be many
		}
		tag, err := rows.Close()
		if err != nil {
			break // results.Close says it too
		}
		done = append(done, tag)
	}
	return done, results.Close()
}

// single runs one statement by the extended protocol, in which the server itself refuses a second one behind it.
func (c *session) single(ctx context.Context, sql string) error {
	result := c.ExecParams(ctx, sql, nil, nil, nil, nil)
	for result.NextRow() {
		continue // as in tags
	}
	_, err := result.Close()
	return err
}

// query runs a query and returns its rows as text; NULL is "".
func (c *session) query(ctx context.Context, sql string) ([][]string, error) {
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, r := range results {
		for _, row := range r.Rows {
			line := make([]string, len(row))
			for i, v := range row {
				line[i] = string(v)
			}
			out = append(out, line)
		}
	}
	return out, nil
}

// exec runs statements in the loader's first session.
func (s *staged) exec(ctx context.Context, sql string) error { return s.conn.exec(ctx, sql) }

// query runs a query in the loader's first session.
func (s *staged) query(ctx context.Context, sql string) ([][]string, error) {
	return s.conn.query(ctx, sql)
}
