package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assets embed.FS

// Health is what /health answers.
type Health struct {
	Status  string `json:"status" doc:"Always ok: a function that can't work answers 503 instead." example:"ok"`
	Version string `json:"version" doc:"The build." example:"0df84f7b21aa"`
}

func (a *API) registerHealth() {
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: "/health", Open: true}, id: "get-health", tag: "Health",
		summary: "Is the API there", text: "Says that the function runs and has its settings. It asks no other service.",
	}, func(context.Context, *struct{}) (*output[Health], error) {
		return &output[Health]{Health{Status: "ok", Version: a.Version}}, nil
	})
}

// page is a complete answer that never changes while the function lives.
type page struct {
	contentType, cache, etag string
	body                     []byte
}

func newPage(contentType, cache string, body []byte) page {
	sum := sha256.Sum256(body)
	return page{contentType, cache, `"` + hex.EncodeToString(sum[:12]) + `"`, body}
}

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", p.cache)
	h.Set("ETag", p.etag)
	h.Set("Content-Security-Policy", pagePolicy)
	if ifNoneMatch(r, p.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", p.contentType)
	_, _ = w.Write(p.body)
}

const (
	pagePolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	revalidate = "no-cache"                            // kept by the browser, asked about each time
	immutable  = "public, max-age=31536000, immutable" // the address changes with the content
)

// registerPages adds what is not part of the API proper. None of it takes a token.
func (a *API) registerPages() error {
	addresses := map[string]string{} // file name → address
	err := fs.WalkDir(assets, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) == ".tmpl" {
			return err
		}
		body, err := assets.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		base, ext := path.Base(name), path.Ext(name)
		address := fmt.Sprintf("/assets/%s-%s%s", strings.TrimSuffix(base, ext), hex.EncodeToString(sum[:6]), ext)
		addresses[base] = address
		a.mux.Handle("GET "+address, newPage(mime.TypeByExtension(ext), immutable, body))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the embedded assets: %w", err)
	}
	config, err := json.Marshal(map[string]string{"issuer": a.Issuer, "clientId": a.ClientID})
	if err != nil {
		return fmt.Errorf("write config.json: %w", err)
	}
	t, err := template.New("docs.tmpl").Funcs(docFuncs).ParseFS(assets, "assets/docs.tmpl")
	if err != nil {
		return fmt.Errorf("read the template of the docs: %w", err)
	}
	var docs bytes.Buffer
	if err := t.Execute(&docs, newDocs(a.huma.OpenAPI(), a.routes, addresses)); err != nil {
		return fmt.Errorf("write the docs: %w", err)
	}
	a.mux.Handle("GET /config.json", newPage("application/json", revalidate, append(config, '\n')))
	a.mux.Handle("GET /openapi.json", newPage("application/vnd.oai.openapi+json;version=3.1", revalidate, a.spec))
	a.mux.Handle("GET /docs", newPage("text/html; charset=utf-8", revalidate, docs.Bytes()))
	return a.registerConsole(addresses)
}
