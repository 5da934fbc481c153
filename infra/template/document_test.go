// Package template_test holds template.yaml to what must not be lost in a change of it: which routes are open, who may delete
// or read what, which times fit which. Each rule is a check that returns what is wrong; TestTemplate_IsInOrder runs them all on
// the template as it is, TestChecks_SeeEachBreak on copies of it that are broken on purpose.
package template_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const path = "../../template.yaml"

// document is a template as plain maps, lists and scalars. An intrinsic function is a map with one key, whichever of the two
// ways it is written: {"Ref": "Bucket"}, {"Fn::GetAtt": "Bucket.Arn"}.
type document map[string]any

func read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(text string) (document, error) {
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	v, err := plain(&node)
	if err != nil {
		return nil, err
	}
	d, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("parse template: it is not a map")
	}
	return d, nil
}

func plain(n *yaml.Node) (any, error) {
	var v any
	switch n.Kind {
	case yaml.DocumentNode:
		return plain(n.Content[0])
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			value, err := plain(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = value
		}
		v = m
	case yaml.SequenceNode:
		l := []any{}
		for _, c := range n.Content {
			value, err := plain(c)
			if err != nil {
				return nil, err
			}
			l = append(l, value)
		}
		v = l
	case yaml.ScalarNode:
		if strings.HasPrefix(n.Tag, "!!") {
			if err := n.Decode(&v); err != nil {
				return nil, err
			}
		} else {
			v = n.Value
		}
	case yaml.AliasNode:
		return nil, fmt.Errorf("line %d: CloudFormation knows no aliases", n.Line)
	}
	if name, ok := strings.CutPrefix(n.Tag, "!"); ok && !strings.HasPrefix(name, "!") {
		if name != "Ref" && name != "Condition" {
			name = "Fn::" + name
		}
		return map[string]any{name: v}, nil
	}
	return v, nil
}

// at follows keys down from v, through maps only. It is nil where one is not there.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

func text(v any, keys ...string) string { s, _ := at(v, keys...).(string); return s }
func number(v any, keys ...string) int  { n, _ := at(v, keys...).(int); return n }

// list gives a list's items, or a single value as a list of one, as CloudFormation allows in policies.
func list(v any, keys ...string) []any {
	switch v := at(v, keys...).(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func texts(v any, keys ...string) []string {
	var out []string
	for _, item := range list(v, keys...) {
		s, _ := item.(string)
		out = append(out, s)
	}
	return out
}

// resource is a named resource.
type resource struct {
	name string
	typ  string
	body map[string]any
}

func (r resource) property(keys ...string) any {
	return at(r.body, append([]string{"Properties"}, keys...)...)
}

// resources returns those of a type, or all, in the order of their names.
func (d document) resources(typ string) []resource {
	var out []resource
	all, _ := at(map[string]any(d), "Resources").(map[string]any)
	for name, body := range all {
		b, _ := body.(map[string]any)
		if r := (resource{name, text(b, "Type"), b}); typ == "" || r.typ == typ {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b resource) int { return strings.Compare(a.name, b.name) })
	return out
}

func (d document) resource(name string) resource {
	b, _ := at(map[string]any(d), "Resources", name).(map[string]any)
	return resource{name, text(b, "Type"), b}
}

func (d document) functions() []resource { return d.resources("AWS::Serverless::Function") }

// event is a trigger of a function.
type event struct {
	function resource
	name     string
	body     any
}

func (e event) String() string { return e.function.name + "." + e.name }
func (e event) property(keys ...string) any {
	return at(e.body, append([]string{"Properties"}, keys...)...)
}
func (e event) reference(key string) string    { return referred(e.property(key)) }
func (r resource) reference(key string) string { return referred(r.property(key)) }

// events returns the triggers of a type of all functions.
func (d document) events(typ string) []event {
	var out []event
	for _, f := range d.functions() {
		all, _ := f.property("Events").(map[string]any)
		for name, body := range all {
			if text(body, "Type") == typ {
				out = append(out, event{f, name, body})
			}
		}
	}
	slices.SortFunc(out, func(a, b event) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// referred is the resource that a Ref or GetAtt names.
func referred(v any) string {
	if name := text(v, "Ref"); name != "" {
		return name
	}
	if parts := texts(v, "Fn::GetAtt"); len(parts) > 0 {
		name, _, _ := strings.Cut(parts[0], ".")
		return name
	}
	return ""
}
