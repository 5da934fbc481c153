package template_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/files"
)

// The routes that anyone may call. All else takes a token.
var openRoutes = []string{
	"GET /", "GET /assets/{proxy+}", "GET /config.json", "GET /docs", "GET /health", "GET /openapi.json", "HEAD /", "HEAD /assets/{proxy+}",
	"POST /cron/backups",
}

func checkRoutes(d document) (wrong []string) {
	auth := d.resource("Api").property("Auth")
	standard := text(auth, "DefaultAuthorizer")
	jwt := at(auth, "Authorizers", standard, "JwtConfiguration")
	if standard == "" || at(jwt, "issuer") == nil || len(list(jwt, "audience")) != 1 {
		wrong = append(wrong, "Api: the default authorizer does not check issuer and audience")
	}
	for _, key := range []string{"DefinitionBody", "DefinitionUri", "CorsConfiguration"} {
		if d.resource("Api").property(key) != nil {
			wrong = append(wrong, "Api: routes or headers come from "+key+", which these checks do not read")
		}
	}
	var open, guarded []string
	for _, e := range d.events("HttpApi") {
		route := text(e.property("Method")) + " " + text(e.property("Path"))
		// Without ApiId SAM makes an API of its own, which has no authorizer.
		if e.reference("ApiId") != "Api" {
			wrong = append(wrong, route+": not a route of Api")
		}
		switch authorizer := text(e.property("Auth"), "Authorizer"); {
		case authorizer == "NONE":
			open = append(open, route)
		case e.property("Auth") == nil:
			guarded = append(guarded, route)
		default:
			wrong = append(wrong, fmt.Sprintf("%s: authorizer %q instead of the default", route, authorizer))
		}
	}
	slices.Sort(open)
	if !slices.Equal(open, openRoutes) {
		wrong = append(wrong, fmt.Sprintf("open routes are %v, not %v", open, openRoutes))
	}
	if !slices.Contains(guarded, "ANY /api/{proxy+}") {
		wrong = append(wrong, "ANY /api/{proxy+} is not behind the authorizer")
	}
	for _, f := range d.functions() {
		if f.property("FunctionUrlConfig") != nil {
			wrong = append(wrong, f.name+": a function URL goes around the authorizer")
		}
	}
	if n := len(d.events("Api")); n > 0 || len(d.resources("AWS::Serverless::HttpApi")) != 1 {
		wrong = append(wrong, "there is another API than Api")
	}
	if limit := number(d.resource("Api").property("RouteSettings", "POST /cron/backups", "ThrottlingRateLimit")); limit < 1 || limit > 10 {
		wrong = append(wrong, "POST /cron/backups is not throttled")
	}
	if d.resource("Api").property("AccessLogSettings", "DestinationArn") == nil {
		wrong = append(wrong, "Api has no access log")
	}
	return wrong
}

// checkFunctions: what each function is built of and for.
func checkFunctions(d document) (wrong []string) {
	sources := map[string]string{}
	for _, f := range d.functions() {
		bad := func(format string, args ...any) { wrong = append(wrong, f.name+": "+fmt.Sprintf(format, args...)) }
		source := text(f.property("CodeUri"))
		if text(f.property("PackageType")) == "Image" {
			source = strings.TrimPrefix(text(f.body, "Metadata", "DockerBuildArgs", "PACKAGE"), "./")
			if _, err := os.Stat(filepath.Join("../..", text(f.body, "Metadata", "DockerContext"), text(f.body, "Metadata", "Dockerfile"))); err != nil {
				bad("no Dockerfile: %v", err)
			}
		} else if text(f.property("Runtime")) != "provided.al2023" || text(f.property("Handler")) != "bootstrap" || text(f.body, "Metadata", "BuildMethod") != "go1.x" {
			bad("not a bootstrap for provided.al2023, built by go1.x")
		}
		switch other := sources[source]; {
		case !strings.HasPrefix(source, "functions/"):
			bad("its source is %q, not a folder of functions", source)
		case other != "":
			bad("has the source of %s", other)
		}
		sources[source] = f.name
		if !slices.Equal(texts(at(map[string]any(d), "Globals", "Function", "Architectures")), []string{"arm64"}) || f.property("Architectures") != nil {
			bad("not on arm64")
		}
		if s := number(f.property("Timeout")); s < 1 || s > 900 {
			bad("timeout %d s", s)
		}
		if f.property("EphemeralStorage") != nil {
			bad("room on disk, where nothing may be written")
		}
		logs := d.resource(referred(f.property("LoggingConfig", "LogGroup")))
		if logs.typ != "AWS::Logs::LogGroup" {
			bad("no log group of its own")
		}
	}
	for _, l := range d.resources("AWS::Logs::LogGroup") {
		if l.property("RetentionInDays") == nil {
			wrong = append(wrong, l.name+": keeps logs for ever")
		}
	}
	return wrong
}

// checkTimes: whoever starts a function waits for as long as it may run.
func checkTimes(d document) (wrong []string) {
	for _, e := range d.events("HttpApi") {
		if s := number(e.function.property("Timeout")); s >= 30 {
			wrong = append(wrong, fmt.Sprintf("%s runs for up to %d s, the API waits for 30", e.function.name, s))
		}
	}
	for _, e := range d.events("ScheduleV2") {
		if s := number(e.function.property("Timeout")); text(e.property("ScheduleExpression")) == "rate(1 minute)" && s > 60 {
			wrong = append(wrong, fmt.Sprintf("%s is started every minute and runs for up to %d s", e.function.name, s))
		}
	}
	for _, e := range d.events("SQS") {
		queue, timeout := d.resource(e.reference("Queue")), number(e.function.property("Timeout"))
		if s := number(queue.property("VisibilityTimeout")); s < 6*timeout {
			wrong = append(wrong, fmt.Sprintf("%s hides messages for %d s: less than 6 times the %d s of %s", queue.name, s, timeout, e.function.name))
		}
	}
	return wrong
}

func checkQueue(d document) (wrong []string) {
	events := d.events("SQS")
	if len(events) != 1 || events[0].reference("Queue") != "Jobs" {
		return []string{"Jobs starts no function, or something else does"}
	}
	e := events[0]
	if number(e.property("BatchSize")) != 1 || !slices.Equal(texts(e.property("FunctionResponseTypes")), []string{"ReportBatchItemFailures"}) {
		wrong = append(wrong, e.String()+": not one message at a time with ReportBatchItemFailures")
	}
	// Lambda accepts 2 to 1000.
	if n := number(e.property("ScalingConfig", "MaximumConcurrency")); n < 2 {
		wrong = append(wrong, e.String()+": no bound on how many run at once")
	}
	jobs := d.resource("Jobs")
	dead := d.resource(referred(jobs.property("RedrivePolicy", "deadLetterTargetArn")))
	if dead.typ != "AWS::SQS::Queue" || dead.name == jobs.name || number(jobs.property("RedrivePolicy", "maxReceiveCount")) < 1 {
		wrong = append(wrong, "Jobs has no dead-letter queue")
	}
	if number(dead.property("MessageRetentionPeriod")) <= number(jobs.property("MessageRetentionPeriod")) {
		wrong = append(wrong, "dead letters do not outlast the queue's messages")
	}
	for _, q := range d.resources("AWS::SQS::Queue") {
		if q.property("SqsManagedSseEnabled") != true {
			wrong = append(wrong, q.name+": not encrypted")
		}
		if q.property("FifoQueue") != nil {
			wrong = append(wrong, q.name+": FIFO, which hides a crashed worker's database for the whole visibility")
		}
	}
	return wrong
}

func checkBucket(d document) (wrong []string) {
	b := d.resource("Bucket")
	expect := func(ok bool, what string) {
		if !ok {
			wrong = append(wrong, "Bucket: "+what)
		}
	}
	expect(len(d.resources("AWS::S3::Bucket")) == 1, "there is another one")
	expect(text(b.body, "DeletionPolicy") == "Retain" && text(b.body, "UpdateReplacePolicy") == "Retain", "goes away with the stack")
	expect(len(list(b.property("BucketEncryption", "ServerSideEncryptionConfiguration"))) == 1, "not encrypted")
	expect(text(b.property("VersioningConfiguration", "Status")) == "Enabled", "not versioned")
	for _, key := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		expect(b.property("PublicAccessBlockConfiguration", key) == true, key+" is not set")
	}
	owners := list(b.property("OwnershipControls", "Rules"))
	expect(len(owners) == 1 && text(owners[0], "ObjectOwnership") == "BucketOwnerEnforced", "ACLs are not off")
	expect(len(list(b.property("CorsConfiguration", "CorsRules"))) > 0, "no CORS, which presigned calls of the page need")
	// As Object Lock's default it would keep locks and records from being replaced.
	expect(b.property("ObjectLockConfiguration") == nil, "Object Lock as a default")

	return slices.Concat(wrong, checkLifecycle(b), checkBucketPolicy(d))
}

// checkLifecycle: what ends by itself, and that nothing else does.
func checkLifecycle(b resource) (wrong []string) {
	expect := func(ok bool, what string) {
		if !ok {
			wrong = append(wrong, "Bucket: "+what)
		}
	}
	var stale, past, keys, uploads bool
	for _, r := range list(b.property("LifecycleConfiguration", "Rules")) {
		on, everywhere, prefix := text(r, "Status") == "Enabled", at(r, "Prefix") == nil, text(r, "Prefix")
		stale = stale || on && everywhere && number(r, "AbortIncompleteMultipartUpload", "DaysAfterInitiation") > 0
		past = past || on && everywhere && number(r, "NoncurrentVersionExpiration", "NoncurrentDays") > 0
		keys = keys || on && prefix == "idempotency/" && number(r, "ExpirationInDays") == 2
		if prefix == "uploads/" {
			kept, days := number(r, "NoncurrentVersionExpiration", "NoncurrentDays"), number(r, "ExpirationInDays")
			uploads = uploads || on && days*24 == int(backup.UploadsKept.Hours())
			expect(kept == 0 || kept >= days, "an upload's file goes before the upload does, once another was sent to its link")
		}
		if at(r, "ExpirationInDays") != nil && prefix != "idempotency/" && prefix != "uploads/" || at(r, "ExpirationDate") != nil {
			wrong = append(wrong, "Bucket: a rule expires what is neither an idempotency key nor an upload")
		}
	}
	expect(stale, "stale uploads stay")
	expect(past, "past versions stay for ever")
	expect(keys, "idempotency keys do not end after 2 days")
	expect(uploads, "uploads do not end when the API says so")
	return wrong
}

// checkBucketPolicy: it denies, and lets nobody in.
func checkBucketPolicy(d document) (wrong []string) {
	var tls, links bool
	for _, p := range d.resources("AWS::S3::BucketPolicy") {
		for _, s := range list(p.property("PolicyDocument", "Statement")) {
			if text(s, "Effect") != "Deny" {
				wrong = append(wrong, p.name+": lets somebody in")
			}
			var on []string
			for _, r := range list(s, "Resource") {
				on = append(on, resourceText(r))
			}
			if p.reference("Bucket") != "Bucket" || text(s, "Principal") != "*" || text(s, "Action") != "s3:*" {
				continue
			}
			tls = tls || slices.Equal(on, []string{bucketARN, bucketARN + "/*"}) && text(s, "Condition", "Bool", "aws:SecureTransport") == "false"
			links = links || slices.Equal(on, []string{bucketARN + "/backups/*", bucketARN + "/uploads/*"}) &&
				int64(number(s, "Condition", "NumericGreaterThan", "s3:signatureAge")) == files.MaxLinkLifetime.Milliseconds()
		}
	}
	if !tls {
		wrong = append(wrong, "Bucket: takes requests without TLS")
	}
	if !links {
		wrong = append(wrong, "Bucket: takes links that are older than they may be made for")
	}
	return wrong
}

func checkSecret(d document) (wrong []string) {
	s := d.resource("CronKeySecret")
	if s.typ != "AWS::SecretsManager::Secret" || s.property("SecretString") != nil || s.property("GenerateSecretString") != nil {
		wrong = append(wrong, "CronKeySecret: CloudFormation gives it a value, which only the api function may know")
	}
	if s.property("Tags") != nil {
		wrong = append(wrong, "CronKeySecret: a tag could make it a database's secret, which the worker reads")
	}
	for _, f := range d.functions() {
		if f.name != "ApiFunction" && at(f.property("Environment", "Variables"), "CRON_KEY_SECRET") != nil {
			wrong = append(wrong, f.name+": is told where the cron key is")
		}
	}
	return wrong
}

func checkSchedules(d document) (wrong []string) {
	if n := len(d.events("Schedule")); n > 0 {
		wrong = append(wrong, "a Schedule of the old kind, which knows no time zone")
	}
	for _, e := range d.events("ScheduleV2") {
		if e.property("OmitName") != true {
			wrong = append(wrong, e.String()+": its name is fixed, so that an account could hold one stack only")
		}
	}
	backups := at(d.resource("ScheduleFunction").property("Events"), "Backups", "Properties")
	if state := list(backups, "State", "Fn::If"); len(state) != 3 || state[0] != "Scheduled" || state[1] != "ENABLED" || state[2] != "DISABLED" {
		wrong = append(wrong, "ScheduleFunction.Backups: not off while there is no expression")
	}
	if text(backups, "Input") != `{"scheduledAt":"<aws.scheduler.scheduled-time>"}` {
		wrong = append(wrong, "ScheduleFunction.Backups: does not hand on the scheduled time, so a repeated delivery would back up twice")
	}
	return wrong
}

// checkCycles follows who refers to whom. An API refers to the functions of its routes, though the template does not say so.
func checkCycles(d document) []string {
	edges := map[string][]string{}
	for _, r := range d.resources("") {
		edges[r.name] = references(d, r.body)
	}
	for _, f := range d.functions() {
		// What triggers a function is made of the function, and not before it.
		body := map[string]any{}
		props, _ := f.body["Properties"].(map[string]any)
		for k, v := range props {
			if k != "Events" {
				body[k] = v
			}
		}
		edges[f.name] = references(d, body)
	}
	for _, e := range d.events("HttpApi") {
		edges[e.reference("ApiId")] = append(edges[e.reference("ApiId")], e.function.name)
	}
	var trail []string
	done := map[string]bool{}
	var visit func(string) []string
	visit = func(name string) []string {
		if i := slices.Index(trail, name); i >= 0 {
			return []string{"a circle: " + strings.Join(append(trail[i:], name), " → ")}
		}
		if done[name] {
			return nil
		}
		done[name] = true
		trail = append(trail, name)
		defer func() { trail = trail[:len(trail)-1] }()
		for _, next := range edges[name] {
			if found := visit(next); found != nil {
				return found
			}
		}
		return nil
	}
	for _, r := range d.resources("") {
		if found := visit(r.name); found != nil {
			return found
		}
	}
	return nil
}

// references are the resources that v names anywhere inside.
func references(d document, v any) (names []string) {
	add := func(name string) {
		if d.resource(name).typ != "" {
			names = append(names, name)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		add(referred(v))
		for _, sub := range texts(v, "Fn::Sub") {
			for part := range strings.SplitSeq(sub, "${") {
				name, _, _ := strings.Cut(part, "}")
				name, _, _ = strings.Cut(name, ".")
				add(name)
			}
		}
		for _, item := range v {
			names = append(names, references(d, item)...)
		}
	case []any:
		for _, item := range v {
			names = append(names, references(d, item)...)
		}
	}
	return names
}
