package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestLogger_LineHasFunctionRequestAndFields(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx := lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	NewLogger(&out, "api", slog.LevelInfo).With("database", "school").InfoContext(ctx, "backup created", "bytes", 5, "key", backup.Sensitive("secret"))

	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	want := map[string]any{"level": "INFO", "message": "backup created", "function": "api", "requestId": "request-1",
		"database": "school", "bytes": 5.0, "key": "[redacted]"}
	for k, v := range want {
		if line[k] != v {
			t.Errorf("%s = %v, want %v", k, line[k], v)
		}
	}
	if line["timestamp"] == nil || line["version"] == nil {
		t.Errorf("timestamp or version is missing: %v", line)
	}
}

func TestLogger_KeepsToItsLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := NewLogger(&out, "api", slog.LevelWarn)
	l.Info("not to be seen")
	if out.Len() != 0 {
		t.Errorf("logged %q at info, want nothing", out.String())
	}
	l.Warn("to be seen")
	if out.Len() == 0 {
		t.Error("logged nothing at warn")
	}
}
