package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// eventInput is what an event is made of.
type eventInput struct {
	request  *http.Request
	path     string
	route    *route
	params   map[string]string
	identity *identity
	body     []byte
	id       string
	now      time.Time
}

// newEvent writes an event of payload format 2.0.
func newEvent(in eventInput) ([]byte, error) {
	r := in.request
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: in.route.Key(), RawPath: in.path, RawQueryString: r.URL.RawQuery,
		Headers: headersOf(r, len(in.body)), Cookies: cookiesOf(r), QueryStringParameters: queryOf(r.URL.RawQuery),
		RequestContext: contextOf(in),
	}
	if len(in.params) > 0 {
		e.PathParameters = in.params
	}
	if len(in.body) > 0 {
		if isText(r.Header, in.body) {
			e.Body = string(in.body)
		} else {
			e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(in.body), true
		}
	}
	return json.Marshal(e)
}

func contextOf(in eventInput) events.APIGatewayV2HTTPRequestContext {
	r := in.request
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	prefix, _, _ := strings.Cut(r.Host, ".")
	c := events.APIGatewayV2HTTPRequestContext{
		RouteKey: in.route.Key(), AccountID: "000000000000", Stage: "$default", RequestID: in.id, APIID: "local", DomainName: r.Host,
		DomainPrefix: prefix, Time: in.now.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: in.now.UnixMilli(),
		HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: r.Method, Path: in.path, Protocol: r.Proto, SourceIP: ip,
			UserAgent: r.UserAgent()},
	}
	if in.identity != nil {
		c.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: in.identity.claims, Scopes: in.identity.scopes}}
	}
	return c
}

// headersOf gives the headers with lower-case names, several values joined by commas, cookies apart.
func headersOf(r *http.Request, length int) map[string]string {
	out := map[string]string{"host": r.Host, "x-forwarded-proto": "http"}
	if ip, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		out["x-forwarded-for"] = ip
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		out["x-forwarded-port"] = port
	}
	out["x-amzn-trace-id"] = "Root=1-00000000-000000000000000000000000"
	for name, values := range r.Header {
		if lower := strings.ToLower(name); lower != "cookie" {
			out[lower] = strings.Join(values, ",")
		}
	}
	if length > 0 || r.Header.Get("Content-Length") != "" {
		out["content-length"] = itoa(length)
	}
	return out
}

func cookiesOf(r *http.Request) []string {
	var out []string
	for _, line := range r.Header.Values("Cookie") {
		for _, c := range strings.Split(line, ";") {
			if c = strings.TrimSpace(c); c != "" {
				out = append(out, c)
			}
		}
	}
	return out
}

// queryOf gives the decoded parameters, several values joined by commas. A pair that can't be decoded is left out here
// and stays in rawQueryString.
func queryOf(raw string) map[string]string {
	if raw == "" {
		return nil
	}
	out := map[string]string{}
	for _, pair := range strings.Split(raw, "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		key, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err1 != nil || err2 != nil {
			continue
		}
		if old, ok := out[key]; ok {
			value = old + "," + value
		}
		out[key] = value
	}
	return out
}

// isText tells whether a body goes into the event as it is. Anything that is not known to be text, and anything
// compressed, goes in as base64; handlers have to take both.
func isText(h http.Header, body []byte) bool {
	if h.Get("Content-Encoding") != "" || !utf8.Valid(body) {
		return false
	}
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return false
	}
	switch t {
	case "application/json", "application/javascript", "application/xml":
		return true
	}
	return strings.HasPrefix(t, "text/") || strings.HasSuffix(t, "+json") || strings.HasSuffix(t, "+xml")
}

// requestID looks as API Gateway's: 16 characters.
func requestID() string {
	b := make([]byte, 11)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)[:15] + "="
}
