package template

import (
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"
)

// condition evaluates a condition by its name.
func (s *scope) condition(name string) (bool, error) {
	if v, ok := s.conditions[name]; ok {
		return v, nil
	}
	n := find(s.doc.conditions, name)
	if n == nil {
		return false, fmt.Errorf("there is no condition %q", name)
	}
	leave, err := s.enter("condition " + name)
	if err != nil {
		return false, err
	}
	defer leave()
	v, err := s.test(n)
	if err != nil {
		return false, fmt.Errorf("condition %s: %w", name, err)
	}
	s.conditions[name] = v
	return v, nil
}

// enter guards against a cycle: the second entry into the same thing is an error.
func (s *scope) enter(what string) (leave func(), err error) {
	if s.inside[what] {
		return nil, fmt.Errorf("%s refers to itself", what)
	}
	s.inside[what] = true
	return func() { delete(s.inside, what) }, nil
}

// test evaluates a condition's expression.
func (s *scope) test(n *yaml.Node) (bool, error) {
	n = deref(n)
	if n == nil {
		return false, errors.New("a condition is missing")
	}
	name, arg, ok := intrinsic(n)
	if !ok {
		return false, atLine(n, errors.New("a condition is Fn::Equals, Fn::Not, Fn::And, Fn::Or or the name of another"))
	}
	switch name {
	case "Condition":
		return s.condition(arg.Value)
	case "Equals":
		if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
			return false, atLine(n, errors.New("Fn::Equals takes two values"))
		}
		a, err := s.text(arg.Content[0])
		if err != nil {
			// A list parameter is compared after Fn::Join, as CloudFormation demands.
			return false, err
		}
		b, err := s.text(arg.Content[1])
		return a == b, err
	case "Not":
		if arg.Kind != yaml.SequenceNode || len(arg.Content) != 1 {
			return false, atLine(n, errors.New("Fn::Not takes one condition"))
		}
		v, err := s.test(arg.Content[0])
		return !v, err
	case "And", "Or":
		return s.testAll(n, arg, name == "And")
	}
	return false, atLine(n, fmt.Errorf("Fn::%s is not a condition", name))
}

func (s *scope) testAll(n, arg *yaml.Node, and bool) (bool, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) < 2 || len(arg.Content) > 10 {
		return false, atLine(n, errors.New("Fn::And and Fn::Or take 2 to 10 conditions"))
	}
	result := and
	for _, c := range arg.Content {
		v, err := s.test(c)
		if err != nil {
			return false, err
		}
		if and {
			result = result && v
		} else {
			result = result || v
		}
	}
	return result, nil
}
