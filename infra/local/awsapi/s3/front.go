package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// newTransport connects to the gateway's socket whatever the host is. A connection serves one request: one that is kept
// can be closed by the gateway in the moment it is taken up again, and a PUT would fail for it. A new one costs some 50 µs.
func newTransport(socket string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
			if err != nil {
				return nil, err
			}
			return &patientConn{Conn: conn}, nil
		},
		DisableKeepAlives:  true,
		DisableCompression: true, // else the transport asks for gzip where the client did not
	}
}

// patientConn is a connection to the gateway that goes on to read when nothing can be written any more. The gateway answers a request
// that it refuses without reading the body to its end, then closes. The transport would take the failed write for the outcome and
// never see the answer.
type patientConn struct{ net.Conn }

func (c *patientConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return len(b), nil // if there is no answer either, then reading fails
	}
	return n, err
}

// front forwards requests to the gateway and reads their bodies to the end, also where the gateway did not want to. Browsers send all
// of a body before they look for an answer, and a connection that is closed on them is an answer lost.
type front struct{ proxy *httputil.ReverseProxy }

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		f.proxy.ServeHTTP(w, r)
		return
	}
	body := &heldBody{body: r.Body}
	r.Body = body
	f.proxy.ServeHTTP(w, r)
	if !body.ended.Load() {
		body.drain()
	}
}

// maxDrain is more than S3 takes in one request.
const maxDrain = 6 << 30

// heldBody is a request's body that is still there after the transport has closed it.
type heldBody struct {
	mu     sync.Mutex // the transport may still be reading when it has answered
	body   io.ReadCloser
	closed bool
	ended  atomic.Bool
}

func (b *heldBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.body.Read(p)
	if err != nil {
		b.ended.Store(true)
	}
	return n, err
}

func (b *heldBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

func (b *heldBody) drain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = io.CopyN(io.Discard, b.body, maxDrain) // a client that has gone gets no answer anyway
}

// newFront forwards requests as they came: the host (which p.Out has from p.In), path and query are signed.
func newFront(transport http.RoundTripper) http.Handler {
	return front{&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", "gateway"
			p.Out.URL.RawQuery = p.In.URL.RawQuery // Rewrite was given a cleaned one
			streamForm(p.Out.Header)
		},
		Transport:     transport,
		FlushInterval: -1,
		BufferPool:    &buffers{},
		ErrorHandler:  badGateway,
		ModifyResponse: func(res *http.Response) error {
			showRefusal(transport, res)
			return nil
		},
	}}
}

// showRefusal lets pages of other origins read a refusal, as S3 does by the bucket's CORS rules. The gateway applies the rules only to
// requests whose signature was right, so a page could not tell a link that has ended from a machine that is not there. What the rules
// say is asked of the gateway as a browser would.
func showRefusal(transport http.RoundTripper, res *http.Response) {
	r := res.Request
	origin := r.Header.Get("Origin")
	if res.StatusCode < http.StatusBadRequest || origin == "" || res.Header.Get("Access-Control-Allow-Origin") != "" {
		return
	}
	asked := *r.URL
	asked.RawQuery = ""
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodOptions, asked.String(), nil)
	if err != nil {
		return
	}
	ask.Host = r.Host
	ask.Header.Set("Origin", origin)
	ask.Header.Set("Access-Control-Request-Method", r.Method)
	said, err := transport.RoundTrip(ask)
	if err != nil {
		return
	}
	_ = said.Body.Close()
	if said.StatusCode != http.StatusOK {
		return
	}
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Vary"} {
		if v := said.Header.Values(name); len(v) > 0 {
			res.Header[name] = v
		}
	}
}

// streamForm makes the gateway stream a form that sends a file. Its HTTP server reads a body of that type whole and parses it before any
// handler runs, four times the file in memory, but knows the type by its lower-case letters only. The handler reads the type as it is
// meant to be read, in any case, and streams.
func streamForm(h http.Header) {
	const form = "multipart/form-data"
	if kind := h.Get("Content-Type"); len(kind) > len(form) && strings.EqualFold(kind[:len(form)], form) {
		h.Set("Content-Type", strings.ToUpper(form)+kind[len(form):])
	}
}

// errorAnswer is S3's form of an error.
type errorAnswer struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
}

// badGateway answers for a gateway that can't be reached, in S3's form. 503 is an error that clients try again after.
func badGateway(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client has gone
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(errorAnswer{Code: "ServiceUnavailable",
		Message: "The S3 gateway on this machine can not be reached: " + err.Error()})
}

// buffers is a pool of copy buffers, so that large objects stream without garbage.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if v, ok := b.pool.Get().(*[]byte); ok {
		return *v
	}
	return make([]byte, 128<<10)
}

func (b *buffers) Put(v []byte) { b.pool.Put(&v) }
