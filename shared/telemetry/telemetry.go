// Package telemetry makes the functions' logs: one JSON object a line, with the function's name and the request's id in
// each, so that a line can be found by either.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// NewLogger returns a logger that writes to w. Log with a context that comes from the invocation: the request's id is taken
// from it. The keys are those of Lambda's own JSON log lines (timestamp, level, message, requestId), so that one query
// finds both.
func NewLogger(w io.Writer, function string, level slog.Level) *slog.Logger {
	// lambdacontext.NewLogger would do, but writes text unless the function's log format is JSON, and takes its level from
	// a variable that only Lambda sets.
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: lambdacontext.ReplaceAttr})
	return slog.New(handler{h}).With("function", function, "version", Version())
}

// Version names the build: its version control revision, shortened, or "dev" where there is none.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "dev"
}

// handler adds the request's id to each line.
type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		r.AddAttrs(slog.String("requestId", lc.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
