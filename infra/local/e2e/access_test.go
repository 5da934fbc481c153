package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/issuer"
	"github.com/backup-restore/backup-restore/infra/local/stack"
)

const someID = "01kax5r9mv4e8c0d2n6h3tqz7w"

// Who may call what, written out: "" is a route that takes no token.
var everybody = []string{superAdmin, operator, auditor}

var routes = []struct {
	method, path string
	open         bool
	roles        []string
}{
	{method: "GET", path: "/health", open: true},
	{method: "POST", path: "/cron/backups", open: true},
	{method: "GET", path: "/api/me", roles: []string{superAdmin, operator, auditor, "nobody"}},
	{method: "GET", path: "/api/databases", roles: everybody},
	{method: "GET", path: "/api/databases/{database}/backups", roles: everybody},
	{method: "POST", path: "/api/databases/{database}/backups", roles: []string{superAdmin, operator}},
	{method: "GET", path: "/api/databases/{database}/backups/{id}", roles: everybody},
	{method: "DELETE", path: "/api/databases/{database}/backups/{id}", roles: []string{superAdmin}},
	{method: "POST", path: "/api/databases/{database}/backups/{id}/download", roles: []string{superAdmin, operator}},
	{method: "GET", path: "/api/databases/{database}/backups/{id}/contents", roles: everybody},
	{method: "GET", path: "/api/databases/{database}/backups/{id}/contents/{table}", roles: []string{superAdmin, operator}},
	{method: "GET", path: "/api/databases/{database}/restores", roles: everybody},
	{method: "POST", path: "/api/databases/{database}/restores", roles: []string{superAdmin, operator}},
	{method: "GET", path: "/api/databases/{database}/restores/{id}", roles: everybody},
	{method: "GET", path: "/api/databases/{database}/restores/{id}/report", roles: everybody},
	{method: "POST", path: "/api/databases/{database}/restores/{id}/apply", roles: []string{superAdmin}},
	{method: "POST", path: "/api/databases/{database}/restores/{id}/undo", roles: []string{superAdmin}},
	{method: "POST", path: "/api/databases/{database}/restores/{id}/cancel", roles: []string{superAdmin, operator}}, // of a real run: super admins
	{method: "GET", path: "/api/databases/{database}/uploads", roles: everybody},
	{method: "POST", path: "/api/databases/{database}/uploads", roles: []string{superAdmin, operator}},
	{method: "GET", path: "/api/databases/{database}/uploads/{id}", roles: everybody},
	{method: "POST", path: "/api/databases/{database}/uploads/{id}/links", roles: []string{superAdmin, operator}},
	{method: "POST", path: "/api/databases/{database}/uploads/{id}/complete", roles: []string{superAdmin, operator}},
	{method: "GET", path: "/api/cron-key", roles: everybody},
	{method: "POST", path: "/api/cron-key/reveal", roles: []string{superAdmin}},
	{method: "POST", path: "/api/cron-key/regenerate", roles: []string{superAdmin}},
	{method: "GET", path: "/api/activity", roles: []string{superAdmin, auditor}},
}

func TestEveryRoute_ForEveryRoleAndToken(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_roles", small)
	cronKey.Lock() // a super admin's call replaces it
	defer cronKey.Unlock()
	bad := badTokens(t, w)
	// The cron route takes its key and no token, be it a super admin's.
	w.do(t, request{method: "POST", path: "/cron/backups", role: superAdmin}).want(401, "cron_key_refused")
	for _, r := range routes {
		path := strings.NewReplacer("{database}", db, "{id}", someID, "{table}", "public.t").Replace(r.path)
		for what, token := range bad {
			if r.path == "/cron/backups" { // takes no token; and it is throttled
				continue
			}
			a := w.do(t, request{method: r.method, path: path, token: token})
			switch {
			case r.open:
				a.want(200)
			default:
				if a.want(http.StatusUnauthorized); !strings.Contains(string(a.body), "Unauthorized") {
					t.Errorf("%s %s with %s: %s", r.method, r.path, what, a.body)
				}
			}
		}
		if r.open {
			continue
		}
		for _, role := range []string{superAdmin, operator, auditor, "nobody"} {
			a := w.do(t, request{method: r.method, path: path, role: role})
			switch allowed := slices.Contains(r.roles, role); {
			case !allowed:
				a.want(403, "permission_missing")
			case a.status == 401 || a.status == 403 || a.status >= 500:
				t.Errorf("%s %s as %s: %d %s", r.method, r.path, role, a.status, a.body)
			}
		}
	}
}

// badTokens are what must not open anything, by what is wrong with each.
func badTokens(t *testing.T, w *world) map[string]string {
	t.Helper()
	must := func(token string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	other := func(url, client string) string {
		i, err := issuer.Open(issuer.Options{Dir: t.TempDir(), URL: url, ClientID: client})
		if err != nil {
			t.Fatal(err)
		}
		return must(i.AccessToken(issuer.Person{Name: "Eve", Role: superAdmin}, time.Hour))
	}
	parts := strings.Split(w.token(t, auditor), ".")
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	promoted := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(claims), auditor, superAdmin))) + "." + parts[2]
	return map[string]string{
		"no token":                    "",
		"an expired token":            must(w.stack.Token("Eve", superAdmin, -time.Minute)),
		"another issuer's token":      other("http://127.0.0.1:1", stack.ClientID),
		"another issuer's key":        other(w.stack.IssuerURL(), stack.ClientID),
		"another client's token":      other(w.stack.IssuerURL(), "somebody-else"),
		"claims that were changed":    promoted,
		"a token without a signature": unsigned,
		"something that is no token":  "super-admin",
	}
}

// The table above has every route of the API, so that a new one can't come without saying whose it is.
func TestRoutes_AreAllInTheTable(t *testing.T) {
	t.Parallel()
	w := use(t)
	document := into[struct {
		Paths map[string]map[string]json.RawMessage
	}](w.do(t, request{path: "/openapi.json"}).want(200))
	for path, methods := range document.Paths {
		for method := range methods {
			known := slices.ContainsFunc(routes, func(r struct {
				method, path string
				open         bool
				roles        []string
			}) bool {
				return r.path == path && strings.EqualFold(r.method, method)
			})
			if !known && slices.Contains([]string{"get", "post", "put", "patch", "delete"}, method) {
				t.Errorf("%s %s is not in the table", strings.ToUpper(method), path)
			}
		}
	}
}
