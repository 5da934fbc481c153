package stack

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// logger writes whole lines.
type logger struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *logger) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// named gives a function that writes lines which begin with a name, as those of functions do.
func (l *logger) named(name string) func(format string, args ...any) {
	return func(format string, args ...any) { _, _ = fmt.Fprintf(l, name+" | "+format+"\n", args...) }
}

// access writes a line for each request. The query is left out: it can hold what a log must not.
func (l *logger) access(next http.Handler) http.Handler {
	write := l.named("gateway")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		write("%d %s %q %s", seen.status, r.Method, r.URL.Path, time.Since(began).Round(time.Millisecond))
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
