package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/cronkey"
	"github.com/backup-restore/backup-restore/shared/httpapi"
	"github.com/backup-restore/backup-restore/shared/internal/memory"
	"github.com/backup-restore/backup-restore/shared/jobs"
)

// world is an API with everything that it works on.
type world struct {
	t        *testing.T
	api      *httpapi.API
	doc      func() document // what the API says of itself
	backups  backup.Records[backup.Backup]
	restores backup.Records[backup.Restore]
	uploads  backup.Records[backup.Upload]
	box      *dropbox
	holdings *holdings
	activity backup.ActivityLog
	open     backup.OpenJobs
	locks    *memory.Locks
	files    *memory.Files
	bell     *memory.Bell
	secrets  *memory.Secrets
	keys     *cronkey.Store
	log      *syncBuffer
	now      *clock
	cut      bool // the desk is cut off before it does anything
	broken   bool // a port was replaced by one that fails: answers need not be those that the document tells of
}

// syncBuffer is a log that several requests write at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type clock struct {
	mu sync.Mutex
	at time.Time // zero is the real time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Now()
	}
	return c.at
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}

// newWorld builds an API in memory; change may replace a port by one that fails.
func newWorld(t *testing.T, change ...func(*httpapi.Options)) *world {
	t.Helper()
	w := &world{t: t, backups: memory.NewRecords[backup.Backup](), restores: memory.NewRecords[backup.Restore](),
		uploads: memory.NewRecords[backup.Upload](), holdings: &holdings{}, activity: memory.NewActivity(),
		open: memory.NewOpen(), locks: memory.NewLocks(), files: memory.NewFiles(), bell: memory.NewBell(), secrets: memory.NewSecrets("cron-key"),
		log: &syncBuffer{}, now: &clock{}, broken: len(change) > 0}
	w.box = &dropbox{sizes: map[string]int64{}, now: w.now}
	databases := memory.Databases{{Name: "chinook", Engine: backup.Postgres, Secret: "arn:of:chinook"}, {Name: "school", Engine: backup.Postgres, Secret: "arn:of:school"}}
	w.keys = cronkey.New(w.secrets, "cron-key", cronkey.Options{})
	o := httpapi.Options{
		Databases: databases, Backups: w.backups, Restores: w.restores, Uploads: w.uploads, Holdings: w.holdings, Activity: w.activity, Open: w.open,
		Locks: w.locks, Files: w.files, Dropbox: w.box,
		Keys: memory.NewIdempotency(), CronKey: w.keys, KeyUses: memory.NewKeyUses(), Bucket: "the-bucket", RoleClaim: "cognito:groups", Issuer: "https://issuer.example", ClientID: "console", Version: "test",
		Console: consolePage, Origins: []string{"https://bucket.example:444", "https://issuer.example", "https://tokens.example"},
		Log: slog.New(slog.NewJSONHandler(w.log, nil)), Now: w.now.Now,
	}
	real := &jobs.Desk{Backups: w.backups, Restores: w.restores, Open: w.open, Bell: w.bell, Activity: w.activity, Log: o.Log}
	o.Desk, o.Periodic = desk{real, w}, &jobs.Periodic{Desk: real, Databases: registry{databases}}
	for _, c := range change {
		c(&o)
	}
	api, err := httpapi.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.api = api
	w.doc = sync.OnceValue(func() (d document) {
		if err := json.Unmarshal(api.OpenAPI(), &d); err != nil {
			panic(err)
		}
		return d
	})
	return w
}

// registry adds to the fixed databases what the API never asks.
type registry struct{ memory.Databases }

func (registry) Target(context.Context, string) (backup.Target, error) {
	return backup.Target{}, fmt.Errorf("the API has no business with secrets")
}

// call is one request.
type call struct {
	method, path string
	role         access.Role // "" sends no token; "none" a token without roles
	subject      string      // "" is that of the role
	body         string
	header       map[string]string
}

type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (w *world) do(c call) answer {
	w.t.Helper()
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r := httptest.NewRequestWithContext(w.t.Context(), c.method, "https://api.example"+c.path, body)
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	if c.role != "" {
		subject := c.subject
		if subject == "" {
			subject = "subject-of-" + string(c.role)
		}
		r = r.WithContext(access.WithClaims(r.Context(), map[string]string{
			"sub": subject, "name": "Ada " + string(c.role), "token_use": "access", "cognito:groups": "[" + string(c.role) + "]"}))
	}
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	a := answer{w.t, rec.Code, rec.Result().Header, rec.Body.String()}
	w.checkDocumented(c, a)
	return a
}

// checkDocumented holds that the document tells of every code that a route answers with, whatever the test is about.
func (w *world) checkDocumented(c call, a answer) {
	w.t.Helper()
	if w.broken || a.status < 400 || a.status == http.StatusRequestEntityTooLarge || c.method == http.MethodHead {
		return
	}
	address, _, _ := strings.Cut(c.path, "?")
	for _, r := range w.api.Routes() {
		pattern := regexp.QuoteMeta(r.Path)
		pattern = "^" + regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(pattern, "[^/]+") + "$"
		if r.Method != c.method || !regexp.MustCompile(pattern).MatchString(address) {
			continue
		}
		told := string(w.doc().Paths[r.Path][strings.ToLower(r.Method)].Responses[strconv.Itoa(a.status)])
		if code := a.problem().Code; code != "route_not_found" && !regexp.MustCompile(`[: ]`+code+`[",]`).MatchString(told) {
			w.t.Errorf("%s %s answers %d %s, and the document tells of: %s", r.Method, r.Path, a.status, code, told)
		}
		return
	}
}

// want ends the test unless the answer has that status, and for a problem that code.
func (a answer) want(status int, code ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if len(code) > 0 {
		if got := a.problem().Code; got != code[0] {
			a.t.Fatalf("code %q, want %q: %s", got, code[0], a.body)
		}
	}
	return a
}

// problem reads the body as problem details, and holds what all of them have.
func (a answer) problem() httpapi.Problem {
	a.t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Fatalf("Content-Type of an error is %q: %s", got, a.body)
	}
	var p httpapi.Problem
	decode(a.t, a.body, &p)
	if p.Type != "about:blank" || p.Status != a.status || p.Title != http.StatusText(a.status) || p.Code == "" || p.Detail == "" {
		a.t.Fatalf("incomplete problem: %s", a.body)
	}
	if p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Fatalf("request id %q in the body, %q in the header", p.RequestID, a.header.Get("X-Request-Id"))
	}
	return p
}

func (a answer) lacks(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			a.t.Errorf("the answer shows %q: %s", text, a.body)
		}
	}
	return a
}

func (a answer) has(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			a.t.Errorf("the answer lacks %q: %s", text, a.body)
		}
	}
	return a
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func into[T any](a answer) T {
	a.t.Helper()
	var v T
	decode(a.t, a.body, &v)
	return v
}

// created puts a created backup into the records, and its file into the bucket.
func (w *world) created(database string) backup.Backup {
	w.t.Helper()
	id := backup.NewID()
	b := backup.Backup{
		Job:      backup.Job{ID: id, Database: database, State: backup.Queued, RequestedBy: backup.Actor{Kind: backup.ByOperator, Subject: "subject-1", Name: "Ada"}, RequestedAt: time.Now().UTC()},
		Filename: database + ".sql.gz", Engine: backup.Postgres,
	}
	key := "backups/" + database + "/" + id + "/" + b.Filename
	for _, err := range []error{
		b.Begin("worker-1", time.Now().UTC()),
		b.Complete(1, backup.Dumped{ServerVersion: "15.18", ToolVersion: "15.18", SQLBytes: 4096, Tables: []backup.TableRows{
			{Schema: "public", Table: "students", Rows: 12, Bytes: 700}, {Schema: "public", Table: "grades", Rows: 30, Bytes: 900}}},
			backup.Stored{Key: key, VersionID: "version-1", Size: 1024, SHA256: strings.Repeat("a", 64), CRC64NVME: "crc="}, time.Now().UTC()),
		w.backups.Create(w.t.Context(), database, id, b),
	} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.files.Put(key, "version-1", nil)
	return b
}

// set changes a backup's record.
func (w *world) set(b backup.Backup, change func(*backup.Backup)) {
	w.t.Helper()
	_, err := w.backups.Update(w.t.Context(), b.Database, b.ID, func(b *backup.Backup) error { change(b); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
}

// entries are the lines of the activity log, newest first, as "action result target".
func (w *world) entries() []string {
	w.t.Helper()
	all, _, err := w.activity.List(w.t.Context(), backup.Page{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, e := range all {
		lines = append(lines, strings.TrimSpace(e.Action+" "+e.Result+" "+e.Target))
	}
	return lines
}

// claims sends a request with exactly these claims.
func (w *world) claims(method, path string, claims map[string]string) answer {
	w.t.Helper()
	r := httptest.NewRequestWithContext(access.WithClaims(w.t.Context(), claims), method, "https://api.example"+path, nil)
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	return answer{w.t, rec.Code, rec.Result().Header, rec.Body.String()}
}
