package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/stack"
)

func TestBadRequests_AreRefusedInWords(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_bad", small)
	base := "/api/databases/" + db
	good := w.backup(t, db).wantState(t, "created")
	source := `"source":{"backup":"` + good.ID + `"}`
	for name, c := range map[string]struct {
		request
		status int
		code   string // "" where the gateway answers
	}{
		"unknown database":            {request{path: "/api/databases/nowhere/backups"}, 404, "database_not_found"},
		"backup of an unknown one":    {request{method: "POST", path: "/api/databases/nowhere/backups"}, 404, "database_not_found"},
		"database in capitals":        {request{path: "/api/databases/SCHOOL/backups"}, 404, "database_not_found"},
		"database with a slash":       {request{path: "/api/databases/%2e%2e%2fschool/backups"}, 404, "route_not_found"},
		"database of dots":            {request{path: "/api/databases/%2e%2e/backups"}, 404, "route_not_found"},
		"unknown backup":              {request{path: base + "/backups/" + someID}, 404, "backup_not_found"},
		"unknown restore":             {request{path: base + "/restores/" + someID}, 404, "restore_not_found"},
		"id with ../":                 {request{path: base + "/backups/../../e2e-bad/backups"}, 404, "route_not_found"},
		"id with ..%2F":               {request{path: base + "/backups/..%2f..%2frecords"}, 404, "route_not_found"},
		"id with a null byte":         {request{path: base + "/backups/%00"}, 400, "request_malformed"},
		"id in capitals":              {request{path: base + "/backups/" + strings.ToUpper(good.ID)}, 404, "not_found"},
		"delete by ../":               {request{method: "DELETE", path: base + "/backups/%2e%2e"}, 404, "route_not_found"},
		"wrong confirm":               {request{method: "POST", path: base + "/restores", body: `{` + source + `,"dryRun":false,"confirm":"school"}`}, 422, "confirm_mismatch"},
		"no confirm":                  {request{method: "POST", path: base + "/restores", body: `{` + source + `,"dryRun":false}`}, 422, "confirm_mismatch"},
		"confirm in capitals":         {request{method: "POST", path: base + "/restores", body: `{` + source + `,"dryRun":false,"confirm":"` + strings.ToUpper(db) + `"}`}, 422, "confirm_mismatch"},
		"another database's backup":   {request{method: "POST", path: "/api/databases/school/restores", body: `{` + source + `}`}, 404, "backup_not_found"},
		"restore without a source":    {request{method: "POST", path: base + "/restores", body: `{}`}, 422, "request_invalid"},
		"source with ../":             {request{method: "POST", path: base + "/restores", body: `{"source":{"backup":"../../../school/backups/x"}}`}, 422, "request_invalid"},
		"unknown field":               {request{method: "POST", path: base + "/restores", body: `{` + source + `,"dry_run":false}`}, 422, "request_invalid"},
		"dryRun as a string":          {request{method: "POST", path: base + "/restores", body: `{` + source + `,"dryRun":"false"}`}, 422, "request_invalid"},
		"malformed JSON":              {request{method: "POST", path: base + "/restores", body: `{"source":`}, 400, "json_invalid"},
		"no body":                     {request{method: "POST", path: base + "/restores"}, 400, "json_invalid"},
		"a body that is no JSON":      {request{method: "POST", path: base + "/restores", body: "source=x", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415, "media_type_unsupported"},
		"a body of 100 KB":            {request{method: "POST", path: base + "/restores", body: `{"confirm":"` + strings.Repeat("x", 100<<10) + `"}`}, 413, "body_too_large"},
		"a body of 7 MB":              {request{method: "POST", path: base + "/restores", body: `{"confirm":"` + strings.Repeat("x", 7<<20) + `"}`}, 413, ""},
		"a body of 11 MB":             {request{method: "POST", path: base + "/restores", body: `{"confirm":"` + strings.Repeat("x", 11<<20) + `"}`}, 413, ""},
		"limit 0":                     {request{path: base + "/backups?limit=0"}, 422, "request_invalid"},
		"limit of letters":            {request{path: base + "/backups?limit=all"}, 422, "request_invalid"},
		"unknown query parameter":     {request{path: base + "/backups?page=2"}, 422, "request_invalid"},
		"cursor that is none":         {request{path: base + "/backups?cursor=..%2f..%2f"}, 400, "cursor_invalid"},
		"wrong method":                {request{method: "PUT", path: base + "/backups"}, 405, "method_not_allowed"},
		"wrong method on a record":    {request{method: "PATCH", path: base + "/backups/" + good.ID}, 405, "method_not_allowed"},
		"wrong method on me":          {request{method: "DELETE", path: "/api/me"}, 405, "method_not_allowed"},
		"nothing there":               {request{path: "/api/nothing"}, 404, "route_not_found"},
		"wrong method on the cron":    {request{path: "/cron/backups"}, 404, ""},
		"outside of the API":          {request{path: "/etc/passwd"}, 404, ""},
		"an Idempotency-Key too long": {request{method: "POST", path: base + "/backups", header: map[string]string{"Idempotency-Key": strings.Repeat("k", 256)}}, 422, "request_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.request.role = superAdmin
			a := w.do(t, c.request)
			if c.code == "" {
				a.want(c.status)
				return
			}
			a.want(c.status, c.code)
			for _, leak := range []string{"postgres://", "goroutine", ".go:", "arn:aws", "sqlstate"} {
				if strings.Contains(strings.ToLower(string(a.body)), leak) {
					t.Errorf("the answer shows %q: %s", leak, a.body)
				}
			}
		})
	}
}

// A key that was used with one body is refused with another.
func TestIdempotencyKey_IsBoundToItsBody(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_idempotent", small)
	b := w.backup(t, db).wantState(t, "created")
	call := request{method: "POST", path: "/api/databases/" + db + "/restores", role: superAdmin, header: map[string]string{"Idempotency-Key": "again"},
		body: map[string]any{"source": map[string]string{"backup": b.ID}}}
	first := into[job](w.do(t, call).want(202))
	w.await(t, "/api/databases/"+db+"/restores/"+first.ID, nil).wantState(t, "rehearsed")
	if again := into[job](w.do(t, call).want(202)); again.ID != first.ID {
		t.Errorf("the same key and body made %s and %s", first.ID, again.ID)
	}
	call.body = map[string]any{"source": map[string]string{"backup": b.ID}, "dryRun": false, "confirm": db}
	w.do(t, call).want(422, "idempotency_key_reused")
}

// unreachable are databases that can't be backed up, each for its own reason.
func (w *world) unreachable() []struct{ name, secret, code string } {
	port := w.cluster.Port()
	return []struct{ name, secret, code string }{
		{"is-down", secret(w.closed, appPassword, "x"), "database_unreachable"},
		{"wrong-password", secret(port, "hush-wrong", "postgres"), "login_refused"},
		{"is-missing", secret(port, appPassword, "no_such_database"), "database_missing"},
		{"half-a-secret", `{"host":"127.0.0.1","password":"hush"}`, "secret_unusable"},
		{"no-secret", `password=hush`, "secret_unusable"},
	}
}

func TestBackup_SaysWhyItFailed(t *testing.T) {
	t.Parallel()
	w := use(t)
	for _, u := range w.unreachable() {
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			b := w.backup(t, u.name).wantFailed(t, u.code)
			w.checkUnusable(t, u.name, b.ID)
			shown := string(w.do(t, request{path: "/api/databases/" + u.name + "/backups/" + b.ID, role: auditor}).want(200).body)
			if strings.Contains(shown, "hush") {
				t.Errorf("the record shows a password: %s", shown)
			}
		})
	}
}

// checkUnusable tries every use of a backup that is not created, and looks at what is in S3.
func (w *world) checkUnusable(t *testing.T, database, id string) {
	t.Helper()
	base := "/api/databases/" + database
	w.do(t, request{method: http.MethodPost, path: base + "/backups/" + id + "/download", role: superAdmin}).want(409, "backup_not_created")
	w.do(t, request{method: http.MethodDelete, path: base + "/backups/" + id, role: superAdmin}).want(409, "backup_not_created")
	w.do(t, request{method: http.MethodPost, path: base + "/restores", role: superAdmin, body: map[string]any{"source": map[string]string{"backup": id}}}).
		want(409, "backup_not_created")
	if n := w.versions(t, "backups/"+database+"/"); n != 0 {
		t.Errorf("%d objects are left of the failed backup", n)
	}
	if n := w.uploads(t, "backups/"+database+"/"); n != 0 {
		t.Errorf("%d unfinished uploads are left of the failed backup", n)
	}
}

// Enough text for a job to be met in the middle of it.
const large = `CREATE TABLE line (n integer, text text);
INSERT INTO line SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 20000) n;`

func TestBackup_OfADumpThatIsCutIsNeverCreated(t *testing.T) {
	t.Parallel()
	w := use(t)
	for dbname, code := range map[string]string{cutDatabase: "tool_failed", shortDatabase: "dump_incomplete"} {
		t.Run(dbname, func(t *testing.T) {
			t.Parallel()
			db := w.newDatabase(t, dbname, large)
			w.checkUnusable(t, db, w.backup(t, db).wantFailed(t, code).ID)
		})
	}
}

// An operator need not restart anything to have one more database backed up.
func TestDatabase_RegisteredWhileAllRunsIsBackedUp(t *testing.T) {
	t.Parallel()
	w := use(t)
	w.createDatabase(t, "e2e_new", small)
	if err := w.stack.Register(t.Context(), stack.Database{Name: "e2e-new", Secret: secret(w.cluster.Port(), appPassword, "e2e_new")}); err != nil {
		t.Fatal(err)
	}
	path := "/api/databases/e2e-new/backups"
	// Each instance of the function keeps its list of databases for a moment.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		a := w.do(t, request{method: http.MethodPost, path: path, role: operator, header: map[string]string{"Idempotency-Key": "new"}})
		if a.status == http.StatusAccepted {
			w.eventually(t, path+"/"+into[job](a).ID).wantState(t, "created")
			return
		}
		if a.want(404, "database_not_found"); time.Now().After(deadline) {
			t.Fatal("it is registered, and the API does not find it")
		}
	}
}

// eventually is await for a database that some instances may not know yet.
func (w *world) eventually(t *testing.T, path string) job {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if a := w.do(t, request{path: path, role: auditor}); a.status == http.StatusOK && into[job](a).ended() {
			return into[job](a)
		}
	}
	t.Fatalf("%s has not ended", path)
	return job{}
}
