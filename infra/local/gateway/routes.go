package gateway

import (
	"fmt"
	"strings"

	"github.com/backup-restore/backup-restore/infra/local/template"
)

// pattern is a route's path, cut at its slashes.
type pattern struct {
	all      bool // $default
	segments []segment
}

type segment struct {
	text   string // of a fixed segment
	param  string // of {param} and {param+}
	greedy bool
}

func parsePattern(path string) (pattern, error) {
	if path == template.DefaultRoute {
		return pattern{all: true}, nil
	}
	var p pattern
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, part := range parts {
		name, isParam := strings.CutPrefix(part, "{")
		if !isParam {
			p.segments = append(p.segments, segment{text: part})
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		name, greedy := strings.CutSuffix(name, "+")
		if !closed || name == "" {
			return p, fmt.Errorf("%s is not a path variable", part)
		}
		if greedy && i != len(parts)-1 {
			return p, fmt.Errorf("{%s+} is not at the end", name)
		}
		p.segments = append(p.segments, segment{param: name, greedy: greedy})
	}
	return p, nil
}

// match holds a decoded path against the pattern and gives the path's variables. A greedy variable takes one segment or
// more.
func (p pattern) match(path string) (map[string]string, bool) {
	if p.all {
		return nil, true
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	params := map[string]string{}
	for i, s := range p.segments {
		switch {
		case i >= len(parts):
			return nil, false
		case s.greedy:
			rest := strings.Join(parts[i:], "/")
			if rest == "" {
				return nil, false
			}
			params[s.param] = rest
			return params, true
		case s.param != "":
			if parts[i] == "" {
				return nil, false
			}
			params[s.param] = parts[i]
		case s.text != parts[i]:
			return nil, false
		}
	}
	return params, len(parts) == len(p.segments)
}

// rank orders the routes that match one request, as
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html says: a full match before a
// greedy one, that before $default; a named method before ANY; segment by segment, fixed text before a variable.
func (r *route) rank() string {
	if r.pattern.all {
		return "9"
	}
	kind, shape := "0", ""
	for _, s := range r.pattern.segments {
		switch {
		case s.greedy:
			kind = "1"
			shape += "c"
		case s.param != "":
			shape += "b"
		default:
			shape += "a"
		}
	}
	method := "0"
	if r.Method == "ANY" {
		method = "1"
	}
	// Among greedy routes the one with the longer fixed beginning is the better: "aac" sorts before "ac".
	return kind + shape + method
}

// match finds the route for a request.
func (g *Gateway) match(method, path string) (*route, map[string]string) {
	var best *route
	var params map[string]string
	for _, r := range g.routes {
		if r.Method != "ANY" && r.Method != method && !r.pattern.all {
			continue
		}
		if p, ok := r.pattern.match(path); ok && (best == nil || r.rank() < best.rank()) {
			best, params = r, p
		}
	}
	return best, params
}
