package template

import (
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"
)

// checkRules holds the parameters against the template's Rules, as CloudFormation does before it makes anything.
func (s *scope) checkRules() error {
	if s.doc.rules == nil {
		return nil
	}
	var errs []error
	for _, r := range s.doc.rules {
		if err := s.checkRule(r); err != nil {
			errs = append(errs, fmt.Errorf("rule %s: %w", r.key, err))
		}
	}
	return errors.Join(errs...)
}

func (s *scope) checkRule(r entry) error {
	list, err := entries(r.node, "the rule")
	if err != nil {
		return err
	}
	var assertions *yaml.Node
	for _, e := range list {
		switch e.key {
		case "RuleCondition":
			if applies, err := s.test(e.node); err != nil || !applies {
				return err
			}
		case "Assertions":
			assertions = deref(e.node)
		default:
			return fmt.Errorf("line %d: property %s is not known", e.node.Line, e.key)
		}
	}
	if assertions == nil || assertions.Kind != yaml.SequenceNode {
		return errors.New("it has no Assertions")
	}
	for _, a := range assertions.Content {
		list, err := entries(a, "an assertion")
		if err != nil {
			return err
		}
		holds, err := s.test(find(list, "Assert"))
		if err != nil {
			return err
		}
		if !holds {
			what := "an assertion does not hold"
			if n := deref(find(list, "AssertDescription")); n != nil {
				what = n.Value
			}
			return errors.New(what)
		}
	}
	return nil
}
