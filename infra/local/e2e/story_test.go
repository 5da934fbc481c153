package e2e

import (
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
)

// TestStory is what an operator does with a school's database, in the order of the README.
func TestStory(t *testing.T) {
	t.Parallel()
	w := use(t)
	const db = "school"
	const backups, restores = "/api/databases/school/backups", "/api/databases/school/restores"

	databases := into[struct {
		Items []struct{ Name, Engine string }
	}](w.do(t, request{path: "/api/databases", role: auditor}).want(200))
	found := false
	for _, d := range databases.Items {
		found = found || d.Name == db && d.Engine == "postgres"
	}
	if !found {
		t.Fatalf("school is not among the databases: %+v", databases)
	}

	older := w.backup(t, db).wantState(t, "created")
	b := createWatched(t, w, backups)
	before := w.snapshot(t, db)
	checkBackup(t, w, b)
	checkList(t, w, backups, b.ID, older.ID)
	download(t, w, backups, b)

	// A dry run changes nothing and says what would change.
	c := w.school.Credentials
	app := w.connect(t, db, c.Username, c.Password.Reveal())
	if _, err := app.PgConn().Exec(t.Context(), `DELETE FROM web_session WHERE staff_id <= 10; CREATE TABLE "made since" (x int)`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	_ = app.Close(t.Context())
	changed := w.snapshot(t, db)
	dry := w.restore(t, db, map[string]any{"source": map[string]string{"backup": b.ID}}).wantState(t, "rehearsed")
	checkReport(t, dry, true)
	if diff := changed.diff(w.snapshot(t, db)); diff != "" {
		t.Errorf("a dry run changed the live database (-before +after):\n%s", diff)
	}
	if left := w.staged(t, dry.ID); dry.Held == nil || left != dry.Held.Name {
		t.Errorf("a dry run left %q, and says that it holds %+v", left, dry.Held)
	}
	if after := into[job](w.do(t, request{path: backups + "/" + b.ID, role: auditor}).want(200)); after.LastRehearsalAt.IsZero() {
		t.Error("the backup does not say that it was rehearsed")
	}

	// A real run makes the database what it was.
	real := w.restore(t, db, map[string]any{"source": map[string]string{"backup": b.ID}, "dryRun": false, "confirm": db}).wantState(t, "restored")
	checkReport(t, real, false)
	if diff := before.diff(w.snapshot(t, db)); diff != "" {
		t.Errorf("the restored database differs from the original (-original +restored):\n%s", diff)
	}
	checkStillWorks(t, w)
	if real.Held == nil || ask[int](t, w, "postgres", "SELECT count(*) FROM pg_database WHERE datname = '"+real.Held.Name+"' AND NOT datallowconn") != 1 {
		t.Errorf("the replaced database is not kept: %+v", real.Held)
	}
	if left := w.staged(t, real.ID) + w.staged(t, dry.ID); left != "" {
		t.Errorf("the restore left %s, or the copy of the rehearsal before it", left)
	}

	checkDelete(t, w, backups, b.ID)
	w.do(t, request{path: restores + "/" + real.ID, role: auditor}).want(200)
	checkActivity(t, w, b, dry, real)
}

// createWatched starts a backup, twice by the same key, and watches it.
func createWatched(t *testing.T, w *world, backups string) job {
	t.Helper()
	create := request{method: "POST", path: backups, role: operator, header: map[string]string{"Idempotency-Key": "story-1"}}
	first := w.do(t, create).want(202)
	b := into[job](first)
	if location := first.header.Get("Location"); location != backups+"/"+b.ID {
		t.Errorf("Location is %q", location)
	}
	if again := into[job](w.do(t, create).want(202)); again.ID != b.ID {
		t.Errorf("the same Idempotency-Key made %s and %s", b.ID, again.ID)
	}
	var states []string
	sawProgress, sawEstimate := false, false
	end := w.await(t, backups+"/"+b.ID, func(j job) {
		if len(states) == 0 || states[len(states)-1] != j.State {
			states = append(states, j.State)
		}
		if p := j.Progress; p != nil && p.Bytes > 0 {
			sawProgress, sawEstimate = true, sawEstimate || p.BytesTotal > 10<<20
			if p.BytesTotal > 0 && p.BytesTotal < p.Bytes/2 {
				t.Errorf("the estimate of the whole is %d after %d bytes", p.BytesTotal, p.Bytes)
			}
		}
	})
	end.wantState(t, "created")
	if !sawProgress || !sawEstimate || !strings.HasSuffix(strings.Join(states, " "), "running created") {
		t.Errorf("seen on the way: %q, progress %t, estimate %t", states, sawProgress, sawEstimate)
	}
	return end
}

func checkBackup(t *testing.T, w *world, b job) {
	t.Helper()
	if !b.Usable || b.Size == 0 || b.SQLBytes < 40<<20 || len(b.SHA256) != 64 || b.Attempt != 1 || b.TableCount < 30 || len(b.Tables) != int(b.TableCount) {
		t.Errorf("the created backup's record: %+v", b)
	}
	if b.RequestedBy.Kind != "operator" || b.RequestedBy.Name != "Kim operator" {
		t.Errorf("asked for by %+v", b.RequestedBy)
	}
	var sum int64
	for _, table := range b.Tables {
		sum += table.Rows
		name := `"` + table.Schema + `"."` + strings.ReplaceAll(table.Table, `"`, `""`) + `"`
		if rows := ask[int64](t, w, "school", "SELECT count(*) FROM "+name); rows != table.Rows {
			t.Errorf("%s: the record says %d rows, the server has %d", name, table.Rows, rows)
		}
	}
	if sum != b.Rows {
		t.Errorf("%d rows in all, %d in the tables", b.Rows, sum)
	}
}

// checkList pages through the backups, one each.
func checkList(t *testing.T, w *world, backups string, newest ...string) {
	t.Helper()
	var got []string
	cursor := ""
	for range newest {
		p := into[page](w.do(t, request{path: backups + "?limit=1" + cursor, role: auditor}).want(200))
		if len(p.Items) != 1 {
			t.Fatalf("a page of %d", len(p.Items))
		}
		got = append(got, p.Items[0].ID)
		cursor = "&cursor=" + p.Next
	}
	if diff := cmp.Diff(newest, got); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}

// download fetches the file by its link alone and checks every byte and the end of the text.
func download(t *testing.T, w *world, backups string, b job) {
	t.Helper()
	link := into[struct {
		URL, Filename string
		ExpiresAt     time.Time
	}](w.do(t, request{method: "POST", path: backups + "/" + b.ID + "/download", role: operator}).want(200))
	if left := time.Until(link.ExpiresAt); left <= 0 || left > 15*time.Minute {
		t.Errorf("the link ends in %s", left)
	}
	res, err := http.Get(link.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != 200 || res.ContentLength != b.Size || !strings.Contains(res.Header.Get("Content-Disposition"), b.Filename) ||
		!strings.HasSuffix(b.Filename, ".sql.gz") || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("the link answers %s, %d bytes, %v", res.Status, res.ContentLength, res.Header)
	}
	hash := sha256.New()
	zip, err := gzip.NewReader(io.TeeReader(res.Body, hash))
	if err != nil {
		t.Fatal(err)
	}
	var tail []byte
	var size int64
	buf := make([]byte, 256<<10)
	for err == nil {
		var n int
		n, err = zip.Read(buf)
		if size += int64(n); size-int64(n) < b.SQLBytes { // behind the dump comes the index, as comments
			tail = append(tail, buf[:min(int64(n), b.SQLBytes-size+int64(n))]...)
			tail = tail[max(0, len(tail)-1000):]
		}
	}
	if err != io.EOF {
		t.Fatalf("the file is no whole gzip: %v", err)
	}
	if _, err := io.Copy(hash, res.Body); err != nil {
		t.Fatal(err)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != b.SHA256 {
		t.Errorf("SHA-256 of the file is %s, of the record %s", sum, b.SHA256)
	}
	if size < b.SQLBytes || !strings.Contains(string(tail), "PostgreSQL database dump complete") {
		t.Errorf("%d bytes of SQL (the record says %d) that end in %q", size, b.SQLBytes, tail)
	}
}

func checkReport(t *testing.T, r job, dry bool) {
	t.Helper()
	if r.DryRun != dry || r.Summary == nil || r.Report == nil {
		t.Fatalf("%s has no report: %+v", r.ID, r)
	}
	// What was changed since the backup: a table with fewer rows, and one that the backup lacks.
	changes := map[string][2]int64{}
	for _, table := range r.Report.Tables {
		if table.Live != table.After {
			changes[table.Schema+"."+table.Table] = [2]int64{table.Live, table.After}
		}
	}
	if diff := cmp.Diff(map[string][2]int64{"public.web_session": {15, 25}, "public.made since": {0, -1}}, changes); diff != "" {
		t.Errorf("changes that the report tells (-want +got):\n%s", diff)
	}
	if r.Report.Loader != "prepared" {
		t.Errorf("loaded by %q, and the secret has a login for that", r.Report.Loader)
	}
	if len(r.Report.ByHand) > 0 {
		t.Errorf("left to do by hand: %q", r.Report.ByHand)
	}
	if !dry && r.DowntimeSeconds > 5 {
		t.Errorf("%.1f s of downtime", r.DowntimeSeconds)
	}
}

// checkStillWorks uses the restored database as the school's software does.
func checkStillWorks(t *testing.T, w *world) {
	t.Helper()
	c := w.school.Credentials
	app := w.connect(t, "school", c.Username, c.Password.Reveal())
	defer func() { _ = app.Close(t.Context()) }()
	tx, err := app.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	var student, audited int
	if err := tx.QueryRow(t.Context(), `INSERT INTO student (first_name, last_name, born, home, joined)
		VALUES ('Neu', 'Hier', '2012-01-01', ROW('Am Markt 1', '12345', 'Neustadt', 'DE'), '2026-02-09') RETURNING student_id`).Scan(&student); err != nil {
		t.Fatalf("admit a pupil: %v", err)
	}
	if student != 11301 {
		t.Errorf("the next pupil has number %d, want 11301: identity columns did not go on", student)
	}
	if err := tx.QueryRow(t.Context(), `WITH g AS (UPDATE grade SET remark = 'after the restore' WHERE exam_id = 2 RETURNING 1) SELECT count(*) FROM g`).Scan(&audited); err != nil {
		t.Fatal(err)
	}
	var logged int
	if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM audit_log WHERE after->>'remark' = 'after the restore'`).Scan(&logged); err != nil {
		t.Fatal(err)
	}
	if logged != audited || audited == 0 {
		t.Errorf("%d grades changed, %d in the audit log: triggers did not come back", audited, logged)
	}
}

func checkDelete(t *testing.T, w *world, backups, id string) {
	t.Helper()
	w.do(t, request{method: "DELETE", path: backups + "/" + id, role: operator}).want(403, "permission_missing")
	w.do(t, request{method: "DELETE", path: backups + "/" + id, role: superAdmin}).want(204)
	w.do(t, request{path: backups + "/" + id, role: auditor}).want(404, "backup_not_found")
	w.do(t, request{method: "DELETE", path: backups + "/" + id, role: superAdmin}).want(404, "backup_not_found")
	w.do(t, request{method: "POST", path: "/api/databases/school/restores", role: operator, body: map[string]any{"source": map[string]string{"backup": id}}}).
		want(404, "backup_not_found")
	if left := w.versions(t, "backups/school/"+id); left != 0 {
		t.Errorf("%d versions of the file are left", left)
	}
}

// versions counts what S3 holds under a prefix, delete markers left out.
func (w *world) versions(t *testing.T, prefix string) int {
	t.Helper()
	bucket := w.stack.Bucket("Bucket")
	out, err := s3.NewFromConfig(w.stack.AWSConfig()).ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Versions)
}

// uploads counts unfinished multipart uploads under a prefix.
func (w *world) uploads(t *testing.T, prefix string) int {
	t.Helper()
	bucket := w.stack.Bucket("Bucket")
	out, err := s3.NewFromConfig(w.stack.AWSConfig()).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}

type activity struct {
	Items []struct {
		Actor                            struct{ Kind, Name string }
		Action, Database, Target, Result string
	}
	Next string
}

// checkActivity looks for each step of the story.
func checkActivity(t *testing.T, w *world, b, dry, real job) {
	t.Helper()
	var told []string
	for cursor := ""; ; {
		a := into[activity](w.do(t, request{path: "/api/activity?database=school&limit=100" + cursor, role: auditor}).want(200))
		for _, e := range a.Items {
			told = append(told, strings.Join([]string{e.Actor.Name, e.Action, e.Target, e.Result}, " "))
		}
		if a.Next == "" {
			break
		}
		cursor = "&cursor=" + a.Next
	}
	all := "\n" + strings.Join(told, "\n") + "\n"
	for _, want := range []string{
		"Kim operator backup.create " + b.ID + " accepted",
		"Kim operator backup.end " + b.ID + " created",
		"Kim operator backup.download " + b.ID + " accepted",
		"Kim super-admin restore.rehearse " + dry.ID + " accepted",
		"Kim super-admin restore.end " + dry.ID + " rehearsed",
		"Kim super-admin restore.run " + real.ID + " accepted",
		"Kim super-admin restore.end " + real.ID + " restored",
		"Kim super-admin backup.delete " + b.ID + " deleted",
	} {
		if strings.Count(all, "\n"+want+"\n") != 1 {
			t.Errorf("the activity log does not tell once: %s\n%s", want, all)
		}
	}
}

// Chinook 1.4.5 by Luis Rocha: see testdata/chinook-LICENSE.
//
//go:embed testdata/chinook.sql
var chinook string

func TestRestore_OfChinookIsEqualToTheOriginal(t *testing.T) {
	t.Parallel()
	w := use(t)
	_, script, _ := strings.Cut(chinook, "\n\\c chinook;\n") // what stands before is for psql
	db := w.newDatabase(t, "chinook", script)
	before := w.snapshot(t, db)
	if n := ask[int](t, w, db, "SELECT count(*) FROM playlist_track"); n < 8000 {
		t.Fatalf("chinook has %d rows of playlist_track", n)
	}
	b := w.backup(t, db).wantState(t, "created")
	w.exec(t, db, "DROP TABLE playlist_track; UPDATE artist SET name = 'X'; CREATE VIEW v AS SELECT 1")
	r := w.restore(t, db, map[string]any{"source": map[string]string{"backup": b.ID}, "dryRun": false, "confirm": db}).wantState(t, "restored")
	if diff := before.diff(w.snapshot(t, db)); diff != "" {
		t.Errorf("the restored database differs from the original (-original +restored):\n%s", diff)
	}
	if r.Report == nil || r.Report.Loader != "owner" {
		t.Errorf("the report: %+v", r.Report)
	}
	// The same again: the first restore's kept database is not in its way.
	w.restore(t, db, map[string]any{"source": map[string]string{"backup": b.ID}, "dryRun": false, "confirm": db}).wantState(t, "restored")
	if diff := before.diff(w.snapshot(t, db)); diff != "" {
		t.Errorf("after a second restore (-original +restored):\n%s", diff)
	}
}

func TestOpenPages_AnswerWithoutAToken(t *testing.T) {
	t.Parallel()
	w := use(t)
	for path, want := range map[string]string{"/health": "", "/openapi.json": `"openapi"`, "/docs": "<html", "/config.json": w.stack.IssuerURL()} {
		if a := w.do(t, request{path: path}).want(200); !strings.Contains(string(a.body), want) {
			t.Errorf("%s has no %q: %.200s", path, want, a.body)
		}
	}
	if !json.Valid(w.do(t, request{path: "/openapi.json"}).body) {
		t.Error("/openapi.json is no JSON")
	}
}
