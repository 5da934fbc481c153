package jobs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/inspection"
)

// dropbox says what has arrived, as the test says.
type dropbox struct {
	mu       sync.Mutex
	arrived  map[string]backup.Stored
	begun    []string // keys of uploads in parts
	complete error
}

func (d *dropbox) PresignPost(context.Context, string, int64, time.Duration) (backup.PostForm, error) {
	return backup.PostForm{}, nil
}

func (d *dropbox) BeginParts(_ context.Context, key string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = append(d.begun, key)
	return "parts-1", nil
}

func (d *dropbox) PresignParts(context.Context, string, string, int64, time.Duration) (backup.PartLinks, error) {
	return backup.PartLinks{}, nil
}

func (d *dropbox) CompleteParts(context.Context, string, string, int64) error { return d.complete }

func (d *dropbox) Arrived(_ context.Context, key string) (backup.Stored, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.arrived[key]
	if !ok {
		return s, fmt.Errorf("head %s: %w", key, backup.ErrNotFound)
	}
	return s, nil
}

// send puts a file where an upload's link leads to.
func (w *world) send(u backup.Upload, content []byte) {
	w.t.Helper()
	out, err := w.client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &w.bucket, Key: &u.Key, Body: bytes.NewReader(content)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.box.mu.Lock()
	defer w.box.mu.Unlock()
	if w.box.arrived == nil {
		w.box.arrived = map[string]backup.Stored{}
	}
	w.box.arrived[u.Key] = backup.Stored{Key: u.Key, VersionID: *out.VersionId, Size: int64(len(content))}
}

// inspector is the form of inspection.Inspect.
type inspector = func(ctx context.Context, r io.Reader, engine backup.EngineKind, l inspection.Limits, report func(backup.Progress)) (inspection.Result, error)

// findsDump reads a file and finds dumpText in it, whatever it holds.
func findsDump(_ context.Context, r io.Reader, engine backup.EngineKind, _ inspection.Limits, report func(backup.Progress)) (inspection.Result, error) {
	text, err := io.ReadAll(r)
	sum := sha256.Sum256(text)
	report(backup.Progress{Bytes: 40})
	return inspection.Result{SHA256: hex.EncodeToString(sum[:]), Inspection: backup.Inspection{
		Engine: engine, Tool: "pg_dump", ServerVersion: "15.18", Bytes: int64(len(text)), SQLBytes: int64(len(dumpText)), Completeness: backup.Proven,
		Compressed: bytes.HasPrefix(text, []byte{0x1f, 0x8b}), Database: "their_name", Tables: dumpTables,
		Ignored: []backup.Skipped{{Line: 3, Text: `\connect their_name`, Why: "inspection"}, {Line: 7, Text: "CREATE ROLE y", Why: "inspection"}},
	}}, err
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.Bytes()
}
