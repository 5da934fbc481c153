package issuer_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/backup-restore/backup-restore/infra/local/issuer"
)

const (
	client   = "console"
	callback = "http://127.0.0.1:9/"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// start serves an issuer.
func start(t *testing.T, now func() time.Time) *httptest.Server {
	t.Helper()
	return startWith(t, issuer.Options{Now: now})
}

// startWith serves an issuer at a free port; its URL is known after the port.
func startWith(t *testing.T, o issuer.Options) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	o.Dir, o.URL, o.ClientID, o.RedirectURIs = t.TempDir(), "http://"+s.Listener.Addr().String(), client, []string{callback}
	i, err := issuer.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Handler = i.Handler()
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// browser does not follow redirects: they are what is looked at.
var browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func request(changes map[string]string) url.Values {
	q := url.Values{"client_id": {client}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"st"},
		"nonce": {"no"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}}
	for k, v := range changes {
		q.Set(k, v)
	}
	return q
}

func send(t *testing.T, method, target string, form url.Values) (*http.Response, string) {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func signIn(t *testing.T, s *httptest.Server) (code string) {
	t.Helper()
	form := request(map[string]string{"name": "Kim", "role": "operator"})
	res, body := send(t, "POST", s.URL+"/authorize", form)
	to, err := res.Location()
	if err != nil || res.StatusCode != http.StatusSeeOther || to.Query().Get("state") != "st" {
		t.Fatalf("%d %v %s", res.StatusCode, to, body)
	}
	return to.Query().Get("code")
}

func exchange(t *testing.T, s *httptest.Server, code string, changes map[string]string) (int, map[string]any) {
	t.Helper()
	return post(t, s, "/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "code": {code},
		"redirect_uri": {callback}, "code_verifier": {verifier}}, changes)
}

func refresh(t *testing.T, s *httptest.Server, token string, changes map[string]string) (int, map[string]any) {
	t.Helper()
	return post(t, s, "/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {token}}, changes)
}

// post makes a call that the page makes by itself.
func post(t *testing.T, s *httptest.Server, path string, form url.Values, changes map[string]string) (int, map[string]any) {
	t.Helper()
	for k, v := range changes {
		form.Set(k, v)
	}
	res, body := send(t, "POST", s.URL+path, form)
	var answer map[string]any
	if err := json.Unmarshal([]byte(body), &answer); err != nil && body != "" {
		t.Fatal(body)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != "*" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a page of another origin can't read the answer, or it is kept: %v", res.Header)
	}
	return res.StatusCode, answer
}

// movable is a clock that stands still until it is moved.
type movable struct {
	mu sync.Mutex
	at time.Time
}

func (c *movable) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *movable) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// claims verifies a token by the published keys.
func claims(t *testing.T, s *httptest.Server, token string) map[string]any {
	t.Helper()
	_, keys := send(t, "GET", s.URL+"/.well-known/jwks.json", nil)
	if strings.Contains(keys, `"d"`) {
		t.Fatal("the private key is published")
	}
	set, err := jwk.Parse([]byte(keys))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.Verify([]byte(token), jws.WithKeySet(set))
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSignIn_GivesTokensOfCognitosShape(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	res, page := send(t, "GET", s.URL+"/authorize?"+request(nil).Encode(), nil)
	if res.StatusCode != 200 || !strings.Contains(page, "stands in for the identity provider") || !strings.Contains(page, `value="super-admin"`) {
		t.Fatalf("%d %s", res.StatusCode, page)
	}
	status, answer := exchange(t, s, signIn(t, s), nil)
	if status != 200 || answer["token_type"] != "Bearer" || answer["expires_in"] != 3600.0 {
		t.Fatalf("%d %v", status, answer)
	}
	access, id := claims(t, s, answer["access_token"].(string)), claims(t, s, answer["id_token"].(string))
	for _, c := range []map[string]any{access, id} {
		if c["iss"] != s.URL || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f-]{27}$`).MatchString(c["sub"].(string)) || c["jti"] == nil || c["exp"].(float64)-c["iat"].(float64) != 3600 {
			t.Errorf("claims: %v", c)
		}
		if diff := cmp.Diff([]any{"operator"}, c["cognito:groups"]); diff != "" {
			t.Error(diff)
		}
	}
	if _, has := access["aud"]; has || access["token_use"] != "access" || access["client_id"] != client || access["username"] != "Kim" || access["scope"] == "" {
		t.Errorf("access token: %v", access)
	}
	if id["aud"] != client || id["token_use"] != "id" || id["nonce"] != "no" || id["cognito:username"] != "Kim" {
		t.Errorf("id token: %v", id)
	}
	if access["sub"] != id["sub"] {
		t.Error("the tokens speak of two people")
	}
}

func TestAuthorize_WrongReturnAddressIsNotFollowed(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for name, changes := range map[string]map[string]string{
		"another host": {"redirect_uri": "http://evil.example/"}, "longer": {"redirect_uri": callback + "x"},
		"query": {"redirect_uri": callback + "?a=b"}, "unknown client": {"client_id": "x"},
	} {
		for _, method := range []string{"GET", "POST"} {
			q := request(changes)
			q.Set("name", "Kim")
			q.Set("role", "operator")
			target, form := s.URL+"/authorize?"+q.Encode(), url.Values(nil)
			if method == "POST" {
				target, form = s.URL+"/authorize", q
			}
			if res, _ := send(t, method, target, form); res.StatusCode != 400 || res.Header.Get("Location") != "" {
				t.Errorf("%s %s: %d %s", method, name, res.StatusCode, res.Header.Get("Location"))
			}
		}
	}
}

func TestAuthorize_WrongRequestIsToldToTheClient(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for want, changes := range map[string]map[string]string{
		"unsupported_response_type": {"response_type": "token"}, "invalid_request": {"code_challenge_method": "plain"},
		"invalid_scope": {"scope": "profile"},
	} {
		res, _ := send(t, "GET", s.URL+"/authorize?"+request(changes).Encode(), nil)
		to, err := res.Location()
		if err != nil || !strings.HasPrefix(to.String(), callback+"?") || to.Query().Get("error") != want || to.Query().Get("state") != "st" {
			t.Errorf("%s: %v %v", want, to, err)
		}
	}
	if res, _ := send(t, "GET", s.URL+"/authorize?"+request(map[string]string{"code_challenge": "short"}).Encode(), nil); !strings.Contains(res.Header.Get("Location"), "invalid_request") {
		t.Errorf("without PKCE: %v", res.Header)
	}
	_, page := send(t, "POST", s.URL+"/authorize", request(map[string]string{"name": " ", "role": "auditor"}))
	if !strings.Contains(page, `value="auditor" checked`) {
		t.Errorf("the role that was chosen is forgotten: %s", page)
	}
	for _, form := range []url.Values{request(map[string]string{"name": " ", "role": "operator"}), request(map[string]string{"name": "Kim", "role": "root"})} {
		if res, page := send(t, "POST", s.URL+"/authorize", form); res.StatusCode != 200 || !strings.Contains(page, "A name and a role are needed") {
			t.Errorf("%v: %d", form, res.StatusCode)
		}
	}
}

func TestToken_CodeWorksOnceAndForWhoAskedOnly(t *testing.T) {
	t.Parallel()
	at := time.Now()
	s := start(t, func() time.Time { return at })
	for name, changes := range map[string]map[string]string{
		"verifier": {"code_verifier": "another"}, "no verifier": {"code_verifier": ""}, "redirect": {"redirect_uri": callback + "x"},
		"client": {"client_id": "x"}, "grant": {"grant_type": "password"},
	} {
		if status, answer := exchange(t, s, signIn(t, s), changes); status != 400 || answer["access_token"] != nil || answer["error"] == "" {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	code := signIn(t, s)
	if status, _ := exchange(t, s, code, map[string]string{"code_verifier": "another"}); status != 400 {
		t.Error("a wrong verifier was taken")
	}
	if status, _ := exchange(t, s, code, nil); status != 400 {
		t.Error("a code worked after a failed try")
	}
	code = signIn(t, s)
	if status, _ := exchange(t, s, code, nil); status != 200 {
		t.Error("a good code was refused")
	}
	if status, _ := exchange(t, s, code, nil); status != 400 {
		t.Error("a code worked twice")
	}
}

func TestToken_CodeExpires(t *testing.T) {
	t.Parallel()
	clock := &movable{at: time.Now()}
	s := start(t, clock.now)
	code := signIn(t, s)
	clock.move(61 * time.Second)
	if status, answer := exchange(t, s, code, nil); status != 400 || answer["error"] != "invalid_grant" {
		t.Errorf("%d %v", status, answer)
	}
}

func TestToken_LifetimeIsTheOptions(t *testing.T) {
	t.Parallel()
	s := startWith(t, issuer.Options{Lifetime: 20 * time.Second})
	status, answer := exchange(t, s, signIn(t, s), nil)
	if status != 200 || answer["expires_in"] != 20.0 {
		t.Fatalf("%d %v", status, answer)
	}
	for _, name := range []string{"access_token", "id_token"} {
		if c := claims(t, s, answer[name].(string)); c["exp"].(float64)-c["iat"].(float64) != 20 {
			t.Errorf("%s: %v", name, c)
		}
	}
}

func TestSignIn_WithoutARoleIsInNoGroup(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	res, _ := send(t, "POST", s.URL+"/authorize", request(map[string]string{"name": "Kim", "role": "none"}))
	to, err := res.Location()
	if err != nil {
		t.Fatal(err)
	}
	_, answer := exchange(t, s, to.Query().Get("code"), nil)
	if c := claims(t, s, answer["access_token"].(string)); c["username"] != "Kim" || c["cognito:groups"] != nil {
		t.Errorf("claims: %v", c)
	}
}

func TestRefresh_GivesTokensOfTheSameSignIn(t *testing.T) {
	t.Parallel()
	clock := &movable{at: time.Now()}
	s := start(t, clock.now)
	_, first := exchange(t, s, signIn(t, s), nil)
	token := first["refresh_token"].(string)
	clock.move(2 * time.Hour)
	for range 2 { // the refresh token stays
		status, answer := refresh(t, s, token, nil)
		if status != 200 || answer["refresh_token"] != nil || answer["expires_in"] != 3600.0 {
			t.Fatalf("%d %v", status, answer)
		}
		for _, name := range []string{"access_token", "id_token"} {
			was, is := claims(t, s, first[name].(string)), claims(t, s, answer[name].(string))
			// A client takes a token of another person, or of another sign-in, for somebody else's.
			for _, same := range []string{"sub", "auth_time", "token_use", "iss", "aud", "client_id", "cognito:groups", "cognito:username", "username"} {
				if diff := cmp.Diff(was[same], is[same]); diff != "" {
					t.Errorf("%s: %s: %s", name, same, diff)
				}
			}
			if is["exp"].(float64)-was["exp"].(float64) != 7200 {
				t.Errorf("%s: exp went from %v to %v", name, was["exp"], is["exp"])
			}
		}
	}
}

func TestRefresh_EndsAndBelongsToTheClient(t *testing.T) {
	t.Parallel()
	clock := &movable{at: time.Now()}
	s := start(t, clock.now)
	_, answer := exchange(t, s, signIn(t, s), nil)
	token := answer["refresh_token"].(string)
	for want, changes := range map[string]map[string]string{"invalid_client": {"client_id": "x"}, "invalid_grant": {"refresh_token": "guessed"}} {
		if status, answer := refresh(t, s, token, changes); status != 400 || answer["error"] != want || answer["access_token"] != nil {
			t.Errorf("%s: %d %v", want, status, answer)
		}
	}
	clock.move(30*24*time.Hour + time.Second)
	if status, answer := refresh(t, s, token, nil); status != 400 || answer["error"] != "invalid_grant" {
		t.Errorf("after 30 days: %d %v", status, answer)
	}
}

func TestRevoke_EndsARefreshToken(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	_, answer := exchange(t, s, signIn(t, s), nil)
	token := answer["refresh_token"].(string)
	revoke := func(client, token string) (int, map[string]any) {
		return post(t, s, "/revoke", url.Values{"client_id": {client}, "token": {token}, "token_type_hint": {"refresh_token"}}, nil)
	}
	if status, answer := revoke("x", token); status != 400 || answer["error"] != "invalid_client" {
		t.Errorf("another client: %d %v", status, answer)
	}
	if status, _ := refresh(t, s, token, nil); status != 200 {
		t.Error("another client revoked it")
	}
	for range 2 { // one that is gone is no error
		if status, answer := revoke(client, token); status != 200 || answer != nil {
			t.Errorf("%d %v", status, answer)
		}
	}
	if status, answer := refresh(t, s, token, nil); status != 400 || answer["error"] != "invalid_grant" {
		t.Errorf("a revoked token works: %d %v", status, answer)
	}
}

func TestNoRefresh_SessionEndsWithItsAccessToken(t *testing.T) {
	t.Parallel()
	s := startWith(t, issuer.Options{NoRefresh: true})
	status, answer := exchange(t, s, signIn(t, s), nil)
	if _, has := answer["refresh_token"]; status != 200 || has || answer["access_token"] == nil {
		t.Errorf("%d %v", status, answer)
	}
}

func TestLogout_ReturnsToKnownPagesOnly(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for query, want := range map[string]string{
		"client_id=" + client + "&logout_uri=" + url.QueryEscape(callback): callback, "post_logout_redirect_uri=" + url.QueryEscape(callback): callback,
		"logout_uri=" + url.QueryEscape("http://evil.example/"): "", "": "",
	} {
		if res, _ := send(t, "GET", s.URL+"/logout?"+query, nil); res.Header.Get("Location") != want {
			t.Errorf("%s leads to %q", query, res.Header.Get("Location"))
		}
	}
}

func TestDiscovery_NamesWhatIsThere(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	_, body := send(t, "GET", s.URL+"/.well-known/openid-configuration", nil)
	var d map[string]any
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		t.Fatal(err)
	}
	if d["issuer"] != s.URL || d["authorization_endpoint"] != s.URL+"/authorize" || d["token_endpoint"] != s.URL+"/token" ||
		d["jwks_uri"] != s.URL+"/.well-known/jwks.json" || d["end_session_endpoint"] != s.URL+"/logout" ||
		d["revocation_endpoint"] != s.URL+"/revoke" {
		t.Errorf("%v", d)
	}
	for _, path := range []string{"/token", "/revoke"} {
		res, _ := send(t, "OPTIONS", s.URL+path, nil)
		if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Origin") != "*" || res.Header.Get("Access-Control-Allow-Methods") != "POST" {
			t.Errorf("preflight of %s: %d %v", path, res.StatusCode, res.Header)
		}
	}
}

func TestOpen_KeepsTheKeyForItselfAndForTheNextRun(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "issuer")
	if _, err := issuer.Load(dir); !errors.Is(err, issuer.ErrNone) {
		t.Errorf("load before open: %v", err)
	}
	o := issuer.Options{Dir: dir, URL: "http://127.0.0.1:8082", ClientID: client}
	if _, err := issuer.Open(o); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "key.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	// Another process signs what the running one accepts.
	loaded, err := issuer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, err := loaded.AccessToken(issuer.Person{Name: "script", Role: "auditor"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(nil)
	defer s.Close()
	again, err := issuer.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Handler = again.Handler()
	if c := claims(t, s, token); c["iss"] != "http://127.0.0.1:8082" || c["client_id"] != client {
		t.Errorf("claims: %v", c)
	}
}
