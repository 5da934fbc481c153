package template_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/infra/local/template"
)

const productTemplate = "../../../template.yaml"

func productOptions() template.Options {
	return template.Options{
		Parameters: map[string]string{"Issuer": "http://127.0.0.1:8082", "ClientId": "local", "BackupSchedule": "cron(0 2 * * ? *)",
			"BackupTimeZone": "Europe/Berlin", "CronKeyGraceMinutes": "5"},
		Endpoint:   "http://127.0.0.1:8081",
		Attributes: map[string]map[string]string{"CronKeySecret": {"Ref": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:key-AbCdEf"}},
	}
}

func TestResolve_ProductTemplateBecomesWhatTheFunctionsNeed(t *testing.T) {
	t.Parallel()
	d, err := template.Load(productTemplate)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Resolve(productOptions())
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]template.Function{}
	for _, f := range s.Functions {
		functions[f.ID] = f
	}
	api := functions["ApiFunction"]
	want := map[string]string{
		"BUCKET": "backup-restore-bucket", "JOBS_QUEUE_URL": "http://127.0.0.1:8081/000000000000/backup-restore-Jobs",
		"CRON_KEY_SECRET": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:key-AbCdEf", "CRON_KEY_GRACE": "5m",
		"ROLE_CLAIM": "cognito:groups", "ISSUER": "http://127.0.0.1:8082", "CLIENT_ID": "local", "TOKEN_ORIGIN": "", "LOG_LEVEL": "info", "LOCK_EXPIRY": "45s",
	}
	if diff := cmp.Diff(want, api.Environment); diff != "" {
		t.Errorf("environment of ApiFunction (-want +got):\n%s", diff)
	}
	if api.Package != "./functions/api" || api.Timeout != 29*time.Second || api.MemoryMB != 512 || api.Image {
		t.Errorf("ApiFunction: %+v", api)
	}
	worker := functions["WorkerFunction"]
	if worker.Package != "./functions/worker" || !worker.Image || worker.Timeout != 900*time.Second {
		t.Errorf("WorkerFunction: %+v", worker)
	}
	if got := functions["JanitorFunction"].AsyncRetries; got != 0 {
		t.Errorf("JanitorFunction is retried %d times", got)
	}
	if len(s.Triggers) != 1 || s.Triggers[0].Queue != "Jobs" || !s.Triggers[0].ReportFailures || s.Triggers[0].BatchSize != 1 {
		t.Errorf("triggers: %+v", s.Triggers)
	}
	if len(s.Queues) != 2 || len(s.Buckets) != 1 || !s.Buckets[0].Versioned || len(s.Secrets) != 1 {
		t.Errorf("queues %+v, buckets %+v, secrets %+v", s.Queues, s.Buckets, s.Secrets)
	}
	for _, sc := range s.Schedules {
		if sc.Function == "ScheduleFunction" && (!sc.Enabled || sc.TimeZone != "Europe/Berlin" || sc.Expression != "cron(0 2 * * ? *)") {
			t.Errorf("schedule: %+v", sc)
		}
	}
	open := map[string]bool{}
	for _, r := range s.APIs[0].Routes {
		if r.Authorizer == "" {
			open[r.Key()] = true
		}
	}
	if open["ANY /api/{proxy+}"] || !open["POST /cron/backups"] {
		t.Errorf("open routes: %v", open)
	}
	if a := s.APIs[0].Authorizers[0]; a.Issuer != "http://127.0.0.1:8082" || a.Audience[0] != "local" {
		t.Errorf("authorizer: %+v", a)
	}
}

// head makes a template whose other parts are in order.
const head = "Transform: AWS::Serverless-2016-10-31\n"

func resolve(t *testing.T, text string, o template.Options) (*template.Stack, error) {
	t.Helper()
	d, err := template.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	return d.Resolve(o)
}

func TestResolve_RefusesWhatItCannotRun(t *testing.T) {
	t.Parallel()
	fn := func(properties string) string {
		return head + "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Metadata: {BuildMethod: go1.x}\n    Properties:\n      CodeUri: f\n" +
			indent(properties, 6)
	}
	res := func(typ, properties string) string {
		return head + "Resources:\n  R:\n    Type: " + typ + "\n    Properties:\n" + indent(properties, 6)
	}
	for name, c := range map[string]struct{ text, want string }{
		"fifo queue":            {res("AWS::SQS::Queue", "FifoQueue: true"), "resource R (AWS::SQS::Queue): property FifoQueue can't be run here"},
		"unknown property":      {res("AWS::SQS::Queue", "Colour: red"), "resource R (AWS::SQS::Queue): property Colour can't be run here"},
		"unknown type":          {res("AWS::DynamoDB::Table", "A: b"), "resource R (AWS::DynamoDB::Table) can't be run here"},
		"nested unknown":        {res("AWS::S3::Bucket", "CorsConfiguration: {CorsRules: [{Colour: red}]}"), "property CorsConfiguration.CorsRules[0].Colour"},
		"bucket events":         {res("AWS::S3::Bucket", "NotificationConfiguration: {}"), "property NotificationConfiguration"},
		"queue out of range":    {res("AWS::SQS::Queue", "VisibilityTimeout: 43201"), "property VisibilityTimeout"},
		"layers":                {fn("Layers: [x]"), "property Layers"},
		"function url":          {fn("FunctionUrlConfig: {AuthType: NONE}"), "property FunctionUrlConfig"},
		"timeout too long":      {fn("Timeout: 901"), "property Timeout"},
		"runtime":               {fn("Runtime: nodejs22.x"), "property Runtime"},
		"code outside":          {strings.Replace(fn("Handler: x"), "CodeUri: f", "CodeUri: ../x", 1), "property CodeUri"},
		"unknown event":         {fn("Events: {E: {Type: S3, Properties: {}}}"), "property Events.E.Type"},
		"unknown event setting": {fn("Events: {E: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), Colour: red}}}"), "property Events.E.Properties.Colour"},
		"flexible window":       {fn("Events: {E: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), FlexibleTimeWindow: {Mode: FLEXIBLE}}}}"), "property Events.E.Properties.FlexibleTimeWindow.Mode"},
		"time zone":             {fn("Events: {E: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), ScheduleExpressionTimezone: Mars/Base}}}"), "ScheduleExpressionTimezone"},
		"filter":                {fn("Events: {E: {Type: SQS, Properties: {Queue: x, FilterCriteria: {}}}}"), "property Events.E.Properties.FilterCriteria"},
		"api id":                {fn("Events: {E: {Type: HttpApi, Properties: {Path: /, Method: GET}}}"), "property Events.E.Properties.ApiId"},
		"import":                {fn("Handler: !ImportValue x"), "Fn::ImportValue can't be run here"},
		"unknown ref":           {fn("Handler: !Ref Nothing"), "Ref Nothing"},
		"get att of a role":     {head + "Resources:\n  Role: {Type: AWS::IAM::Role}\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {CodeUri: f, Handler: !GetAtt Role.Arn}\n", "Arn of Role (AWS::IAM::Role) is not known"},
		"null":                  {fn("Handler: null"), "null is not a value"},
		"section":               {head + "Hooks: {}\nResources: {}\n", "section Hooks can't be run here"},
		"global section":        {head + "Globals: {Api: {}}\nResources: {}\n", "Globals.Api can't be run here"},
		"other macro":           {"Transform: AWS::LanguageExtensions\nResources: {R: {Type: X}}\n", "Transform"},
		"no macro":              {"Resources: {R: {Type: X}}\n", "no Transform"},
		"twice the same key":    {head + "Resources:\n  R: {Type: X}\n  R: {Type: Y}\n", "the key R twice"},
		"resource attribute":    {head + "Resources:\n  R: {Type: AWS::SQS::Queue, CreationPolicy: {}}\n", "property CreationPolicy"},
		"parameter type":        {head + "Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: x}}\nResources: {R: {Type: AWS::SQS::Queue}}\n", "parameter P: type"},
		"missing parameter":     {head + "Parameters: {P: {Type: String}}\nResources: {R: {Type: AWS::SQS::Queue}}\n", "parameter P has no default"},
		"cycle of conditions":   {head + "Conditions: {A: !Condition B, B: !Condition A}\nResources: {R: {Type: AWS::SQS::Queue}}\n", "refers to itself"},
		"route setting":         {head + "Resources:\n  R: {Type: AWS::Serverless::HttpApi, Properties: {RouteSettings: {'GET /x': {ThrottlingBurstLimit: 1}}}}\n", "property RouteSettings.GET /x"},
		"default authorizer":    {head + "Resources:\n  R: {Type: AWS::Serverless::HttpApi, Properties: {Auth: {DefaultAuthorizer: X}}}\n", "property Auth.DefaultAuthorizer"},
		"lambda authorizer":     {head + "Resources:\n  R: {Type: AWS::Serverless::HttpApi, Properties: {Auth: {Authorizers: {X: {FunctionArn: y}}}}}\n", "property Auth.Authorizers.X.FunctionArn"},
		"image without package": {head + "Resources:\n  F: {Type: AWS::Serverless::Function, Metadata: {Dockerfile: x}, Properties: {PackageType: Image}}\n", "property Metadata.DockerBuildArgs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := resolve(t, c.text, template.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v\nand should say %q", err, c.want)
			}
		})
	}
}

func TestResolve_SaysAProblemOnce(t *testing.T) {
	t.Parallel()
	_, err := resolve(t, head+"Resources:\n  R: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt None.Arn, maxReceiveCount: 5}}}\n",
		template.Options{})
	if err == nil || strings.Count(err.Error(), "there is no resource None") != 1 {
		t.Errorf("error is %v", err)
	}
}

func indent(text string, n int) string {
	return strings.Repeat(" ", n) + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", n)) + "\n"
}
