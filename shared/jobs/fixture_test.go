package jobs_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/files"
	"github.com/backup-restore/backup-restore/shared/internal/testenv"
	"github.com/backup-restore/backup-restore/shared/jobs"
	"github.com/backup-restore/backup-restore/shared/records"
)

const expiry = 4 * time.Second // S3's clock ticks in seconds

// world is everything around the jobs: real records, locks and files in real S3, and an engine and a bell that do as the
// test says.
type world struct {
	t      *testing.T
	client *s3.Client
	bucket string
	store  *records.Store
	files  *files.Store
	engine *engine
	bell   *bell
	box    *dropbox
	desk   *jobs.Desk
	log    *slog.Logger
	// inspect is what an inspection finds.
	inspect inspector
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cfg := testenv.AWS(t)
	w := &world{t: t, client: s3.NewFromConfig(cfg), bucket: testenv.Bucket(t, cfg), engine: newEngine(), bell: &bell{}, box: &dropbox{}, inspect: findsDump,
		log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	w.store, w.files = records.New(w.client, w.bucket), files.New(w.client, w.bucket, files.Options{})
	w.desk = w.deskBy(life{})
	return w
}

// deskBy is a desk of a process that may die.
func (w *world) deskBy(l life) *jobs.Desk {
	return &jobs.Desk{Backups: w.store.Backups(), Restores: mortal[backup.Restore]{w.store.Restores(), l}, Uploads: mortal[backup.Upload]{w.store.Uploads(), l},
		Dropbox: w.box, Open: mortalOpen{w.store.Open(), l}, Bell: w.bell, Activity: mortalActivity{w.store.Activity(), l}, Log: w.log}
}

// testWriter shows logs with the test that made them.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	defer func() { _ = recover() }() // a goroutine that outlives its test has nowhere to log to
	w.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

func (w *world) locks() backup.Locks {
	return records.NewLocks(w.client, w.bucket, records.LockOptions{Expiry: expiry})
}

func (w *world) runner(name string) *jobs.Runner { return w.runnerBy(name, life{}) }

const applyWindow, undoWindow = time.Hour, 24 * time.Hour

// runnerBy is a worker that may die.
func (w *world) runnerBy(name string, l life) *jobs.Runner {
	engines := map[backup.EngineKind]backup.Engine{backup.Postgres: mortalEngine{w.engine, l}}
	open, log := mortalOpen{w.store.Open(), l}, w.log.With("worker", name)
	executors := jobs.Workbench{
		Backups: mortal[backup.Backup]{w.store.Backups(), l}, Restores: mortal[backup.Restore]{w.store.Restores(), l}, Uploads: mortal[backup.Upload]{w.store.Uploads(), l},
		Open: open, Holdings: mortalHoldings{w.store.Holdings(), l}, Activity: mortalActivity{w.store.Activity(), l}, Databases: registry{},
		Engines: engines, Files: w.files, ApplyWindow: applyWindow, UndoWindow: undoWindow, Log: log}.Executors()
	executors[backup.InspectJob].(*jobs.InspectExecutor).Inspect = w.inspect
	return &jobs.Runner{Worker: name, Locks: w.locks(), Open: open, Bell: w.bell, Beat: time.Second, Expiry: expiry, StopBefore: time.Second, Log: log,
		Executors: executors}
}

func (w *world) sweeper() *jobs.Sweeper {
	return &jobs.Sweeper{Backups: w.store.Backups(), Restores: w.store.Restores(), Uploads: w.store.Uploads(), Open: w.store.Open(), Holdings: w.store.Holdings(),
		Locks: w.locks(), Bell: w.bell, Activity: w.store.Activity(), Log: w.log}
}

var (
	school = backup.Database{Name: "school", Engine: backup.Postgres}
	anna   = backup.Actor{Kind: backup.ByOperator, Subject: "1", Name: "anna"}
)

func (w *world) startBackup() backup.Backup {
	w.t.Helper()
	b, err := w.desk.StartBackup(w.t.Context(), school, "", backup.Selection{}, anna)
	if err != nil {
		w.t.Fatalf("start backup: %v", err)
	}
	return b
}

func (w *world) work(name string) {
	w.t.Helper()
	if err := w.runner(name).Work(w.t.Context(), "school"); err != nil {
		w.t.Fatalf("work: %v", err)
	}
}

func (w *world) backup(id string) backup.Backup {
	w.t.Helper()
	b, err := w.store.Backups().Get(context.Background(), "school", id)
	if err != nil {
		w.t.Fatalf("read backup: %v", err)
	}
	return b
}

func (w *world) restore(id string) backup.Restore {
	w.t.Helper()
	r, err := w.store.Restores().Get(context.Background(), "school", id)
	if err != nil {
		w.t.Fatalf("read restore: %v", err)
	}
	return r
}

// created makes a backup that is created.
func (w *world) created() backup.Backup {
	w.t.Helper()
	id := w.startBackup().ID
	w.work("first")
	b := w.backup(id)
	if b.State != backup.Created {
		w.t.Fatalf("backup is %s: %+v", b.State, b.Failure)
	}
	return b
}

// objects lists the keys below a prefix, and the unfinished uploads.
func (w *world) objects(prefix string) (keys []string) {
	w.t.Helper()
	ctx := context.Background()
	out, err := w.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &w.bucket, Prefix: &prefix})
	if err != nil {
		w.t.Fatalf("list: %v", err)
	}
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	up, err := w.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &w.bucket, Prefix: &prefix})
	if err != nil {
		w.t.Fatalf("list uploads: %v", err)
	}
	for _, u := range up.Uploads {
		keys = append(keys, "upload of "+*u.Key)
	}
	return keys
}

// nothingOpen fails the test when a marker or a live lock is left.
func (w *world) nothingOpen() {
	w.t.Helper()
	if keys := w.objects("open/"); len(keys) > 0 {
		w.t.Errorf("open jobs are left: %v", keys)
	}
	if h, live, err := w.locks().Read(context.Background(), "school"); err != nil || live {
		w.t.Errorf("lock: %+v, live %v, error %v", h, live, err)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

type registry struct{}

func (registry) List(context.Context) ([]backup.Database, error) {
	return []backup.Database{school}, nil
}

func (registry) Get(_ context.Context, name string) (backup.Database, error) {
	if name != school.Name {
		return backup.Database{}, backup.ErrNotFound
	}
	return school, nil
}

func (registry) Target(context.Context, string) (backup.Target, error) {
	return backup.Target{Database: school}, nil
}

// bell remembers who was rung for.
type bell struct {
	mu    sync.Mutex
	rings []string
}

func (b *bell) Ring(_ context.Context, database string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rings = append(b.rings, database)
	return nil
}

func (b *bell) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rings)
}

func gunzip(t *testing.T, r io.Reader) string {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
