package httpapi

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The console's page is served under a policy that lets it run its own scripts, talk to the origins that it has to, and nothing else.
// Its component library writes styles as it runs: those carry a nonce, which is new with each page.
const (
	consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%[1]s'; img-src 'self'; connect-src %[2]s; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	noNonce   = `<meta property="csp-nonce" nonce="" />`
	withNonce = `<meta property="csp-nonce" nonce="%s" />`
)

var errNoPlaceForNonce = errors.New("the console's page has no place for the nonce")

// registerConsole serves the page at / and its files under /assets/.
func (a *API) registerConsole() error {
	if a.Console == nil {
		a.Console = emptyFS{}
	}
	index, err := fs.ReadFile(a.Console, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		a.mux.Handle("GET /{$}", newPage("text/html; charset=utf-8", revalidate, []byte(notBuilt)))
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the console's page: %w", err)
	}
	if bytes.Count(index, []byte(noNonce)) != 1 {
		return errNoPlaceForNonce
	}
	origins, err := originsOf(a.ConnectTo)
	if err != nil {
		return err
	}
	connect := strings.Join(append([]string{"'self'"}, origins...), " ")
	a.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		nonce := rand.Text()
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", fmt.Sprintf(consolePolicy, nonce, connect))
		// A window that signs in beside the page tells the page so.
		h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		_, _ = w.Write(bytes.Replace(index, []byte(noNonce), fmt.Appendf(nil, withNonce, nonce), 1))
	})
	return a.registerAssets()
}

// registerAssets serves the files whose names change with their content.
func (a *API) registerAssets() error {
	files, err := fs.ReadDir(a.Console, "assets")
	if err != nil {
		return fmt.Errorf("read the console's files: %w", err)
	}
	for _, f := range files {
		if ext := path.Ext(f.Name()); ext != ".br" && ext != ".gz" {
			a.mux.Handle("GET /assets/"+f.Name(), asset{a.Console, "assets/" + f.Name()})
		}
	}
	return nil
}

// asset is a file of the console. HTTP APIs do not compress, so the build has: beside a file there may be name.br and name.gz.
type asset struct {
	files fs.FS
	name  string
}

func (s asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", immutable)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", contentTypeOf(s.name))
	for _, v := range []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if !acceptsEncoding(r, v.encoding) {
			continue
		}
		if body, err := fs.ReadFile(s.files, s.name+v.suffix); err == nil {
			h.Set("Content-Encoding", v.encoding)
			_, _ = w.Write(body)
			return
		}
	}
	body, err := fs.ReadFile(s.files, s.name)
	if err != nil {
		writeProblem(w, r, internal())
		return
	}
	_, _ = w.Write(body)
}

func contentTypeOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".md":
		return "text/markdown; charset=utf-8"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}

// acceptsEncoding reports whether a client takes an encoding that it names (RFC 9110, section 12.5.3).
func acceptsEncoding(r *http.Request, encoding string) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, weighed := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		q, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(weight)), "q=")
		if !weighed || !found {
			return true
		}
		v, err := strconv.ParseFloat(q, 64)
		return err == nil && v > 0
	}
	return false
}

// originsOf are the origins of URLs, each once.
func originsOf(urls []string) ([]string, error) {
	out := make([]string, 0, len(urls))
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" || strings.ContainsAny(u.Host, " ;,'") {
			return nil, fmt.Errorf("the console can't connect to %q: it is no URL", text)
		}
		if origin := u.Scheme + "://" + u.Host; !slices.Contains(out, origin) {
			out = append(out, origin)
		}
	}
	return out, nil
}

// emptyFS has no file.
type emptyFS struct{}

func (emptyFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

const notBuilt = `<!doctype html>
<html lang="en">
<title>Backup &amp; Restore</title>
<h1>Backup &amp; Restore</h1>
<p>The console was not built into this function: <code>make console</code> builds it, and then the function has to be built again.</p>
<p>The API works without it: <a href="/docs">what it can do</a>.</p>
</html>
`
