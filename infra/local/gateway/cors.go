package gateway

import (
	"net/http"
	"slices"
	"strings"
)

// corsPreflight answers an OPTIONS request where the API has a CORS configuration: the functions never see it.
func (g *Gateway) corsPreflight(w http.ResponseWriter, r *http.Request) bool {
	c := g.options.API.CORS
	if c == nil || r.Method != http.MethodOptions || r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if g.allowOrigin(w, r) {
		h := w.Header()
		if len(c.AllowMethods) > 0 {
			h.Set("Access-Control-Allow-Methods", strings.Join(c.AllowMethods, ","))
		}
		if len(c.AllowHeaders) > 0 {
			h.Set("Access-Control-Allow-Headers", strings.Join(c.AllowHeaders, ","))
		}
		if c.MaxAge > 0 {
			h.Set("Access-Control-Max-Age", itoa(c.MaxAge))
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// corsHeaders replaces what the function said about other origins: with a CORS configuration the gateway alone decides.
func (g *Gateway) corsHeaders(w http.ResponseWriter, r *http.Request) {
	c := g.options.API.CORS
	if c == nil {
		return
	}
	h := w.Header()
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			h.Del(name)
		}
	}
	if g.allowOrigin(w, r) && len(c.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	}
}

func (g *Gateway) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	c, origin := g.options.API.CORS, r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	switch {
	case slices.Contains(c.AllowOrigins, "*"):
		origin = "*"
	case slices.ContainsFunc(c.AllowOrigins, func(o string) bool { return originMatches(o, origin) }):
		w.Header().Add("Vary", "Origin")
	default:
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	if c.AllowCredentials {
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}
	return true
}

// originMatches also takes https://* and the like, which HTTP APIs allow.
func originMatches(allowed, origin string) bool {
	if before, after, wild := strings.Cut(allowed, "*"); wild {
		return len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
	}
	return strings.EqualFold(allowed, origin)
}
