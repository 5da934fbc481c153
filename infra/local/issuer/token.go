package issuer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// refreshLifetime is how long a refresh token works: Cognito's default.
const refreshLifetime = 30 * 24 * time.Hour

// session is what a refresh token stands for. It lives in memory: whoever is signed in when the stack ends signs in again when
// the access token has ended.
type session struct {
	person  Person
	since   time.Time // when the person signed in
	expires time.Time
}

// token gives tokens for a code or a refresh token.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	f, ok := i.clientForm(w, r)
	if !ok {
		return
	}
	switch f.Get("grant_type") {
	case "authorization_code":
		i.exchange(w, f)
	case "refresh_token":
		i.refresh(w, f)
	default:
		oauthError(w, "unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
	}
}

// clientForm reads the form of a call that the page makes, not the browser for it.
func (i *Issuer) clientForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	open(w)
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		oauthError(w, "invalid_request", "the form could not be read")
		return nil, false
	}
	if r.PostForm.Get("client_id") != i.options.ClientID {
		oauthError(w, "invalid_client", "client_id is not known")
		return nil, false
	}
	return r.PostForm, true
}

// exchange gives tokens for a code. A code works once, whatever comes of it.
func (i *Issuer) exchange(w http.ResponseWriter, f url.Values) {
	now := i.options.Now()
	i.mu.Lock()
	g, ok := i.codes[f.Get("code")]
	delete(i.codes, f.Get("code"))
	i.mu.Unlock()
	sum := sha256.Sum256([]byte(f.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case !ok || now.After(g.expires):
		oauthError(w, "invalid_grant", "the code is not valid or no longer")
		return
	case f.Get("redirect_uri") != g.redirect:
		oauthError(w, "invalid_grant", "redirect_uri is another than before")
		return
	case subtle.ConstantTimeCompare([]byte(challenge), []byte(g.challenge)) != 1:
		oauthError(w, "invalid_grant", "code_verifier does not match")
		return
	}
	s := session{person: g.person, since: now, expires: now.Add(refreshLifetime)}
	more := map[string]any{}
	if !i.options.NoRefresh {
		refresh := newSecret()
		i.mu.Lock()
		maps.DeleteFunc(i.sessions, func(_ string, s session) bool { return now.After(s.expires) })
		i.sessions[refresh] = s
		i.mu.Unlock()
		more["refresh_token"] = refresh
	}
	i.answer(w, s, g.nonce, more)
}

// refresh gives new tokens for a refresh token, which stays as it is: Cognito does not rotate them unless told to.
func (i *Issuer) refresh(w http.ResponseWriter, f url.Values) {
	i.mu.Lock()
	s, ok := i.sessions[f.Get("refresh_token")]
	i.mu.Unlock()
	if !ok || i.options.Now().After(s.expires) {
		oauthError(w, "invalid_grant", "the refresh token is not valid or no longer")
		return
	}
	i.answer(w, s, "", nil)
}

// revoke ends a refresh token. One that is not known is no error (RFC 7009, section 2.2).
func (i *Issuer) revoke(w http.ResponseWriter, r *http.Request) {
	f, ok := i.clientForm(w, r)
	if !ok {
		return
	}
	i.mu.Lock()
	delete(i.sessions, f.Get("token"))
	i.mu.Unlock()
}

// answer writes the tokens of a session.
func (i *Issuer) answer(w http.ResponseWriter, s session, nonce string, more map[string]any) {
	lifetime := i.options.Lifetime
	access, err := i.accessToken(s.person, s.since, lifetime)
	if err != nil {
		oauthError(w, "server_error", "the token could not be signed")
		return
	}
	id, err := i.idToken(s.person, s.since, nonce)
	if err != nil {
		oauthError(w, "server_error", "the token could not be signed")
		return
	}
	out := map[string]any{"access_token": access, "id_token": id, "token_type": "Bearer", "expires_in": int(lifetime.Seconds())}
	maps.Copy(out, more)
	writeJSON(w, http.StatusOK, out)
}

func oauthError(w http.ResponseWriter, code, text string) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": text})
}

// newSecret is a text that nobody guesses: a code or a refresh token.
func newSecret() string { return base64.RawURLEncoding.EncodeToString(random(32)) }
