package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// The limits of one request.
const (
	maxBody = 64 << 10 // bytes; what callers send are a few names and ids
	// maxResponse is below the 6 MB that a Lambda function may answer, which counts the headers too.
	maxResponse = 5<<20 + 5<<17 // bytes, as weight counts them
	// maxTime and margin end a request before API Gateway (30 s, a cold start included) or Lambda (by killing) would, so
	// that the caller still hears from us.
	maxTime = 20 * time.Second
	margin  = 2 * time.Second
)

type requestIDKey struct{}

// requestID is the id under which the function's log knows the request.
func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.AwsRequestID != "" {
		return lc.AwsRequestID
	}
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// logger names the request in what it logs, where the context does not do so by itself.
func (a *API) logger(ctx context.Context) *slog.Logger {
	if _, ok := lambdacontext.FromContext(ctx); ok {
		return a.log // telemetry adds it
	}
	return a.log.With("requestId", requestID(ctx))
}

// ServeHTTP answers a request. The answer is held back until it is complete, so that whatever goes wrong on the way, the
// caller gets either all of it or a problem.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	ctx := r.Context()
	if requestID(ctx) == "" {
		ctx = context.WithValue(ctx, requestIDKey{}, rand.Text())
	}
	end := begin.Add(maxTime)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-margin).Before(end) {
		end = deadline.Add(-margin)
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	r = r.WithContext(ctx)
	b := &buffer{header: http.Header{}}
	a.answer(b, r)
	if n := weight(b.body.Bytes()); n > maxResponse {
		a.log.ErrorContext(ctx, "response too large", "path", r.URL.Path, "bytes", n)
		b.reset()
		writeProblem(b, r, internal())
	}
	secure(b.header, r)
	b.send(w, r)
	level := slog.LevelInfo
	if b.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	a.logger(ctx).Log(ctx, level, "request answered", "method", r.Method, "path", r.URL.Path, "status", b.status,
		"bytes", b.body.Len(), "milliseconds", time.Since(begin).Milliseconds())
}

func (a *API) answer(b *buffer, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			a.log.ErrorContext(r.Context(), "handler panicked", "path", r.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			b.reset()
			writeProblem(b, r, internal())
		}
	}()
	if r.ContentLength > maxBody {
		writeProblem(b, r, tooLarge())
		return
	}
	// A path is taken as it is written: the redirect to a cleaned one, which ServeMux would give, helps nobody here.
	// A table may have any name.
	r, named := tableInPath(r)
	if clean := path.Clean("/" + r.URL.Path); clean != r.URL.Path && !named {
		writeProblem(b, r, noRoute())
		return
	}
	h, pattern := a.mux.Handler(r)
	if pattern != "" {
		a.mux.ServeHTTP(b, r)
		return
	}
	h.ServeHTTP(b, r)
	status, allow := b.status, b.header.Get("Allow")
	b.reset()
	if status != http.StatusMethodNotAllowed {
		writeProblem(b, r, noRoute())
		return
	}
	b.header.Set("Allow", allow)
	writeProblem(b, r, problem(status, "method_not_allowed", "This address does not take "+safeMethod(r.Method)+".", "It takes "+allow+"."))
}

func noRoute() *Problem {
	return notFound("route_not_found", "There is nothing at this address.", "See /docs for what there is.")
}

// safeMethod keeps a method that nobody defined out of the answer.
func safeMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "this method"
}

// secure sets the headers that every answer has, whoever wrote it.
func secure(h http.Header, r *http.Request) {
	set := func(name, value string) {
		if h.Get(name) == "" {
			h.Set(name, value)
		}
	}
	set("X-Content-Type-Options", "nosniff")
	set("Referrer-Policy", "no-referrer")
	set("X-Frame-Options", "DENY")
	set("Cross-Origin-Resource-Policy", "same-origin")
	set("Strict-Transport-Security", "max-age=31536000")
	set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	set("Cache-Control", "no-store")
	set("X-Request-Id", requestID(r.Context()))
}

// buffer holds an answer back.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header { return b.header }

func (b *buffer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

func (b *buffer) reset() {
	b.header, b.status = http.Header{}, 0
	b.body.Reset()
}

func (b *buffer) send(w http.ResponseWriter, r *http.Request) {
	b.WriteHeader(http.StatusOK) // a handler that wrote nothing meant that
	for name, values := range b.header {
		w.Header()[name] = values
	}
	hasBody := b.status != http.StatusNoContent && b.status != http.StatusNotModified
	if hasBody {
		w.Header().Set("Content-Length", strconv.Itoa(b.body.Len()))
	}
	w.WriteHeader(b.status)
	if hasBody && r.Method != http.MethodHead {
		_, _ = w.Write(b.body.Bytes()) // the caller is gone
	}
}

// ifNoneMatch reports whether the caller holds what has that ETag already.
func ifNoneMatch(r *http.Request, etag string) bool {
	for candidate := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if c := strings.TrimPrefix(strings.TrimSpace(candidate), "W/"); c == etag || c == "*" {
			return true
		}
	}
	return false
}
