package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// builder collects a stack and everything that is wrong with the template, so that one run names all of it.
type builder struct {
	*scope
	stack Stack
	errs  []error

	routes []pendingRoute
	apis   []pendingAPI
}

// object reads the properties of a resource, or of a mapping inside one. Each property that a reader asks for counts as
// known; done reports the others.
type object struct {
	b      *builder
	id     string // logical id
	typ    string
	path   string // "" or a path with a dot at its end
	fields []entry
	known  map[string]bool
}

// mapping opens n as an object; nil if it is absent.
func (b *builder) mapping(id, typ, path string, n *yaml.Node) *object {
	o := &object{b: b, id: id, typ: typ, path: path, known: map[string]bool{}}
	if n == nil {
		return o
	}
	n, err := b.expand(n)
	if err != nil {
		o.fail(strings.TrimSuffix(path, "."), err)
		return o
	}
	if n == nil {
		return nil
	}
	if o.fields, err = entries(n, "it"); err != nil {
		o.fail(strings.TrimSuffix(path, "."), err)
	}
	return o
}

// fail records that a property can't be run.
func (o *object) fail(property string, reason error) {
	place := fmt.Sprintf("resource %s (%s)", o.id, o.typ)
	if property != "" {
		place += ": property " + property
	}
	err := fmt.Errorf("%s can't be run here: %w", place, reason)
	if n := len(o.b.errs); n > 0 && o.b.errs[n-1].Error() == err.Error() {
		return // a property may be looked at twice
	}
	o.b.errs = append(o.b.errs, err)
}

func (o *object) failf(name, format string, args ...any) {
	o.fail(o.path+name, fmt.Errorf(format, args...))
}

// node finds a property and follows its conditions; nil if it is absent.
func (o *object) node(name string) *yaml.Node {
	o.known[name] = true
	n := find(o.fields, name)
	if n == nil {
		return nil
	}
	n, err := o.b.expand(n)
	if err != nil {
		o.fail(o.path+name, err)
		return nil
	}
	return n
}

func (o *object) has(name string) bool { return o.node(name) != nil }

func (o *object) value(name string) (any, bool) {
	n := o.node(name)
	if n == nil {
		return nil, false
	}
	v, err := o.b.scope.value(n)
	if err != nil {
		o.fail(o.path+name, err)
		return nil, false
	}
	_, absent := v.(noValue)
	return v, !absent
}

func (o *object) text(name, otherwise string) string {
	v, ok := o.value(name)
	if !ok {
		return otherwise
	}
	t, ok := v.(string)
	if !ok {
		o.failf(name, "a text is wanted")
		return otherwise
	}
	return t
}

func (o *object) integer(name string, otherwise int) int {
	t := o.text(name, "")
	if t == "" {
		return otherwise
	}
	n, err := strconv.Atoi(t)
	if err != nil {
		o.failf(name, "%q is not a whole number", t)
		return otherwise
	}
	return n
}

func (o *object) number(name string, otherwise float64) float64 {
	t := o.text(name, "")
	if t == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(t, 64)
	if err != nil {
		o.failf(name, "%q is not a number", t)
		return otherwise
	}
	return n
}

func (o *object) boolean(name string, otherwise bool) bool {
	switch t := o.text(name, ""); strings.ToLower(t) {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	default:
		o.failf(name, "%q is neither true nor false", t)
		return otherwise
	}
}

// texts reads a list of texts; a single text is a list of one, as SAM takes it in several places.
func (o *object) texts(name string) []string {
	v, ok := o.value(name)
	if !ok {
		return nil
	}
	if t, ok := v.(string); ok {
		return []string{t}
	}
	list, ok := v.([]any)
	if !ok {
		o.failf(name, "a list of texts is wanted")
		return nil
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		t, ok := item.(string)
		if !ok {
			o.failf(name, "a list of texts is wanted")
			return nil
		}
		out = append(out, t)
	}
	return out
}

func (o *object) textMap(name string) map[string]string {
	v, ok := o.value(name)
	if !ok {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		o.failf(name, "a mapping of texts is wanted")
		return nil
	}
	out := make(map[string]string, len(m))
	for k, item := range m {
		t, ok := item.(string)
		if !ok {
			o.failf(name+"."+k, "a text is wanted")
			continue
		}
		out[k] = t
	}
	return out
}

// object opens a property that is a mapping; nil if it is absent.
func (o *object) object(name string) *object {
	n := o.node(name)
	if n == nil {
		return nil
	}
	return o.b.mapping(o.id, o.typ, o.path+name+".", n)
}

// objects opens a property that is a list of mappings.
func (o *object) objects(name string) []*object {
	n := o.node(name)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		o.failf(name, "a list is wanted")
		return nil
	}
	var out []*object
	for i, item := range n.Content {
		if c := o.b.mapping(o.id, o.typ, fmt.Sprintf("%s%s[%d].", o.path, name, i), item); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// named opens a property that is a mapping of names to mappings, in its order.
func (o *object) named(name string) (keys []string, list []*object) {
	all := o.object(name)
	if all == nil {
		return nil, nil
	}
	for _, e := range all.fields {
		if c := all.object(e.key); c != nil {
			keys, list = append(keys, e.key), append(list, c)
		}
	}
	return keys, list
}

// ignore notes properties that have no effect on one machine.
func (o *object) ignore(why string, names ...string) {
	for _, name := range names {
		o.known[name] = true
		if find(o.fields, name) != nil {
			o.b.stack.Ignored = append(o.b.stack.Ignored, Ignored{o.id, o.typ, o.path + name, why})
		}
	}
}

// only takes a property that has one right value here.
func (o *object) only(name, why string, allowed ...string) {
	t := o.text(name, "")
	if t != "" && !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, t) }) {
		o.failf(name, "%s is %s", t, why)
	}
}

// refuse names properties that a deployment would act on and this machine can't.
func (o *object) refuse(why string, names ...string) {
	for _, name := range names {
		if o.has(name) {
			o.failf(name, "%s", why)
		}
	}
}

// done reports the properties that nobody asked for.
func (o *object) done() {
	for _, e := range o.fields {
		if !o.known[e.key] {
			o.fail(o.path+e.key, fmt.Errorf("line %d: it is not known", e.node.Line))
		}
	}
}
