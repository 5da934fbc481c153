package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

const schoolBackups = "/api/databases/school/backups"

func TestListBackups_NewestFirstPagedWithoutTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for range 5 {
		ids = append([]string{w.created("school").ID}, ids...)
	}
	w.created("chinook")
	var got []string
	path := schoolBackups + "?limit=2"
	for pages := 1; ; pages++ {
		a := w.do(call{method: "GET", path: path, role: access.Auditor}).want(200)
		a.lacks(`"tables"`, "version-1", "worker-1", "subject-1", "backups/school/", "crc=")
		list := into[httpapi.BackupList](a)
		for _, b := range list.Items {
			got = append(got, b.ID)
		}
		if list.Next == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		path = schoolBackups + "?limit=2&cursor=" + list.Next
	}
	if strings.Join(got, " ") != strings.Join(ids, " ") {
		t.Errorf("listed %v, want %v", got, ids)
	}
}

func TestListBackups_OfNothingIsAnEmptyList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{schoolBackups, "/api/databases/school/restores", "/api/activity"} {
		if a := w.do(call{method: "GET", path: path, role: access.Auditor}).want(200); strings.TrimSpace(a.body) != `{"items":[]}` {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestGetBackup_ShowsProofAndTablesWithoutInternals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	a := w.do(call{method: "GET", path: schoolBackups + "/" + b.ID, role: access.Auditor}).want(200)
	a.lacks(`"worker"`, "subject-1", "arn:")
	d := into[httpapi.BackupDetail](a)
	if d.State != backup.Created || d.Size != 1024 || d.Rows != 42 || d.TableCount != 2 || len(d.Tables) != 2 || d.Tables[0].Table != "students" ||
		!d.Usable || d.Unusable != nil || d.SHA256 != strings.Repeat("a", 64) || d.Failure != nil || d.Progress != nil || d.EndedAt == nil {
		t.Errorf("%+v", d)
	}
}

func TestGetBackup_SaysWhereTheFileLiesAndWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	d := into[httpapi.BackupDetail](w.do(call{method: "GET", path: schoolBackups + "/" + b.ID, role: access.Auditor}).want(200))
	if d.Location == nil || *d.Location != (httpapi.FileLocation{Bucket: "the-bucket", Key: b.File.Key, VersionID: "version-1"}) || d.CRC64NVME != "crc=" {
		t.Errorf("it lies at %+v, with the CRC %q", d.Location, d.CRC64NVME)
	}
	if len(d.Log) != 2 || d.Log[0].Text != "Attempt 1 began, by worker worker-1." || d.Log[1].Text != "Ended as created." || d.Log[1].At.Before(d.Log[0].At) || d.Log[0].At.IsZero() {
		t.Errorf("log: %+v", d.Log)
	}
	w.do(call{method: "GET", path: schoolBackups, role: access.Auditor}).want(200).lacks(`"log"`, `"location"`, "the-bucket", "worker-1")
	queued := into[httpapi.Backup](w.do(call{method: "POST", path: schoolBackups, role: access.Staff}).want(202)).ID
	w.do(call{method: "GET", path: schoolBackups + "/" + queued, role: access.Auditor}).want(200).lacks(`"log"`, `"location"`, "crc64nvme")
}

func TestFailedBackup_SaysWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := into[httpapi.Backup](w.do(call{method: "POST", path: schoolBackups, role: access.Staff}).want(202)).ID
	w.set(backup.Backup{Job: backup.Job{Database: "school", ID: id}}, func(b *backup.Backup) {
		if err := errors.Join(b.Begin("worker-1", time.Now()), b.Fail(1, backup.Failure{Code: backup.CodeUnreachable, Reason: "No connection.", Hint: "Check the host.", Log: "pg_dump: error"}, time.Now())); err != nil {
			t.Fatal(err)
		}
	})
	d := into[httpapi.BackupDetail](w.do(call{method: "GET", path: schoolBackups + "/" + id, role: access.Auditor}).want(200))
	if f := d.Failure; f == nil || f.Code != backup.CodeUnreachable || f.Reason != "No connection." || f.Hint != "Check the host." || f.Log != "pg_dump: error" {
		t.Errorf("failure: %+v", f)
	}
	if d.Usable || d.Unusable == nil || d.Unusable.Code != "backup_not_created" {
		t.Errorf("usable: %t, %+v", d.Usable, d.Unusable)
	}
	w.do(call{method: "GET", path: schoolBackups, role: access.Auditor}).want(200).lacks("pg_dump: error").has("No connection.")
}

func TestRunningJob_ShowsProgressOfItsLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(call{method: "POST", path: schoolBackups, role: access.Staff}).want(202)
	id := into[httpapi.Backup](a).ID
	if a.header.Get("Location") != schoolBackups+"/"+id {
		t.Errorf("Location: %q", a.header.Get("Location"))
	}
	progress := func() *httpapi.Progress {
		t.Helper()
		one := into[httpapi.BackupDetail](w.do(call{method: "GET", path: schoolBackups + "/" + id, role: access.Auditor}).want(200)).Progress
		list := into[httpapi.BackupList](w.do(call{method: "GET", path: schoolBackups, role: access.Auditor}).want(200)).Items[0].Progress
		if (one == nil) != (list == nil) || one != nil && *one != *list {
			t.Errorf("the record shows %+v, the list %+v", one, list)
		}
		return one
	}
	holder := backup.Holder{Worker: "worker-1", Kind: backup.BackupJob, Job: id, Attempt: 1,
		Progress: &backup.Progress{Table: "public.grades", TablesDone: 3, TablesTotal: 25, Rows: 10, Bytes: 2048, BytesTotal: 4096}}
	w.locks.Hold("school", holder)
	if p := progress(); p != nil {
		t.Errorf("a queued job shows %+v", p)
	}
	w.set(backup.Backup{Job: backup.Job{Database: "school", ID: id}}, func(b *backup.Backup) { _ = b.Begin("worker-1", time.Now()) })
	if p := progress(); p == nil || p.Table != "public.grades" || p.TablesDone != 3 || p.BytesTotal != 4096 {
		t.Errorf("progress: %+v", p)
	}
	holder.Job = backup.NewID()
	w.locks.Hold("school", holder)
	if p := progress(); p != nil {
		t.Errorf("shows the progress of another job: %+v", p)
	}
	w.locks.Hold("school", backup.Holder{})
	if p := progress(); p != nil {
		t.Errorf("shows progress without a live lock: %+v", p)
	}
}

func TestDownload_GivesLinkAndRecordsWho(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	d := into[httpapi.Download](w.do(call{method: "POST", path: schoolBackups + "/" + b.ID + "/download", role: access.Staff}).want(200))
	if !strings.Contains(d.URL, b.File.Key) || !strings.Contains(d.URL, "version-1") || d.Filename != b.Filename {
		t.Errorf("%+v", d)
	}
	if left := time.Until(d.ExpiresAt); left < 4*time.Minute || left > 5*time.Minute {
		t.Errorf("the link lives %s", left)
	}
	if got := w.entries(); len(got) != 1 || got[0] != "backup.download accepted "+b.ID {
		t.Errorf("activity: %q", got)
	}
}

func TestBackupThatIsNotCreated_RefusesEveryUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	states := map[string]func(*backup.Backup){
		"queued":   func(b *backup.Backup) { b.State = backup.Queued },
		"running":  func(b *backup.Backup) { b.State = backup.Running },
		"failed":   func(b *backup.Backup) { b.State = backup.Failed },
		"deleting": func(b *backup.Backup) { b.Deleting = true },
	}
	for name, change := range states {
		b := w.created("school")
		w.set(b, change)
		code := "backup_not_created"
		if name == "deleting" {
			code = "backup_deleting"
		}
		w.do(call{method: "POST", path: schoolBackups + "/" + b.ID + "/download", role: access.SuperAdmin}).want(409, code)
		w.do(call{method: "POST", path: "/api/databases/school/restores", role: access.SuperAdmin, body: `{"source":{"backup":"` + b.ID + `"}}`}).want(409, code)
		if name != "deleting" {
			w.do(call{method: "DELETE", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(409, code)
			if !w.files.Has(b.File.Key, b.File.VersionID) {
				t.Errorf("%s: the file is gone", name)
			}
		}
	}
	if got := w.entries(); len(got) != 0 {
		t.Errorf("activity: %q", got)
	}
}

func TestDelete_RemovesFileAndRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, other := w.created("school"), w.created("school")
	w.do(call{method: "DELETE", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(204)
	if w.files.Has(b.File.Key, b.File.VersionID) || !w.files.Has(other.File.Key, other.File.VersionID) {
		t.Error("the wrong file, or none, was deleted")
	}
	w.do(call{method: "GET", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(404, "backup_not_found")
	w.do(call{method: "DELETE", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(404, "backup_not_found")
	w.do(call{method: "GET", path: schoolBackups + "/" + other.ID, role: access.SuperAdmin}).want(200)
	if got := w.entries(); strings.Join(got, "|") != "backup.delete deleted "+b.ID+"|backup.delete accepted "+b.ID {
		t.Errorf("activity: %q", got)
	}
}

// cutFiles fails to delete until told otherwise.
type cutFiles struct {
	httpapi.Files
	mu   sync.Mutex
	fail bool
}

func (c *cutFiles) Delete(ctx context.Context, key, version string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail {
		return errors.New("connection reset")
	}
	return c.Files.Delete(ctx, key, version)
}

func TestDelete_CutHalfWayCanBeRepeated(t *testing.T) {
	t.Parallel()
	var files *cutFiles
	w := newWorld(t, func(o *httpapi.Options) {
		files = &cutFiles{Files: o.Files, fail: true}
		o.Files = files
	})
	b := w.created("school")
	w.do(call{method: "DELETE", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(500)
	d := into[httpapi.BackupDetail](w.do(call{method: "GET", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(200))
	if d.Usable || d.Unusable.Code != "backup_deleting" {
		t.Errorf("a half deleted backup is offered: %+v", d.Unusable)
	}
	files.mu.Lock()
	files.fail = false
	files.mu.Unlock()
	w.do(call{method: "DELETE", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(204)
	if w.files.Has(b.File.Key, b.File.VersionID) {
		t.Error("the file is still there")
	}
}

func TestDelete_WaitsForAnOpenRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, other := w.created("school"), w.created("school")
	id := into[httpapi.Restore](w.do(call{method: "POST", path: "/api/databases/school/restores", role: access.Staff, body: `{"source":{"backup":"` + b.ID + `"}}`}).want(202)).ID
	w.do(call{method: "DELETE", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(409, "backup_in_use")
	if !w.files.Has(b.File.Key, b.File.VersionID) {
		t.Fatal("the file is gone")
	}
	w.do(call{method: "DELETE", path: schoolBackups + "/" + other.ID, role: access.SuperAdmin}).want(204)
	// Ended, with its marker still there: nothing reads the file any more.
	if _, err := w.restores.Update(t.Context(), "school", id, func(r *backup.Restore) error { r.State = backup.Failed; return nil }); err != nil {
		t.Fatal(err)
	}
	w.do(call{method: "DELETE", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(204)
}

// deafActivity writes nothing.
type deafActivity struct{ backup.ActivityLog }

func (deafActivity) Append(context.Context, backup.Entry) error { return errors.New("no") }

func TestWhatMustBeRecorded_IsNotDoneUnrecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *httpapi.Options) { o.Activity = deafActivity{} })
	b := w.created("school")
	w.do(call{method: "POST", path: schoolBackups + "/" + b.ID + "/download", role: access.Staff}).want(500).lacks("bucket.example")
	w.do(call{method: "DELETE", path: schoolBackups + "/" + b.ID, role: access.SuperAdmin}).want(500)
	w.do(call{method: "POST", path: "/api/cron-key/reveal", role: access.SuperAdmin}).want(500).lacks("brk_")
	w.do(call{method: "POST", path: "/api/cron-key/regenerate", role: access.SuperAdmin}).want(500).lacks("brk_")
	if !w.files.Has(b.File.Key, b.File.VersionID) {
		t.Error("the file is gone")
	}
	if n := len(w.secrets.Contents()); n != 1 {
		t.Errorf("%d versions of the cron key, want the first alone", n)
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	create := func(path, key, subject, body string) answer {
		return w.do(call{method: "POST", path: path, role: access.Staff, subject: subject, body: body, header: map[string]string{"Idempotency-Key": key}})
	}
	id := func(a answer) string { return into[httpapi.Backup](a.want(202)).ID }
	first := create(schoolBackups, "k", "ada", "")
	if second := create(schoolBackups, "k", "ada", ""); id(second) != id(first) || second.header.Get("Location") != first.header.Get("Location") {
		t.Error("the same key made two backups")
	}
	seen := map[string]bool{id(first): true}
	for name, a := range map[string]answer{
		"another key":      create(schoolBackups, "k2", "ada", ""),
		"a key with comma": create(schoolBackups, "k,1", "ada", ""),
		"another caller":   create(schoolBackups, "k", "bob", ""),
		"another database": create("/api/databases/chinook/backups", "k", "ada", ""),
		"no key":           w.do(call{method: "POST", path: schoolBackups, role: access.Staff, subject: "ada"}),
		"no key again":     w.do(call{method: "POST", path: schoolBackups, role: access.Staff, subject: "ada"}),
	} {
		if seen[id(a)] {
			t.Errorf("%s was answered with an earlier backup", name)
		}
		seen[id(a)] = true
	}
	const restores = "/api/databases/school/restores"
	body := `{"source":{"backup":"` + b.ID + `"}}`
	one := into[httpapi.Restore](create(restores, "k", "ada", body).want(202))
	if again := into[httpapi.Restore](create(restores, "k", "ada", `{"dryRun": true, "source": {"backup": "`+b.ID+`"}}`).want(202)); again.ID != one.ID {
		t.Error("the same request, written differently, made two restores")
	}
	create(restores, "k", "ada", `{"source":{"backup":"`+w.created("school").ID+`"}}`).want(422, "idempotency_key_reused")
	w.set(b, func(b *backup.Backup) { b.Deleting = true })
	if again := into[httpapi.Restore](create(restores, "k", "ada", body).want(202)); again.ID != one.ID {
		t.Error("a repeated call was not answered with the first one's restore")
	}
	if list := into[httpapi.RestoreList](w.do(call{method: "GET", path: restores, role: access.Auditor})); len(list.Items) != 1 {
		t.Errorf("%d restores", len(list.Items))
	}
}

func TestIdempotencyKey_OfADeletedBackupMakesNoSecondOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := func() answer {
		return w.do(call{method: "POST", path: schoolBackups, role: access.Staff, header: map[string]string{"Idempotency-Key": "k"}})
	}
	id := into[httpapi.Backup](create().want(202)).ID
	w.now.set(time.Now().Add(time.Hour))
	if again := into[httpapi.Backup](create().want(202)).ID; again != id {
		t.Error("an hour later the same key made another backup")
	}
	if err := w.backups.Delete(t.Context(), "school", id); err != nil {
		t.Fatal(err)
	}
	create().want(409, "idempotency_key_spent")
	if list, _, err := w.backups.List(t.Context(), "school", backup.Page{Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("the deleted backup is back: %+v, %v", list, err)
	}
}

func TestIdempotencyKey_AtOnceMakesOneBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			a := w.do(call{method: "POST", path: schoolBackups, role: access.Staff, header: map[string]string{"Idempotency-Key": "k"}})
			ids[i] = fmt.Sprint(a.status, a.header.Get("Location"))
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || !strings.HasPrefix(id, "202/") {
			t.Errorf("answers: %q", ids)
			break
		}
	}
	if n := w.bell.Rings("school"); n != 1 {
		t.Errorf("the bell rang %d times", n)
	}
}

// spoilt are records of which some can't be read.
type spoilt struct{ backup.Records[backup.Backup] }

func (s spoilt) List(ctx context.Context, database string, p backup.Page) ([]backup.Backup, string, error) {
	items, next, err := s.Records.List(ctx, database, p)
	return items, next, errors.Join(err, fmt.Errorf("read records/backups/school/x.json: %w", backup.ErrUnreadable))
}

func TestListBackups_RecordsThatCannotBeReadAreLeftOutAndLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *httpapi.Options) { o.Backups = spoilt{o.Backups} })
	w.do(call{method: "POST", path: schoolBackups, role: access.Staff}).want(202)
	list := into[httpapi.BackupList](w.do(call{method: "GET", path: schoolBackups, role: access.Auditor}).want(200))
	if len(list.Items) != 1 || !strings.Contains(w.log.String(), "records/backups/school/x.json") {
		t.Errorf("list is %+v, log:\n%s", list, w.log.String())
	}
}
