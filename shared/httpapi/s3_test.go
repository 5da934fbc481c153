package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/files"
	"github.com/backup-restore/backup-restore/shared/httpapi"
	"github.com/backup-restore/backup-restore/shared/internal/testenv"
	"github.com/backup-restore/backup-restore/shared/jobs"
	"github.com/backup-restore/backup-restore/shared/records"
)

// stored is a world whose state is in a bucket.
type stored struct {
	*world
	files *files.Store
	locks backup.Locks
}

func newStored(t *testing.T) stored {
	t.Helper()
	cfg := testenv.AWS(t)
	client, bucket := s3.NewFromConfig(cfg), testenv.Bucket(t, cfg)
	store, dumps := records.New(client, bucket), files.New(client, bucket, files.Options{})
	locks := records.NewLocks(client, bucket, records.LockOptions{Expiry: time.Minute})
	var bell backup.Doorbell
	w := newWorld(t, func(o *httpapi.Options) {
		o.Backups, o.Restores, o.Activity, o.Open, o.Keys = store.Backups(), store.Restores(), store.Activity(), store.Open(), store.Idempotency()
		o.Files, o.Locks, o.KeyUses = dumps, locks, store.KeyUses()
		if d, ok := o.Desk.(desk); ok {
			bell = d.Desk.(*jobs.Desk).Bell
		}
		o.Desk = &jobs.Desk{Backups: o.Backups, Restores: o.Restores, Open: o.Open, Bell: bell, Activity: o.Activity, Log: o.Log}
	})
	w.backups, w.restores, w.activity, w.open = store.Backups(), store.Restores(), store.Activity(), store.Open()
	return stored{w, dumps, locks}
}

// work does what a worker would: it holds the lock, writes the file and completes the record. meanwhile runs halfway.
func (s stored) work(id string, content []byte, meanwhile func()) {
	s.t.Helper()
	ctx := s.t.Context()
	fatal := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	lease, err := s.locks.Acquire(ctx, "school", "worker-1")
	fatal(err)
	b, err := s.backups.Update(ctx, "school", id, func(b *backup.Backup) error { return b.Begin("worker-1", time.Now().UTC()) })
	fatal(err)
	fatal(lease.Beat(ctx, backup.Holder{Worker: "worker-1", Kind: backup.BackupJob, Job: id, Attempt: 1,
		Progress: &backup.Progress{Table: "public.grades", TablesDone: 1, Rows: 5, Bytes: 100}}))
	meanwhile()
	fw, err := s.files.Create(ctx, fmt.Sprintf("backups/school/%s/%s", id, b.Filename))
	fatal(err)
	_, err = fw.Write(content)
	fatal(err)
	file, err := fw.Commit(ctx)
	fatal(err)
	_, err = s.backups.Update(ctx, "school", id, func(b *backup.Backup) error {
		return b.Complete(1, backup.Dumped{Tables: []backup.TableRows{{Schema: "public", Table: "grades", Rows: 9}}}, file, time.Now().UTC())
	})
	fatal(err)
	fatal(s.open.Clear(ctx, backup.OpenJob{Database: "school", Kind: backup.BackupJob, ID: id}))
	fatal(lease.Release(ctx))
}

func TestBucket_FromCreateToDelete(t *testing.T) {
	t.Parallel()
	s := newStored(t)
	header := map[string]string{"Idempotency-Key": "first"}
	id := into[httpapi.Backup](s.do(call{method: "POST", path: schoolBackups, role: access.Staff, header: header}).want(202)).ID
	if again := into[httpapi.Backup](s.do(call{method: "POST", path: schoolBackups, role: access.Staff, header: header}).want(202)).ID; again != id {
		t.Fatal("the same key made two backups")
	}
	content := bytes.Repeat([]byte("a dump, "), 1000)
	s.work(id, content, func() {
		list := into[httpapi.BackupList](s.do(call{method: "GET", path: schoolBackups, role: access.Auditor}).want(200))
		if len(list.Items) != 1 || list.Items[0].State != backup.Running || list.Items[0].Progress == nil || list.Items[0].Progress.Table != "public.grades" {
			t.Errorf("while it runs: %+v", list)
		}
		s.do(call{method: "DELETE", path: schoolBackups + "/" + id, role: access.SuperAdmin}).want(409, "backup_not_created")
	})
	d := into[httpapi.BackupDetail](s.do(call{method: "GET", path: schoolBackups + "/" + id, role: access.Auditor}).want(200))
	sum := sha256.Sum256(content)
	if d.State != backup.Created || d.SHA256 != hex.EncodeToString(sum[:]) || d.Size != int64(len(content)) || d.Progress != nil {
		t.Errorf("created: %+v", d)
	}
	link := into[httpapi.Download](s.do(call{method: "POST", path: schoolBackups + "/" + id + "/download", role: access.Staff}).want(200))
	if status, body := get(t, link.URL); status != 200 || !bytes.Equal(body, content) {
		t.Errorf("the link gives %d and %d bytes", status, len(body))
	}
	body := `{"source":{"backup":"` + id + `"}}`
	restore := into[httpapi.Restore](s.do(call{method: "POST", path: schoolRestores, role: access.Staff, body: body}).want(202))
	s.do(call{method: "DELETE", path: schoolBackups + "/" + id, role: access.SuperAdmin}).want(409, "backup_in_use")
	_, err := s.restores.Update(t.Context(), "school", restore.ID, func(r *backup.Restore) error {
		return r.Fail(0, backup.Failure{Code: backup.CodeCancelled, Reason: "Stopped by the test."}, time.Now().UTC())
	})
	if err != nil {
		t.Fatal(err)
	}
	s.do(call{method: "DELETE", path: schoolBackups + "/" + id, role: access.SuperAdmin}).want(204)
	if status, _ := get(t, link.URL); status != 404 {
		t.Errorf("the link of a deleted backup gives %d", status)
	}
	s.do(call{method: "GET", path: schoolBackups + "/" + id, role: access.Auditor}).want(404, "backup_not_found")
	activity := into[httpapi.ActivityList](s.do(call{method: "GET", path: "/api/activity?database=school", role: access.Auditor}).want(200))
	var lines []string
	for _, e := range activity.Items {
		lines = append(lines, e.Action+" "+e.Result)
	}
	if got, want := strings.Join(lines, "|"), "backup.delete deleted|backup.delete accepted|restore.rehearse accepted|backup.download accepted|backup.create accepted"; got != want {
		t.Errorf("activity: %s", got)
	}
}

func get(t *testing.T, url string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

func TestBucket_PagesThroughTheAPI(t *testing.T) {
	t.Parallel()
	s := newStored(t)
	var want []string
	for range 7 {
		id := into[httpapi.Backup](s.do(call{method: "POST", path: schoolBackups, role: access.Staff}).want(202)).ID
		want = append([]string{id}, want...)
	}
	var got []string
	for next, calls := "", 0; ; calls++ {
		list := into[httpapi.BackupList](s.do(call{method: "GET", path: schoolBackups + "?limit=3&cursor=" + next, role: access.Auditor}).want(200))
		for _, b := range list.Items {
			got = append(got, b.ID)
		}
		if next = list.Next; next == "" || calls > 5 {
			break
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("listed %q, want %q", got, want)
	}
}
