package jobs_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
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
	desk   *jobs.Desk
	log    *slog.Logger
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cfg := testenv.AWS(t)
	w := &world{t: t, client: s3.NewFromConfig(cfg), bucket: testenv.Bucket(t, cfg), engine: &engine{}, bell: &bell{},
		log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	w.store, w.files = records.New(w.client, w.bucket), files.New(w.client, w.bucket, files.Options{})
	w.desk = &jobs.Desk{Backups: w.store.Backups(), Restores: w.store.Restores(), Open: w.store.Open(), Bell: w.bell, Activity: w.store.Activity(), Log: w.log}
	return w
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

func (w *world) runner(name string) *jobs.Runner {
	engines := map[backup.EngineKind]backup.Engine{backup.Postgres: w.engine}
	return &jobs.Runner{
		Worker: name, Locks: w.locks(), Open: w.store.Open(), Bell: w.bell, Beat: time.Second, Expiry: expiry, StopBefore: time.Second, Log: w.log.With("worker", name),
		Executors: jobs.Workbench{Backups: w.store.Backups(), Restores: w.store.Restores(), Open: w.store.Open(), Activity: w.store.Activity(),
			Databases: registry{}, Engines: engines, Files: w.files, Log: w.log}.Executors(),
	}
}

func (w *world) sweeper() *jobs.Sweeper {
	return &jobs.Sweeper{Backups: w.store.Backups(), Restores: w.store.Restores(), Open: w.store.Open(), Locks: w.locks(), Bell: w.bell, Activity: w.store.Activity(), Log: w.log}
}

var (
	school = backup.Database{Name: "school", Engine: backup.Postgres}
	anna   = backup.Actor{Kind: backup.ByOperator, Subject: "1", Name: "anna"}
)

func (w *world) startBackup() backup.Backup {
	w.t.Helper()
	b, err := w.desk.StartBackup(w.t.Context(), school, "", anna)
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

// engine dumps and restores a text of its own. Each hook, where set, runs in place of the step or before it.
type engine struct {
	dumps, recoveries, stagings, discards, switches atomic.Int64

	dump     func(ctx context.Context, w io.Writer) error
	recover  *backup.Switched
	lostTo   error // what Recover returns
	load     error
	verify   error
	onSwitch func(ctx context.Context) error
	loaded   atomic.Pointer[[]byte]
}

const dumpText = "-- a dump\nCOPY t FROM stdin;\n1\n2\n\\.\n"

var dumpTables = []backup.TableRows{{Schema: "public", Table: "t", Rows: 2}}

func (e *engine) Dump(ctx context.Context, _ backup.Target, _ backup.Attempt, w io.Writer, report func(backup.Progress)) (backup.Dumped, error) {
	e.dumps.Add(1)
	report(backup.Progress{Table: "public.t", TablesTotal: 1, BytesTotal: 100})
	if e.dump != nil {
		if err := e.dump(ctx, w); err != nil {
			return backup.Dumped{}, err
		}
	}
	n, err := io.WriteString(w, dumpText)
	return backup.Dumped{ServerVersion: "15.18", SQLBytes: int64(n), Tables: dumpTables}, err
}

func (e *engine) Recover(context.Context, backup.Target, backup.Attempt) (*backup.Switched, error) {
	e.recoveries.Add(1)
	return e.recover, e.lostTo
}

func (e *engine) Stage(context.Context, backup.Target, backup.Attempt, backup.Need) (backup.Staged, error) {
	e.stagings.Add(1)
	return &staged{e}, nil
}

func (e *engine) Resume(context.Context, backup.Target, backup.Attempt, backup.Parked) (backup.Staged, error) {
	return &staged{e}, nil
}

func (e *engine) Undo(ctx context.Context, _ backup.Target, _ backup.Attempt, _ string, confirm func(context.Context) error) (backup.Switched, error) {
	return backup.Switched{Kept: "br_undo_kept"}, confirm(ctx)
}

func (e *engine) Drop(context.Context, backup.Target, backup.Attempt, string) error { return nil }

type staged struct{ e *engine }

func (s *staged) Warnings() []string { return nil }

func (s *staged) Park(context.Context) (backup.Parked, error) {
	return backup.Parked{Name: "br_x_1"}, nil
}

func (s *staged) Loader() backup.Loader { return backup.LoaderPrepared }
func (s *staged) ByHand() []string      { return []string{"ALTER ROLE x"} }

func (s *staged) Load(_ context.Context, r io.Reader, _ func(backup.Progress)) (backup.Loaded, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return backup.Loaded{}, &backup.Error{Code: backup.CodeLoadFailed, Text: "the loader got no more", Cause: err}
	}
	s.e.loaded.Store(&text)
	return backup.Loaded{Statements: 2, Tables: dumpTables}, s.e.load
}

func (s *staged) Verify(_ context.Context, want backup.Want, _ func(backup.Progress)) error {
	if len(want.Tables) != 1 || want.Tables[0].Rows != 2 {
		return &backup.Error{Code: backup.CodeVerifyMismatch, Text: "the counts did not arrive"}
	}
	return s.e.verify
}

func (s *staged) Compare(context.Context, func(backup.Progress)) (backup.Comparison, error) {
	return backup.Comparison{Tables: []backup.TableChange{{Schema: "public", Table: "t", Live: 5, After: 2}}}, nil
}

func (s *staged) Switch(ctx context.Context, confirm func(context.Context) error) (backup.Switched, error) {
	if s.e.onSwitch != nil {
		if err := s.e.onSwitch(ctx); err != nil {
			return backup.Switched{}, err
		}
	}
	if err := confirm(ctx); err != nil {
		return backup.Switched{}, err
	}
	s.e.switches.Add(1)
	return backup.Switched{Kept: "br_x_kept", Downtime: time.Millisecond}, nil
}

func (s *staged) Discard(context.Context) error {
	s.e.discards.Add(1)
	return nil
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
