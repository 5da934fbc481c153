package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	const backups, restores, uploads = "/api/databases/school/backups", "/api/databases/school/restores", "/api/databases/school/uploads"
	source := `"source":{"backup":"` + b.ID + `"}`
	tests := []struct {
		name   string
		call   call
		status int
		code   string
		where  string // the place that errors names
	}{
		{"no such address", call{method: "GET", path: "/api/nothing"}, 404, "route_not_found", ""},
		{"address with a slash too many", call{method: "GET", path: "/api/databases/"}, 404, "route_not_found", ""},
		{"address with two slashes", call{method: "GET", path: "//api/databases"}, 404, "route_not_found", ""},
		{"wrong method", call{method: "PUT", path: backups}, 405, "method_not_allowed", ""},
		{"method that nobody knows", call{method: "BREW", path: backups}, 405, "method_not_allowed", ""},
		{"wrong method on a page", call{method: "POST", path: "/docs"}, 405, "method_not_allowed", ""},
		{"unknown database", call{method: "GET", path: "/api/databases/elsewhere/backups"}, 404, "database_not_found", ""},
		{"database that can't be", call{method: "GET", path: "/api/databases/SCHOOL/backups"}, 404, "database_not_found", ""},
		{"database with a way up", call{method: "GET", path: "/api/databases/..%2Fschool/backups"}, 404, "route_not_found", ""},
		{"database with a slash", call{method: "GET", path: "/api/databases/school%2Fx/backups"}, 404, "database_not_found", ""},
		{"database with a null byte", call{method: "GET", path: "/api/databases/school%00/backups"}, 404, "database_not_found", ""},
		{"unknown backup", call{method: "GET", path: backups + "/" + backup.NewID()}, 404, "backup_not_found", ""},
		{"unknown restore", call{method: "GET", path: restores + "/" + backup.NewID()}, 404, "restore_not_found", ""},
		{"unknown upload", call{method: "GET", path: uploads + "/" + backup.NewID()}, 404, "upload_not_found", ""},
		{"links of an unknown upload", call{method: "POST", path: uploads + "/" + backup.NewID() + "/links"}, 404, "upload_not_found", ""},
		{"completing an unknown upload", call{method: "POST", path: uploads + "/" + backup.NewID() + "/complete"}, 404, "upload_not_found", ""},
		{"applying an unknown restore", call{method: "POST", path: restores + "/" + backup.NewID() + "/apply", body: confirmSchool}, 404, "restore_not_found", ""},
		{"undoing an unknown restore", call{method: "POST", path: restores + "/" + backup.NewID() + "/undo", body: confirmSchool}, 404, "restore_not_found", ""},
		{"cancelling an unknown restore", call{method: "POST", path: restores + "/" + backup.NewID() + "/cancel"}, 404, "restore_not_found", ""},
		{"report of an unknown restore", call{method: "GET", path: restores + "/" + backup.NewID() + "/report"}, 404, "restore_not_found", ""},
		{"dropping a restore by hand", call{method: "POST", path: restores + "/" + backup.NewID() + "/drop"}, 404, "route_not_found", ""},
		{"id of an upload that can't be", call{method: "POST", path: uploads + "/1/complete"}, 404, "not_found", ""},
		{"id of a restore that can't be", call{method: "POST", path: restores + "/1/apply", body: confirmSchool}, 404, "not_found", ""},
		{"id of a report that can't be", call{method: "GET", path: restores + "/%22%0d%0a/report"}, 404, "not_found", ""},
		{"cursor of the uploads that is none", call{method: "GET", path: uploads + "?cursor=1"}, 400, "cursor_invalid", ""},
		{"upload without a name", call{method: "POST", path: uploads, body: `{"size":1}`}, 422, "request_invalid", "body"},
		{"upload without a size", call{method: "POST", path: uploads, body: `{"filename":"a.sql"}`}, 422, "request_invalid", "body"},
		{"upload whose size is a text", call{method: "POST", path: uploads, body: `{"filename":"a.sql","size":"1"}`}, 422, "request_invalid", "body.size"},
		{"upload of half a byte", call{method: "POST", path: uploads, body: `{"filename":"a.sql","size":0.5}`}, 422, "request_invalid", "body.size"},
		{"upload of more bytes than can be counted", call{method: "POST", path: uploads, body: `{"filename":"a.sql","size":1e30}`}, 422, "request_invalid", "body"},
		{"upload with a key of its own", call{method: "POST", path: uploads, body: `{"filename":"a.sql","size":1,"key":"backups/x"}`}, 422, "request_invalid", "body.key"},
		{"id that can't be", call{method: "GET", path: backups + "/1"}, 404, "not_found", ""},
		{"id in upper case", call{method: "GET", path: backups + "/" + strings.ToUpper(b.ID)}, 404, "not_found", ""},
		{"id with a way up", call{method: "GET", path: backups + "/..%2F..%2F" + b.ID}, 404, "route_not_found", ""},
		{"id with an encoded dot", call{method: "GET", path: backups + "/%2e%2e"}, 404, "route_not_found", ""},
		{"backup of another database", call{method: "GET", path: "/api/databases/chinook/backups/" + b.ID}, 404, "backup_not_found", ""},
		{"cursor that is none", call{method: "GET", path: backups + "?cursor=../x"}, 400, "cursor_invalid", ""},
		{"cursor of the activity that is none", call{method: "GET", path: "/api/activity?cursor=1"}, 400, "cursor_invalid", ""},
		{"limit too high", call{method: "GET", path: backups + "?limit=101"}, 422, "request_invalid", "query.limit"},
		{"limit of nothing", call{method: "GET", path: backups + "?limit=0"}, 422, "request_invalid", "query.limit"},
		{"limit that is no number", call{method: "GET", path: backups + "?limit=x"}, 422, "request_invalid", "query.limit"},
		{"query that is not known", call{method: "GET", path: backups + "?offset=5"}, 422, "request_invalid", "query.offset"},
		{"body that is no JSON", call{method: "POST", path: restores, body: `{"source"`}, 400, "json_invalid", ""},
		{"no body", call{method: "POST", path: restores}, 400, "json_invalid", ""},
		{"two bodies", call{method: "POST", path: restores, body: `{` + source + `}{}`}, 400, "json_invalid", ""},
		{"body that is a list", call{method: "POST", path: restores, body: `[]`}, 422, "request_invalid", "body"},
		{"body of another media type", call{method: "POST", path: restores, body: "a=b", header: map[string]string{"Content-Type": "text/plain"}}, 415, "media_type_unsupported", ""},
		{"body of 65 KiB", call{method: "POST", path: restores, body: `{"confirm":"` + strings.Repeat("x", 65<<10) + `"}`}, 413, "body_too_large", ""},
		{"7 MB where no body is asked for", call{method: "POST", path: "/api/cron-key/regenerate", body: strings.Repeat("x", 7<<20)}, 413, "body_too_large", ""},
		{"no source", call{method: "POST", path: restores, body: `{}`}, 422, "request_invalid", "body"},
		{"source that can't be", call{method: "POST", path: restores, body: `{"source":{"backup":"../../x"}}`}, 422, "request_invalid", "body.source.backup"},
		{"dry run that is no bool", call{method: "POST", path: restores, body: `{` + source + `,"dryRun":"no"}`}, 422, "request_invalid", "body.dryRun"},
		{"field that is not known", call{method: "POST", path: restores, body: `{` + source + `,"force":true}`}, 422, "request_invalid", "body.force"},
		{"source that is not there", call{method: "POST", path: restores, body: `{"source":{"backup":"` + backup.NewID() + `"}}`}, 404, "backup_not_found", ""},
		{"not confirmed", call{method: "POST", path: restores, body: `{` + source + `,"dryRun":false}`}, 422, "confirm_mismatch", "body.confirm"},
		{"wrongly confirmed", call{method: "POST", path: restores, body: `{` + source + `,"dryRun":false,"confirm":"School"}`}, 422, "confirm_mismatch", "body.confirm"},
		{"state that is none", call{method: "GET", path: backups + "?state=created&state=gone"}, 422, "request_invalid", "query.state[1]"},
		{"beginning that is no time", call{method: "GET", path: backups + "?from=yesterday"}, 422, "request_invalid", "query.from"},
		{"end that is a day", call{method: "GET", path: "/api/activity?to=2026-11-22"}, 422, "request_invalid", "query.to"},
		{"period that ends before it begins", call{method: "GET", path: backups + "?from=2026-11-23T00:00:00Z&to=2026-11-22T00:00:00Z"}, 422, "request_invalid", "query.from"},
		{"period of no time", call{method: "GET", path: "/api/activity?from=2026-11-23T00:00:00Z&to=2026-11-23T00:00:00Z"}, 422, "request_invalid", "query.from"},
		{"idempotency key too long", call{method: "POST", path: backups, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 256)}}, 422, "request_invalid", "header.Idempotency-Key"},
		{"idempotency key that does not print", call{method: "POST", path: backups, header: map[string]string{"Idempotency-Key": "a\x07b"}}, 422, "request_invalid", "header.Idempotency-Key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := *w
			w.t = t
			tt.call.role = access.SuperAdmin
			a := w.do(tt.call).want(tt.status, tt.code)
			a.lacks("goroutine", "json:", "httpapi", "github.com", "arn:", "../", "2006-01-02")
			if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers: %v", a.header)
			}
			if tt.status == 405 && a.header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
			p := a.problem()
			if tt.where != "" && (len(p.Errors) == 0 || p.Errors[0].Location != tt.where) {
				t.Errorf("errors are %v, want one at %s", p.Errors, tt.where)
			}
		})
	}
	t.Cleanup(func() {
		if n := w.bell.Rings("school"); n != 0 {
			t.Errorf("bad requests rang the bell %d times", n)
		}
	})
}

// asked remembers the names that the registry was asked for.
type asked struct {
	httpapi.Databases
	mu    sync.Mutex
	names []string
}

func (a *asked) Get(ctx context.Context, name string) (backup.Database, error) {
	a.mu.Lock()
	a.names = append(a.names, name)
	a.mu.Unlock()
	return a.Databases.Get(ctx, name)
}

func TestNameThatCannotBe_IsNotLookedUp(t *testing.T) {
	t.Parallel()
	var r *asked
	w := newWorld(t, func(o *httpapi.Options) {
		r = &asked{Databases: o.Databases}
		o.Databases = r
	})
	for _, name := range []string{"SCHOOL", "school%2Fx", "school%00", "%2A", strings.Repeat("s", 64), "sch%C3%B6ol"} {
		w.do(call{method: "GET", path: "/api/databases/" + name + "/backups", role: access.Auditor}).want(404, "database_not_found")
	}
	if len(r.names) != 0 {
		t.Errorf("the registry was asked for %q", r.names)
	}
}

// failingBackups fails whenever records are read.
type failingBackups struct {
	backup.Records[backup.Backup]
	err error
	do  func()
}

func (f failingBackups) List(context.Context, string, backup.Page) ([]backup.Backup, string, error) {
	if f.do != nil {
		f.do()
	}
	return nil, "", f.err
}

type retryable struct{}

func (retryable) Error() string   { return "SlowDown: s3.internal.example refused" }
func (retryable) Retryable() bool { return true }

func TestFailures_BecomeProblemsWithoutInternals(t *testing.T) {
	t.Parallel()
	const inside = "AKIAEXAMPLE at s3://school-backups/records"
	tests := []struct {
		name   string
		err    error
		panics bool
		status int
		code   string
	}{
		{name: "anything", err: errors.New(inside), status: 500, code: "internal_error"},
		{name: "a panic", panics: true, status: 500, code: "internal_error"},
		{name: "retryable", err: fmt.Errorf("list: %w", retryable{}), status: 503, code: "temporarily_unavailable"},
		{name: "out of time", err: fmt.Errorf("list: %w", context.DeadlineExceeded), status: 503, code: "temporarily_unavailable"},
		{name: "storage", err: &backup.Error{Code: backup.CodeStorage, Text: "S3 does not answer.", Cause: errors.New(inside)}, status: 503, code: "storage_failed"},
		{name: "secret", err: &backup.Error{Code: backup.CodeBadSecret, Text: "The secret lacks a host.", Cause: errors.New(inside)}, status: 409, code: "secret_unusable"},
		{name: "another domain error", err: &backup.Error{Code: backup.CodeDumpCut, Text: "The dump was cut.", Cause: errors.New(inside)}, status: 500, code: "dump_incomplete"},
		{name: "transition", err: &backup.TransitionError{ID: "x", From: backup.Created, To: backup.Running}, status: 409, code: "state_conflict"},
		{name: "bad cursor", err: fmt.Errorf("list: %w", backup.ErrBadCursor), status: 400, code: "cursor_invalid"},
		{name: "exists", err: backup.ErrExists, status: 409, code: "already_exists"},
		{name: "busy", err: backup.ErrBusy, status: 409, code: "busy"},
		{name: "not found", err: backup.ErrNotFound, status: 404, code: "not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *httpapi.Options) {
				f := failingBackups{Records: o.Backups, err: tt.err}
				if tt.panics {
					f.do = func() { panic(inside) }
				}
				o.Backups = f
			})
			a := w.do(call{method: "GET", path: "/api/databases/school/backups", role: access.Auditor}).want(tt.status, tt.code)
			a.lacks("AKIA", "s3:", "SlowDown", "goroutine", ".go:")
			if tt.status == 503 && a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if tt.status >= 500 {
				log := w.log.String()
				if !strings.Contains(log, a.problem().RequestID) || (tt.status == 500 && !strings.Contains(log, "AKIA")) {
					t.Errorf("the log lacks the cause or the request's id: %s", log)
				}
			}
		})
	}
}

// stuck does not answer before it is told to stop.
type stuck struct{ httpapi.Databases }

func (stuck) Get(ctx context.Context, _ string) (backup.Database, error) {
	<-ctx.Done()
	return backup.Database{}, fmt.Errorf("get secret: %w", ctx.Err())
}

func TestRequest_EndsBeforeTheFunctionIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *httpapi.Options) { o.Databases = stuck{} })
	killed, cancel := context.WithTimeout(access.WithClaims(t.Context(), map[string]string{"sub": "1", "cognito:groups": "[auditor]"}), 2200*time.Millisecond)
	defer cancel()
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, httptest.NewRequestWithContext(killed, http.MethodGet, schoolBackups, nil))
	if killed.Err() != nil {
		t.Error("the answer came after the deadline")
	}
	if rec.Code != 503 || !strings.Contains(rec.Body.String(), "temporarily_unavailable") {
		t.Errorf("%d %s", rec.Code, rec.Body.String())
	}
}

func TestUnusable_Answers503Everywhere(t *testing.T) {
	t.Parallel()
	h := httpapi.Unusable(slog.New(slog.DiscardHandler), errors.New("BUCKET is not set"))
	for _, path := range []string{"/health", "/api/me"} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if rec.Code != 503 || !strings.Contains(rec.Body.String(), `"code":"not_configured"`) || strings.Contains(rec.Body.String(), "BUCKET") {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body.String())
		}
	}
}

func TestLargeAnswer_IsAProblemInsteadOfAnInvocationError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	w.set(b, func(b *backup.Backup) {
		b.Tables = nil
		for i := range 100_000 {
			b.Tables = append(b.Tables, backup.TableRows{Schema: "public", Table: fmt.Sprintf("a_table_with_a_long_name_%d", i), Rows: 1 << 40, Bytes: 1 << 40})
		}
	})
	a := w.do(call{method: "GET", path: "/api/databases/school/backups/" + b.ID, role: access.Auditor}).want(200)
	if d := into[httpapi.BackupDetail](a); len(d.Tables) != 10_000 || d.TableCount != 100_000 || len(a.body) > 5<<20 {
		t.Errorf("%d tables of %d in %d bytes", len(d.Tables), d.TableCount, len(a.body))
	}
	w.set(b, func(b *backup.Backup) { b.Filename = strings.Repeat("x", 6<<20) })
	w.do(call{method: "GET", path: "/api/databases/school/backups/" + b.ID, role: access.Auditor}).want(500, "internal_error")
}

func TestHEAD_HasNoBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(call{method: "HEAD", path: "/health"})
	if a.status != 200 || a.body != "" || a.header.Get("Content-Length") == "0" {
		t.Errorf("%d %q %v", a.status, a.body, a.header)
	}
}

func TestRequest_IsLoggedWithoutSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := into[httpapi.CronKeyRevealed](w.do(call{method: "POST", path: "/api/cron-key/reveal", role: access.SuperAdmin}).want(200)).Key
	w.do(call{method: "POST", path: "/cron/backups", header: map[string]string{"X-Cron-Key": key}}).want(202)
	w.do(call{method: "POST", path: "/cron/backups", header: map[string]string{"X-Cron-Key": key[:40]}}).want(401)
	w.do(call{method: "POST", path: "/api/cron-key/regenerate", role: access.SuperAdmin}).want(200)
	log := w.log.String()
	if strings.Contains(log, key[:20]) || !strings.Contains(log, `"path":"/cron/backups"`) || !strings.Contains(log, "cron key refused") {
		t.Errorf("log: %s", log)
	}
	if e, _, err := w.activity.List(t.Context(), backup.Page{Limit: 100}); err != nil || strings.Contains(fmt.Sprintf("%+v", e), key[:20]) {
		t.Errorf("activity shows the key, or %v", err)
	}
}
