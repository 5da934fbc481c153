package files_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/files"
	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
	"github.com/backup-restore/backup-restore/shared/internal/testenv"
)

const key = "backups/school/01m82xg90s010s27k0jy8kh514/school-20261122-031500.sql.gz"

// world is a bucket of a test's own, and a proxy in front of it.
type world struct {
	bucket string
	client *s3.Client // past the proxy
	proxy  *faultyconn.Proxy
	direct *files.Store
	faulty *files.Store // through the proxy
	brief  *files.Store // through the proxy, and giving up soon
}

func newWorld(t testing.TB) *world {
	t.Helper()
	cfg := testenv.AWS(t)
	w := &world{bucket: testenv.Bucket(t, cfg), client: s3.NewFromConfig(cfg)}
	w.proxy = faultyconn.New(t, aws.ToString(cfg.BaseEndpoint))
	w.direct = files.Quick(w.client, w.bucket, files.Options{LinkPartSize: 5 << 20})
	faulty := s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint = &w.proxy.URL })
	w.faulty = files.Quick(faulty, w.bucket, files.Options{PartSize: 5 << 20, LinkPartSize: 5 << 20})
	w.brief = files.Brief(faulty, w.bucket, files.Options{PartSize: 5 << 20})
	return w
}

// content is n bytes that no compression or accident repeats; the same for the same n.
func content(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mustCreate(t *testing.T, s *files.Store) backup.FileWriter {
	t.Helper()
	f, err := s.Create(t.Context(), key)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return f
}

// store writes b and commits it.
func store(t *testing.T, s *files.Store, b []byte) backup.Stored {
	t.Helper()
	f := mustCreate(t, s)
	if _, err := io.Copy(f, bytes.NewReader(b)); err != nil {
		t.Fatalf("Write: %v", err)
	}
	stored, err := f.Commit(t.Context())
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return stored
}

func readAll(t *testing.T, s *files.Store, stored backup.Stored) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), stored.Key, stored.VersionID)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return b
}

// wantNothing asks that there is no object under the key, no version of one, and no unfinished upload.
func (w *world) wantNothing(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	versions, err := w.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &w.bucket})
	if err != nil || len(versions.Versions) != 0 {
		t.Errorf("%d versions are left, %v", len(versions.Versions), err)
	}
	w.wantNoUploads(t)
}

func (w *world) wantNoUploads(t *testing.T) {
	t.Helper()
	uploads, err := w.client.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &w.bucket})
	if err != nil || len(uploads.Uploads) != 0 {
		t.Errorf("%d unfinished uploads are left, %v", len(uploads.Uploads), err)
	}
}

func wantCode(t *testing.T, err error, code backup.Code) {
	t.Helper()
	var e *backup.Error
	if !errors.As(err, &e) || e.Code != code || e.Text == "" || e.Hint == "" {
		t.Errorf("error = %v (%T), want an *Error with %s, text and hint", err, err, code)
	}
}

// The calls of an upload.

func begins(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploads")
}

func completes(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

func sendsPart(r *http.Request) bool { return r.Method == http.MethodPut }

func looks(r *http.Request) bool { return r.Method == http.MethodHead }

func reads(r *http.Request) bool { return r.Method == http.MethodGet }
