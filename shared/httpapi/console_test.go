package httpapi_test

import (
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/backup-restore/backup-restore/console"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

const page = `<!doctype html><meta property="csp-nonce" nonce="" /><script type="module" src="/assets/index-1.js"></script>`

func withConsole(files fs.FS, connectTo ...string) func(*httpapi.Options) {
	return func(o *httpapi.Options) { o.Console, o.ConnectTo = files, connectTo }
}

func built() fstest.MapFS {
	return fstest.MapFS{
		"index.html":            {Data: []byte(page)},
		"assets/index-1.js":     {Data: []byte("plain")},
		"assets/index-1.js.br":  {Data: []byte("brotli\xff\x00")},
		"assets/index-1.js.gz":  {Data: []byte("gzip")},
		"assets/index-2.css":    {Data: []byte("style")},
		"assets/icon-3.svg":     {Data: []byte("<svg/>")},
		"assets/licences-4.md":  {Data: []byte("licences")},
		"elsewhere/secret.html": {Data: []byte("no")},
	}
}

var nonceOfPage = regexp.MustCompile(`<meta property="csp-nonce" nonce="([^"]+)" />`)

func TestConsole_EachPageHasANonceOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withConsole(built(), "https://issuer.example/pool", "https://auth.example", "https://auth.example/x", "https://bucket.s3.example/"))
	seen := map[string]bool{}
	for range 3 {
		a := w.do(call{method: "GET", path: "/"}).want(200)
		nonce := nonceOfPage.FindStringSubmatch(a.body)
		if nonce == nil || len(nonce[1]) < 22 || seen[nonce[1]] {
			t.Fatalf("the page has the nonce %q", nonce)
		}
		seen[nonce[1]] = true
		want := "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" + nonce[1] + "'; img-src 'self'; " +
			"connect-src 'self' https://issuer.example https://auth.example https://bucket.s3.example; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
		if got := a.header.Get("Content-Security-Policy"); got != want {
			t.Errorf("policy: %s\nwant:   %s", got, want)
		}
		for name, value := range map[string]string{"Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin-allow-popups"} {
			if got := a.header.Get(name); got != value {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
		}
	}
}

func TestConsole_FilesAreServedAsTheClientTakesThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withConsole(built()))
	for _, c := range []struct{ path, accept, body, encoding, contentType string }{
		{"/assets/index-1.js", "gzip, deflate, br, zstd", "brotli\xff\x00", "br", "text/javascript; charset=utf-8"},
		{"/assets/index-1.js", "gzip;q=1.0, br;q=0", "gzip", "gzip", "text/javascript; charset=utf-8"},
		{"/assets/index-1.js", "BR ; q=0.1", "brotli\xff\x00", "br", "text/javascript; charset=utf-8"},
		{"/assets/index-1.js", "br;q=x", "plain", "", "text/javascript; charset=utf-8"},
		{"/assets/index-1.js", "identity", "plain", "", "text/javascript; charset=utf-8"},
		{"/assets/index-1.js", "", "plain", "", "text/javascript; charset=utf-8"},
		{"/assets/index-2.css", "br, gzip", "style", "", "text/css; charset=utf-8"},
		{"/assets/icon-3.svg", "br", "<svg/>", "", "image/svg+xml"},
		{"/assets/licences-4.md", "br", "licences", "", "text/markdown; charset=utf-8"},
	} {
		header := map[string]string{"Accept-Encoding": c.accept}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := w.do(call{method: method, path: c.path, header: header}).want(200)
			body := c.body
			if method == http.MethodHead {
				body = ""
			}
			if a.body != body || a.header.Get("Content-Encoding") != c.encoding || a.header.Get("Content-Type") != c.contentType ||
				a.header.Get("Vary") != "Accept-Encoding" || a.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
				t.Errorf("%s %s with %q: %q, %v", method, c.path, c.accept, a.body, a.header)
			}
		}
	}
	for _, path := range []string{"/assets/index-9.js", "/assets/index-1.js.br", "/assets/", "/index.html", "/elsewhere/secret.html", "/assets/../index.html"} {
		w.do(call{method: "GET", path: path}).want(404, "route_not_found")
	}
}

func TestConsole_APageThatCanNotBeGuardedIsRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]func(*httpapi.Options){
		"no place for a nonce": withConsole(fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}, "assets/a.js": {}}),
		"no files":             withConsole(fstest.MapFS{"index.html": {Data: []byte(page)}}),
		"an address with a ;":  withConsole(built(), "https://a.example; script-src *"),
		"no address":           withConsole(built(), "issuer"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var options httpapi.Options
			o(&options)
			if _, err := httpapi.New(options); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

// The page that the build made holds to the policy under which it is served.
func TestConsole_TheBuiltPageHoldsToItsPolicy(t *testing.T) {
	t.Parallel()
	files, err := console.Page()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(files, "index.html"); err != nil {
		t.Skip("skipped: the console was not built: make console")
	}
	w := newWorld(t, withConsole(files))
	body := w.do(call{method: "GET", path: "/"}).want(200).body
	for _, forbidden := range []string{"<style", " style=", " onload=", "javascript:", "data:", "http://", "https://"} {
		if strings.Contains(body, forbidden) {
			t.Errorf("the page has %q", forbidden)
		}
	}
	for _, script := range regexp.MustCompile(`<script[^>]*>`).FindAllString(body, -1) {
		if !strings.Contains(script, ` src="/assets/`) {
			t.Errorf("a script of the page's own: %s", script)
		}
	}
	for _, link := range regexp.MustCompile(` (?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(body, -1) {
		w.do(call{method: "GET", path: link[1], header: map[string]string{"Accept-Encoding": "br"}}).want(200)
	}
}
