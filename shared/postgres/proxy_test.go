package postgres_test

import (
	"bytes"
	"context"
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
		if bytes.Contains(buffer[:n], []byte(" RENAME TO ")) {
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
