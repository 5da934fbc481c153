package template

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// Options are what a deployment would know.
type Options struct {
	Parameters map[string]string // values of parameters; the others take their defaults
	StackName  string            // begins the names of what the template leaves unnamed
	Region     string
	AccountID  string
	Endpoint   string // URL of the AWS protocols on this machine: queue URLs begin with it
	// Attributes are what Ref and GetAtt give where it is known only after a resource was made, such as a secret's ARN:
	// logical id → attribute ("Ref" for Ref) → value.
	Attributes map[string]map[string]string
}

// Resolve evaluates the template. The error joins everything that can't be run, each with its resource and property.
func (d *Document) Resolve(o Options) (*Stack, error) {
	if o.StackName == "" {
		o.StackName = "backup-restore"
	}
	if o.Region == "" {
		o.Region = "eu-central-1"
	}
	if o.AccountID == "" {
		o.AccountID = "000000000000"
	}
	b := &builder{scope: &scope{doc: d, options: o, params: map[string]any{}, conditions: map[string]bool{}, inside: map[string]bool{}}}
	if err := b.readParameters(); err != nil {
		return nil, err
	}
	if err := b.checkRules(); err != nil {
		return nil, err
	}
	for _, c := range d.conditions {
		if _, err := b.condition(c.key); err != nil {
			return nil, err
		}
	}
	for _, r := range d.resources {
		b.resource(r)
	}
	b.finishAPIs()
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return &b.stack, nil
}

// resource adds one resource to the stack, unless its condition is false.
func (b *builder) resource(e entry) {
	typ := resourceType(e.node)
	head := b.mapping(e.key, typ, "", e.node)
	if head == nil || typ == "" {
		b.errs = append(b.errs, fmt.Errorf("resource %s: it has no Type", e.key))
		return
	}
	active, err := b.active(e.node)
	if err != nil {
		head.fail("Condition", err)
		return
	}
	if !active {
		return
	}
	for _, known := range []string{"Type", "Condition", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy", "Metadata", "Properties"} {
		// DependsOn: the order is known here. The policies speak of deleting a stack; here that is deleting a folder.
		head.known[known] = true
	}
	if why, ok := ignoredType(typ); ok {
		b.stack.Ignored = append(b.stack.Ignored, Ignored{Resource: e.key, Type: typ, Why: why})
		return
	}
	head.done()
	properties := find(head.fields, "Properties")
	if global, ok := map[string]string{"AWS::Serverless::Function": "Function", "AWS::Serverless::HttpApi": "HttpApi"}[typ]; ok {
		properties = merge(b.doc.globals[global], properties)
	}
	p := b.mapping(e.key, typ, "", properties)
	if p == nil {
		p = b.mapping(e.key, typ, "", nil)
	}
	switch typ {
	case "AWS::Serverless::Function":
		b.function(p, find(head.fields, "Metadata"))
	case "AWS::Serverless::HttpApi":
		b.api(p)
	case "AWS::SQS::Queue":
		b.queue(p)
	case "AWS::S3::Bucket":
		b.bucket(p)
	case "AWS::SecretsManager::Secret":
		b.secret(p)
	case "AWS::Scheduler::Schedule":
		b.schedule(p)
	default:
		p.fail("", errors.New("this type of resource is not known"))
		return
	}
	p.done()
}

func resourceType(n *yaml.Node) string {
	list, err := entries(n, "a resource")
	if err != nil {
		return ""
	}
	if t := deref(find(list, "Type")); t != nil {
		return t.Value
	}
	return ""
}

// active tells whether a resource is there: its Condition, if any, is true.
func (s *scope) active(n *yaml.Node) (bool, error) {
	list, err := entries(n, "a resource")
	if err != nil {
		return false, err
	}
	c := deref(find(list, "Condition"))
	if c == nil {
		return true, nil
	}
	return s.condition(c.Value)
}

// attribute is what Ref ("Ref") or GetAtt gives for a resource.
func (s *scope) attribute(id, attr string) (any, error) {
	n := s.doc.resource(id)
	if n == nil {
		return nil, fmt.Errorf("there is no resource %s", id)
	}
	if on, err := s.active(n); err != nil {
		return nil, err
	} else if !on {
		return nil, fmt.Errorf("resource %s is not there: its condition is false", id)
	}
	if v, ok := s.options.Attributes[id][attr]; ok {
		return v, nil
	}
	leave, err := s.enter("resource " + id + "." + attr)
	if err != nil {
		return nil, err
	}
	defer leave()
	typ := resourceType(n)
	v, err := s.madeUp(id, typ, attr)
	if err != nil {
		return nil, err
	}
	if v == "" {
		if why, ok := ignoredType(typ); ok {
			return nil, fmt.Errorf("%s of %s (%s) is not known: the resource isn't run on one machine (%s)", attr, id, typ, why)
		}
		return nil, fmt.Errorf("%s of %s (%s) is not known here", attr, id, typ)
	}
	return v, nil
}

// madeUp gives the attributes that follow from a resource's name.
func (s *scope) madeUp(id, typ, attr string) (string, error) {
	arn := func(service, rest string) string {
		return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, s.options.Region, s.options.AccountID, rest)
	}
	name, err := s.physicalName(id, typ)
	if err != nil {
		return "", err
	}
	switch typ + " " + attr {
	case "AWS::SQS::Queue Ref", "AWS::SQS::Queue QueueUrl":
		return strings.TrimSuffix(s.options.Endpoint, "/") + "/" + s.options.AccountID + "/" + name, nil
	case "AWS::SQS::Queue Arn":
		return arn("sqs", name), nil
	case "AWS::SQS::Queue QueueName", "AWS::S3::Bucket Ref", "AWS::Serverless::Function Ref":
		return name, nil
	case "AWS::S3::Bucket Arn":
		return "arn:aws:s3:::" + name, nil
	case "AWS::SecretsManager::Secret Ref", "AWS::SecretsManager::Secret Id":
		return arn("secretsmanager", "secret:"+name), nil
	case "AWS::Serverless::Function Arn":
		return arn("lambda", "function:"+name), nil
	case "AWS::Serverless::HttpApi Ref":
		return "local", nil
	}
	return "", nil
}

// physicalName is the name that the template gives to a resource, or one made of the stack's name and the logical id.
func (s *scope) physicalName(id, typ string) (string, error) {
	property := map[string]string{"AWS::SQS::Queue": "QueueName", "AWS::S3::Bucket": "BucketName",
		"AWS::SecretsManager::Secret": "Name", "AWS::Serverless::Function": "FunctionName"}[typ]
	list, err := entries(s.doc.resource(id), "a resource")
	if err != nil {
		return "", err
	}
	if properties := find(list, "Properties"); properties != nil && property != "" {
		list, err := entries(properties, "Properties")
		if err != nil {
			return "", err
		}
		n, err := s.expand(find(list, property))
		if err != nil {
			return "", err
		}
		if n != nil {
			return s.text(n)
		}
	}
	name := s.options.StackName + "-" + id
	if typ == "AWS::S3::Bucket" {
		name = strings.ToLower(name)
	}
	return name, nil
}

// referred resolves a property that names another resource by Ref, GetAtt or text to that resource's logical id.
func (o *object) referred(name, typ string) string {
	v := o.text(name, "")
	if v == "" {
		return ""
	}
	for _, e := range o.b.doc.resources {
		if resourceType(e.node) != typ {
			continue
		}
		if on, err := o.b.active(e.node); err != nil || !on {
			continue
		}
		for _, attr := range []string{"Ref", "Arn"} {
			if a, err := o.b.attribute(e.key, attr); err == nil && a == v {
				return e.key
			}
		}
	}
	o.failf(name, "%s is no %s of this template", v, typ)
	return ""
}
