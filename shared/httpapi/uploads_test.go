package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

const schoolUploads = "/api/databases/school/uploads"

func announce(filename string, size int64) string {
	body, err := json.Marshal(map[string]any{"filename": filename, "size": size})
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// announced announces a file of 4,096 bytes.
func (w *world) announced() httpapi.UploadLinks {
	w.t.Helper()
	return into[httpapi.UploadLinks](w.do(call{method: "POST", path: schoolUploads, role: access.Staff, body: announce("school.sql.gz", 4096)}).want(201))
}

// inspected is an upload whose file was sent and inspected: accepted, or rejected where why is not nil.
func (w *world) inspected(found backup.Inspection, why *backup.Failure) string {
	w.t.Helper()
	u := w.announced()
	stored, err := w.uploads.Get(w.t.Context(), "school", u.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	w.box.put(stored.Key, stored.Size)
	w.do(call{method: "POST", path: schoolUploads + "/" + u.ID + "/complete", role: access.Staff}).want(202)
	w.setUpload(u.ID, func(u *backup.Upload) {
		err := u.Begin("worker-1", time.Now())
		if why == nil {
			err = errors.Join(err, u.Accept(1, found, strings.Repeat("b", 64), time.Now()))
		} else {
			err = errors.Join(err, u.Reject(1, &found, *why, time.Now()))
		}
		if err != nil {
			w.t.Fatal(err)
		}
	})
	if err := w.open.Clear(w.t.Context(), backup.OpenJob{Database: "school", Kind: backup.InspectJob, ID: u.ID}); err != nil {
		w.t.Fatal(err)
	}
	return u.ID
}

func (w *world) setUpload(id string, change func(*backup.Upload)) {
	w.t.Helper()
	if _, err := w.uploads.Update(w.t.Context(), "school", id, func(u *backup.Upload) error { change(u); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) upload(id string) httpapi.UploadDetail {
	w.t.Helper()
	a := w.do(call{method: "GET", path: schoolUploads + "/" + id, role: access.Auditor}).want(200)
	a.lacks(`"worker"`, "uploads/school", "version-of", "subject-of", "parts-of", "crc64")
	return into[httpapi.UploadDetail](a)
}

func TestUpload_FromAnnouncedToAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(call{method: "POST", path: schoolUploads, role: access.Staff, body: `{"filename":"school.sql.gz","size":4096,"sha256":"` + strings.Repeat("c", 64) + `"}`}).want(201)
	u := into[httpapi.UploadLinks](a)
	stored, err := w.uploads.Get(t.Context(), "school", u.ID)
	if err != nil || stored.RequestedBy.Subject != "subject-of-operator" || stored.SHA256 != strings.Repeat("c", 64) {
		t.Fatalf("stored %+v, %v", stored, err)
	}
	if u.State != backup.Pending || u.Post == nil || u.Parts != nil || u.Post.Fields["key"] != stored.Key || u.Post.URL == "" || u.Usable || u.ExpiresAt == nil ||
		u.Post.ExpiresAt.Sub(*u.ExpiresAt).Abs() > time.Minute || a.header.Get("Location") != schoolUploads+"/"+u.ID {
		t.Errorf("announced: %s", a.body)
	}
	complete := call{method: "POST", path: schoolUploads + "/" + u.ID + "/complete", role: access.Staff}
	w.do(complete).want(409, "upload_incomplete").lacks("secret-bucket")
	w.box.put(stored.Key, 4095)
	w.do(complete).want(409, "upload_incomplete").has("4095 bytes")
	w.box.put(stored.Key, 4096)
	for range 2 { // a call that was cut off is repeated
		if got := into[httpapi.Upload](w.do(complete).want(202)); got.State != backup.Received || got.ExpiresAt != nil || got.Unusable == nil {
			t.Errorf("completed: %+v", got)
		}
	}
	w.setUpload(u.ID, func(u *backup.Upload) { _ = u.Begin("worker-1", time.Now()) })
	w.locks.Hold("school", backup.Holder{Worker: "worker-1", Kind: backup.InspectJob, Job: u.ID, Progress: &backup.Progress{Stage: backup.StageInspect, Bytes: 99}})
	if d := w.upload(u.ID); d.State != backup.Received || d.Progress == nil || d.Progress.Bytes != 99 || d.WaitingFor != nil {
		t.Errorf("while it is inspected: %+v", d)
	}
	w.setUpload(u.ID, func(u *backup.Upload) {
		found := backup.Inspection{Engine: backup.Postgres, Tool: "pg_dump", Completeness: backup.Proven, Database: "school_production",
			Statements: map[string]int64{"CREATE TABLE": 2, "COPY": 2}, Tables: []backup.TableRows{{Schema: "public", Table: "students", Rows: 12}}}
		if err := u.Accept(1, found, strings.Repeat("c", 64), time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	d := w.upload(u.ID)
	if i := d.Inspection; d.State != backup.Accepted || !d.Usable || d.NeedsAcknowledgement || i == nil || i.FileDatabase != "school_production" || i.Rows != 12 ||
		len(i.Statements) != 2 || i.Statements[0] != (httpapi.StatementCount{Kind: "COPY", Count: 2}) || i.Tables[0].Table != "students" {
		t.Errorf("accepted: %+v", d)
	}
	w.do(call{method: "GET", path: schoolUploads, role: access.Auditor}).want(200).has(`"summary":{"completeness":"proven","tables":1,"rows":12,"hazards":0}`).lacks("students", "statements")
}

func TestUpload_AboveTheFormsBoundIsSentInParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := func(size int64) httpapi.UploadLinks {
		return into[httpapi.UploadLinks](w.do(call{method: "POST", path: schoolUploads, role: access.Staff, body: announce("a.sql", size)}).want(201))
	}
	if u := create(backup.MaxPostSize); u.Post == nil || u.Parts != nil {
		t.Errorf("5 GiB: %+v", u)
	}
	for _, size := range []int64{backup.MaxPostSize + 1, backup.MaxUploadSize} {
		u := create(size)
		if u.Post != nil || u.Parts == nil || int64(len(u.Parts.URLs)) != (size+u.Parts.PartSize-1)/u.Parts.PartSize {
			t.Errorf("%d bytes: %+v", size, u)
		}
	}
	w.do(call{method: "POST", path: schoolUploads, role: access.Staff, body: announce("a.sql", backup.MaxUploadSize+1)}).want(422, "file_over_limit").has("body.size", "100 GiB")
}

func TestUpload_RefusedByNameOrSizeLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tests := []struct {
		name, body, code, where string
	}{
		{"another extension", announce("school.zip", 1), "upload_name_refused", "body.filename"},
		{"no extension", announce("school", 1), "upload_name_refused", "body.filename"},
		{"nothing but an extension", announce(".sql", 1), "upload_name_refused", "body.filename"},
		{"an extension in the middle", announce("school.sql.exe", 1), "upload_name_refused", "body.filename"},
		{"an extension of a folder", announce("school.sql/passwd", 1), "upload_name_refused", "body.filename"},
		{"an extension of a folder of Windows", announce(`c:\school.sql\passwd`, 1), "upload_name_refused", "body.filename"},
		{"a line break", announce("a\r\nSet-Cookie: x=1\r\n.sql", 1), "upload_name_refused", "body.filename"},
		{"a null byte", announce("a.exe\x00.sql", 1), "upload_name_refused", "body.filename"},
		{"turned around", announce("lqs.\u202elqs.sql", 1), "upload_name_refused", "body.filename"},
		{"a line separator", announce("a\u2028.sql", 1), "upload_name_refused", "body.filename"},
		{"bytes that are no text", "{\"filename\":\"a\xff.sql\",\"size\":1}", "upload_name_refused", "body.filename"},
		{"1,000 characters", announce(strings.Repeat("x", 1000)+".sql", 1), "request_invalid", "body.filename"},
		{"no characters", announce("", 1), "request_invalid", "body.filename"},
		{"nothing", announce("a.sql", 0), "request_invalid", "body.size"},
		{"less than nothing", announce("a.sql", -1), "request_invalid", "body.size"},
		{"a hash that is none", `{"filename":"a.sql","size":1,"sha256":"` + strings.Repeat("g", 64) + `"}`, "request_invalid", "body.sha256"},
		{"a hash that is short", `{"filename":"a.sql","size":1,"sha256":"ab"}`, "request_invalid", "body.sha256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := w.do(call{method: "POST", path: schoolUploads, role: access.Staff, body: tt.body, header: map[string]string{"Idempotency-Key": tt.name}}).want(422, tt.code)
			if p := a.problem(); len(p.Errors) == 0 || p.Errors[0].Location != tt.where {
				t.Errorf("errors: %+v", p.Errors)
			}
			if tt.code == "upload_name_refused" && !strings.Contains(a.body, ".sql.gz") && !strings.Contains(a.body, "can't be seen") {
				t.Errorf("does not say what is accepted: %s", a.body)
			}
		})
	}
	if all, _, err := w.uploads.List(t.Context(), "school", backup.Page{Limit: 100}); err != nil || len(all) != 0 || w.box.signed() != 0 || len(w.entries()) != 0 {
		t.Errorf("left: %+v, %d links, activity %q, %v", all, w.box.signed(), w.entries(), err)
	}
}

func TestUpload_TakesNamesAsPeopleHaveThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for given, want := range map[string]string{
		"SCHOOL.SQL.GZ":                      "SCHOOL.SQL.GZ",
		`C:\fakepath\school.sql`:             "school.sql",
		"../../etc/school.sql":               "school.sql",
		`a"; filename="b.exe.sql`:            `a"; filename="b.exe.sql`,
		"<img src=x onerror=alert(1)>.gz":    "<img src=x onerror=alert(1)>.gz",
		"Große Schule (2).sql":               "Große Schule (2).sql",
		"${filename}.sql":                    "${filename}.sql",
		"学校 3.04\u202fPM 🏫.sql":              "学校 3.04\u202fPM 🏫.sql",
		strings.Repeat("é", 251) + ".sql":    strings.Repeat("é", 251) + ".sql",
		"school.2026-11-22.dump.sql":         "school.2026-11-22.dump.sql",
		"name with  spaces at the end  .sql": "name with  spaces at the end  .sql",
	} {
		u := into[httpapi.UploadLinks](w.do(call{method: "POST", path: schoolUploads, role: access.Staff, body: announce(given, 1)}).want(201))
		if u.Filename != want {
			t.Errorf("%q became %q", given, u.Filename)
		}
		if key := u.Post.Fields["key"]; !strings.HasPrefix(key, "uploads/school/"+u.ID+"/upload") {
			t.Errorf("%q is sent to %q", given, key)
		}
	}
}

func TestUpload_ThatWasNotSentInTimeIsRejectedByTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.announced()
	stored, err := w.uploads.Get(t.Context(), "school", u.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.now.set(stored.Expires)
	if d := w.upload(u.ID); d.State != backup.Pending {
		t.Errorf("at its last moment: %+v", d)
	}
	w.now.set(stored.Expires.Add(time.Second))
	d := w.upload(u.ID)
	if d.State != backup.Rejected || d.Failure == nil || d.Failure.Code != backup.CodeNeverArrived || d.Failure.Hint == "" || d.EndedAt == nil || d.Usable || !strings.Contains(d.Unusable.Reason, "rejected") {
		t.Errorf("a second later: %+v", d)
	}
	if list := into[httpapi.UploadList](w.do(call{method: "GET", path: schoolUploads, role: access.Auditor}).want(200)); list.Items[0].State != backup.Rejected {
		t.Errorf("the list shows it as %s", list.Items[0].State)
	}
	if after, err := w.uploads.Get(t.Context(), "school", u.ID); err != nil || after.State != backup.Pending {
		t.Errorf("it was written: %+v, %v", after, err)
	}
	w.do(call{method: "POST", path: schoolUploads + "/" + u.ID + "/links", role: access.Staff}).want(409, "upload_not_pending")
	w.do(call{method: "POST", path: schoolRestores, role: access.Staff, body: `{"source":{"upload":"` + u.ID + `"}}`}).want(409, "upload_not_accepted").has("rejected")
	// A transfer that began in time ended after it.
	w.box.put(stored.Key, stored.Size)
	if got := into[httpapi.Upload](w.do(call{method: "POST", path: schoolUploads + "/" + u.ID + "/complete", role: access.Staff}).want(202)); got.State != backup.Received {
		t.Errorf("completed late: %+v", got)
	}
}

func TestUploadLinks_AreRenewedForADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := into[httpapi.UploadLinks](w.do(call{method: "POST", path: schoolUploads, role: access.Staff, body: announce("big.sql", 6<<30)}).want(201))
	begin := u.RequestedAt
	renew := func() answer {
		return w.do(call{method: "POST", path: schoolUploads + "/" + u.ID + "/links", role: access.Staff})
	}
	for at := 50 * time.Minute; at < 23*time.Hour+50*time.Minute; at += 50 * time.Minute {
		w.now.set(begin.Add(at))
		got := into[httpapi.UploadLinks](renew().want(200))
		if want := begin.Add(min(at+time.Hour, 24*time.Hour)); got.Parts == nil || !got.Parts.ExpiresAt.Equal(want) || !got.ExpiresAt.Equal(want) || len(got.Parts.URLs) != len(u.Parts.URLs) {
			t.Fatalf("after %s: %+v", at, got)
		}
	}
	w.now.set(begin.Add(24*time.Hour - 30*time.Second))
	if got := into[httpapi.UploadLinks](renew().want(200)); got.Parts != nil {
		t.Errorf("links for half a minute: %+v", got)
	}
	w.now.set(begin.Add(24*time.Hour + time.Second))
	renew().want(409, "upload_not_pending")
	if got := w.entries(); !strings.HasPrefix(got[0], "upload.links accepted "+u.ID) {
		t.Errorf("activity: %q", got)
	}
}

func TestUploadLinks_AreGivenToNobodyUnrecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *httpapi.Options) { o.Activity = deafActivity{} })
	u := w.announced()
	before := w.box.signed()
	w.do(call{method: "POST", path: schoolUploads + "/" + u.ID + "/links", role: access.Staff}).want(500).lacks("bucket.example")
	if w.box.signed() != before {
		t.Error("links were made")
	}
}

// shutBox signs nothing.
type shutBox struct{ httpapi.Dropbox }

func (shutBox) PresignPost(context.Context, string, int64, time.Duration) (backup.PostForm, error) {
	return backup.PostForm{}, errors.New("no credentials for AKIAEXAMPLE")
}

func TestUpload_WhoseLinksCannotBeSignedIsRepeatedUnderItsKey(t *testing.T) {
	t.Parallel()
	var open httpapi.Dropbox
	box := &struct{ httpapi.Dropbox }{}
	w := newWorld(t, func(o *httpapi.Options) {
		open, box.Dropbox = o.Dropbox, shutBox{o.Dropbox}
		o.Dropbox = box
	})
	create := call{method: "POST", path: schoolUploads, role: access.Staff, body: announce("a.sql", 1), header: map[string]string{"Idempotency-Key": "k"}}
	w.do(create).want(500, "internal_error").lacks("AKIA")
	box.Dropbox = open
	one, two := into[httpapi.UploadLinks](w.do(create).want(201)), into[httpapi.UploadLinks](w.do(create).want(201))
	if one.ID != two.ID || one.Post == nil || two.Post == nil {
		t.Errorf("%+v, then %+v", one, two)
	}
	create.body = announce("a.sql", 2)
	w.do(create).want(422, "idempotency_key_reused")
	if all, _, err := w.uploads.List(t.Context(), "school", backup.Page{Limit: 10}); err != nil || len(all) != 1 {
		t.Errorf("%d uploads, %v", len(all), err)
	}
}

func TestRejectedUpload_ShowsHazardsWithTheirLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	found := backup.Inspection{Completeness: backup.Proven, HazardCount: 2, IgnoredCount: 1, Statements: map[string]int64{"COPY": 1},
		Hazards: []backup.Hazard{{Code: "psql_command", Line: 7, Text: `\! rm -rf / <script>`, Why: "It would run a program.", Hint: "Remove the line."},
			{Code: "server_file", Line: 9, Text: strings.Repeat("x", 2000), Why: "It would read a file.", Hint: "Remove it."}},
		Ignored: []backup.Skipped{{Line: 1, Text: `\restrict abc`, Why: "It does nothing here."}}}
	id := w.inspected(found, &backup.Failure{Code: backup.CodeDangerous, Reason: "The file would run programs.", Hint: "See its hazards.", Log: "line 7"})
	d := w.upload(id)
	if i := d.Inspection; d.State != backup.Rejected || d.Failure.Code != backup.CodeDangerous || i == nil || i.HazardCount != 2 || i.Hazards[0].Line != 7 ||
		i.Hazards[0].Text != `\! rm -rf / <script>` || i.Hazards[0].Hint == "" || len(i.Hazards[1].Text) > 520 || i.Ignored[0].Line != 1 || d.Failure.Log != "line 7" {
		t.Errorf("%+v", d)
	}
	w.do(call{method: "GET", path: schoolUploads, role: access.Auditor}).want(200).has(`"hazards":2`, "file_dangerous").lacks("rm -rf", `"line 7"`)
	w.do(call{method: "POST", path: schoolRestores, role: access.Staff, body: `{"source":{"upload":"` + id + `"}}`}).want(409, "upload_not_accepted")
}

func TestUploadOfAHugeSchema_IsAnsweredWithinTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	found := backup.Inspection{Completeness: backup.Proven, Statements: map[string]int64{}}
	for i := range 12_000 {
		found.Tables = append(found.Tables, backup.TableRows{Schema: strings.Repeat(`"<`, 31), Table: fmt.Sprintf("%s%06d", strings.Repeat(`"&`, 28), i), Rows: 1 << 40, Bytes: 1 << 40})
		found.Ignored = append(found.Ignored, backup.Skipped{Line: 1, Text: strings.Repeat(`"`, 600), Why: "no"})
	}
	id := w.inspected(found, nil)
	a := w.do(call{method: "GET", path: schoolUploads + "/" + id, role: access.Auditor}).want(200)
	if d := into[httpapi.UploadDetail](a); len(d.Inspection.Tables) < 1000 || d.Inspection.TableCount != 12_000 {
		t.Errorf("%d tables of %d", len(d.Inspection.Tables), d.Inspection.TableCount)
	}
	asLambdaAnswers(t, a.body)
}

// asLambdaAnswers holds that a body fits into what a function may answer: the body as a string within JSON.
func asLambdaAnswers(t *testing.T, body string) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"statusCode": 200, "body": body})
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 6_291_556-100_000 {
		t.Errorf("the answer has %d bytes, as the function returns it", len(text))
	}
}

func TestRestoreOfAnUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	proven := w.inspected(backup.Inspection{Completeness: backup.Proven}, nil)
	unproven := w.inspected(backup.Inspection{Completeness: backup.Unproven}, nil)
	if d := w.upload(unproven); !d.NeedsAcknowledgement || !d.Usable {
		t.Errorf("unproven: %+v", d)
	}
	start := func(body string) answer {
		return w.do(call{method: "POST", path: schoolRestores, role: access.SuperAdmin, body: body})
	}
	rings := w.bell.Rings("school")
	for _, source := range []string{`{}`, `{"backup":"` + b.ID + `","upload":"` + proven + `"}`, `{"backup":"` + b.ID + `","upload":"` + b.ID + `"}`} {
		if p := start(`{"source":`+source+`}`).want(422, "request_invalid").problem(); p.Errors[0].Location != "body.source" {
			t.Errorf("%s: %+v", source, p.Errors)
		}
	}
	start(`{"source":{"upload":"`+b.ID+`"}}`).want(404, "upload_not_found")
	start(`{"source":{"upload":"`+proven+`"},"dryRun":false,"confirm":"schoo"}`).want(422, "confirm_mismatch")
	start(`{"source":{"upload":"`+unproven+`"}}`).want(422, "upload_unproven").has("acknowledge")
	start(`{"source":{"upload":"`+unproven+`"},"acceptUnproven":false,"dryRun":false,"confirm":"school"}`).want(422, "upload_unproven")
	w.do(call{method: "POST", path: "/api/databases/chinook/restores", role: access.SuperAdmin, body: `{"source":{"upload":"` + proven + `"}}`}).want(404, "upload_not_found")
	w.do(call{method: "GET", path: "/api/databases/chinook/uploads/" + proven, role: access.SuperAdmin}).want(404, "upload_not_found")
	w.do(call{method: "POST", path: "/api/databases/chinook/uploads/" + proven + "/complete", role: access.SuperAdmin}).want(404, "upload_not_found")
	w.do(call{method: "POST", path: "/api/databases/chinook/uploads/" + proven + "/links", role: access.SuperAdmin}).want(404, "upload_not_found")
	if got := w.bell.Rings("school") - rings; got != 0 {
		t.Fatalf("refused restores rang the bell %d times", got)
	}
	r := into[httpapi.Restore](start(`{"source":{"upload":"` + proven + `"}}`).want(202))
	if r.Source != (httpapi.Source{Upload: proven}) || r.Filename != "school.sql.gz" || !r.DryRun || r.AcceptUnproven {
		t.Errorf("%+v", r)
	}
	if r := into[httpapi.Restore](start(`{"source":{"upload":"` + unproven + `"},"acceptUnproven":true}`).want(202)); !r.AcceptUnproven {
		t.Errorf("%+v", r)
	}
}

func TestUpload_IsUsableForAsLongAsItsFileIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.inspected(backup.Inspection{Completeness: backup.Proven}, nil)
	d := w.upload(id)
	if d.KeptUntil == nil || !d.KeptUntil.Equal(d.RequestedAt.Add(7*24*time.Hour)) || !d.Usable {
		t.Fatalf("kept until %v, usable: %t", d.KeptUntil, d.Usable)
	}
	restore := call{method: "POST", path: schoolRestores, role: access.Staff, body: `{"source":{"upload":"` + id + `"}}`}
	w.now.set(d.KeptUntil.Add(-time.Second))
	w.do(restore).want(202)
	w.now.set(*d.KeptUntil)
	if d = w.upload(id); d.State != backup.Accepted || d.Usable || d.Unusable == nil || d.Unusable.Code != "upload_gone" || d.Unusable.Hint == "" || d.Inspection == nil {
		t.Errorf("when its file is gone: %+v", d)
	}
	w.do(call{method: "GET", path: schoolUploads, role: access.Auditor}).want(200).has("upload_gone")
	w.do(restore).want(409, "upload_gone")
	if waiting := w.do(call{method: "POST", path: schoolUploads, role: access.Staff, body: announce("b.sql", 1)}).want(201); strings.Contains(waiting.body, "keptUntil") {
		t.Errorf("nothing has arrived: %s", waiting.body)
	}
}
