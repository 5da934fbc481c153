package template

import (
	"strings"
	"time"
)

// integrationLimit is API Gateway's hard limit for HTTP APIs,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html.
const integrationLimit = 30 * time.Second

// event adds what invokes a function.
func (b *builder) event(function, name string, e *object) {
	typ := e.text("Type", "")
	p := e.object("Properties")
	if p == nil {
		p = b.mapping(e.id, e.typ, e.path+"Properties.", nil)
	}
	switch typ {
	case "HttpApi":
		b.httpEvent(function, name, p)
	case "SQS":
		b.queueEvent(function, name, p)
	case "ScheduleV2":
		b.scheduleEvent(function, name, p)
	default:
		e.failf("Type", "events of type %q are not known; HttpApi, SQS and ScheduleV2 are", typ)
		return
	}
	p.done()
	e.done()
}

func (b *builder) httpEvent(function, name string, p *object) {
	r := Route{Function: function, Event: name, Timeout: integrationLimit, Path: p.text("Path", DefaultRoute),
		Method: strings.ToUpper(p.text("Method", "ANY"))}
	if r.Method == "X-AMAZON-APIGATEWAY-ANY-METHOD" || r.Method == "*" {
		r.Method = "ANY"
	}
	if !p.has("ApiId") {
		p.failf("ApiId", "it is missing: the API that SAM would make by itself is not run")
	} else {
		r.API = apiOf(p)
	}
	if ms := p.integer("TimeoutInMillis", 0); ms != 0 {
		r.Timeout = time.Duration(ms) * time.Millisecond
		if r.Timeout < 50*time.Millisecond || r.Timeout > integrationLimit {
			p.failf("TimeoutInMillis", "it is not within 50 to 30000")
		}
	}
	p.only("PayloadFormatVersion", "not the format that is spoken here", "2.0")
	if a := p.object("Auth"); a != nil {
		r.Authorizer = a.text("Authorizer", "")
		r.Scopes = a.texts("AuthorizationScopes")
		a.done()
	}
	if s := p.object("RouteSettings"); s != nil {
		r.Burst, r.Rate = throttle(s)
		s.done()
	}
	if r.Path != DefaultRoute && !strings.HasPrefix(r.Path, "/") {
		p.failf("Path", "%s does not begin with /", r.Path)
	}
	b.route(r, p)
}

// apiOf reads ApiId: the API is referred to by its id, which all APIs of one machine share, so the node itself is read.
func apiOf(p *object) string {
	n := p.node("ApiId")
	if name, arg, ok := intrinsic(n); ok && name == "Ref" {
		if resourceType(p.b.doc.resource(arg.Value)) == "AWS::Serverless::HttpApi" {
			return arg.Value
		}
	}
	p.failf("ApiId", "it is not a Ref to an AWS::Serverless::HttpApi of this template")
	return ""
}

func throttle(s *object) (burst int, rate float64) {
	burst, rate = s.integer("ThrottlingBurstLimit", 0), s.number("ThrottlingRateLimit", 0)
	s.ignore(noMonitor, "DetailedMetricsEnabled", "DataTraceEnabled", "LoggingLevel")
	return burst, rate
}

func (b *builder) queueEvent(function, name string, p *object) {
	t := Trigger{ID: function + "." + name, Function: function, Queue: p.referred("Queue", "AWS::SQS::Queue"),
		BatchSize: p.integer("BatchSize", 10), Enabled: p.boolean("Enabled", true),
		Window: time.Duration(p.integer("MaximumBatchingWindowInSeconds", 0)) * time.Second}
	if t.BatchSize < 1 || t.BatchSize > 10 {
		p.failf("BatchSize", "it is not within 1 to 10; larger batches are collected by AWS only")
	}
	for _, v := range p.texts("FunctionResponseTypes") {
		if v != "ReportBatchItemFailures" {
			p.failf("FunctionResponseTypes", "%s is not known", v)
		}
		t.ReportFailures = true
	}
	if s := p.object("ScalingConfig"); s != nil {
		t.MaxConcurrency = s.integer("MaximumConcurrency", 0)
		if t.MaxConcurrency != 0 && (t.MaxConcurrency < 2 || t.MaxConcurrency > 1000) {
			s.failf("MaximumConcurrency", "it is not within 2 to 1000")
		}
		s.done()
	}
	if t.Queue == "" && !p.has("Queue") {
		p.failf("Queue", "it is missing")
	}
	p.refuse("every message invokes the function here", "FilterCriteria")
	p.refuse("pollers are not provisioned here", "ProvisionedPollerConfig")
	p.ignore(noMonitor, "MetricsConfig")
	p.ignore(noKMS, "KmsKeyArn")
	b.stack.Triggers = append(b.stack.Triggers, t)
}

func (b *builder) scheduleEvent(function, name string, p *object) {
	s := Schedule{ID: function + "." + name, Function: function, Name: p.text("Name", function+name), Input: p.text("Input", "")}
	b.scheduleTiming(p, &s)
	s.Retries = 185
	if r := p.object("RetryPolicy"); r != nil {
		s.Retries = r.integer("MaximumRetryAttempts", s.Retries)
		r.ignore("the local scheduler hands an event over at once or not at all", "MaximumEventAgeInSeconds")
		r.done()
	}
	p.refuse("events that could not be handed over are not kept here", "DeadLetterConfig")
	p.ignore(noIAM, "RoleArn", "PermissionsBoundary")
	p.ignore(noKMS, "KmsKeyArn")
	p.ignore(noTags, "Description", "GroupName", "OmitName")
	b.stack.Schedules = append(b.stack.Schedules, s)
}

// scheduleTiming reads what ScheduleV2 and AWS::Scheduler::Schedule have in common.
func (b *builder) scheduleTiming(p *object, s *Schedule) {
	s.Expression = p.text("ScheduleExpression", "")
	if s.Expression == "" {
		p.failf("ScheduleExpression", "it is missing")
	}
	s.TimeZone = p.text("ScheduleExpressionTimezone", "UTC")
	if _, err := time.LoadLocation(s.TimeZone); err != nil {
		p.failf("ScheduleExpressionTimezone", "%s is not a time zone that this machine knows", s.TimeZone)
	}
	p.only("State", "neither ENABLED nor DISABLED", "ENABLED", "DISABLED")
	s.Enabled = p.text("State", "ENABLED") == "ENABLED"
	for _, t := range []struct {
		name string
		at   *time.Time
	}{{"StartDate", &s.Start}, {"EndDate", &s.End}} {
		text := p.text(t.name, "")
		if text == "" {
			continue
		}
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			p.failf(t.name, "%s is not a time such as 2026-12-31T00:00:00Z", text)
		}
		*t.at = v
	}
	if w := p.object("FlexibleTimeWindow"); w != nil {
		w.only("Mode", "not OFF: there is no reason to spread invocations on one machine", "OFF")
		w.done()
	}
}

// schedule reads a schedule that stands by itself.
func (b *builder) schedule(p *object) {
	s := Schedule{ID: p.id, Name: p.text("Name", p.id)}
	b.scheduleTiming(p, &s)
	s.Retries = 185
	if t := p.object("Target"); t != nil {
		s.Function = t.referred("Arn", "AWS::Serverless::Function")
		s.Input = t.text("Input", "")
		if r := t.object("RetryPolicy"); r != nil {
			s.Retries = r.integer("MaximumRetryAttempts", s.Retries)
			r.ignore("the local scheduler hands an event over at once or not at all", "MaximumEventAgeInSeconds")
			r.done()
		}
		t.ignore(noIAM, "RoleArn")
		t.refuse("events that could not be handed over are not kept here", "DeadLetterConfig")
		t.done()
	} else {
		p.failf("Target", "it is missing")
	}
	p.ignore(noKMS, "KmsKeyArn")
	p.ignore(noTags, "Description", "GroupName")
	b.stack.Schedules = append(b.stack.Schedules, s)
}
