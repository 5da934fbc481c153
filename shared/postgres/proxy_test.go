package postgres_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// proxy stands between an engine and its server and cuts the connection that sends the exchange.
type proxy struct {
	server string
	// deliver passes the exchange on to the server, whose answer is lost; else it is the statements that are lost.
	deliver bool
	// cut is the text by which these are known: that of an exchange where it is empty.
	cut string
}

// listen starts the proxy and points the world's target at it.
func (p *proxy) listen(w *world) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = l.Close() })
	p.server = w.url.Host
	w.target.Credentials.Port = l.Addr().(*net.TCPAddr).Port
	w.target.Credentials.SSLMode = "disable"
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	back := &answers{client: client, first: make(chan struct{})}
	go func() {
		_, _ = io.Copy(back, server)
		back.lose()
		_ = client.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if bytes.Contains(buffer[:n], []byte(cmp.Or(p.cut, " RENAME TO "))) {
			if p.deliver {
				back.cut.Store(true)
				_, _ = server.Write(buffer[:n])
				<-back.first // a client that hears of the cut before may end the exchange, which is another case
			}
			_ = client.Close()
			_ = server.Close()
			return
		}
		if n > 0 {
			_, _ = server.Write(buffer[:n])
		}
		if err != nil {
			_ = server.Close()
			return
		}
	}
}

// answers passes the server's answers on until it is cut, and loses them then.
type answers struct {
	client net.Conn
	cut    atomic.Bool
	once   sync.Once
	first  chan struct{} // closed when one was lost, or none will come
}

func (a *answers) lose() { a.once.Do(func() { close(a.first) }) }

func (a *answers) Write(p []byte) (int, error) {
	if !a.cut.Load() {
		return a.client.Write(p)
	}
	a.lose()
	return len(p), nil
}

func TestStaged_SwitchWhoseAnswerIsLostIsKnownToHaveHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	before := w.rows(w.name())
	w.in("INSERT INTO public.two VALUES (3)")
	(&proxy{deliver: true}).listen(w)
	a := attempt(1)
	_, _, switched := w.restore(a, text, d.Tables)
	same(t, "switched", w.rows(w.name()), before)
	if switched.Kept == "" {
		t.Error("the kept database is not named")
	}
	w.clean(a.Job)
}

func TestStaged_SwitchThatNeverArrivedChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	w.in("INSERT INTO public.two VALUES (3)")
	(&proxy{}).listen(w)
	a := attempt(1)
	s, _ := w.fill(a, text, d.Tables)
	w.untouched("lost", a.Job, func() {
		_, err := s.Switch(context.Background(), yes)
		failed(t, "lost", err, backup.CodeUnreachable)
		if err := s.Discard(context.Background()); err != nil {
			t.Error(describe(err))
		}
	})
}

func TestStaged_ApplyWhoseAnswerIsLostIsKnownToHaveHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	before := w.rows(w.name())
	w.in("INSERT INTO public.two VALUES (3)")
	a, b := attempt(1), attempt(1)
	p := w.park(a, text, d.Tables)
	(&proxy{deliver: true}).listen(w)
	switched := w.apply(b, p)
	same(t, "applied", w.rows(w.name()), before)
	if switched.Kept != "br_"+b.Job+"_kept" {
		t.Errorf("kept is %q", switched.Kept)
	}
	w.clean(a.Job)
	w.clean(b.Job)
}

func TestStaged_ApplyThatNeverArrivedLeavesTheCopyParked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	before := w.rows(w.name())
	w.in("INSERT INTO public.two VALUES (3)")
	a, b := attempt(1), attempt(1)
	p := w.park(a, text, d.Tables)
	direct := w.target.Credentials.Port
	(&proxy{}).listen(w)
	w.untouched("lost", b.Job, func() {
		s := w.resume(b, p)
		_, err := s.Switch(context.Background(), yes)
		failed(t, "lost", err, backup.CodeUnreachable)
		if err := s.Discard(context.Background()); err != nil {
			t.Error(describe(err))
		}
	})
	w.closed(p.Name)
	w.target.Credentials.Port = direct
	w.apply(attempt(1), p)
	same(t, "applied", w.rows(w.name()), before)
	w.clean(a.Job)
}

func TestEngine_UndoWhoseAnswerIsLostIsKnown(t *testing.T) {
	t.Parallel()
	for _, deliver := range []bool{true, false} {
		t.Run(fmt.Sprint("delivered ", deliver), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, with("CREATEROLE"))
			text, d := w.small()
			w.in("INSERT INTO public.two VALUES (3)")
			old := w.rows(w.name())
			_, _, switched := w.restore(attempt(1), text, d.Tables)
			now := w.rows(w.name())
			(&proxy{deliver: deliver}).listen(w)
			b := attempt(1)
			undone, err := w.engine.Undo(context.Background(), w.target, b, switched.Kept, yes)
			if deliver {
				if err != nil {
					t.Fatal(describe(err))
				}
				t.Cleanup(func() { w.drop(undone.Kept) })
				same(t, "undone", w.rows(w.name()), old)
				w.closed(undone.Kept)
			} else {
				failed(t, "lost", err, backup.CodeUnreachable)
				same(t, "lost", w.rows(w.name()), now)
				w.closed(switched.Kept)
			}
			again, err := w.engine.Recover(context.Background(), w.target, backup.Attempt{Job: b.Job, Number: 2})
			if err != nil || (again != nil) != deliver {
				t.Errorf("recover says %+v, %v", again, err)
			}
			w.clean(b.Job)
		})
	}
}
