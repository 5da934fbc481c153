package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// upload is an upload as the API shows it, as far as these tests look.
type upload struct {
	ID, State, Filename  string
	Size                 int64
	SHA256               string
	NeedsAcknowledgement bool
	Failure              *struct{ Code, Reason, Hint string }
	Post                 *struct {
		URL       string
		Fields    map[string]string
		ExpiresAt time.Time
	}
	Inspection *struct {
		Tool, Completeness, FileDatabase string
		Rows                             int64
		Hazards                          []struct {
			Code, Text, Why, Hint string
			Line                  int64
		}
		Ignored []struct {
			Text, Why string
			Line      int64
		}
		Tables []struct {
			Schema, Table string
			Rows          int64
		}
	}
}

// announce asks for a link to send a file to.
func (w *world) announce(t *testing.T, db, filename string, content []byte) upload {
	t.Helper()
	sum := sha256.Sum256(content)
	u := into[upload](w.do(t, request{method: "POST", path: "/api/databases/" + db + "/uploads", role: operator,
		body: map[string]any{"filename": filename, "size": len(content), "sha256": hex.EncodeToString(sum[:])}}).want(201))
	if u.State != "pending" || u.Post == nil || time.Until(u.Post.ExpiresAt) > time.Hour {
		t.Fatalf("announced: %+v", u)
	}
	return u
}

// send posts a file to the form of an upload, as a browser does.
func send(t *testing.T, u upload, content []byte) (status int, body string) {
	t.Helper()
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	for name, value := range u.Post.Fields {
		if err := m.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := m.CreateFormFile("file", u.Filename)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(content)
	_ = m.Close()
	res, err := http.Post(u.Post.URL, m.FormDataContentType(), &form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// upload sends a file and waits for what its inspection says.
func (w *world) upload(t *testing.T, db, filename string, content []byte) upload {
	t.Helper()
	u := w.announce(t, db, filename, content)
	if status, body := send(t, u, content); status/100 != 2 {
		t.Fatalf("the form answers %d: %s", status, body)
	}
	path := "/api/databases/" + db + "/uploads/" + u.ID
	w.do(t, request{method: "POST", path: path + "/complete", role: operator}).want(202)
	return w.inspected(t, path)
}

func (w *world) inspected(t *testing.T, path string) upload {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		u := into[upload](w.do(t, request{path: path, role: auditor}).want(200))
		if u.State == "accepted" || u.State == "rejected" {
			return u
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still %s after %s", path, u.State, patience)
		}
	}
}

// follow asks for something to be done with a restore and waits for its end.
func (w *world) follow(t *testing.T, db, restore, what string) job {
	t.Helper()
	path := "/api/databases/" + db + "/restores/" + restore
	w.do(t, request{method: "POST", path: path + "/" + what, role: superAdmin, body: map[string]any{"confirm": db}}).want(202)
	return w.await(t, path, nil)
}

// A script that creates and connects to its own database goes through all of it: inspection, rehearsal, apply, undo.
func TestUpload_IsRehearsedAppliedAndUndone(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_upload", small)
	before := w.snapshot(t, "e2e_upload")

	u := w.upload(t, db, "Chinook PostgreSql.sql", []byte(chinook))
	if u.State != "accepted" || u.Inspection == nil || u.Inspection.FileDatabase != "chinook" || u.Inspection.Completeness != "unproven" || !u.NeedsAcknowledgement {
		t.Fatalf("the upload: %+v %+v", u, u.Inspection)
	}
	if len(u.Inspection.Hazards) > 0 || u.Inspection.Rows != 15607 || len(u.Inspection.Tables) != 11 {
		t.Errorf("the inspection: %+v", u.Inspection)
	}
	var ignored []string
	for _, i := range u.Inspection.Ignored {
		ignored = append(ignored, i.Text)
	}
	if want := []string{"DROP DATABASE IF EXISTS chinook", "CREATE DATABASE chinook", `\c chinook;`}; !cmp.Equal(want, ignored) {
		t.Errorf("ignored (-want +got):\n%s", cmp.Diff(want, ignored))
	}

	body := map[string]any{"source": map[string]string{"upload": u.ID}}
	w.do(t, request{method: "POST", path: "/api/databases/" + db + "/restores", role: operator, body: body}).want(422, "upload_unproven")
	body["acceptUnproven"] = true
	dry := w.restore(t, db, body).wantState(t, "rehearsed")
	checkRehearsal(t, dry)
	if diff := before.diff(w.snapshot(t, "e2e_upload")); diff != "" {
		t.Errorf("the rehearsal changed live (-before +after):\n%s", diff)
	}
	w.do(t, request{method: "POST", path: "/api/databases/" + db + "/restores/" + dry.ID + "/apply", role: operator, body: map[string]any{"confirm": db}}).want(403, "permission_missing")
	w.do(t, request{method: "POST", path: "/api/databases/" + db + "/restores/" + dry.ID + "/apply", role: superAdmin, body: map[string]any{"confirm": "school"}}).want(422, "confirm_mismatch")

	applied := w.follow(t, db, dry.ID, "apply").wantState(t, "restored")
	if applied.Held == nil || applied.DowntimeSeconds <= 0 || applied.DowntimeSeconds > 5 || time.Until(applied.Held.Until) < 23*time.Hour {
		t.Errorf("applied: %+v, held %+v", applied, applied.Held)
	}
	if n := ask[int](t, w, "e2e_upload", "SELECT count(*) FROM playlist_track"); n != 8715 {
		t.Errorf("live has %d rows of playlist_track", n)
	}
	if n := ask[int](t, w, "e2e_upload", "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' AND pg_get_userbyid(relowner) <> '"+creatorRole+"'"); n != 0 {
		t.Errorf("%d relations do not belong to live's owner", n)
	}
	undone := w.follow(t, db, dry.ID, "undo").wantState(t, "undone")
	if diff := before.diff(w.snapshot(t, "e2e_upload")); diff != "" {
		t.Errorf("after undo live is not what it was (-before +after):\n%s", diff)
	}
	if undone.Held == nil || undone.Held.Name == applied.Held.Name || undone.UndoDowntimeSeconds <= 0 {
		t.Errorf("undone: %+v, held %+v", undone, undone.Held)
	}
	w.do(t, request{method: "POST", path: "/api/databases/" + db + "/restores/" + dry.ID + "/undo", role: superAdmin, body: map[string]any{"confirm": db}}).want(409, "undo_not_possible")
}

func checkRehearsal(t *testing.T, dry job) {
	t.Helper()
	if dry.Held == nil || dry.Held.Bytes < 1<<20 || time.Until(dry.Held.Until) > time.Hour {
		t.Fatalf("the rehearsal holds %+v", dry.Held)
	}
	if dry.Report == nil || dry.Report.Loader != "throw-away" || !dry.Report.Unproven || dry.Report.FileDatabase != "chinook" || dry.Report.RealSeconds <= 0 {
		t.Fatalf("the report: %+v", dry.Report)
	}
	changes := map[string]string{}
	for _, o := range dry.Report.Objects {
		if o.Kind == "table" {
			changes[o.Name] = o.Change
		}
	}
	if changes["public.album"] != "added" || changes["public.note"] != "removed" || len(changes) != 12 {
		t.Errorf("tables that differ: %v", changes)
	}
}

// The same file as gzip, and a backup of ours downloaded and sent in again: both are what they were.
func TestUpload_OfOurOwnBackupIsProvenAndRestoresTheSame(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_own", small)
	before := w.snapshot(t, "e2e_own")
	b := w.backup(t, db).wantState(t, "created")
	link := into[struct{ URL string }](w.do(t, request{method: "POST", path: "/api/databases/" + db + "/backups/" + b.ID + "/download", role: operator}).want(200))
	res, err := http.Get(link.URL)
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	w.exec(t, "e2e_own", "DELETE FROM note WHERE id > 10")
	u := w.upload(t, db, b.Filename, file)
	if u.State != "accepted" || u.Inspection.Completeness != "proven" || u.Inspection.Tool != "pg_dump" || u.NeedsAcknowledgement || u.SHA256 != b.SHA256 {
		t.Fatalf("the upload: %+v %+v", u, u.Inspection)
	}
	r := w.restore(t, db, map[string]any{"source": map[string]string{"upload": u.ID}, "dryRun": false, "confirm": db}).wantState(t, "restored")
	if diff := before.diff(w.snapshot(t, "e2e_own")); diff != "" {
		t.Errorf("the restored database differs (-original +restored):\n%s", diff)
	}
	if r.Report == nil || len(r.Report.Objects) > 0 {
		t.Errorf("objects that differ: %+v", r.Report)
	}
}

func TestUpload_IsRefusedInWords(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_refused", small)
	before := w.snapshot(t, "e2e_refused")
	path := "/api/databases/" + db + "/uploads"
	for name, want := range map[string]string{"school.dump": "upload_name_refused", "school.zip": "upload_name_refused", "school.sql.exe": "upload_name_refused", ".sql": "upload_name_refused"} {
		a := w.do(t, request{method: "POST", path: path, role: operator, body: map[string]any{"filename": name, "size": 5}}).want(422, want)
		if !strings.Contains(string(a.body), ".sql, .gz, .sql.gz") {
			t.Errorf("%s: the answer does not say what is accepted: %s", name, a.body)
		}
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(chinook))
	_ = z.Close()
	cases := map[string]struct{ content, code, reason string }{
		"a shell command":   {"CREATE TABLE t (a int);\n\\! touch /tmp/pwned\n", "file_dangerous", "Line 2"},
		"a program":         {"CREATE TABLE t (a text);\nCOPY t FROM PROGRAM 'id';\n", "file_dangerous", "Line 2"},
		"another database":  {"\\c chinook\nCREATE TABLE t (a int);\n\\connect school\n", "file_dangerous", "Line 3"},
		"a custom dump":     {"PGDMP\x01\x0e\x00 and so on", "file_not_sql", "custom"},
		"a web page":        {"<!DOCTYPE html><html><body>403 Forbidden</body></html>", "file_not_sql", "HTML"},
		"a dump of MySQL":   {"-- MySQL dump 10.13  Distrib 8.0.36\n\nDROP TABLE IF EXISTS `a`;\n", "file_wrong_engine", "MySQL"},
		"a cut gzip":        {zipped.String()[:zipped.Len()/2], "file_incomplete", ""},
		"a cut COPY":        {"CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n2\n", "file_incomplete", "COPY"},
		"nothing but space": {"\n\n", "file_not_sql", ""},
	}
	t.Run("content", func(t *testing.T) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				u := w.upload(t, db, "x.sql", []byte(c.content))
				if u.State != "rejected" || u.Failure == nil || u.Failure.Code != c.code || !strings.Contains(u.Failure.Reason, c.reason) || u.Failure.Hint == "" {
					t.Errorf("%s, %+v; want %s and %q", u.State, u.Failure, c.code, c.reason)
				}
				w.do(t, request{method: "POST", path: "/api/databases/" + db + "/restores", role: operator,
					body: map[string]any{"source": map[string]string{"upload": u.ID}, "acceptUnproven": true}}).want(409, "upload_not_accepted")
			})
		}
	})
	if diff := before.diff(w.snapshot(t, "e2e_refused")); diff != "" {
		t.Errorf("live was changed (-before +after):\n%s", diff)
	}
}

// A link takes the one file that was announced: no other size, and what arrives with another hash is refused.
func TestUpload_TakesTheAnnouncedFileOnly(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_link", small)
	content := []byte("CREATE TABLE t (a int);\n")
	u := w.announce(t, db, "t.sql", content)
	path := "/api/databases/" + db + "/uploads/" + u.ID
	w.do(t, request{method: "POST", path: path + "/complete", role: operator}).want(409)
	if status, body := send(t, u, append(content, '\n')); status != 400 || !strings.Contains(body, "EntityTooLarge") {
		t.Errorf("a longer file: %d %s", status, body)
	}
	other := []byte("CREATE TABLE u (a int);\n")
	if status, body := send(t, u, other); status/100 != 2 {
		t.Fatalf("another file of that size: %d %s", status, body)
	}
	w.do(t, request{method: "POST", path: path + "/complete", role: operator}).want(202)
	if got := w.inspected(t, path); got.State != "rejected" || got.Failure == nil || got.Failure.Code != "file_changed" {
		t.Errorf("another file than announced: %+v", got)
	}
}

// A queued restore is cancelled at once, and says what it waits for until then.
func TestRestore_WaitsAndIsCancelled(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_cancel", large)
	b := w.backup(t, db).wantState(t, "created")
	restores := "/api/databases/" + db + "/restores"
	body := map[string]any{"source": map[string]string{"backup": b.ID}}
	first := into[job](w.do(t, request{method: "POST", path: restores, role: operator, body: body}).want(202))
	second := into[job](w.do(t, request{method: "POST", path: restores, role: operator, body: body}).want(202))
	waited := false
	w.await(t, restores+"/"+first.ID, func(j job) {
		if j.State != "running" || waited {
			return
		}
		queued := into[job](w.do(t, request{path: restores + "/" + second.ID, role: auditor}).want(200))
		waited = queued.WaitingFor != nil && queued.WaitingFor.Running.ID == first.ID
		if waited {
			w.do(t, request{method: "POST", path: restores + "/" + second.ID + "/cancel", role: operator}).want(202)
			w.do(t, request{method: "POST", path: restores + "/" + first.ID + "/cancel", role: operator}).want(202)
		}
	})
	if !waited {
		t.Error("the second restore never said that it waits for the first")
	}
	for _, id := range []string{first.ID, second.ID} {
		w.await(t, restores+"/"+id, nil).wantState(t, "cancelled")
		if left := w.staged(t, id); left != "" {
			t.Errorf("the cancelled restore left %s", left)
		}
	}
	w.do(t, request{method: "POST", path: restores + "/" + first.ID + "/cancel", role: operator}).want(409, "cancel_not_possible")
}
