package issuer

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// codeLifetime is how long a code may be exchanged: a browser does so at once.
const codeLifetime = time.Minute

// grant is what a code stands for.
type grant struct {
	person    Person
	redirect  string
	challenge string
	nonce     string
	expires   time.Time
}

// Handler serves the provider.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		open(w)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(i.public)
	})
	mux.HandleFunc("GET /authorize", i.askWho)
	mux.HandleFunc("POST /authorize", i.signIn)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("POST /revoke", i.revoke)
	mux.HandleFunc("OPTIONS /token", preflight)
	mux.HandleFunc("OPTIONS /revoke", preflight)
	mux.HandleFunc("GET /logout", i.logout)
	return mux
}

// open lets pages of every origin read the answer: the page that signs in lives at another port, which is another origin.
func open(w http.ResponseWriter) { w.Header().Set("Access-Control-Allow-Origin", "*") }

func preflight(w http.ResponseWriter, _ *http.Request) {
	open(w)
	w.Header().Set("Access-Control-Allow-Methods", "POST")
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	open(w)
	u := i.options.URL
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": u, "authorization_endpoint": u + "/authorize", "token_endpoint": u + "/token",
		"jwks_uri": u + "/.well-known/jwks.json", "end_session_endpoint": u + "/logout",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"revocation_endpoint":                   u + "/revoke",
		"grant_types_supported":                 []string{"authorization_code", "refresh_token"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"none"}, "scopes_supported": []string{"openid", "profile", "email"},
	})
}

// request is a checked authorization request.
type request struct {
	redirect, state, challenge, nonce string
}

// BASE64URL of a SHA-256: RFC 7636, section 4.2.
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// check reads an authorization request. Where client or return address are wrong, the answer must not go to that address
// (RFC 6749, section 4.1.2.1): the person at the browser reads it. Anything else is told to the client.
func (i *Issuer) check(w http.ResponseWriter, r *http.Request, q url.Values) (request, bool) {
	a := request{q.Get("redirect_uri"), q.Get("state"), q.Get("code_challenge"), q.Get("nonce")}
	if q.Get("client_id") != i.options.ClientID {
		problemPage(w, "The page that sent you here is not known: its client_id is wrong.")
		return a, false
	}
	if !slices.Contains(i.options.RedirectURIs, a.redirect) {
		problemPage(w, "The page that sent you here wants you back at an address that is not registered: "+a.redirect+". Registered: "+
			strings.Join(i.options.RedirectURIs, ", "))
		return a, false
	}
	wrong, text := "", ""
	switch {
	case q.Get("response_type") != "code":
		wrong, text = "unsupported_response_type", "response_type must be code"
	case q.Get("code_challenge_method") != "S256" || !challengeForm.MatchString(a.challenge):
		wrong, text = "invalid_request", "PKCE with S256 is needed"
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		wrong, text = "invalid_scope", "scope must contain openid"
	}
	if wrong != "" {
		i.back(w, r, a, url.Values{"error": {wrong}, "error_description": {text}})
		return a, false
	}
	return a, true
}

// back returns to the page that asked.
func (i *Issuer) back(w http.ResponseWriter, r *http.Request, a request, q url.Values) {
	if a.state != "" {
		q.Set("state", a.state)
	}
	sep := "?"
	if strings.Contains(a.redirect, "?") {
		sep = "&"
	}
	http.Redirect(w, r, a.redirect+sep+q.Encode(), http.StatusSeeOther)
}

func (i *Issuer) askWho(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if a, ok := i.check(w, r, q); ok {
		signInPage(w, q, a.redirect, "")
	}
}

func (i *Issuer) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		problemPage(w, "The form could not be read.")
		return
	}
	a, ok := i.check(w, r, r.PostForm)
	if !ok {
		return
	}
	p := Person{Name: strings.TrimSpace(r.PostForm.Get("name")), Role: r.PostForm.Get("role")}
	if p.Name == "" || len(p.Name) > 100 || !slices.Contains(choices(), p.Role) {
		signInPage(w, r.PostForm, a.redirect, "A name and a role are needed.")
		return
	}
	if p.Role == noRole {
		p.Role = ""
	}
	code := newSecret()
	now := i.options.Now()
	i.mu.Lock()
	maps.DeleteFunc(i.codes, func(_ string, g grant) bool { return now.After(g.expires) })
	i.codes[code] = grant{person: p, redirect: a.redirect, challenge: a.challenge, nonce: a.nonce, expires: now.Add(codeLifetime)}
	i.mu.Unlock()
	i.back(w, r, a, url.Values{"code": {code}})
}

// logout has nothing to end, since the browser has no session here: it returns to the page, as Cognito does (logout_uri) and as OpenID
// Connect says (post_logout_redirect_uri).
func (i *Issuer) logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to := q.Get("logout_uri")
	if to == "" {
		to = q.Get("post_logout_redirect_uri")
	}
	switch {
	case to == "":
		problemPage(w, "You are signed out.")
	case !slices.Contains(i.options.RedirectURIs, to):
		problemPage(w, "You are signed out. The page that sent you here wants you back at an address that is not registered: "+to)
	default:
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}
