package gateway_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/backup-restore/backup-restore/infra/local/gateway"
	"github.com/backup-restore/backup-restore/infra/local/template"
)

// provider is an issuer whose tokens can be wrong in every way.
type provider struct {
	url     string
	keys    atomic.Pointer[jwk.Set]
	fetches atomic.Int32
}

func newProvider(t *testing.T, keys ...jwk.Key) *provider {
	t.Helper()
	p := &provider{}
	p.publish(t, keys...)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.url, "jwks_uri": p.url + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.fetches.Add(1)
		_ = json.NewEncoder(w).Encode(*p.keys.Load())
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	p.url = s.URL
	return p
}

func (p *provider) publish(t *testing.T, keys ...jwk.Key) {
	t.Helper()
	set := jwk.NewSet()
	for _, k := range keys {
		public, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		if err := set.AddKey(public); err != nil {
			t.Fatal(err)
		}
	}
	p.keys.Store(&set)
}

func newKey(t *testing.T, kid string) jwk.Key {
	t.Helper()
	raw, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k, err := jwk.Import(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Set(jwk.KeyIDKey, kid); err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t *testing.T, alg jwa.SignatureAlgorithm, k any, claims map[string]any) string {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.Sign(text, jws.WithKey(alg, k))
	if err != nil {
		t.Fatal(err)
	}
	return string(token)
}

func protected(url string) template.API {
	return template.API{
		Authorizers: []template.Authorizer{{Name: "A", Issuer: url, Audience: []string{"client", "other"}, Header: "authorization"}},
		Routes: []template.Route{{Method: "GET", Path: "/a", Authorizer: "A"}, {Method: "GET", Path: "/scoped", Authorizer: "A", Scopes: []string{"read", "write"}},
			{Method: "GET", Path: "/open"}},
	}
}

func with(base map[string]any, changes map[string]any) map[string]any {
	out := maps.Clone(base)
	for k, v := range changes {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

func TestAuthorizer_TakesGoodTokensAndRefusesAllOthers(t *testing.T) {
	t.Parallel()
	key, stranger := newKey(t, "k1"), newKey(t, "k1")
	p := newProvider(t, key)
	s := serve(t, gateway.Options{API: protected(p.url)})
	now := time.Now().Unix()
	good := map[string]any{"iss": p.url, "client_id": "client", "exp": now + 60, "iat": now, "nbf": now, "sub": "s", "token_use": "access"}
	rs := func(changes map[string]any) string { return "Bearer " + sign(t, jwa.RS256(), key, with(good, changes)) }
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	unsigned := part(map[string]string{"alg": "none", "kid": "k1"}) + "." + part(good) + "."
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	pem, err := jwk.Pem(public)
	if err != nil {
		t.Fatal(err)
	}
	// The public key as the secret of an HMAC: the classic confusion of algorithms.
	hmacKey, err := jwk.Import(pem)
	if err != nil {
		t.Fatal(err)
	}
	_ = hmacKey.Set(jwk.KeyIDKey, "k1")
	whole := strings.TrimPrefix(rs(nil), "Bearer ")
	cut := strings.Split(whole, ".")
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"good":                    {rs(nil), 200},
		"scheme in lower case":    {"bearer " + whole, 200},
		"without Bearer":          {whole, 200},
		"second audience":         {rs(map[string]any{"client_id": "other"}), 200},
		"aud":                     {rs(map[string]any{"client_id": nil, "aud": "client"}), 200},
		"aud among several":       {rs(map[string]any{"client_id": nil, "aud": []string{"x", "client"}}), 200},
		"aud decides":             {rs(map[string]any{"aud": "x"}), 401},
		"no audience":             {rs(map[string]any{"client_id": nil}), 401},
		"another client":          {rs(map[string]any{"client_id": "x"}), 401},
		"another issuer":          {rs(map[string]any{"iss": "http://127.0.0.1:1"}), 401},
		"expired":                 {rs(map[string]any{"exp": now - 1}), 401},
		"no exp":                  {rs(map[string]any{"exp": nil}), 401},
		"exp as text":             {rs(map[string]any{"exp": "9999999999"}), 401},
		"not yet":                 {rs(map[string]any{"nbf": now + 60}), 401},
		"issued in the future":    {rs(map[string]any{"iat": now + 60}), 401},
		"another key":             {"Bearer " + sign(t, jwa.RS256(), stranger, good), 401},
		"unknown key":             {"Bearer " + sign(t, jwa.RS256(), newKey(t, "k2"), good), 401},
		"RS384":                   {"Bearer " + sign(t, jwa.RS384(), key, good), 401},
		"PS256":                   {"Bearer " + sign(t, jwa.PS256(), key, good), 401},
		"HMAC by the public key":  {"Bearer " + sign(t, jwa.HS256(), hmacKey, good), 401},
		"unsigned":                {"Bearer " + unsigned, 401},
		"no token":                {"", 401},
		"nonsense":                {"Bearer x", 401},
		"changed claims":          {"Bearer " + cut[0] + "." + part(with(good, map[string]any{"sub": "t"})) + "." + cut[2], 401},
		"signature cut":           {"Bearer " + whole[:len(whole)-4], 401},
		"claims are not a object": {"Bearer " + signText(t, key, `"x"`), 401},
	} {
		h := http.Header{}
		if c.token != "" {
			h.Set("Authorization", c.token)
		}
		a := call(t, "GET", s.URL+"/a", nil, h)
		if a.status != c.want {
			t.Errorf("%s: %d %s %s", name, a.status, a.body, a.header.Get("Www-Authenticate"))
		}
		if a.status == 401 && (a.body != `{"message":"Unauthorized"}` || !strings.HasPrefix(a.header.Get("Www-Authenticate"), "Bearer")) {
			t.Errorf("%s: refused with %+v", name, a)
		}
	}
}

func signText(t *testing.T, k jwk.Key, text string) string {
	t.Helper()
	token, err := jws.Sign([]byte(text), jws.WithKey(jwa.RS256(), k))
	if err != nil {
		t.Fatal(err)
	}
	return string(token)
}

func TestAuthorizer_FlattensClaims(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1")
	p := newProvider(t, key)
	s := serve(t, gateway.Options{API: protected(p.url)})
	exp := time.Now().Unix() + 60
	token := sign(t, jwa.RS256(), key, map[string]any{"iss": p.url, "aud": "client", "exp": exp, "cognito:groups": []string{"super-admin", "b"},
		"n": 1.5, "big": 12345678901234567, "yes": true, "none": []string{}, "o": map[string]any{"a": 1}})
	e := eventOf(t, call(t, "GET", s.URL+"/a", nil, http.Header{"Authorization": {"Bearer " + token}}))
	got := e.RequestContext.Authorizer.JWT.Claims
	for k, want := range map[string]string{"cognito:groups": "[super-admin b]", "n": "1.5", "big": "12345678901234567", "yes": "true", "none": "[]",
		"o": "map[a:1]", "aud": "client"} {
		if got[k] != want {
			t.Errorf("%s is %q, want %q", k, got[k], want)
		}
	}
	if e := eventOf(t, call(t, "GET", s.URL+"/open", nil, http.Header{"Authorization": {"Bearer " + token}})); e.RequestContext.Authorizer != nil {
		t.Errorf("an open route got claims: %+v", e.RequestContext.Authorizer)
	}
}

func TestAuthorizer_Scopes(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1")
	p := newProvider(t, key)
	s := serve(t, gateway.Options{API: protected(p.url)})
	for _, c := range []struct {
		claims map[string]any
		want   int
	}{
		{map[string]any{"scope": "openid write"}, 200}, {map[string]any{"scp": []string{"read"}}, 200},
		{map[string]any{"scope": "openid"}, 403}, {nil, 403},
	} {
		claims := with(map[string]any{"iss": p.url, "aud": "client", "exp": time.Now().Unix() + 60}, c.claims)
		a := call(t, "GET", s.URL+"/scoped", nil, http.Header{"Authorization": {"Bearer " + sign(t, jwa.RS256(), key, claims)}})
		if a.status != c.want || (c.want == 403 && a.body != `{"message":"Forbidden"}`) {
			t.Errorf("%v: %+v", c.claims, a)
		}
	}
}

func TestAuthorizer_FindsANewKeyAndKeepsOldOnes(t *testing.T) {
	t.Parallel()
	one, two := newKey(t, "k1"), newKey(t, "k2")
	p := newProvider(t, one)
	var ahead atomic.Int64
	s := serve(t, gateway.Options{API: protected(p.url), Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	ask := func(k jwk.Key) int {
		token := sign(t, jwa.RS256(), k, map[string]any{"iss": p.url, "aud": "client", "exp": time.Now().Unix() + 600})
		return call(t, "GET", s.URL+"/a", nil, http.Header{"Authorization": {"Bearer " + token}}).status
	}
	for range 3 {
		if got := ask(one); got != 200 {
			t.Fatal(got)
		}
		ahead.Add(int64(5 * time.Second))
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	p.publish(t, one, two)
	ahead.Add(int64(2 * time.Second))
	if got := ask(two); got != 200 {
		t.Errorf("the new key: %d", got)
	}
}

func TestAuthorizer_IssuerThatDoesNotAnswerIs401(t *testing.T) {
	t.Parallel()
	key := newKey(t, "k1")
	s := serve(t, gateway.Options{API: protected("http://127.0.0.1:1")})
	token := sign(t, jwa.RS256(), key, map[string]any{"iss": "http://127.0.0.1:1", "aud": "client", "exp": time.Now().Unix() + 60})
	a := call(t, "GET", s.URL+"/a", nil, http.Header{"Authorization": {"Bearer " + token}})
	if a.status != 401 || !strings.Contains(a.header.Get("Www-Authenticate"), "OIDC discovery endpoint communication error") {
		t.Errorf("%+v", a)
	}
}
