package template

import (
	"slices"
	"strings"
)

// pendingRoute is a route whose API may come later in the file.
type pendingRoute struct {
	Route
	at *object
}

func (b *builder) route(r Route, at *object) { b.routes = append(b.routes, pendingRoute{r, at}) }

// pendingAPI is an API with what its routes need once all are known.
type pendingAPI struct {
	API
	at       *object
	standard string // DefaultAuthorizer
	settings map[string]setting
}

type setting struct {
	burst int
	rate  float64
	used  bool
}

func (b *builder) api(p *object) {
	a := pendingAPI{API: API{ID: p.id}, at: p, settings: map[string]setting{}}
	p.only("StageName", "not the stage that is run; only $default is, whose paths have no prefix", "$default")
	if auth := p.object("Auth"); auth != nil {
		a.standard = auth.text("DefaultAuthorizer", "")
		keys, list := auth.named("Authorizers")
		for i, o := range list {
			a.Authorizers = append(a.Authorizers, authorizer(keys[i], o))
		}
		if auth.boolean("EnableIamAuthorizer", false) {
			auth.failf("EnableIamAuthorizer", "requests are not signed by AWS keys here")
		}
		auth.done()
	}
	b.cors(p, &a.API)
	if d := p.object("DefaultRouteSettings"); d != nil {
		a.DefaultBurst, a.DefaultRate = throttle(d)
		d.done()
	}
	keys, list := p.named("RouteSettings")
	for i, s := range list {
		burst, rate := throttle(s)
		a.settings[keys[i]] = setting{burst: burst, rate: rate}
		s.done()
	}
	p.ignore(noLogs, "AccessLogSettings")
	p.ignore(noTags, "Tags", "PropagateTags", "Description", "Name")
	p.ignore("the API has one address here", "DisableExecuteApiEndpoint", "FailOnWarnings")
	p.refuse("the routes are read from the functions' events", "DefinitionBody", "DefinitionUri")
	p.refuse("there is no domain on one machine", "Domain")
	p.refuse("no function reads them", "StageVariables")
	b.apis = append(b.apis, a)
}

func authorizer(name string, o *object) Authorizer {
	a := Authorizer{Name: name, Header: "authorization", Scopes: o.texts("AuthorizationScopes")}
	source := o.text("IdentitySource", "$request.header.Authorization")
	header, ok := strings.CutPrefix(source, "$request.header.")
	if !ok {
		o.failf("IdentitySource", "%s is not a request header", source)
	}
	a.Header = strings.ToLower(header)
	if j := o.object("JwtConfiguration"); j != nil {
		a.Issuer, a.Audience = j.text("issuer", ""), j.texts("audience")
		j.done()
	}
	if a.Issuer == "" || len(a.Audience) == 0 {
		o.failf("JwtConfiguration", "issuer and audience are wanted: only JWT authorizers are run")
	}
	o.done()
	return a
}

func (b *builder) cors(p *object, a *API) {
	n := p.node("CorsConfiguration")
	if n == nil {
		return
	}
	if n.Value == "false" {
		return
	}
	c := p.object("CorsConfiguration")
	a.CORS = &CORS{AllowOrigins: c.texts("AllowOrigins"), AllowMethods: c.texts("AllowMethods"), AllowHeaders: c.texts("AllowHeaders"),
		ExposeHeaders: c.texts("ExposeHeaders"), MaxAge: c.integer("MaxAge", 0), AllowCredentials: c.boolean("AllowCredentials", false)}
	c.done()
}

// finishAPIs gives the routes to their APIs, with the API's defaults.
func (b *builder) finishAPIs() {
	for i := range b.apis {
		a := &b.apis[i]
		for _, r := range b.routes {
			if r.API == a.ID {
				a.add(r)
			}
		}
		for key, s := range a.settings {
			if !s.used {
				a.at.failf("RouteSettings."+key, "there is no such route")
			}
		}
		if a.standard != "" && a.find(a.standard) == nil {
			a.at.failf("Auth.DefaultAuthorizer", "there is no authorizer %s", a.standard)
		}
		b.stack.APIs = append(b.stack.APIs, a.API)
	}
}

func (a *pendingAPI) find(name string) *Authorizer {
	for i := range a.Authorizers {
		if a.Authorizers[i].Name == name {
			return &a.Authorizers[i]
		}
	}
	return nil
}

// add completes a route: NONE opens it, no authorizer of its own takes the API's default, and so on for its throttling.
func (a *pendingAPI) add(r pendingRoute) {
	switch r.Authorizer {
	case "NONE":
		r.Authorizer = ""
	case "":
		r.Authorizer = a.standard
	}
	if r.Authorizer != "" {
		if auth := a.find(r.Authorizer); auth == nil {
			r.at.failf("Auth.Authorizer", "there is no authorizer %s", r.Authorizer)
		} else if r.Scopes == nil {
			r.Scopes = auth.Scopes
		}
	}
	if s, ok := a.settings[r.Key()]; ok {
		s.used = true
		a.settings[r.Key()] = s
		if r.Burst == 0 && r.Rate == 0 {
			r.Burst, r.Rate = s.burst, s.rate
		}
	}
	if r.Burst == 0 && r.Rate == 0 {
		r.Burst, r.Rate = a.DefaultBurst, a.DefaultRate
	}
	if slices.ContainsFunc(a.Routes, func(o Route) bool { return o.Key() == r.Key() }) {
		r.at.failf("Path", "the route %s is there already", r.Key())
		return
	}
	a.Routes = append(a.Routes, r.Route)
}
