package records_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
	"github.com/backup-restore/backup-restore/shared/internal/testenv"
	"github.com/backup-restore/backup-restore/shared/records"
)

const school = "school"

// quick waits little between attempts, and long enough for a machine that is busy.
var quick = s3call.Policy{Patience: 30 * time.Second, Attempt: 2 * time.Second, MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond}

// brief is quick for an outage for good.
var brief = s3call.Policy{Patience: time.Second, Attempt: time.Second, MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond}

// world is a bucket of a test's own, and a proxy in front of it.
type world struct {
	cfg    aws.Config
	bucket string
	client *s3.Client // past the proxy
	proxy  *faultyconn.Proxy
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cfg := testenv.AWS(t)
	w := &world{cfg: cfg, bucket: testenv.Bucket(t, cfg), client: s3.NewFromConfig(cfg)}
	w.proxy = faultyconn.New(t, aws.ToString(cfg.BaseEndpoint))
	return w
}

// store reaches S3 directly.
func (w *world) store() *records.Store { return records.New(w.client, w.bucket) }

// faulty reaches S3 through the proxy.
func (w *world) faulty() *records.Store { return records.NewWith(w.faultyClient(), w.bucket, quick) }

func (w *world) faultyClient() *s3.Client {
	return s3.NewFromConfig(w.cfg, func(o *s3.Options) { o.BaseEndpoint = &w.proxy.URL })
}

// locks are locks of short life.
func (w *world) locks(expiry time.Duration) backup.Locks {
	return records.NewLocksWith(w.client, w.bucket, expiry, quick)
}

func (w *world) faultyLocks(expiry time.Duration) backup.Locks {
	return records.NewLocksWith(w.faultyClient(), w.bucket, expiry, quick)
}

func (w *world) put(t *testing.T, key, body string) {
	t.Helper()
	_, err := w.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &w.bucket, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
}

// counting is a client that counts its requests, retries too.
func (w *world) counting(n *atomic.Int64) *s3.Client {
	return s3.NewFromConfig(w.cfg, func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("count",
				func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
					middleware.DeserializeOutput, middleware.Metadata, error) {
					n.Add(1)
					return next.HandleDeserialize(ctx, in)
				}), middleware.After)
		})
	})
}

func writes(r *http.Request) bool { return r.Method == http.MethodPut }

func aBackup(id string) backup.Backup {
	return backup.Backup{Job: backup.Job{ID: id, Database: school, State: backup.Queued}, Filename: "school.sql.gz"}
}

// idAt is an id that is the newer the larger n.
func idAt(n int) string {
	return backup.DeriveID(time.UnixMilli(1_800_000_000_000+int64(n)), "test")
}

// wantStorageError asks for an error that an operator may read.
func wantStorageError(t *testing.T, err error) {
	t.Helper()
	var e *backup.Error
	if !errors.As(err, &e) || e.Code != backup.CodeStorage || e.Text == "" || e.Hint == "" {
		t.Fatalf("error = %v (%T), want an *Error with CodeStorage, text and hint", err, err)
	}
}

func mustCreate(t *testing.T, r backup.Records[backup.Backup], b backup.Backup) {
	t.Helper()
	if err := r.Create(t.Context(), school, b.ID, b); err != nil {
		t.Fatalf("Create %s: %v", b.ID, err)
	}
}
