package httpapi

import (
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backup-restore/backup-restore/shared/access"
)

// docs is what the template of /docs shows: the OpenAPI document, in the order in which people read.
type docs struct {
	Title, Version, About string
	Stylesheet            string
	Groups                []docGroup
	Types                 []docType
	Roles                 []docRole
}

type docGroup struct {
	Name, About string
	Operations  []docOperation
}

type docOperation struct {
	ID, Method, Path, Summary, About string
	Needs                            string // a security scheme's name; "" for nothing
	Permission                       string
	PermissionWhen                   map[string]access.Permission
	Params                           []docField
	Body, Answer                     *docUse
	Status                           string
	Errors                           []docError
	Samples                          []codeSample
}

// docError is a status that says no, with the codes that its problem can have.
type docError struct {
	Status string
	Codes  []string
}

// docUse is a type where it is used.
type docUse struct {
	Name     string // of a type of the document
	Required bool
}

type docType struct {
	Name   string
	Fields []docField
}

type docField struct {
	Name, In, Type, Ref, About, Rule string
	Required                         bool
}

type docRole struct {
	Role        access.Role
	Permissions []access.Permission
}

var docFuncs = template.FuncMap{
	"lower":  strings.ToLower,
	"anchor": func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "-")) },
}

// newDocs shows the operations of each tag in the order in which they are declared: that is the one in which they are used.
func newDocs(spec *huma.OpenAPI, routes []Route, addresses map[string]string) docs {
	d := docs{Title: spec.Info.Title, Version: spec.Info.Version, About: spec.Info.Description, Stylesheet: addresses["docs.css"]}
	for _, r := range access.Roles() {
		d.Roles = append(d.Roles, docRole{r, r.Permissions()})
	}
	for _, tag := range spec.Tags {
		g := docGroup{Name: tag.Name, About: tag.Description}
		for _, r := range routes {
			if op := operationOf(spec.Paths[r.Path], r.Method); slices.Contains(op.Tags, tag.Name) {
				g.Operations = append(g.Operations, newDocOperation(op))
			}
		}
		d.Groups = append(d.Groups, g)
	}
	schemas := spec.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		d.Types = append(d.Types, docType{Name: name, Fields: fieldsOf(schemas[name])})
	}
	return d
}

// operationOf is the operation of a method; one without tags where there is none.
func operationOf(p *huma.PathItem, method string) *huma.Operation {
	for _, op := range []*huma.Operation{p.Get, p.Post, p.Put, p.Patch, p.Delete} {
		if op != nil && op.Method == method {
			return op
		}
	}
	return &huma.Operation{}
}

func newDocOperation(op *huma.Operation) docOperation {
	d := docOperation{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, About: op.Description}
	for _, scheme := range op.Security {
		d.Needs = strings.Join(slices.Sorted(maps.Keys(scheme)), " and ")
	}
	if p, ok := op.Extensions["x-permission"].(access.Permission); ok {
		d.Permission = string(p)
	}
	d.PermissionWhen, _ = op.Extensions["x-permission-when"].(map[string]access.Permission)
	d.Samples, _ = op.Extensions["x-codeSamples"].([]codeSample)
	for _, p := range op.Parameters {
		f := field(p.Name, p.Schema, p.Required)
		f.In, f.About = p.In, p.Description
		d.Params = append(d.Params, f)
	}
	if op.RequestBody != nil {
		if m := op.RequestBody.Content["application/json"]; m != nil {
			d.Body = &docUse{Name: refName(m.Schema), Required: op.RequestBody.Required}
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		if status >= "400" {
			text, codes, _ := strings.Cut(r.Description, ": ")
			d.Errors = append(d.Errors, docError{Status: status + " " + text, Codes: strings.Split(codes, ", ")})
			continue
		}
		d.Status = status + " " + r.Description
		if m := r.Content["application/json"]; m != nil {
			d.Answer = &docUse{Name: refName(m.Schema)}
		}
	}
	return d
}

func fieldsOf(s *huma.Schema) []docField {
	var fields []docField
	for name, p := range s.Properties {
		fields = append(fields, field(name, p, slices.Contains(s.Required, name)))
	}
	slices.SortFunc(fields, func(a, b docField) int { return strings.Compare(a.Name, b.Name) })
	return fields
}

func field(name string, s *huma.Schema, required bool) docField {
	f := docField{Name: name, Required: required, About: s.Description, Ref: refName(s), Type: s.Type}
	if s.Type == huma.TypeArray && s.Items != nil {
		f.Type, f.Ref = "list of "+s.Items.Type, refName(s.Items)
	}
	var rules []string
	if s.Format == "date-time" {
		f.Type = "time"
	}
	if len(s.Enum) > 0 {
		rules = append(rules, "one of "+joined(s.Enum))
	}
	if s.Default != nil {
		rules = append(rules, "default "+text(s.Default))
	}
	if s.Minimum != nil && s.Maximum != nil {
		rules = append(rules, fmt.Sprintf("%g to %g", *s.Minimum, *s.Maximum))
	}
	if s.MinLength == nil && s.MaxLength != nil {
		rules = append(rules, fmt.Sprintf("at most %d characters", *s.MaxLength))
	}
	if len(s.Examples) > 0 {
		rules = append(rules, "such as "+text(s.Examples[0]))
	}
	f.Rule = strings.Join(rules, "; ")
	return f
}

func refName(s *huma.Schema) string {
	if s == nil || s.Ref == "" {
		return ""
	}
	return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
}

func joined(values []any) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = text(v)
	}
	return strings.Join(out, ", ")
}

func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return strings.Trim(string(b), `"`)
}
