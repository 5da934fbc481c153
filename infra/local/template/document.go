package template

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"gopkg.in/yaml.v3"
)

// Transform is the only macro that is understood.
const Transform = "AWS::Serverless-2016-10-31"

// Document is a template as it was read.
type Document struct {
	sections   map[string]*yaml.Node
	parameters []entry
	mappings   []entry
	conditions []entry
	resources  []entry
	rules      []entry
	globals    map[string]*yaml.Node
}

// entry is a key of a mapping and what it holds, in the order of the file.
type entry struct {
	key  string
	node *yaml.Node
}

// Load reads the template at path.
func Load(path string) (*Document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	d, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read template %s: %w", path, err)
	}
	return d, nil
}

// Parse reads a template's text.
func Parse(text []byte) (*Document, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	if err := dec.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the template is empty")
		}
		return nil, err
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return nil, errors.New("the template is not one YAML document")
	}
	top, err := entries(root.Content[0], "the template")
	if err != nil {
		return nil, err
	}
	d := &Document{sections: map[string]*yaml.Node{}, globals: map[string]*yaml.Node{}}
	for _, e := range top {
		if err := d.section(e); err != nil {
			return nil, err
		}
	}
	if len(d.resources) == 0 {
		return nil, errors.New("the template has no Resources")
	}
	if d.sections["Transform"] == nil {
		return nil, fmt.Errorf("the template has no Transform: %s", Transform)
	}
	return d, nil
}

func (d *Document) section(e entry) (err error) {
	d.sections[e.key] = e.node
	switch e.key {
	case "AWSTemplateFormatVersion", "Description", "Metadata":
		// Text for people and consoles.
	case "Outputs":
		// What a deployment prints; the local stack prints its own addresses.
	case "Transform":
		return checkTransform(e.node)
	case "Parameters":
		d.parameters, err = entries(e.node, "Parameters")
	case "Mappings":
		d.mappings, err = entries(e.node, "Mappings")
	case "Conditions":
		d.conditions, err = entries(e.node, "Conditions")
	case "Rules":
		d.rules, err = entries(e.node, "Rules")
	case "Resources":
		d.resources, err = entries(e.node, "Resources")
	case "Globals":
		return d.readGlobals(e.node)
	default:
		return fmt.Errorf("line %d: section %s can't be run here: it is not known", e.node.Line, e.key)
	}
	return err
}

func checkTransform(n *yaml.Node) error {
	n = deref(n)
	names := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		names = n.Content
	}
	for _, name := range names {
		if name.Kind != yaml.ScalarNode || name.Value != Transform {
			return fmt.Errorf("line %d: Transform %q can't be run here: only %s is understood", n.Line, name.Value, Transform)
		}
	}
	return nil
}

func (d *Document) readGlobals(n *yaml.Node) error {
	list, err := entries(n, "Globals")
	if err != nil {
		return err
	}
	for _, e := range list {
		if !slices.Contains([]string{"Function", "HttpApi"}, e.key) {
			return fmt.Errorf("line %d: Globals.%s can't be run here: only Function and HttpApi are", e.node.Line, e.key)
		}
		d.globals[e.key] = e.node
	}
	return nil
}

// resource finds a resource by its logical id.
func (d *Document) resource(id string) *yaml.Node {
	for _, e := range d.resources {
		if e.key == id {
			return e.node
		}
	}
	return nil
}

// entries reads a mapping, in its order. YAML lets a later key win over an earlier one of the same name, which would be a
// silent skip, so it is an error.
func entries(n *yaml.Node, what string) ([]entry, error) {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: %s is not a mapping", n.Line, what)
	}
	out := make([]entry, 0, len(n.Content)/2)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			return nil, fmt.Errorf("line %d: %s has a key that is not a plain text", k.Line, what)
		}
		if seen[k.Value] {
			return nil, fmt.Errorf("line %d: %s has the key %s twice", k.Line, what, k.Value)
		}
		seen[k.Value] = true
		out = append(out, entry{k.Value, n.Content[i+1]})
	}
	return out, nil
}

func deref(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// merge lays a resource's own properties over those of Globals, as SAM does: mappings key by key, lists one after the
// other, anything else replaced.
func merge(global, own *yaml.Node) *yaml.Node {
	global, own = deref(global), deref(own)
	if global == nil {
		return own
	}
	if own == nil {
		return global
	}
	if _, _, fn := intrinsic(own); fn {
		return own
	}
	if _, _, fn := intrinsic(global); fn {
		return own
	}
	switch {
	case global.Kind == yaml.SequenceNode && own.Kind == yaml.SequenceNode:
		out := *own
		out.Content = append(slices.Clone(global.Content), own.Content...)
		return &out
	case global.Kind == yaml.MappingNode && own.Kind == yaml.MappingNode:
		return mergeMappings(global, own)
	}
	return own
}

func mergeMappings(global, own *yaml.Node) *yaml.Node {
	out := *own
	out.Content = nil
	at := map[string]int{}
	for i := 0; i+1 < len(global.Content); i += 2 {
		at[global.Content[i].Value] = len(out.Content) + 1
		out.Content = append(out.Content, global.Content[i], global.Content[i+1])
	}
	for i := 0; i+1 < len(own.Content); i += 2 {
		k, v := own.Content[i], own.Content[i+1]
		if j, ok := at[k.Value]; ok {
			out.Content[j] = merge(out.Content[j], v)
			continue
		}
		out.Content = append(out.Content, k, v)
	}
	return &out
}
