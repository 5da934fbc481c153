package template

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// The short forms' tags and the long forms' keys lead to one name: Ref, Condition, or a function without its "Fn::".
var functions = map[string]bool{
	"Ref": true, "Condition": true, "Sub": true, "GetAtt": true, "If": true, "Equals": true, "Not": true, "And": true, "Or": true,
	"Join": true, "Select": true, "Split": true, "FindInMap": true, "ImportValue": true, "GetAZs": true, "Base64": true,
	"Cidr": true, "Transform": true, "Length": true, "ToJsonString": true,
}

// intrinsic tells whether n calls a function, which one, and with what.
func intrinsic(n *yaml.Node) (name string, arg *yaml.Node, ok bool) {
	if n == nil {
		return "", nil, false
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		plain := *n
		plain.Tag = ""
		return n.Tag[1:], &plain, true
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return "", nil, false
	}
	key := n.Content[0].Value
	if key == "Ref" || key == "Condition" {
		// A mapping whose only key is Condition is also how IAM statements begin; there it holds a mapping.
		if deref(n.Content[1]).Kind == yaml.ScalarNode {
			return key, deref(n.Content[1]), true
		}
		return "", nil, false
	}
	if f, found := strings.CutPrefix(key, "Fn::"); found {
		return f, deref(n.Content[1]), true
	}
	return "", nil, false
}

// noValue is what Ref AWS::NoValue gives: the property is absent.
type noValue struct{}

// scope is where expressions are resolved.
type scope struct {
	doc        *Document
	options    Options
	params     map[string]any // string or []any
	conditions map[string]bool
	inside     map[string]bool // conditions and attributes being resolved, to find cycles
}

// value resolves n to a string, a []any or a map[string]any, or to noValue. Scalars stay texts, as they are to
// CloudFormation: "0600" and 1e3 are not numbers until a property asks for one.
func (s *scope) value(n *yaml.Node) (any, error) {
	n = deref(n)
	if name, arg, ok := intrinsic(n); ok {
		v, err := s.call(name, arg)
		if err != nil {
			return nil, atLine(n, err)
		}
		return v, nil
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil, atLine(n, errors.New("null is not a value"))
		}
		return n.Value, nil
	case yaml.SequenceNode:
		return s.list(n)
	case yaml.MappingNode:
		list, err := entries(n, "a value")
		if err != nil {
			return nil, err
		}
		out := make(map[string]any, len(list))
		for _, e := range list {
			v, err := s.value(e.node)
			if err != nil {
				return nil, err
			}
			if v != (noValue{}) {
				out[e.key] = v
			}
		}
		return out, nil
	}
	return nil, atLine(n, errors.New("not a value"))
}

func (s *scope) list(n *yaml.Node) ([]any, error) {
	out := make([]any, 0, len(n.Content))
	for _, item := range n.Content {
		v, err := s.value(item)
		if err != nil {
			return nil, err
		}
		if _, absent := v.(noValue); !absent {
			out = append(out, v)
		}
	}
	return out, nil
}

// expand follows If and Ref AWS::NoValue at n itself and leaves what is inside alone. It gives nil for an absent value.
func (s *scope) expand(n *yaml.Node) (*yaml.Node, error) {
	for {
		n = deref(n)
		name, arg, ok := intrinsic(n)
		switch {
		case ok && name == "Ref" && arg.Value == "AWS::NoValue":
			return nil, nil //nolint:nilnil // absent is neither a node nor an error
		case ok && name == "If":
			branch, err := s.branch(arg)
			if err != nil {
				return nil, atLine(n, err)
			}
			n = branch
		default:
			return n, nil
		}
	}
}

func (s *scope) branch(arg *yaml.Node) (*yaml.Node, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
		return nil, errors.New("Fn::If takes a condition and two values")
	}
	yes, err := s.condition(deref(arg.Content[0]).Value)
	if err != nil {
		return nil, err
	}
	if yes {
		return arg.Content[1], nil
	}
	return arg.Content[2], nil
}

// call runs one intrinsic function.
func (s *scope) call(name string, arg *yaml.Node) (any, error) {
	switch name {
	case "Ref":
		return s.ref(arg.Value)
	case "GetAtt":
		return s.getAtt(arg)
	case "Sub":
		return s.sub(arg)
	case "If":
		n, err := s.branch(arg)
		if err != nil {
			return nil, err
		}
		return s.value(n)
	case "Join":
		return s.join(arg)
	case "Select":
		return s.selectFrom(arg)
	case "Split":
		return s.split(arg)
	case "FindInMap":
		return s.findInMap(arg)
	case "ImportValue":
		return nil, errors.New("Fn::ImportValue can't be run here: there are no other stacks on this machine")
	case "Equals", "Not", "And", "Or", "Condition":
		return nil, fmt.Errorf("%s is allowed in Conditions only", name)
	}
	if functions[name] {
		return nil, fmt.Errorf("Fn::%s can't be run here", name)
	}
	return nil, fmt.Errorf("%s is not a function of templates", name)
}

func (s *scope) ref(name string) (any, error) {
	if v, ok := s.pseudo(name); ok {
		return v, nil
	}
	if v, ok := s.params[name]; ok {
		return v, nil
	}
	if s.doc.resource(name) != nil {
		return s.attribute(name, "Ref")
	}
	return nil, fmt.Errorf("Ref %s: there is no such parameter or resource", name)
}

func (s *scope) pseudo(name string) (any, bool) {
	switch name {
	case "AWS::NoValue":
		return noValue{}, true
	case "AWS::Region":
		return s.options.Region, true
	case "AWS::AccountId":
		return s.options.AccountID, true
	case "AWS::Partition":
		return "aws", true
	case "AWS::URLSuffix":
		return "amazonaws.com", true
	case "AWS::StackName":
		return s.options.StackName, true
	case "AWS::StackId":
		return fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/local", s.options.Region, s.options.AccountID, s.options.StackName), true
	case "AWS::NotificationARNs":
		return []any{}, true
	}
	return nil, false
}

func (s *scope) getAtt(arg *yaml.Node) (any, error) {
	var id, attr string
	switch {
	case arg.Kind == yaml.ScalarNode:
		id, attr, _ = strings.Cut(arg.Value, ".")
	case arg.Kind == yaml.SequenceNode && len(arg.Content) == 2:
		v, err := s.text(arg.Content[1])
		if err != nil {
			return nil, err
		}
		id, attr = deref(arg.Content[0]).Value, v
	}
	if id == "" || attr == "" {
		return nil, errors.New("Fn::GetAtt takes a resource and an attribute")
	}
	return s.attribute(id, attr)
}

// sub replaces ${Name}, ${Resource.Attribute} and the variables given along; ${!Literal} stands for ${Literal}.
func (s *scope) sub(arg *yaml.Node) (any, error) {
	text, vars := arg.Value, map[string]string{}
	if arg.Kind == yaml.SequenceNode {
		if len(arg.Content) != 2 {
			return nil, errors.New("Fn::Sub takes a text, or a list of a text and its variables")
		}
		text = deref(arg.Content[0]).Value
		list, err := entries(arg.Content[1], "the variables of Fn::Sub")
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if vars[e.key], err = s.text(e.node); err != nil {
				return nil, err
			}
		}
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("Fn::Sub: ${%s has no end", rest)
		}
		text = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
			continue
		}
		v, err := s.subVariable(strings.TrimSpace(name), vars)
		if err != nil {
			return nil, err
		}
		out.WriteString(v)
	}
}

func (s *scope) subVariable(name string, vars map[string]string) (string, error) {
	if v, ok := vars[name]; ok {
		return v, nil
	}
	var v any
	var err error
	if id, attr, dotted := strings.Cut(name, "."); dotted {
		v, err = s.attribute(id, attr)
	} else {
		v, err = s.ref(name)
	}
	if err != nil {
		return "", fmt.Errorf("Fn::Sub: %w", err)
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case []any:
		// A CommaDelimitedList in a text is the list with commas.
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = fmt.Sprint(v[i])
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("Fn::Sub: %s is not a text", name)
}

// text resolves n to a string.
func (s *scope) text(n *yaml.Node) (string, error) {
	v, err := s.value(n)
	if err != nil {
		return "", err
	}
	t, ok := v.(string)
	if !ok {
		return "", atLine(n, errors.New("a text is wanted here"))
	}
	return t, nil
}

// items resolves n to a list.
func (s *scope) items(n *yaml.Node) ([]any, error) {
	v, err := s.value(n)
	if err != nil {
		return nil, err
	}
	l, ok := v.([]any)
	if !ok {
		return nil, atLine(n, errors.New("a list is wanted here"))
	}
	return l, nil
}

func (s *scope) join(arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
		return nil, errors.New("Fn::Join takes a separator and a list")
	}
	sep, err := s.text(arg.Content[0])
	if err != nil {
		return nil, err
	}
	list, err := s.items(arg.Content[1])
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(list))
	for i, v := range list {
		t, ok := v.(string)
		if !ok {
			return nil, errors.New("Fn::Join joins texts only")
		}
		parts[i] = t
	}
	return strings.Join(parts, sep), nil
}

func (s *scope) selectFrom(arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
		return nil, errors.New("Fn::Select takes an index and a list")
	}
	index, err := s.text(arg.Content[0])
	if err != nil {
		return nil, err
	}
	list, err := s.items(arg.Content[1])
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("Fn::Select: there is no item %s in a list of %d", index, len(list))
	}
	return list[i], nil
}

func (s *scope) split(arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
		return nil, errors.New("Fn::Split takes a separator and a text")
	}
	sep, err := s.text(arg.Content[0])
	if err != nil {
		return nil, err
	}
	if sep == "" {
		return nil, errors.New("Fn::Split: the separator is empty")
	}
	t, err := s.text(arg.Content[1])
	if err != nil {
		return nil, err
	}
	var out []any
	for _, p := range strings.Split(t, sep) {
		out = append(out, p)
	}
	return out, nil
}

func (s *scope) findInMap(arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
		return nil, errors.New("Fn::FindInMap takes a map, a key and a second key")
	}
	var keys [3]string
	for i, n := range arg.Content {
		t, err := s.text(n)
		if err != nil {
			return nil, err
		}
		keys[i] = t
	}
	at := s.doc.mappings
	for i, key := range keys {
		n := find(at, key)
		if n == nil {
			return nil, fmt.Errorf("Fn::FindInMap: there is no %s", strings.Join(keys[:i+1], "."))
		}
		if i == len(keys)-1 {
			return s.value(n)
		}
		var err error
		if at, err = entries(n, "Mappings"); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("Fn::FindInMap: no keys")
}

func find(list []entry, key string) *yaml.Node {
	for _, e := range list {
		if e.key == key {
			return e.node
		}
	}
	return nil
}

// lineError is an error with its place in the file; the innermost place is the one that is said.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

func atLine(n *yaml.Node, err error) error {
	var placed *lineError
	if n == nil || errors.As(err, &placed) {
		return err
	}
	return &lineError{n.Line, err}
}
