package template

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Parameter describes a parameter of the template.
type Parameter struct {
	Name        string
	Type        string
	Description string
	Default     *string // nil where a value must be given
}

// Parameters lists the template's parameters in their order.
func (d *Document) Parameters() ([]Parameter, error) {
	out := make([]Parameter, 0, len(d.parameters))
	for _, e := range d.parameters {
		f, err := parameterFields(e)
		if err != nil {
			return nil, err
		}
		p := Parameter{Name: e.key, Type: f.text("Type"), Description: f.text("Description")}
		if n := f["Default"]; n != nil {
			v := n.Value
			p.Default = &v
		}
		out = append(out, p)
	}
	return out, nil
}

type fields map[string]*yaml.Node

func (f fields) text(name string) string {
	if n := deref(f[name]); n != nil {
		return n.Value
	}
	return ""
}

func parameterFields(e entry) (fields, error) {
	list, err := entries(e.node, "parameter "+e.key)
	if err != nil {
		return nil, err
	}
	f := fields{}
	for _, p := range list {
		switch p.key {
		case "Type", "Description", "Default", "AllowedValues", "AllowedPattern", "ConstraintDescription", "MinLength", "MaxLength",
			"MinValue", "MaxValue", "NoEcho":
			f[p.key] = deref(p.node)
		default:
			return nil, fmt.Errorf("line %d: parameter %s: property %s is not known", p.node.Line, e.key, p.key)
		}
	}
	return f, nil
}

// readParameters gives each parameter its value: the one given, or its default.
func (s *scope) readParameters() error {
	var errs []error
	given := maps.Clone(s.options.Parameters)
	for _, e := range s.doc.parameters {
		f, err := parameterFields(e)
		if err != nil {
			return err
		}
		value, ok := given[e.key]
		delete(given, e.key)
		if !ok {
			if f["Default"] == nil {
				errs = append(errs, fmt.Errorf("parameter %s has no default and was not given", e.key))
				continue
			}
			value = f.text("Default")
		}
		v, err := f.check(value)
		if err != nil {
			errs = append(errs, fmt.Errorf("parameter %s: %w", e.key, err))
			continue
		}
		s.params[e.key] = v
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		errs = append(errs, fmt.Errorf("there is no parameter %s in the template", name))
	}
	return errors.Join(errs...)
}

// check holds a value against the parameter's type and constraints, and gives it as expressions see it.
func (f fields) check(value string) (any, error) {
	typ := f.text("Type")
	items := []string{value}
	list := typ == "CommaDelimitedList" || strings.HasPrefix(typ, "List<")
	if list {
		items = nil
		if value != "" {
			items = strings.Split(value, ",")
		}
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
	}
	switch {
	case typ == "String", typ == "CommaDelimitedList", strings.HasPrefix(typ, "List<AWS::EC2::"), strings.HasPrefix(typ, "AWS::EC2::"):
	case typ == "Number", typ == "List<Number>":
		for _, v := range items {
			if err := f.checkNumber(v); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fmt.Errorf("type %s can't be run here", typ)
	}
	for _, v := range items {
		if err := f.checkText(v); err != nil {
			return nil, f.explain(err)
		}
	}
	if !list {
		return value, nil
	}
	out := make([]any, len(items))
	for i := range items {
		out[i] = items[i]
	}
	return out, nil
}

func (f fields) explain(err error) error {
	if why := f.text("ConstraintDescription"); why != "" {
		return fmt.Errorf("%w: %s", err, why)
	}
	return err
}

func (f fields) checkNumber(v string) error {
	n, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number", v)
	}
	if low, err := strconv.ParseFloat(f.text("MinValue"), 64); err == nil && n < low {
		return f.explain(fmt.Errorf("%s is less than %s", v, f.text("MinValue")))
	}
	if high, err := strconv.ParseFloat(f.text("MaxValue"), 64); err == nil && n > high {
		return f.explain(fmt.Errorf("%s is more than %s", v, f.text("MaxValue")))
	}
	return nil
}

func (f fields) checkText(v string) error {
	if allowed := f["AllowedValues"]; allowed != nil {
		var values []string
		for _, n := range allowed.Content {
			values = append(values, deref(n).Value)
		}
		if !slices.Contains(values, v) {
			return fmt.Errorf("%q is not one of %s", v, strings.Join(values, ", "))
		}
	}
	if p := f.text("AllowedPattern"); p != "" {
		re, err := regexp.Compile("^(?:" + p + ")$")
		if err != nil {
			return fmt.Errorf("its AllowedPattern can't be read here: %w", err)
		}
		if !re.MatchString(v) {
			return fmt.Errorf("%q does not match %s", v, p)
		}
	}
	if n, err := strconv.Atoi(f.text("MinLength")); err == nil && len(v) < n {
		return fmt.Errorf("it is shorter than %d characters", n)
	}
	if n, err := strconv.Atoi(f.text("MaxLength")); err == nil && len(v) > n {
		return fmt.Errorf("it is longer than %d characters", n)
	}
	return nil
}
