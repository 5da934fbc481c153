// Package gateway puts an http.Handler behind an HTTP API of API Gateway (payload format 2.0). It is the only place that
// knows the adapter from events to requests, which is archived upstream, and it makes up for what the adapter does to
// requests that are not as it expects:
//
//   - a path that does not parse as a URL (API Gateway decodes /a%25 to /a%) ends as an invocation error,
//   - a header's value is split at its commas, so that "a,b" is read as "a",
//   - a handler that writes nothing ends as an invocation error.
//
// An invocation error is a 500 without a word of ours, and a retry of a call that may have had an effect.
package gateway

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/backup-restore/backup-restore/shared/access"
)

// Handler returns h as the handler of a Lambda function. The claims of the request's token are in the context that h
// sees, as package access reads them.
func Handler(h http.Handler) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	adapter := httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, ok := r.Context().Value(eventKey{}).(*events.APIGatewayV2HTTPRequest); ok {
			r.Header = headers(e)
			r.Host = r.Header.Get("Host")
		}
		out := &writer{ResponseWriter: w}
		h.ServeHTTP(out, r)
		if !out.wrote {
			w.WriteHeader(http.StatusOK)
		}
	}))
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		if !tidy(&e) {
			return refusal(ctx), nil
		}
		ctx = context.WithValue(ctx, eventKey{}, &e)
		// Authorizer and JWT are nil on routes that are open.
		if a := e.RequestContext.Authorizer; a != nil && a.JWT != nil {
			ctx = access.WithClaims(ctx, a.JWT.Claims)
		}
		return adapter.ProxyWithContext(ctx, e)
	}
}

type eventKey struct{}

// tidy makes an event one that the adapter can turn into a request. It is false where that can't be.
func tidy(e *events.APIGatewayV2HTTPRequest) bool {
	if e.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(e.Body)
		if err != nil {
			return false
		}
		e.Body, e.IsBase64Encoded = string(body), false
	}
	if e.RawPath == "" {
		e.RawPath = e.RequestContext.HTTP.Path
	}
	// A path with a bad escape was decoded on the way here; so was one with a ? or #, which would begin something else.
	if _, err := url.PathUnescape(e.RawPath); err != nil || strings.ContainsAny(e.RawPath, "?# ") {
		e.RawPath = (&url.URL{Path: e.RawPath}).EscapedPath()
	}
	if !strings.HasPrefix(e.RawPath, "/") {
		e.RawPath = "/" + e.RawPath
	}
	if _, err := url.Parse("https://host" + e.RawPath); err != nil {
		return false
	}
	if strings.ContainsFunc(e.RawQueryString, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return false
	}
	method := e.RequestContext.HTTP.Method
	return method != "" && !strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' })
}

// headers are the request's headers as they were sent: API Gateway joins the values of one name by commas, which means
// the same, and cookies come apart.
func headers(e *events.APIGatewayV2HTTPRequest) http.Header {
	h := make(http.Header, len(e.Headers)+1)
	for name, value := range e.Headers {
		h[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
	}
	if len(e.Cookies) > 0 {
		h["Cookie"] = []string{strings.Join(e.Cookies, "; ")}
	}
	return h
}

// refusal is a problem like those of the API, which is never asked here.
func refusal(ctx context.Context) events.APIGatewayV2HTTPResponse {
	id := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		id = lc.AwsRequestID
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusBadRequest,
		Headers: map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"X-Request-Id": id},
		Body: fmt.Sprintf(`{"type":"about:blank","title":"Bad Request","status":400,"code":"request_malformed","detail":"The request is not valid HTTP.","requestId":%q}`+"\n", id),
	}
}

// writer notices whether anything was written, and keeps to the first status, as net/http does.
type writer struct {
	http.ResponseWriter
	wrote bool
}

func (w *writer) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *writer) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}
