package httpapi_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestOpenAPI_IsTheOneThatIsCheckedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	golden := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(golden, w.api.OpenAPI(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(w.api.OpenAPI()) {
		t.Errorf("%s is not what the code describes: run go test ./shared/httpapi -update, and look at the difference", golden)
	}
	if a := w.do(call{method: "GET", path: "/openapi.json"}).want(200); a.body != string(want) {
		t.Error("/openapi.json serves something else")
	}
}

type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string                     `json:"operationId"`
		Security    []map[string][]string      `json:"security"`
		Permission  string                     `json:"x-permission"`
		Responses   map[string]json.RawMessage `json:"responses"`
		Parameters  []struct {
			Name        string
			Description string
		} `json:"parameters"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]struct {
				Description string `json:"description"`
				Ref         string `json:"$ref"`
			} `json:"properties"`
		} `json:"schemas"`
	} `json:"components"`
}

func TestOpenAPI_SaysWhatEachRouteNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var d document
	if err := json.Unmarshal(w.api.OpenAPI(), &d); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(d.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %s", d.OpenAPI)
	}
	seen := map[string]bool{}
	for _, r := range w.api.Routes() {
		op, ok := d.Paths[r.Path][strings.ToLower(r.Method)]
		if !ok {
			t.Errorf("%s %s is not in the document", r.Method, r.Path)
			continue
		}
		if op.Permission != string(r.Permission) || !slices.EqualFunc(op.Security, schemesOf(r), func(a map[string][]string, b string) bool { _, ok := a[b]; return ok && len(a) == 1 }) || seen[op.OperationID] || op.OperationID == "" {
			t.Errorf("%s %s: %+v", r.Method, r.Path, op)
		}
		seen[op.OperationID] = true
		for _, status := range []string{"401", "403", "500"} {
			if response, ok := op.Responses[status]; ok && !strings.Contains(string(response), "application/problem+json") {
				t.Errorf("%s %s: %s is no problem", r.Method, r.Path, status)
			}
		}
		if _, ok := op.Responses["401"]; !ok && !r.Open {
			t.Errorf("%s %s lacks 401", r.Method, r.Path)
		}
		for _, p := range op.Parameters {
			if p.Description == "" {
				t.Errorf("%s %s: parameter %s is not described", r.Method, r.Path, p.Name)
			}
		}
	}
	for name, s := range d.Components.Schemas {
		for field, p := range s.Properties {
			if p.Description == "" && p.Ref == "" {
				t.Errorf("%s.%s is not described", name, field)
			}
		}
	}
	for _, name := range []string{"ErrorModel", "ErrorDetail"} {
		if _, ok := d.Components.Schemas[name]; ok {
			t.Errorf("the schema %s of the framework is in the document", name)
		}
	}
	if refs := regexp.MustCompile(`"\$ref": "#/components/schemas/([^"]+)"`).FindAllStringSubmatch(string(w.api.OpenAPI()), -1); len(refs) < 20 {
		t.Errorf("%d references", len(refs))
	} else {
		for _, ref := range refs {
			if _, ok := d.Components.Schemas[ref[1]]; !ok {
				t.Errorf("reference to %s, which is not there", ref[1])
			}
		}
	}
}

func schemesOf(r httpapi.Route) []string {
	switch {
	case !r.Open:
		return []string{"token"}
	case r.Path == "/cron/backups":
		return []string{"cronKey"}
	}
	return nil
}

func TestDocs_ShowsEverythingWithoutScriptsOrStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(call{method: "GET", path: "/docs"}).want(200)
	a.lacks("<script", "http://", "https://", "style=", "onclick", "ZgotmplZ")
	for _, r := range w.api.Routes() {
		a.has(">"+r.Method+"<", "<code>"+r.Path+"</code>")
		if r.Permission != "" {
			a.has("<code>" + string(r.Permission) + "</code>")
		}
	}
	a.has("curl -f -K - -F file=@school.sql.gz", "upload_unproven", "where it is a real run, an apply or an undo also <code>restores:run</code>")
	// In the order in which they are used, not in that of their addresses.
	at := 0
	for _, id := range []string{"create-upload", "renew-upload-links", "complete-upload", "create-restore", "get-restore", "apply-restore", "undo-restore", "cancel-restore"} {
		next := strings.Index(a.body, `<h3 id="`+id+`"`)
		if next <= at {
			t.Errorf("%s stands at %d, before what comes before it", id, next)
		}
		at = next
	}
	for _, role := range access.Roles() {
		a.has("<code>" + string(role) + "</code>")
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Errorf("CSP %q", csp)
	}
	// Every link within the page has its target, and every name is there once.
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(`\bid="([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %s is there %d times", id, n)
		}
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
		if ids[m[1]] == 0 {
			t.Errorf("a link leads to #%s, which is not there", m[1])
		}
	}
	sheet := regexp.MustCompile(`rel="stylesheet" href="([^"]+)"`).FindStringSubmatch(a.body)
	if sheet == nil {
		t.Fatal("no stylesheet")
	}
	css := w.do(call{method: "GET", path: sheet[1]}).want(200)
	if !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") || !strings.Contains(css.header.Get("Cache-Control"), "immutable") {
		t.Errorf("%v", css.header)
	}
	w.do(call{method: "GET", path: "/assets/docs.tmpl"}).want(404, "route_not_found")
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(call{method: "GET", path: "/config.json"}).want(200).has(`"issuer":"https://issuer.example"`, `"clientId":"console"`)
	w.do(call{method: "GET", path: "/health"}).want(200).has(`"status":"ok"`, `"version":"test"`)
	for _, path := range []string{"/docs", "/openapi.json", "/config.json"} {
		etag := w.do(call{method: "GET", path: path}).want(200).header.Get("ETag")
		if a := w.do(call{method: "GET", path: path, header: map[string]string{"If-None-Match": `"x", W/` + etag}}); etag == "" || a.status != 304 || a.body != "" {
			t.Errorf("%s: with the ETag %q of before: %d", path, etag, a.status)
		}
	}
}

func TestHeaders_OnEveryAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/", "/docs", "/openapi.json", "/config.json", "/health", "/api/me", "/nothing", "/api/cron-key"} {
		h := w.do(call{method: "GET", path: path, role: access.SuperAdmin}).header
		for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options", "Content-Security-Policy", "Strict-Transport-Security", "Cache-Control", "X-Request-Id"} {
			if h.Get(name) == "" {
				t.Errorf("%s lacks %s; it has %v", path, name, slices.Sorted(maps.Keys(h)))
			}
		}
		if strings.HasPrefix(path, "/api/") && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be stored: %s", path, h.Get("Cache-Control"))
		}
	}
}
