package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/backup-restore/backup-restore/infra/local/template"
)

// authorizer checks tokens as
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html says.
type authorizer struct {
	template.Authorizer
	keys *keySource
	now  func() time.Time
}

// identity is what a token said, in the form in which API Gateway hands it on.
type identity struct {
	claims map[string]string
	scopes []string // the route's, of which the token has at least one; nil where the route asks for none
}

// refusal is why a request may not pass.
type refusal struct {
	status int // 401 or 403
	scopes []string
	code   string // "" where there was no token at all
	text   string
}

// challenge is the WWW-Authenticate header.
func (r *refusal) challenge() string {
	if r.code == "" {
		return "Bearer"
	}
	return fmt.Sprintf(`Bearer scope=%q error=%q error_description=%q`, strings.Join(r.scopes, " "), r.code, r.text)
}

func (a *authorizer) check(r *http.Request, scopes []string) (*identity, *refusal) {
	token := r.Header.Get(a.Header)
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		return nil, &refusal{status: http.StatusUnauthorized}
	}
	claims, err := a.verify(r, token)
	if err != nil {
		return nil, &refusal{http.StatusUnauthorized, scopes, "invalid_token", err.Error()}
	}
	if len(scopes) > 0 && !slices.ContainsFunc(scopesOf(claims), func(s string) bool { return slices.Contains(scopes, s) }) {
		return nil, &refusal{http.StatusForbidden, scopes, "insufficient_scope", "the token has none of the route's scopes"}
	}
	return &identity{claims: flatten(claims), scopes: scopes}, nil
}

// verify checks signature and claims.
func (a *authorizer) verify(r *http.Request, token string) (map[string]any, error) {
	head, err := header(token)
	if err != nil {
		return nil, err
	}
	if head.Alg != "RS256" {
		return nil, errors.New("the token is not signed by RS256")
	}
	if head.Kid == "" {
		return nil, errors.New("the token names no key")
	}
	key, err := a.keys.find(r.Context(), head.Kid)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify([]byte(token), jws.WithKey(jwa.RS256(), key))
	if err != nil {
		return nil, errors.New("the signature is not valid")
	}
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	var claims map[string]any
	if err := dec.Decode(&claims); err != nil || claims == nil {
		return nil, errors.New("the claims are not a JSON object")
	}
	return claims, a.checkClaims(claims)
}

type tokenHeader struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
}

func header(token string) (tokenHeader, error) {
	var h tokenHeader
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil || json.Unmarshal(text, &h) != nil || strings.Count(token, ".") != 2 {
		return h, errors.New("the token is not a signed JWT")
	}
	return h, nil
}

func (a *authorizer) checkClaims(claims map[string]any) error {
	if iss, _ := claims["iss"].(string); iss != a.Issuer {
		return errors.New("the token is of another issuer")
	}
	// client_id counts only where there is no aud: an access token of Cognito has no aud.
	audience := texts(claims["aud"])
	if claims["aud"] == nil {
		audience = texts(claims["client_id"])
	}
	if !slices.ContainsFunc(audience, func(s string) bool { return slices.Contains(a.Audience, s) }) {
		return errors.New("the token does not have a valid audience")
	}
	now := a.now()
	exp, ok := instant(claims["exp"])
	if !ok || !now.Before(exp) {
		return errors.New("the token has expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		if claims[name] == nil {
			continue
		}
		// Both must be in the past; a second is what two clocks of one machine may differ after rounding.
		if at, ok := instant(claims[name]); !ok || now.Add(time.Second).Before(at) {
			return fmt.Errorf("the token is not valid yet: %s", name)
		}
	}
	return nil
}

func instant(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(f * 1000)), true
}

func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// scopesOf reads scope, a text with spaces between, or scp, which may be a list.
func scopesOf(claims map[string]any) []string {
	var out []string
	for _, name := range []string{"scope", "scp"} {
		for _, s := range texts(claims[name]) {
			out = append(out, strings.Fields(s)...)
		}
	}
	return out
}

// flatten makes texts of all claims, as API Gateway does: a list is [a b], with neither quotes nor commas.
func flatten(claims map[string]any) map[string]string {
	out := make(map[string]string, len(claims))
	for k, v := range claims {
		out[k] = flat(v)
	}
	return out
}

func flat(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return ""
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = flat(v[i])
		}
		return "[" + strings.Join(parts, " ") + "]"
	case map[string]any:
		var parts []string
		for k, item := range v {
			parts = append(parts, k+":"+flat(item))
		}
		slices.Sort(parts)
		return "map[" + strings.Join(parts, " ") + "]"
	}
	return fmt.Sprint(v)
}
