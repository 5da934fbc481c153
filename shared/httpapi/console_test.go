package httpapi_test

import (
	"io/fs"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/backup-restore/backup-restore/console"
	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
	"github.com/backup-restore/backup-restore/shared/internal/memory"
)

// consolePage stands for a page as the build leaves it.
var consolePage = fstest.MapFS{
	"index.html": {Data: []byte(`<!doctype html><html><head><meta property="csp-nonce" nonce="" />` +
		`<script type="module" src="/assets/index-BVvnm3ZI.js"></script></head></html>`)},
	"assets/index-BVvnm3ZI.js":    {Data: []byte("plain script")},
	"assets/index-BVvnm3ZI.js.br": {Data: []byte("script by br \xff")},
	"assets/index-BVvnm3ZI.js.gz": {Data: []byte("script by gzip \xff")},
	"assets/icon-Cf4Y6zER.svg":    {Data: []byte("<svg/>")},
	"assets/licences.md":          {Data: []byte("licences")},
	"assets/licences.md.gz":       {Data: []byte("licences by gzip \xff")},
}

var nonceInPolicy = regexp.MustCompile(`'nonce-([A-Z0-9]{26,})'`)

func TestConsole_PolicyLetsInOnlyWhatCarriesTheNonceOfThisAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := map[string]bool{}
	for range 3 {
		a := w.do(call{method: "GET", path: "/"}).want(200)
		policy := a.header.Get("Content-Security-Policy")
		nonce := nonceInPolicy.FindStringSubmatch(policy)
		if nonce == nil || seen[nonce[1]] {
			t.Fatalf("the nonce of %q is not new", policy)
		}
		seen[nonce[1]] = true
		a.has(`<meta property="csp-nonce" nonce="` + nonce[1] + `" /><script`)
		want := "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" + nonce[1] + "'; img-src 'self'; " +
			"connect-src 'self' https://bucket.example:444 https://issuer.example https://tokens.example; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
		if policy != want {
			t.Errorf("policy %q, want %q", policy, want)
		}
		for name, want := range map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"X-Content-Type-Options": "nosniff", "ETag": "", "Cross-Origin-Opener-Policy": "same-origin-allow-popups"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if got := a.header.Get("Permissions-Policy"); !strings.Contains(got, "clipboard-write=(self)") || !strings.Contains(got, "camera=()") {
			t.Errorf("Permissions-Policy is %q", got)
		}
	}
}

func TestConsole_SecondSignInReachesThePageThatOpenedIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, q := range []string{"?code=a&state=b", "?error=access_denied&state=b"} {
		if got := w.do(call{method: "GET", path: "/" + q}).want(200).header.Get("Cross-Origin-Opener-Policy"); got != "" {
			t.Errorf("/%s parts the windows: %s", q, got)
		}
	}
}

func TestConsole_OriginsAreNoWayIntoThePolicy(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"", "*", "https://a.example/", "https://a.example; script-src *", "https://a.example https://b.example",
		"https://a.example,b", "javascript:x", "https://", "https://*.example", "https://'self'"} {
		o := httpapi.Options{Databases: memory.Databases{}, Backups: memory.NewRecords[backup.Backup](), Console: consolePage, Origins: []string{origin}}
		if _, err := httpapi.New(o); err == nil || !strings.Contains(err.Error(), strconv.Quote(origin)) {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
	for _, origin := range []string{"http://127.0.0.1:8181", "http://[::1]:80", "https://b-1.s3.eu-central-1.amazonaws.com"} {
		w := newWorld(t, func(o *httpapi.Options) { o.Origins = []string{origin, origin} })
		if got := w.do(call{method: "GET", path: "/"}).header.Get("Content-Security-Policy"); !strings.Contains(got, "connect-src 'self' "+origin+";") {
			t.Errorf("origin %q: %s", origin, got)
		}
	}
}

func TestConsole_AssetsComeInTheEncodingThatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const script, icon, licences = "/assets/index-BVvnm3ZI.js", "/assets/icon-Cf4Y6zER.svg", "/assets/licences.md"
	for _, c := range []struct{ path, accept, encoding, body string }{
		{script, "", "", "plain script"},
		{script, "gzip, deflate, br, zstd", "br", "script by br \xff"},
		{script, "gzip, deflate", "gzip", "script by gzip \xff"},
		{script, "GZIP", "gzip", "script by gzip \xff"},
		{script, "br;q=0, gzip", "gzip", "script by gzip \xff"},
		{script, "br; q=0.5, gzip; q=0.8", "gzip", "script by gzip \xff"},
		{script, "br;q=0,gzip;q=0", "", "plain script"},
		{script, "*", "br", "script by br \xff"},
		{script, "br;q=0, *", "gzip", "script by gzip \xff"},
		{script, "*;q=0", "", "plain script"},
		{script, "identity", "", "plain script"},
		{script, "identity;q=0", "", "plain script"},
		{script, "deflate", "", "plain script"},
		{script, "br;q=x", "", "plain script"},
		{script, "brx, xgzip", "", "plain script"},
		{icon, "gzip, br", "", "<svg/>"},
		{licences, "gzip, br", "gzip", "licences by gzip \xff"},
	} {
		a := w.do(call{method: "GET", path: c.path, header: map[string]string{"Accept-Encoding": c.accept}}).want(200)
		if got := a.header.Get("Content-Encoding"); got != c.encoding || a.body != c.body || a.header.Get("Vary") != "Accept-Encoding" ||
			a.header.Get("Content-Length") != strconv.Itoa(len(c.body)) {
			t.Errorf("%s for %q: %q in encoding %q, %v", c.path, c.accept, a.body, got, a.header)
		}
	}
	for path, want := range map[string][2]string{
		script:   {"text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		icon:     {"image/svg+xml", "public, max-age=31536000, immutable"},
		licences: {"text/plain; charset=utf-8", "no-cache"}, // its name does not change with its content
	} {
		h := w.do(call{method: "GET", path: path}).want(200).header
		if h.Get("Content-Type") != want[0] || h.Get("Cache-Control") != want[1] || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestConsole_HeadIsAnsweredWithoutABody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/", "/assets/index-BVvnm3ZI.js"} {
		a := w.do(call{method: "HEAD", path: path, header: map[string]string{"Accept-Encoding": "br"}}).want(200)
		if n, err := strconv.Atoi(a.header.Get("Content-Length")); a.body != "" || err != nil || n == 0 {
			t.Errorf("%s: %q, %v", path, a.body, a.header)
		}
	}
}

func TestConsole_WhatIsNotThereIsAProblemAndNotThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/assets/index-AAAAAAAA.js", "/assets/index-BVvnm3ZI.js.br", "/assets/", "/assets/../index.html", "/index.html",
		"/assets/index.html", "/backups", "/assets/unbuilt.tmpl"} {
		w.do(call{method: "GET", path: path, header: map[string]string{"Accept-Encoding": "br"}}).want(404, "route_not_found")
	}
	w.do(call{method: "POST", path: "/", role: access.SuperAdmin}).want(405, "method_not_allowed")
}

func TestConsole_WhereItWasNotBuiltThePageSaysSo(t *testing.T) {
	t.Parallel()
	none := newWorld(t, func(o *httpapi.Options) { o.Console = nil })
	none.do(call{method: "GET", path: "/"}).want(200).has("make console")
	w := newWorld(t, func(o *httpapi.Options) { o.Console = fstest.MapFS{} })
	a := w.do(call{method: "GET", path: "/"}).want(200).has("make console", `href="/docs"`).lacks("<script", "style=")
	sheet := regexp.MustCompile(`rel="stylesheet" href="([^"]+)"`).FindStringSubmatch(a.body)
	if sheet == nil {
		t.Fatal("no stylesheet")
	}
	w.do(call{method: "GET", path: sheet[1]}).want(200)
	w.do(call{method: "GET", path: "/docs"}).want(200)
}

// The page that this program was built with, where it was built with one.
func TestConsole_AsItWasBuiltFitsThePolicy(t *testing.T) {
	t.Parallel()
	page, err := console.Page()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(page, "index.html"); err != nil {
		t.Skip("the console was not built: make console builds it")
	}
	w := newWorld(t, func(o *httpapi.Options) { o.Console = page })
	a := w.do(call{method: "GET", path: "/"}).want(200)
	a.lacks("<style", " style=", "data:", "http:", "https:", "javascript:")
	if inline := regexp.MustCompile(`(?i)\son[a-z]+\s*=`).FindString(a.body); inline != "" {
		t.Errorf("a handler is written into the page: %s", inline)
	}
	for _, script := range regexp.MustCompile(`(?s)<script([^>]*)>(.*?)</script>`).FindAllStringSubmatch(a.body, -1) {
		if !strings.Contains(script[1], ` src="/assets/`) || script[2] != "" {
			t.Errorf("a script is written into the page: %s", script[0])
		}
	}
	addresses := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(a.body, -1)
	if len(addresses) < 3 {
		t.Errorf("the page names %d assets", len(addresses))
	}
	for _, m := range addresses {
		for accept, encoding := range map[string]string{"br": "br", "gzip": "gzip", "identity": ""} {
			a := w.do(call{method: "GET", path: m[1], header: map[string]string{"Accept-Encoding": accept}}).want(200)
			if got := a.header.Get("Content-Encoding"); got != encoding && len(a.body) > 1024 {
				t.Errorf("%s for %s comes in encoding %q", m[1], accept, got)
			}
			if a.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.header.Get("Content-Type") == "application/octet-stream" {
				t.Errorf("%s: %v", m[1], a.header)
			}
		}
	}
	_ = fs.WalkDir(page, "assets", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
			return err
		}
		if a := w.do(call{method: "GET", path: "/" + name}); a.status != http.StatusOK {
			t.Errorf("/%s: %d", name, a.status)
		}
		return nil
	})
}
