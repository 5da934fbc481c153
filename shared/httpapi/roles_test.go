package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
)

// The routes that need no token, written out: one that becomes open by mistake is to be seen here.
var openRoutes = map[string]bool{"GET /health": true, "POST /cron/backups": true}

func TestEveryRoute_ForEveryRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if len(w.api.Routes()) < 25 {
		t.Fatalf("%d routes", len(w.api.Routes()))
	}
	for _, r := range w.api.Routes() {
		name := r.Method + " " + r.Path
		if r.Open != openRoutes[name] {
			t.Errorf("%s: open is %t", name, r.Open)
		}
		if r.Open {
			continue
		}
		if r.Permission == "" && r.Path != "/api/me" {
			t.Errorf("%s needs no permission", name)
		}
		path := strings.NewReplacer("{database}", "school", "{id}", backup.NewID(), "{table}", "public.students").Replace(r.Path)
		w.do(call{method: r.Method, path: path}).want(http.StatusUnauthorized, "token_missing")
		for _, role := range append(access.Roles(), "none", "Super-Admin") {
			a := w.do(call{method: r.Method, path: path, role: role})
			may := r.Permission == ""
			for _, p := range role.Permissions() {
				may = may || p == r.Permission
			}
			if !may {
				if p := a.want(http.StatusForbidden, "permission_missing").problem(); p.Permission != r.Permission || !strings.Contains(p.Detail, string(r.Permission)) {
					t.Errorf("%s as %s: the problem names %q, want %q", name, role, p.Permission, r.Permission)
				}
			} else if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status >= 500 {
				t.Errorf("%s as %s: %d %s", name, role, a.status, a.body)
			}
		}
	}
}

func TestRefusedCall_ChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	const base = "/api/databases/school/backups/"
	key := w.do(call{method: "POST", path: "/api/cron-key/reveal", role: access.SuperAdmin}).want(200)
	u := w.announced()
	rehearsed, restored := w.restore(true, rehearsedUntil(time.Now().Add(time.Hour))), w.restore(false, restoredUntil(time.Now().Add(time.Hour)))
	queued := w.restore(false)
	before, links := w.entries(), w.box.signed()
	for _, c := range []call{
		{method: "POST", path: schoolUploads, role: access.Auditor, body: announce("a.sql", 1)}, {method: "POST", path: schoolUploads, body: announce("a.sql", 1)},
		{method: "POST", path: schoolUploads + "/" + u.ID + "/links", role: access.Auditor}, {method: "POST", path: schoolUploads + "/" + u.ID + "/complete", role: access.Auditor},
		{method: "POST", path: schoolRestores + "/" + rehearsed.ID + "/apply", role: access.Staff, body: confirmSchool},
		{method: "POST", path: schoolRestores + "/" + rehearsed.ID + "/apply", role: access.Auditor, body: confirmSchool},
		{method: "POST", path: schoolRestores + "/" + restored.ID + "/undo", role: access.Staff, body: confirmSchool},
		{method: "POST", path: schoolRestores + "/" + queued.ID + "/cancel", role: access.Staff}, {method: "POST", path: schoolRestores + "/" + queued.ID + "/cancel", role: access.Auditor},
		{method: "DELETE", path: base + b.ID}, {method: "DELETE", path: base + b.ID, role: access.Staff}, {method: "DELETE", path: base + b.ID, role: access.Auditor},
		{method: "POST", path: base + b.ID + "/download", role: access.Auditor}, {method: "POST", path: "/api/databases/school/backups", role: access.Auditor},
		{method: "POST", path: "/api/cron-key/regenerate", role: access.Staff}, {method: "POST", path: "/api/cron-key/reveal", role: access.Auditor},
		{method: "POST", path: "/api/databases/school/restores", role: access.Staff, body: `{"source":{"backup":"` + b.ID + `"},"dryRun":false,"confirm":"school"}`},
		{method: "POST", path: "/api/databases/school/restores", role: access.Auditor, body: `{"source":{"backup":"` + b.ID + `"}}`},
	} {
		if a := w.do(c); a.status != 401 && a.status != 403 {
			t.Errorf("%s %s as %q: %d", c.method, c.path, c.role, a.status)
		} else {
			a.lacks(b.File.Key, "bucket.example", "brk_")
		}
	}
	if after := w.entries(); len(after) != len(before) {
		t.Errorf("refused calls left activity: %q", after)
	}
	if !w.files.Has(b.File.Key, b.File.VersionID) || w.bell.Rings("school") != 0 {
		t.Error("a refused call deleted a file or rang the bell")
	}
	if w.box.signed() != links {
		t.Error("a refused call made links")
	}
	for _, r := range []backup.Restore{rehearsed, restored, queued} {
		if after, err := w.restores.Get(t.Context(), "school", r.ID); err != nil || after.FollowUp != nil || after.State != r.State {
			t.Errorf("a refused call changed %+v, %v", after, err)
		}
	}
	if again := w.do(call{method: "POST", path: "/api/cron-key/reveal", role: access.SuperAdmin}); again.body != key.body {
		t.Error("a refused call changed the cron key")
	}
}

func TestRealRestore_NeedsItsOwnPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	body := `{"source":{"backup":"` + b.ID + `"},"dryRun":false,"confirm":"school"}`
	a := w.do(call{method: "POST", path: "/api/databases/school/restores", role: access.Staff, body: body}).want(403, "permission_missing")
	if p := a.problem(); p.Permission != access.RestoresRun {
		t.Errorf("names %s", p.Permission)
	}
	w.do(call{method: "POST", path: "/api/databases/school/restores", role: access.SuperAdmin, body: body}).want(202)
}

func TestMe_SaysWhatIMayDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(call{method: "GET", path: "/api/me", role: access.Auditor}).want(200).
		has(`"roles":["auditor"]`, `"permissions":["backups:read","activity:read"]`, `"name":"Ada auditor"`)
	w.do(call{method: "GET", path: "/api/me", role: "none"}).want(200).has(`"permissions":[]`)
}

func TestIDToken_IsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.claims("GET", "/api/me", map[string]string{"sub": "1", "token_use": "id", "cognito:groups": "[super-admin]"})
	a.want(401, "token_missing")
	if a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("WWW-Authenticate is %q", a.header.Get("WWW-Authenticate"))
	}
}
