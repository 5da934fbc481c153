package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// crowd are clients that reconnect at once, for ever.
type crowd struct {
	stop    context.CancelFunc
	wg      sync.WaitGroup
	served  atomic.Int64
	longest atomic.Int64 // time between two answers to one client, in ns
}

func (w *world) crowd(n int) *crowd {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{stop: cancel}
	config, err := pgx.ParseConfig(w.url.String())
	if err != nil {
		w.t.Fatal(err)
	}
	config.Database, config.User, config.Password = w.name(), w.app, appPassword
	for range n {
		c.wg.Go(func() {
			last := time.Now()
			for ctx.Err() == nil {
				conn, err := pgx.ConnectConfig(ctx, config)
				if err != nil {
					continue
				}
				for err == nil && ctx.Err() == nil {
					var rows int
					if err = conn.QueryRow(ctx, "SELECT count(*) FROM public.two").Scan(&rows); err == nil {
						gap := int64(time.Since(last))
						for old := c.longest.Load(); gap > old && !c.longest.CompareAndSwap(old, gap); old = c.longest.Load() {
						}
						c.served.Add(1)
						last = time.Now()
					}
				}
				_ = conn.Close(context.Background())
			}
		})
	}
	w.t.Cleanup(c.end)
	for deadline := time.Now().Add(10 * time.Second); c.served.Load() < int64(n) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	return c
}

func (c *crowd) end() {
	c.stop()
	c.wg.Wait()
}

func TestStaged_SwitchUnderClientsThatReconnectAtOnce(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			text, d := w.small()
			before := w.state(w.name())
			w.in("INSERT INTO public.two VALUES (3)")
			a := attempt(1)
			s, _ := w.fill(a, text, d.Tables)
			clients := w.crowd(12)
			switched, err := s.Switch(context.Background(), yes)
			if err != nil {
				t.Fatal(describe(err))
			}
			t.Cleanup(func() { w.drop(switched.Kept) })
			served := clients.served.Load()
			for deadline := time.Now().Add(10 * time.Second); clients.served.Load() < served+24 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			clients.end()
			if err := s.Discard(context.Background()); err != nil {
				t.Error(err)
			}
			same(t, "switched", w.state(w.name()), before)
			w.clean(a.Job)
			if switched.Downtime <= 0 || switched.Downtime > 5*time.Second {
				t.Errorf("downtime %v", switched.Downtime)
			}
			t.Logf("downtime %v; the longest that a client waited %v; %d answers", switched.Downtime, time.Duration(clients.longest.Load()), clients.served.Load())
		})
	}
}

func TestStaged_SwitchBlockedByAPreparedTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	a := attempt(1)
	s, _ := w.fill(a, text, d.Tables)
	gid := prepareTransaction(t, w)
	w.untouched("blocked", a.Job, func() {
		_, err := s.Switch(context.Background(), yes)
		failed(t, "blocked", err, backup.CodeSwitchBlocked, gid)
		if err := s.Discard(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestStaged_SwitchBlockedBySessionsThatMayNotBeEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, d := w.small()
	a := attempt(1)
	s, _ := w.fill(a, text, d.Tables)
	stays := w.connect(w.name())
	if _, err := stays.Exec(context.Background(), "SET application_name = 'month-end'"); err != nil {
		t.Fatal(err)
	}
	w.untouched("blocked", a.Job, func() {
		_, err := s.Switch(context.Background(), yes)
		failed(t, "blocked", err, backup.CodeSwitchBlocked, "postgres", "month-end", "GRANT pg_signal_backend TO "+ident(w.app))
		if err := s.Discard(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := stays.Ping(context.Background()); err != nil {
		t.Errorf("the session did not survive: %v", err)
	}
}

func TestStaged_SwitchThatIsNotConfirmedChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	a := attempt(1)
	s, _ := w.fill(a, text, d.Tables)
	w.in("INSERT INTO public.two VALUES (3)")
	w.untouched("not confirmed", a.Job, func() {
		_, err := s.Switch(context.Background(), func(context.Context) error { return backup.ErrLeaseLost })
		if !errors.Is(err, backup.ErrLeaseLost) {
			t.Errorf("error is %v, want ErrLeaseLost", err)
		}
		if err := s.Discard(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestStaged_DiscardAfterASwitchKeepsEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, d := w.small()
	a := attempt(1)
	s, _, switched := w.restore(a, text, d.Tables)
	for range 2 {
		if err := s.Discard(context.Background()); err != nil {
			t.Error(err)
		}
	}
	var n int
	if err := w.super.QueryRow(context.Background(), `SELECT count(*) FROM pg_database WHERE datname IN ($1, $2)`, w.name(), switched.Kept).Scan(&n); err != nil || n != 2 {
		t.Errorf("of live and kept there are %d: %v", n, err)
	}
	again, err := w.engine.Recover(context.Background(), w.target, backup.Attempt{Job: a.Job, Number: 2})
	if err != nil || again == nil || again.Kept != switched.Kept {
		t.Errorf("Recover says %+v, %v", again, err)
	}
}

func TestStaged_OwnersOfLiveKeepIt(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			w.exec(fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", ident(w.name()), ident(w.other)))
			w.in(fmt.Sprintf(`SET ROLE %s; CREATE SCHEMA mine; CREATE TABLE mine.t (a serial); INSERT INTO mine.t DEFAULT VALUES; CREATE FUNCTION mine.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
				CREATE TYPE mine.e AS ENUM ('x'); SET ROLE %s; CREATE TABLE public.other (a int)`, ident(w.other), ident(w.other)))
			a := attempt(1)
			text, d := w.dump(a)
			before := w.state(w.name())
			_, loaded, _ := w.restore(a, text, d.Tables)
			same(t, "restored", w.state(w.name()), before)
			if len(loaded.Skipped) > 0 {
				t.Errorf("skipped %+v", loaded.Skipped)
			}
			w.clean(a.Job)
		})
	}
}
