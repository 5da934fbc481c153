// Package faultyconn is a proxy for tests that breaks HTTP calls at the wire: it answers 503, drops a connection before or
// after the call was carried out, cuts a body short, or holds a call back. What lies behind it is the real service.
package faultyconn

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
)

// Fault is what happens to a call. The zero value lets it pass.
type Fault struct {
	// Status is answered without asking the service; Code and Message become the error that S3 would give.
	Status  int
	Code    string
	Message string
	Empty   bool // Status has no body at all
	// DropCall closes the connection without asking the service: the call is lost.
	DropCall bool
	// DropAnswer asks the service and closes the connection then: the call was carried out and its answer is lost.
	DropAnswer bool
	// Repeat asks the service twice and answers with the second: what a retry inside the network or an SDK does.
	Repeat bool
	// Cut passes so many bytes of the answer's body and closes the connection then. 0 is no cut; negative cuts all of it.
	Cut int64
	// Stall passes Cut bytes of the answer's body (none where Cut is 0), then nothing until the caller gives up.
	Stall bool
	// Flip changes one bit in the middle of what the caller sends.
	Flip bool
	// FlipAnswer changes one bit in the middle of what the service answers.
	FlipAnswer bool
	// Before and After are called right before and after the service is asked.
	Before, After func()
}

// Proxy passes calls on to a service, the Host header as it came, so that signatures stay valid.
type Proxy struct {
	URL string // such as http://127.0.0.1:41234

	target    *url.URL
	transport *http.Transport

	mu    sync.Mutex
	plan  func(*http.Request) Fault
	calls []Call
}

// Call is a call that went through.
type Call struct {
	Method string
	URL    *url.URL
	Header http.Header
}

// New starts a proxy in front of target, such as http://127.0.0.1:8081. It ends with the test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatalf("parse the service's address: %v", err)
	}
	p := &Proxy{target: u, transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	server := httptest.NewServer(p)
	p.URL = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		p.transport.CloseIdleConnections()
	})
	return p
}

// Plan sets what happens to each call from now on; nil lets all pass. plan is called by one call at a time.
func (p *Proxy) Plan(plan func(*http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan
}

// First plans f for the first n calls that match, and lets all others pass.
func (p *Proxy) First(n int, f Fault, match func(*http.Request) bool) {
	p.Plan(func(r *http.Request) Fault {
		if n > 0 && match(r) {
			n--
			return f
		}
		return Fault{}
	})
}

// Calls are the calls so far, those that were broken too.
func (p *Proxy) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Call(nil), p.calls...)
}

// Method matches calls by their method.
func Method(method string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method }
}

// All matches every call.
func All(*http.Request) bool { return true }

// ServeHTTP is one call.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.calls = append(p.calls, Call{Method: r.Method, URL: r.URL, Header: r.Header.Clone()})
	var f Fault
	if p.plan != nil {
		f = p.plan(r)
	}
	p.mu.Unlock()
	if f.Before != nil {
		f.Before()
	}
	switch {
	case f.DropCall:
		drop(w)
	case f.Status != 0:
		_, _ = io.Copy(io.Discard, r.Body) // a client that still sends would not read the answer
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(f.Status)
		if f.Empty {
			return
		}
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", f.Code, f.Message)
	case f.Repeat, f.Flip:
		p.buffered(w, r, f)
	default:
		p.pass(r.Context(), w, r, r.Body, f)
	}
}

// buffered is for what needs the call's body in memory.
func (p *Proxy) buffered(w http.ResponseWriter, r *http.Request, f Fault) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		drop(w)
		return
	}
	if f.Flip && len(body) > 0 {
		body[len(body)/2] ^= 1
	}
	if f.Repeat {
		first, err := p.ask(r.Context(), r, bytes.NewReader(body))
		if err != nil {
			drop(w)
			return
		}
		_, _ = io.Copy(io.Discard, first.Body)
		_ = first.Body.Close()
	}
	p.pass(r.Context(), w, r, bytes.NewReader(body), f)
}

// pass asks the service and hands its answer on, or as much of it as f lets through.
func (p *Proxy) pass(ctx context.Context, w http.ResponseWriter, r *http.Request, body io.Reader, f Fault) {
	answer, err := p.ask(ctx, r, body)
	if f.After != nil {
		f.After()
	}
	if err != nil {
		drop(w)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if f.DropAnswer {
		_, _ = io.Copy(io.Discard, answer.Body)
		drop(w)
		return
	}
	if f.FlipAnswer {
		flipAnswer(answer)
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	if answer.ContentLength >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(answer.ContentLength, 10))
	}
	w.WriteHeader(answer.StatusCode)
	if f.Cut == 0 && !f.Stall {
		if _, err := io.Copy(w, answer.Body); err != nil {
			hangUp(w)
		}
		return
	}
	_, _ = io.CopyN(w, answer.Body, max(f.Cut, 0))
	_ = http.NewResponseController(w).Flush()
	if f.Stall {
		<-ctx.Done()
	}
	hangUp(w)
}

func flipAnswer(answer *http.Response) {
	body, err := io.ReadAll(answer.Body)
	if err == nil && len(body) > 0 {
		body[len(body)/2] ^= 1
	}
	_ = answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
}

func (p *Proxy) ask(ctx context.Context, r *http.Request, body io.Reader) (*http.Response, error) {
	out := r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.RequestURI = p.target.Scheme, p.target.Host, ""
	out.Body = io.NopCloser(body)
	if r.ContentLength == 0 {
		out.Body = http.NoBody
	}
	return p.transport.RoundTrip(out)
}

// drop resets the connection without a word, as a network that failed.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// hangUp closes the connection after what was written so far.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}
