// Package gateway is API Gateway's HTTP API on one machine: the template's routes, its JWT authorizer, limits and error
// answers, and events of payload format 2.0 for the functions behind it
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/lambdahost"
	"github.com/backup-restore/backup-restore/infra/local/template"
)

// MaxRequest is the most that an HTTP API takes, headers not counted: 10 MB
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html).
const MaxRequest = 10 * 1024 * 1024

// Functions runs functions; lambdahost.Host does.
type Functions interface {
	Invoke(ctx context.Context, name string, payload []byte) (lambdahost.Result, error)
}

// Options configure a Gateway.
type Options struct {
	API       template.API
	Functions Functions
	Names     map[string]string // logical ids of functions → their names
	Log       func(format string, args ...any)
	Now       func() time.Time // time.Now by default; of tokens and throttling
	Client    *http.Client     // fetches the issuer's keys
}

// Gateway is an HTTP API.
type Gateway struct {
	options     Options
	routes      []*route
	authorizers map[string]*authorizer
	now         func() time.Time
}

// route is a route with what it needs while it runs.
type route struct {
	template.Route
	function string
	pattern  pattern
	auth     *authorizer
	throttle *bucket // nil for none
}

// New makes a gateway.
func New(o Options) (*Gateway, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 5 * time.Second}
	}
	g := &Gateway{options: o, authorizers: map[string]*authorizer{}, now: o.Now}
	for _, a := range o.API.Authorizers {
		g.authorizers[a.Name] = &authorizer{Authorizer: a, now: o.Now, keys: &keySource{issuer: a.Issuer, client: o.Client, now: o.Now}}
	}
	for _, r := range o.API.Routes {
		p, err := parsePattern(r.Path)
		if err != nil {
			return nil, fmt.Errorf("route %s: %w", r.Key(), err)
		}
		name, ok := o.Names[r.Function]
		if !ok {
			return nil, fmt.Errorf("route %s: there is no function %s", r.Key(), r.Function)
		}
		rt := &route{Route: r, function: name, pattern: p}
		if r.Authorizer != "" {
			if rt.auth = g.authorizers[r.Authorizer]; rt.auth == nil {
				return nil, fmt.Errorf("route %s: there is no authorizer %s", r.Key(), r.Authorizer)
			}
		}
		if r.Rate > 0 || r.Burst > 0 {
			rt.throttle = newBucket(r.Rate, r.Burst, o.Now)
		}
		g.routes = append(g.routes, rt)
	}
	return g, nil
}

// ServeHTTP answers a request as API Gateway would.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := requestID()
	w.Header().Set("Apigw-Requestid", id)
	if g.corsPreflight(w, r) {
		return
	}
	// API Gateway decodes the path before it looks for a route, and what follows a decoded question mark is lost: both were
	// seen on the live service by several projects.
	path, _, _ := strings.Cut(r.URL.Path, "?")
	rt, params := g.match(r.Method, path)
	if rt == nil {
		g.message(w, r, http.StatusNotFound, "Not Found")
		return
	}
	if rt.throttle != nil && !rt.throttle.take() {
		g.message(w, r, http.StatusTooManyRequests, "Too Many Requests")
		return
	}
	var claims *identity
	if rt.auth != nil {
		var refusal *refusal
		if claims, refusal = rt.auth.check(r, rt.Scopes); refusal != nil {
			w.Header().Set("Www-Authenticate", refusal.challenge())
			g.message(w, r, refusal.status, http.StatusText(refusal.status))
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequest))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		g.message(w, r, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	case err != nil:
		g.message(w, r, http.StatusBadRequest, "Bad Request")
		return
	}
	payload, err := newEvent(eventInput{request: r, path: path, route: rt, params: params, identity: claims, body: body, id: id, now: g.now()})
	if err != nil {
		g.options.Log("%s: event could not be written: %v", rt.Key(), err)
		g.message(w, r, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	g.integrate(w, r, rt, payload)
}

// integrate runs the route's function and passes its answer on.
func (g *Gateway) integrate(w http.ResponseWriter, r *http.Request, rt *route, payload []byte) {
	ctx, cancel := context.WithTimeout(r.Context(), rt.Timeout)
	defer cancel()
	result, err := g.options.Functions.Invoke(ctx, rt.function, payload)
	switch {
	case errors.Is(err, lambdahost.ErrTooLarge):
		// Between about 4.5 and 10 MB the gateway takes a body whose event Lambda then refuses; its refusal is passed on as 413.
		g.message(w, r, http.StatusRequestEntityTooLarge, "Request Too Long")
		return
	case r.Context().Err() != nil:
		return // the client is gone
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, lambdahost.ErrThrottled), errors.Is(err, lambdahost.ErrClosed):
		g.options.Log("%s: %v", rt.Key(), err)
		g.message(w, r, http.StatusServiceUnavailable, "Service Unavailable")
		return
	case err != nil:
		g.options.Log("%s: %v", rt.Key(), err)
		g.message(w, r, http.StatusInternalServerError, "Internal Server Error")
		return
	case result.FunctionError != "":
		g.options.Log("%s: the function failed: %s", rt.Key(), result.Payload)
		g.message(w, r, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	if err := g.write(w, r, result.Payload); err != nil {
		g.options.Log("%s: the function's answer is malformed: %v", rt.Key(), err)
		g.message(w, r, http.StatusInternalServerError, "Internal Server Error")
	}
}

// message is an answer of the gateway itself.
func (g *Gateway) message(w http.ResponseWriter, r *http.Request, status int, text string) {
	g.corsHeaders(w, r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"message":%q}`, text)
}
