package gateway_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/infra/local/gateway"
	"github.com/backup-restore/backup-restore/infra/local/lambdahost"
	"github.com/backup-restore/backup-restore/infra/local/scheduler"
	"github.com/backup-restore/backup-restore/infra/local/template"
)

var host *lambdahost.Host

func TestMain(m *testing.M) {
	code, err := withHost(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func withHost(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "gateway-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", binary, "./testdata/function")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the test function: %w\n%s", err, out)
	}
	host = lambdahost.New(lambdahost.Options{Dir: dir, Region: "eu-central-1"})
	defer host.Close()
	if err := host.Add(lambdahost.Function{Name: "fn", Binary: binary, Timeout: 20 * time.Second, MemoryMB: 128}); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func serve(t *testing.T, o gateway.Options) *httptest.Server {
	t.Helper()
	o.Functions, o.Names = host, map[string]string{"F": "fn"}
	for i := range o.API.Routes {
		o.API.Routes[i].Function = "F"
		if o.API.Routes[i].Timeout == 0 {
			o.API.Routes[i].Timeout = 15 * time.Second
		}
	}
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return s
}

func routes(keys ...string) []template.Route {
	var out []template.Route
	for _, k := range keys {
		method, path, ok := strings.Cut(k, " ")
		if !ok {
			method, path = "ANY", k
		}
		out = append(out, template.Route{Method: method, Path: path})
	}
	return out
}

type answer struct {
	status int
	header http.Header
	body   string
}

func call(t *testing.T, method, url string, body io.Reader, header http.Header) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func eventOf(t *testing.T, a answer) events.APIGatewayV2HTTPRequest {
	t.Helper()
	var e events.APIGatewayV2HTTPRequest
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return e
}

func TestRoute_TheMostSpecificOneWins(t *testing.T) {
	t.Parallel()
	s := serve(t, gateway.Options{API: template.API{Routes: routes("$default", "ANY /{proxy+}", "ANY /api/{proxy+}", "GET /api/me", "ANY /api/me",
		"GET /api/{id}", "GET /api/{id}/files", "GET /", "POST /cron/backups", "GET /{x}/status")}})
	for request, want := range map[string]string{
		"GET /api/me": "GET /api/me", "POST /api/me": "ANY /api/me", "GET /api/x": "GET /api/{id}", "POST /api/x": "ANY /api/{proxy+}",
		"GET /api/x/y": "ANY /api/{proxy+}", "GET /api/x/files": "GET /api/{id}/files", "GET /": "GET /", "POST /": "$default",
		"GET /api": "ANY /{proxy+}", "GET /api/": "ANY /{proxy+}", "DELETE /cron/backups": "ANY /{proxy+}", "POST /cron/backups": "POST /cron/backups",
		"GET /api/me/":     "ANY /api/{proxy+}",
		"GET /cron/status": "GET /{x}/status", "GET /v/status": "GET /{x}/status",
	} {
		method, path, _ := strings.Cut(request, " ")
		if e := eventOf(t, call(t, method, s.URL+path, nil, nil)); e.RouteKey != want {
			t.Errorf("%s took %s, want %s", request, e.RouteKey, want)
		}
	}
}

func TestRoute_UnknownIsNotFound(t *testing.T) {
	t.Parallel()
	s := serve(t, gateway.Options{API: template.API{Routes: routes("GET /a", "ANY /api/{proxy+}")}})
	for _, request := range []string{"POST /a", "GET /a/", "GET /b", "GET /api", "GET /api/"} {
		method, path, _ := strings.Cut(request, " ")
		a := call(t, method, s.URL+path, nil, nil)
		if a.status != 404 || a.body != `{"message":"Not Found"}` || a.header.Get("Content-Type") != "application/json" || a.header.Get("Apigw-Requestid") == "" {
			t.Errorf("%s: %+v", request, a)
		}
	}
}

func TestEvent_IsOfPayloadFormat2(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)
	s := serve(t, gateway.Options{API: template.API{Routes: routes("ANY /api/{db}/{rest+}")}, Now: func() time.Time { return now }})
	h := http.Header{"X-One": {"a", "b"}, "Cookie": {"c=1; d=2", "e=3"}, "User-Agent": {"test"}, "Content-Type": {"application/json"}}
	e := eventOf(t, call(t, "PUT", s.URL+"/api/sch%20ool/a%2Fb/c?x=1&x=2&y=%20z", strings.NewReader(`{"ü":1}`), h))
	if e.Version != "2.0" || e.RawPath != "/api/sch ool/a/b/c" || e.RawQueryString != "x=1&x=2&y=%20z" || e.Body != `{"ü":1}` || e.IsBase64Encoded {
		t.Errorf("event: %+v", e)
	}
	if diff := cmp.Diff(map[string]string{"db": "sch ool", "rest": "a/b/c"}, e.PathParameters); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"x": "1,2", "y": " z"}, e.QueryStringParameters); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"c=1", "d=2", "e=3"}, e.Cookies); diff != "" {
		t.Error(diff)
	}
	if e.Headers["x-one"] != "a,b" || e.Headers["cookie"] != "" || e.Headers["content-length"] != "8" || e.Headers["host"] != e.RequestContext.DomainName {
		t.Errorf("headers: %v", e.Headers)
	}
	c := e.RequestContext
	if c.Stage != "$default" || c.HTTP.Method != "PUT" || c.HTTP.SourceIP != "127.0.0.1" || c.HTTP.UserAgent != "test" || c.HTTP.Protocol != "HTTP/1.1" ||
		c.Time != "23/Nov/2026:01:02:03 +0000" || c.TimeEpoch != now.UnixMilli() || c.Authorizer != nil {
		t.Errorf("context: %+v", c)
	}
}

func TestEvent_BodyIsBase64UnlessItIsText(t *testing.T) {
	t.Parallel()
	s := serve(t, gateway.Options{API: template.API{Routes: routes("$default")}})
	for name, c := range map[string]struct {
		header http.Header
		body   string
		text   bool
	}{
		"json":            {http.Header{"Content-Type": {"application/json; charset=utf-8"}}, "{}", true},
		"problem":         {http.Header{"Content-Type": {"application/problem+json"}}, "{}", true},
		"text":            {http.Header{"Content-Type": {"text/plain"}}, "ä", true},
		"not utf-8":       {http.Header{"Content-Type": {"text/plain"}}, "\xff", false},
		"form":            {http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "a=b", false},
		"binary":          {http.Header{"Content-Type": {"application/octet-stream"}}, "a", false},
		"none":            {http.Header{}, "a", false},
		"compressed json": {http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, "x", false},
	} {
		e := eventOf(t, call(t, "POST", s.URL+"/", strings.NewReader(c.body), c.header))
		want := c.body
		if !c.text {
			want = base64.StdEncoding.EncodeToString([]byte(c.body))
		}
		if e.IsBase64Encoded == c.text || e.Body != want {
			t.Errorf("%s: %v %q", name, e.IsBase64Encoded, e.Body)
		}
	}
}

func TestResponse_IsPassedOnOrRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, gateway.Options{API: template.API{Routes: routes("$default")}})
	broken := answer{status: 500, body: `{"message":"Internal Server Error"}`}
	for name, c := range map[string]struct {
		text string
		want answer
	}{
		"full": {`{"statusCode":201,"headers":{"content-type":"text/html","x-n":7,"x-b":true},"cookies":["a=1; Path=/","b=2"],"body":"<p>"}`,
			answer{201, http.Header{"Content-Type": {"text/html"}, "X-N": {"7"}, "X-B": {"true"}, "Set-Cookie": {"a=1; Path=/", "b=2"}}, "<p>"}},
		"base64":          {`{"statusCode":200,"body":"/w==","isBase64Encoded":true}`, answer{status: 200, body: "\xff"}},
		"no body":         {`{"statusCode":204}`, answer{status: 204}},
		"inferred object": {`{"a":1}`, answer{200, http.Header{"Content-Type": {"application/json"}}, `{"a":1}`}},
		"inferred text":   {`"hello"`, answer{200, http.Header{"Content-Type": {"application/json"}}, `hello`}},
		"bad base64":      {`{"statusCode":200,"body":"!","isBase64Encoded":true}`, broken},
		"bad status":      {`{"statusCode":"x"}`, broken},
		"status 42":       {`{"statusCode":42}`, broken},
		"bad header":      {`{"statusCode":200,"headers":{"a":["b"]}}`, broken},
		"body an object":  {`{"statusCode":200,"body":{}}`, broken},
	} {
		a := call(t, "POST", s.URL+"/", strings.NewReader(c.text), http.Header{"X-Do": {"answer"}, "Content-Type": {"application/json"}})
		if a.status != c.want.status || a.body != c.want.body {
			t.Errorf("%s: %d %q, want %d %q", name, a.status, a.body, c.want.status, c.want.body)
		}
		for k, v := range c.want.header {
			if diff := cmp.Diff(v, a.header[k]); diff != "" {
				t.Errorf("%s: header %s: %s", name, k, diff)
			}
		}
	}
	for _, do := range []string{"fail", "exit"} {
		a := call(t, "GET", s.URL+"/", nil, http.Header{"X-Do": {do}})
		if a.status != 500 || a.body != broken.body {
			t.Errorf("%s: %+v", do, a)
		}
	}
}

func TestLimits_AnswerAsAPIGatewayDoes(t *testing.T) {
	t.Parallel()
	s := serve(t, gateway.Options{API: template.API{Routes: []template.Route{{Method: "ANY", Path: "/{x+}"}, {Method: "GET", Path: "/slow", Timeout: 100 * time.Millisecond}}}})
	text := http.Header{"Content-Type": {"text/plain"}}
	big := bytes.Repeat([]byte("x"), gateway.MaxRequest)
	if a := call(t, "POST", s.URL+"/a", bytes.NewReader(append(big, 'x')), text); a.status != 413 || a.body != `{"message":"Request Entity Too Large"}` {
		t.Errorf("over 10 MB: %d %.100s", a.status, a.body)
	}
	if a := call(t, "POST", s.URL+"/a", bytes.NewReader(big), text); a.status != 413 || a.body != `{"message":"Request Too Long"}` {
		t.Errorf("over Lambda's 6 MB: %d %.100s", a.status, a.body)
	}
	// 5 MB fit as text, and not after base64.
	if a := call(t, "POST", s.URL+"/a", bytes.NewReader(big[:5<<20]), text); a.status != 200 {
		t.Errorf("5 MB of text: %d %.100s", a.status, a.body)
	}
	if a := call(t, "POST", s.URL+"/a", bytes.NewReader(big[:5<<20]), http.Header{"Content-Type": {"application/zip"}}); a.status != 413 {
		t.Errorf("5 MB of base64: %d %.100s", a.status, a.body)
	}
	if a := call(t, "GET", s.URL+"/slow", nil, http.Header{"X-Do": {"hang"}}); a.status != 503 || a.body != `{"message":"Service Unavailable"}` {
		t.Errorf("too slow: %+v", a)
	}
}

func TestThrottle_RefusesAndRecovers(t *testing.T) {
	t.Parallel()
	clock := scheduler.NewManualClock(time.Now())
	s := serve(t, gateway.Options{API: template.API{Routes: []template.Route{{Method: "GET", Path: "/a", Burst: 2, Rate: 1}, {Method: "GET", Path: "/b"}}},
		Now: clock.Now})
	var got []int
	for range 3 {
		got = append(got, call(t, "GET", s.URL+"/a", nil, nil).status)
	}
	if a := call(t, "GET", s.URL+"/a", nil, nil); a.body != `{"message":"Too Many Requests"}` {
		t.Errorf("refused with %+v", a)
	}
	got = append(got, call(t, "GET", s.URL+"/b", nil, nil).status)
	clock.Advance(time.Second)
	got = append(got, call(t, "GET", s.URL+"/a", nil, nil).status, call(t, "GET", s.URL+"/a", nil, nil).status)
	if diff := cmp.Diff([]int{200, 200, 429, 200, 200, 429}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCORS_IsTheGatewaysOwnWhereItIsConfigured(t *testing.T) {
	t.Parallel()
	cors := &template.CORS{AllowOrigins: []string{"https://page.example"}, AllowMethods: []string{"GET"}, AllowHeaders: []string{"authorization"}, MaxAge: 60, ExposeHeaders: []string{"etag"}}
	s := serve(t, gateway.Options{API: template.API{Routes: routes("GET /a"), CORS: cors}})
	preflight := http.Header{"Origin": {"https://page.example"}, "Access-Control-Request-Method": {"GET"}}
	a := call(t, "OPTIONS", s.URL+"/a", nil, preflight)
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://page.example" || a.header.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("preflight: %+v", a)
	}
	if a := call(t, "GET", s.URL+"/a", nil, http.Header{"Origin": {"https://other.example"}}); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %+v", a.header)
	}
	if a := call(t, "GET", s.URL+"/none", nil, http.Header{"Origin": {"https://page.example"}}); a.status != 404 || a.header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a refusal that the page can't read: %+v", a)
	}
	without := serve(t, gateway.Options{API: template.API{Routes: routes("GET /a")}})
	if a := call(t, "OPTIONS", without.URL+"/a", nil, preflight); a.status != 404 {
		t.Errorf("without configuration: %+v", a)
	}
}

func TestNew_RefusesBadPatterns(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/{a", "/{a+}/b", "/{}"} {
		_, err := gateway.New(gateway.Options{API: template.API{Routes: []template.Route{{Method: "GET", Path: path, Function: "F"}}}, Names: map[string]string{"F": "fn"}})
		if err == nil {
			t.Errorf("%s was taken", path)
		}
	}
}

// A full match comes before a greedy one, also where the greedy one has more fixed text.
func TestRoute_FullMatchBeatsGreedy(t *testing.T) {
	t.Parallel()
	s := serve(t, gateway.Options{API: template.API{Routes: routes("ANY /api/{proxy+}", "GET /{x}/status")}})
	if e := eventOf(t, call(t, "GET", s.URL+"/api/status", nil, nil)); e.RouteKey != "GET /{x}/status" {
		t.Errorf("it took %s", e.RouteKey)
	}
}
