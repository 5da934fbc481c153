package httpapi

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// console is the page of package console. Each answer carries a nonce of its own, for the style elements that the page's components
// write as they run; nothing else may be written into the page.
type console struct {
	before, after []byte // of the nonce
	origins       string // that the page may fetch from beside its own
}

// nonceSpot is where the page's source leaves room for the nonce.
var nonceSpot = []byte(`<meta property="csp-nonce" nonce="`)

func newConsole(index []byte, origins []string) (*console, error) {
	i := bytes.Index(index, nonceSpot)
	if i < 0 {
		return nil, errors.New("the console's index.html has no place for a nonce")
	}
	i += len(nonceSpot)
	var named []string
	for _, origin := range origins {
		if !plainOrigin.MatchString(origin) {
			return nil, fmt.Errorf("%q is not an origin that a policy can name", origin)
		}
		if !slices.Contains(named, origin) {
			named = append(named, origin)
		}
	}
	return &console{index[:i], index[i:], strings.Join(named, " ")}, nil
}

// plainOrigin has no sign that would end a source in a policy, and no path.
var plainOrigin = regexp.MustCompile(`^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?$`)

func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"+nonce+"'; img-src 'self'; connect-src 'self' "+
		c.origins+"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Permissions-Policy", "camera=(), clipboard-read=(), clipboard-write=(self), geolocation=(), microphone=(), payment=(), usb=()")
	// Who opened this page has no hold of it. But a second sign-in comes back here in a window of its own, and has to reach the page
	// that opened it: a browser would part the two on the way back from the provider, which sets no such policy.
	if !r.URL.Query().Has("state") {
		h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
	}
	for _, part := range [][]byte{c.before, []byte(nonce), c.after} {
		_, _ = w.Write(part) // into a buffer
	}
}

// asset is a file of the page, with what is sent to those who take an encoding.
type asset struct {
	files       fs.FS
	contentType string
	cache       string
	encodings   map[string]string // encoding, "" for none → file
}

// encodingSuffixes are the names under which the build leaves an asset compressed. What is earlier is smaller.
var encodingSuffixes = []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// contentTypes are those of what a build makes. The system's own table differs between machines.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".md": "text/plain; charset=utf-8", ".svg": "image/svg+xml",
	".png": "image/png", ".woff2": "font/woff2",
}

// hashed are names that change with their content.
var hashed = regexp.MustCompile(`-[A-Za-z0-9_-]{8}\.[a-z0-9]+$`)

// newAssets finds the files in the folder assets of a built page, by their names there.
func newAssets(page fs.FS) (map[string]asset, error) {
	entries, err := fs.ReadDir(page, "assets")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the console's assets: %w", err)
	}
	found := map[string]bool{}
	for _, e := range entries {
		found[e.Name()] = true
	}
	out := map[string]asset{}
	for name := range found {
		whole := name
		for _, s := range encodingSuffixes {
			whole = strings.TrimSuffix(whole, s.suffix)
		}
		if whole != name && found[whole] {
			continue
		}
		a := asset{files: page, contentType: contentTypes[path.Ext(name)], cache: revalidate, encodings: map[string]string{"": "assets/" + name}}
		if a.contentType == "" {
			a.contentType = "application/octet-stream"
		}
		if hashed.MatchString(name) {
			a.cache = immutable
		}
		for _, s := range encodingSuffixes {
			if found[name+s.suffix] {
				a.encodings[s.encoding] = "assets/" + name + s.suffix
			}
		}
		out[name] = a
	}
	return out, nil
}

func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	encoding := a.choose(r.Header.Values("Accept-Encoding"))
	body, err := fs.ReadFile(a.files, a.encodings[encoding])
	if err != nil {
		writeProblem(w, r, internal())
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", a.cache)
	h.Set("Vary", "Accept-Encoding")
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	_, _ = w.Write(body)
}

// choose is the encoding that the client prefers among those that there are; of equals the smaller. Whoever refuses even the plain file
// gets that: a page without its script helps nobody.
func (a asset) choose(accept []string) string {
	best, weight := "", 0.0
	for _, s := range encodingSuffixes {
		if q := quality(accept, s.encoding); a.encodings[s.encoding] != "" && q > weight {
			best, weight = s.encoding, q
		}
	}
	return best
}

// quality is the weight that Accept-Encoding gives to an encoding: RFC 9110, section 12.5.3. What is not named has that of *.
func quality(accept []string, encoding string) float64 {
	others := 0.0
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, parameters, _ := strings.Cut(part, ";")
		name = strings.TrimSpace(name)
		q := 1.0
		if k, v, ok := strings.Cut(parameters, "="); ok && strings.EqualFold(strings.TrimSpace(k), "q") {
			var err error
			if q, err = strconv.ParseFloat(strings.TrimSpace(v), 64); err != nil {
				q = 0
			}
		}
		switch {
		case strings.EqualFold(name, encoding):
			return q
		case name == "*":
			others = q
		}
	}
	return others
}

// registerConsole adds the page and its assets, or where it was not built a page that says so. addresses are those of our own assets.
func (a *API) registerConsole(addresses map[string]string) error {
	if a.Console == nil {
		return a.registerUnbuilt(addresses)
	}
	index, err := fs.ReadFile(a.Console, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		return a.registerUnbuilt(addresses)
	}
	if err != nil {
		return fmt.Errorf("read the console: %w", err)
	}
	c, err := newConsole(index, a.Origins)
	if err != nil {
		return err
	}
	found, err := newAssets(a.Console)
	if err != nil {
		return err
	}
	a.mux.Handle("GET /{$}", c)
	for name, asset := range found {
		a.mux.Handle("GET /assets/"+name, asset)
	}
	return nil
}

func (a *API) registerUnbuilt(addresses map[string]string) error {
	t, err := template.ParseFS(assets, "assets/unbuilt.tmpl")
	if err != nil {
		return fmt.Errorf("read the template of the page without a console: %w", err)
	}
	var body bytes.Buffer
	if err := t.Execute(&body, addresses["docs.css"]); err != nil {
		return fmt.Errorf("write the page without a console: %w", err)
	}
	a.mux.Handle("GET /{$}", newPage("text/html; charset=utf-8", revalidate, body.Bytes()))
	return nil
}
