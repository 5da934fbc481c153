package e2e

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/infra/local/awsapi"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/records"
)

// victims is a database of its own with a job whose worker is to be killed.
type victims struct {
	w                 *world
	k                 killing
	db, dbname        string
	original, changed snapshot // when the backup was made, and right before the job
	backup            job
	restore           job // that a follow-up follows
}

// newVictim makes the database, and all that comes before the job.
func (w *world) newVictim(t *testing.T, k killing, dbname string) *victims {
	t.Helper()
	v := &victims{w: w, k: k, dbname: dbname, db: w.newDatabase(t, dbname, victim)}
	v.original = w.snapshot(t, dbname)
	if k.job != "backup" && k.job != "upload" {
		v.backup = w.backup(t, v.db).wantState(t, "created")
		w.exec(t, dbname, "DELETE FROM pupil WHERE pupil_id > 1500; CREATE TABLE since (a int)")
	}
	v.changed = w.snapshot(t, dbname)
	source := map[string]any{"source": map[string]string{"backup": v.backup.ID}}
	switch k.job {
	case "apply":
		v.restore = w.restore(t, v.db, source).wantState(t, "rehearsed")
	case "undo", "drop":
		source["dryRun"], source["confirm"] = false, v.db
		v.restore = w.restore(t, v.db, source).wantState(t, "restored")
	}
	return v
}

func (v *victims) path(collection, id string) string {
	return "/api/databases/" + v.db + "/" + collection + "/" + id
}

// run starts the job, kills its worker, and returns the record's path and when the worker died.
func (v *victims) run(t *testing.T) (path string, died time.Time) {
	t.Helper()
	if v.k.job == "upload" {
		return v.runUpload(t)
	}
	kill := v.w.killer(t, v.dbname, v.k.at)
	start := request{method: "POST", path: "/api/databases/" + v.db + "/restores", role: superAdmin}
	body := map[string]any{"source": map[string]string{"backup": v.backup.ID}, "dryRun": v.k.job == "rehearsal", "confirm": v.db}
	switch v.k.job {
	case "backup":
		start.path = "/api/databases/" + v.db + "/backups"
		j := into[job](v.w.do(t, start).want(202))
		return v.path("backups", j.ID), kill()
	case "restore", "rehearsal", "cancelled":
		start.body = body
		j := into[job](v.w.do(t, start).want(202))
		path = v.path("restores", j.ID)
		if v.k.job != "cancelled" {
			return path, kill()
		}
		// The wish arrives while the worker stands still, so nobody has seen it when the worker dies.
		return path, kill(func() {
			v.w.do(t, request{method: "POST", path: path + "/cancel", role: superAdmin}).want(202)
		})
	case "drop":
		v.endWindow(t)
	default:
		v.w.do(t, request{method: "POST", path: v.path("restores", v.restore.ID) + "/" + v.k.job, role: superAdmin, body: map[string]any{"confirm": v.db}}).want(202)
	}
	return v.path("restores", v.restore.ID), kill()
}

// endWindow moves the end of the restore's window into the past, so that the janitor has what was kept dropped.
func (v *victims) endWindow(t *testing.T) {
	t.Helper()
	store := records.New(s3.NewFromConfig(v.w.stack.AWSConfig()), v.w.stack.Bucket("Bucket"))
	if _, err := store.Restores().Update(context.Background(), v.db, v.restore.ID, func(r *backup.Restore) error {
		r.Held.Until = time.Now().Add(-time.Minute)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := v.w.stack.Host().InvokeAsync(v.w.stack.FunctionName("JanitorFunction"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
}

// runUpload kills the worker that waits for the bytes of an upload.
func (v *victims) runUpload(t *testing.T) (path string, died time.Time) {
	t.Helper()
	content := []byte(chinook)
	u := v.w.announce(t, v.db, "chinook.sql", content)
	if status, body := send(t, u, content); status/100 != 2 {
		t.Fatalf("the form answers %d: %s", status, body)
	}
	s3Faults.Lock()
	defer s3Faults.Unlock()
	faults := v.w.stack.AWS().S3Faults()
	if err := faults.Set(awsapi.Fault{Kind: awsapi.Stall, Method: "GET", KeyPrefix: "uploads/" + v.db + "/", Requests: 1}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = faults.Set() }()
	path = v.path("uploads", u.ID)
	v.w.do(t, request{method: "POST", path: path + "/complete", role: operator}).want(202)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, port, err := net.SplitHostPort(faults.List()[0].From); err == nil {
			n, _ := strconv.Atoi(port)
			v.w.killBehind(t, n, awsPort(t, v.w))
			return path, time.Now()
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody reads the upload")
		}
	}
}

// awsPort is where the AWS protocols are.
func awsPort(t *testing.T, w *world) int {
	t.Helper()
	u, err := url.Parse(w.stack.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// takenUp is when the newest attempt at the job began.
func (v *victims) takenUp(t *testing.T, j job) time.Time {
	t.Helper()
	started, attempt := j.StartedAt, j.Attempt
	if j.FollowUp != nil {
		started, attempt = j.FollowUp.StartedAt, j.FollowUp.Attempt
	}
	if attempt != 2 {
		t.Errorf("ended by attempt %d", attempt)
	}
	return started
}
