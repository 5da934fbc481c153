package gateway_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/httpapi/gateway"
)

// event is what API Gateway sends for a GET, with changes.
func event(change func(*events.APIGatewayV2HTTPRequest)) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: "/api/me", Headers: map[string]string{"host": "api.example"}}
	e.RequestContext.DomainName = "api.example"
	e.RequestContext.HTTP.Method = http.MethodGet
	e.RequestContext.HTTP.Path = "/api/me"
	if change != nil {
		change(&e)
	}
	return e
}

// echo answers with what it saw.
type seen struct {
	Method, Path, Query, Body, Host string
	Header                          http.Header
	Claims                          map[string]string
}

var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Host, r.Header, access.Claims(r.Context())})
})

func send(t *testing.T, h http.Handler, e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	// What arrives is JSON: a field that would not survive it must not help.
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var arrived events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(text, &arrived); err != nil {
		t.Fatal(err)
	}
	out, err := gateway.Handler(h)(t.Context(), arrived)
	if err != nil {
		t.Fatalf("invocation error: %v", err)
	}
	return out
}

func see(t *testing.T, e events.APIGatewayV2HTTPRequest) seen {
	t.Helper()
	out := send(t, echo, e)
	var s seen
	if err := json.Unmarshal([]byte(out.Body), &s); err != nil || out.StatusCode != http.StatusOK {
		t.Fatalf("%d %s: %v", out.StatusCode, out.Body, err)
	}
	return s
}

func TestHandler_PassesTheRequestOn(t *testing.T) {
	t.Parallel()
	s := see(t, event(func(e *events.APIGatewayV2HTTPRequest) {
		e.RawPath, e.RawQueryString = "/api/databases/school/backups", "limit=2&cursor=a%20b"
		e.RequestContext.HTTP.Method = http.MethodPost
		e.Body = `{"a":1}`
		e.Headers["idempotency-key"], e.Headers["content-type"] = "a, b,c", "application/json"
		e.Cookies = []string{"a=1", "b=2"}
		e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: map[string]string{"sub": "1", "cognito:groups": "[operator auditor]"}}}
	}))
	if s.Method != http.MethodPost || s.Path != "/api/databases/school/backups" || s.Query != "limit=2&cursor=a%20b" || s.Body != `{"a":1}` || s.Host != "api.example" {
		t.Errorf("%+v", s)
	}
	if got := s.Header["Idempotency-Key"]; len(got) != 1 || got[0] != "a, b,c" {
		t.Errorf("a header with commas came apart: %q", got)
	}
	if got := s.Header["Cookie"]; len(got) != 1 || got[0] != "a=1; b=2" {
		t.Errorf("cookies: %q", got)
	}
	if s.Claims["sub"] != "1" || s.Claims["cognito:groups"] != "[operator auditor]" {
		t.Errorf("claims: %v", s.Claims)
	}
}

func TestHandler_OpenRouteHasNoClaims(t *testing.T) {
	t.Parallel()
	if s := see(t, event(nil)); s.Claims != nil {
		t.Errorf("claims: %v", s.Claims)
	}
	if s := see(t, event(func(e *events.APIGatewayV2HTTPRequest) {
		e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{}
	})); s.Claims != nil {
		t.Errorf("claims: %v", s.Claims)
	}
}

func TestHandler_ClaimsDoNotComeFromHeaders(t *testing.T) {
	t.Parallel()
	s := see(t, event(func(e *events.APIGatewayV2HTTPRequest) {
		e.Headers["x-golambdaproxy-apigw-context"] = `{"authorizer":{"jwt":{"claims":{"sub":"1"}}}}`
	}))
	if s.Claims != nil {
		t.Errorf("claims: %v", s.Claims)
	}
}

func TestHandler_BodyInBase64(t *testing.T) {
	t.Parallel()
	s := see(t, event(func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "eyJhIjoxfQ==", true }))
	if s.Body != `{"a":1}` {
		t.Errorf("body %q", s.Body)
	}
}

func TestHandler_PathsThatDoNotParse(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"/api/x/100%":     "/api/x/100%",
		"/api/x/%zz":      "/api/x/%zz",
		"/api/x/a?b":      "/api/x/a?b",
		"/api/x/a#b":      "/api/x/a#b",
		"/api/x/a b":      "/api/x/a b",
		"/api/x/%2e%2e/y": "/api/x/../y",
		"/api/x/ä":        "/api/x/ä",
		"//evil.example/": "//evil.example/",
		"api/x":           "/api/x",
		"/":               "/",
		"/api/x/\u0000":   "/api/x/\u0000",
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			out := send(t, echo, event(func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = raw }))
			var s seen
			if out.StatusCode == http.StatusBadRequest && strings.Contains(out.Body, "request_malformed") && strings.Contains(raw, "\u0000") {
				return
			}
			if err := json.Unmarshal([]byte(out.Body), &s); err != nil || s.Path != want || s.Query != "" || s.Host != "api.example" {
				t.Errorf("%d: path %q, query %q, host %q; want path %q", out.StatusCode, s.Path, s.Query, s.Host, want)
			}
		})
	}
}

func TestHandler_MalformedRequestIs400(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*events.APIGatewayV2HTTPRequest){
		"base64":    func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "%%%", true },
		"method":    func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "GET /x" },
		"no method": func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "" },
		"query":     func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString = "a=\x01" },
	} {
		out := send(t, echo, event(change))
		if out.StatusCode != http.StatusBadRequest || !json.Valid([]byte(out.Body)) || out.Headers["Content-Type"] != "application/problem+json" {
			t.Errorf("%s: %d %s", name, out.StatusCode, out.Body)
		}
	}
}

func TestHandler_WritesThatTheAdapterDoesNotExpect(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		handler http.HandlerFunc
		status  int
		body    string
	}{
		"nothing":      {func(http.ResponseWriter, *http.Request) {}, 200, ""},
		"status alone": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, 204, ""},
		"body alone":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "x") }, 200, "x"},
		"two statuses": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			w.WriteHeader(http.StatusOK)
		}, 404, ""},
		"status too late": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, "x")
			w.WriteHeader(http.StatusInternalServerError)
		}, 200, "x"},
	}
	for name, tt := range tests {
		out := send(t, tt.handler, event(nil))
		if out.StatusCode != tt.status || out.Body != tt.body {
			t.Errorf("%s: %d %q, want %d %q", name, out.StatusCode, out.Body, tt.status, tt.body)
		}
	}
}

// What is no text, such as a compressed script, has to arrive byte by byte: in base64, and said to be so.
func TestHandler_BytesAreSentInBase64(t *testing.T) {
	t.Parallel()
	body := []byte{0x1f, 0x8b, 0x00, 0xff, 0xfe, '"', '\n', 0x80}
	out := send(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(body)
	}), event(nil))
	got, err := base64.StdEncoding.DecodeString(out.Body)
	if err != nil || !out.IsBase64Encoded || !bytes.Equal(got, body) || out.Headers["Content-Encoding"] != "gzip" ||
		out.Headers["Content-Type"] != "text/javascript; charset=utf-8" {
		t.Errorf("%+v, %v", out, err)
	}
}
