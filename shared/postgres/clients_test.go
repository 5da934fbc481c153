package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// write is one row that a client has asked for, and what it knows of it.
type write struct {
	client, number int
	database       uint32 // OID of the database that confirmed it; 0: no answer came
	at             time.Time
}

// client writes, reads and reconnects at once, until it is stopped.
type client struct {
	config *pgx.ConnConfig
	id     int
	mu     sync.Mutex
	writes []write
	errs   []error
}

// run works until ctx ends. It uses up to ten transactions of a session, as a pool of connections with short lives does.
func (c *client) run(ctx context.Context) {
	for number := 1; ctx.Err() == nil; {
		conn, err := pgx.ConnectConfig(context.Background(), c.config)
		if err != nil {
			c.fail(err)
			continue
		}
		for range 10 {
			if ctx.Err() != nil || !c.work(conn, number) {
				break
			}
			number++
		}
		number++ // a number is asked for once, whatever became of it
		_ = conn.Close(context.Background())
	}
}

// work commits one numbered row, learns in the same transaction which database that is, and reads.
func (c *client) work(conn *pgx.Conn, number int) bool {
	ctx, w := context.Background(), write{client: c.id, number: number}
	err := conn.QueryRow(ctx, `INSERT INTO public.ledger (client, number) VALUES ($1, $2)
		RETURNING (SELECT oid FROM pg_database WHERE datname = current_database())`, c.id, number).Scan(&w.database)
	w.at = time.Now()
	if err != nil {
		w.database = 0
	}
	c.mu.Lock()
	c.writes = append(c.writes, w)
	c.mu.Unlock()
	if err == nil {
		var n int
		err = conn.QueryRow(ctx, `SELECT count(*) FROM public.ledger WHERE client = $1`, c.id).Scan(&n)
	}
	if err != nil {
		c.fail(err)
	}
	return err == nil
}

func (c *client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

func (c *client) lastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) == 0 {
		return nil
	}
	return c.errs[len(c.errs)-1]
}

// confirmed are the answers since a moment.
func (c *client) confirmed(since time.Time) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.writes {
		if w.database != 0 && w.at.After(since) {
			n++
		}
	}
	return n
}

// expected reports whether an error is one that a switch may cause: the session was ended, or the database is not there or not to be
// entered for the moment. The server is shared, so it may also be full.
func expected(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "reset by peer") || strings.Contains(err.Error(), "broken pipe") ||
			strings.Contains(err.Error(), "closed")
	}
	return slices.Contains([]string{"57P01", "57P02", "57P03", "55000", "55006", "3D000", "53300"}, pg.Code) || strings.HasPrefix(pg.Code, "08")
}

// allServed waits until every client has been served since a moment.
func (w *world) allServed(clients []*client, since time.Time) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for _, c := range clients {
		for c.confirmed(since) == 0 {
			select {
			case <-ctx.Done():
				w.t.Fatalf("client %d works no more: %v", c.id, c.lastError())
			case <-every.C:
			}
		}
	}
}

// pauses are the longest time between two answers around what happened from began to ended: to any client at all, and to one client.
func pauses(clients []*client, began, ended time.Time) (all, one time.Duration) {
	var answers []time.Time
	for _, c := range clients {
		var own []time.Time
		for _, w := range c.writes {
			if w.database != 0 {
				own = append(own, w.at)
			}
		}
		one = max(one, pause(own, began, ended))
		answers = append(answers, own...)
	}
	slices.SortFunc(answers, time.Time.Compare)
	return pause(answers, began, ended), one
}

func pause(answers []time.Time, began, ended time.Time) (longest time.Duration) {
	for i := 1; i < len(answers); i++ {
		if answers[i].After(began) && answers[i-1].Before(ended) {
			longest = max(longest, answers[i].Sub(answers[i-1]))
		}
	}
	return longest
}

// ledger is what a database holds of the clients' rows, asked for by its OID.
func (w *world) ledger(oid uint32) map[write]bool {
	w.t.Helper()
	name := ask[string](w, `SELECT datname FROM pg_database WHERE oid = $1`, oid)
	w.exec(fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true", ident(name)))
	conn := w.connect(name)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(context.Background(), `SELECT client, number FROM public.ledger`)
	if err != nil {
		w.t.Fatal(err)
	}
	held := map[write]bool{}
	for rows.Next() {
		x := write{database: oid}
		if err := rows.Scan(&x.client, &x.number); err != nil {
			w.t.Fatal(err)
		}
		if held[x] {
			w.t.Errorf("%s holds row %d of client %d twice", name, x.number, x.client)
		}
		held[x] = true
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return held
}

// clients starts two dozen, every other one of them as another role than the owner.
func (w *world) clients(ctx context.Context, wg *sync.WaitGroup) (clients []*client) {
	w.t.Helper()
	for i := range 24 {
		config, err := pgx.ParseConfig(w.url.String())
		if err != nil {
			w.t.Fatal(err)
		}
		config.Database, config.User, config.Password = w.name(), w.app, appPassword
		if i%2 == 1 {
			config.User, config.Password = "writer"+w.id, "writes"
		}
		c := &client{config: config, id: i}
		clients = append(clients, c)
		wg.Go(func() { c.run(ctx) })
	}
	return clients
}

// account checks that every confirmed row is in the database that confirmed it, and that no database holds a row that was never asked for.
func (w *world) account(clients []*client, databases ...uint32) {
	w.t.Helper()
	held, unknown, confirmed := map[write]bool{}, 0, map[uint32]int{}
	for _, oid := range databases {
		for x := range w.ledger(oid) {
			held[x] = true
		}
	}
	asked := map[[2]int]bool{}
	for _, c := range clients {
		for _, x := range c.writes {
			asked[[2]int{x.client, x.number}] = true
			if x.database == 0 {
				unknown++
				continue
			}
			confirmed[x.database]++
			if !held[write{client: x.client, number: x.number, database: x.database}] {
				w.t.Errorf("row %d of client %d was confirmed by the database with OID %d and is not in it", x.number, x.client, x.database)
			}
		}
	}
	for x := range held {
		if !asked[[2]int{x.client, x.number}] {
			w.t.Errorf("nobody asked for row %d of client %d", x.number, x.client)
		}
	}
	for _, oid := range databases {
		if confirmed[oid] == 0 {
			w.t.Errorf("the database with OID %d confirmed nothing", oid)
		}
	}
	w.t.Logf("rows confirmed, by database: %v; without an answer: %d", confirmed, unknown)
}

func TestEngine_TwoDozenClientsLoseNothingInASwitchAndAnUndo(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"restore", "apply"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, with("CREATEROLE"), func(w *world) {
				w.role("writer"+w.id, "LOGIN PASSWORD 'writes'")
				w.exec("GRANT pg_signal_backend TO " + ident(w.app))
			})
			w.in(fmt.Sprintf(`SET ROLE %s; CREATE TABLE public.ledger (client int, number int, PRIMARY KEY (client, number)); GRANT SELECT, INSERT ON public.ledger TO %s`,
				ident(w.app), ident("writer"+w.id)))
			text, d := w.dump(attempt(1))
			old := ask[uint32](w, `SELECT oid FROM pg_database WHERE datname = $1`, w.name())
			var staged backup.Staged
			a := attempt(1)
			if how == "restore" {
				staged, _ = w.fill(a, text, d.Tables)
			} else {
				p := w.park(attempt(1), text, d.Tables)
				staged = w.resume(a, p)
			}
			ctx, stop := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			clients := w.clients(ctx, &wg)
			end := func() { stop(); wg.Wait() }
			t.Cleanup(end)
			w.allServed(clients, time.Time{})

			began := [2]time.Time{time.Now()}
			switched, err := staged.Switch(context.Background(), yes)
			ended := [2]time.Time{time.Now()}
			if err != nil {
				t.Fatal(describe(err))
			}
			t.Cleanup(func() { w.drop(switched.Kept) })
			w.allServed(clients, ended[0])
			if err := staged.Discard(context.Background()); err != nil {
				t.Error(describe(err))
			}
			restored := ask[uint32](w, `SELECT oid FROM pg_database WHERE datname = $1`, w.name())

			began[1] = time.Now()
			undone := w.undo(attempt(1), switched.Kept)
			ended[1] = time.Now()
			w.allServed(clients, ended[1])
			end()

			for i, what := range []string{"switch", "undo"} {
				all, one := pauses(clients, began[i], ended[i])
				t.Logf("%s: downtime as measured by the worker %v; nobody was served for %v; one client waited %v at most", what,
					[]time.Duration{switched.Downtime, undone.Downtime}[i], all, one)
			}
			if live := ask[uint32](w, `SELECT oid FROM pg_database WHERE datname = $1`, w.name()); live != old || restored == old {
				t.Errorf("live had OID %d, then %d, then %d", old, restored, live)
			}
			seen := map[string]int{}
			for _, c := range clients {
				for _, err := range c.errs {
					if !expected(err) {
						t.Errorf("client %d: %v", c.id, err)
					}
					var pg *pgconn.PgError
					if errors.As(err, &pg) {
						seen[pg.Code]++
					} else {
						seen["no code"]++
					}
				}
			}
			w.account(clients, old, restored)
			t.Logf("errors of clients, by code: %v", seen)
			w.clean(a.Job)
		})
	}
}
