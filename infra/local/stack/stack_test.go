package stack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/backup-restore/backup-restore/infra/local/scheduler"
	"github.com/backup-restore/backup-restore/infra/local/stack"
)

// The tests below run one after the other: a process has one stack at a time.

var binaries string // of the product in testdata

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "stack-")
	if err == nil {
		binaries = dir
		err = stack.Build(context.Background(), "testdata/product", dir, []string{"./functions/probe"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func start(t *testing.T, o stack.Options) *stack.Stack {
	t.Helper()
	o.Root = "testdata/product"
	o.Log = t.Output()
	if o.Dir == "" {
		o.Dir, o.Binaries = t.TempDir(), binaries
	}
	t.Chdir(".") // the S3 gateway changes the working folder; this brings it back
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *stack.Stack) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 20 seconds: %s", what)
}

func keys(t *testing.T, s *stack.Stack, prefix string) []string {
	t.Helper()
	out, err := s3.NewFromConfig(s.AWSConfig()).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(s.Bucket("Bucket")), Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, o := range out.Contents {
		list = append(list, strings.TrimPrefix(*o.Key, prefix))
	}
	return list
}

func TestStack_RequestReachesTheFunctionWithClaimsAndEnvironment(t *testing.T) {
	s := start(t, stack.Options{Parameters: map[string]string{"Greeting": "hi"}, Environment: map[string]map[string]string{"ApiFunction": {"EXTRA": "1"}, "": {"ALL": "2"}}})
	if status, body := get(t, s.URL()+"/api/x", ""); status != 401 || body != `{"message":"Unauthorized"}` {
		t.Errorf("without a token: %d %s", status, body)
	}
	if status, body := get(t, s.URL()+"/nowhere", ""); status != 404 || body != `{"message":"Not Found"}` {
		t.Errorf("unknown path: %d %s", status, body)
	}
	token, err := s.Token("Kim", "operator", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	status, body := get(t, s.URL()+"/api/x?a=1", token)
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	var answer struct {
		Environment []string
		Event       struct {
			RawPath        string
			RequestContext struct {
				Authorizer struct {
					JWT struct{ Claims map[string]string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if c := answer.Event.RequestContext.Authorizer.JWT.Claims; c["cognito:groups"] != "[operator]" || c["username"] != "Kim" || c["token_use"] != "access" {
		t.Errorf("claims: %v", c)
	}
	env := strings.Join(answer.Environment, "\n") + "\n"
	for _, want := range []string{"GREETING=hi\n", "EXTRA=1\n", "ALL=2\n", "QUEUE=" + s.QueueURL("Jobs") + "\n", "SECRET=" + s.SecretARN("Key") + "\n",
		"AWS_ENDPOINT_URL=" + s.Endpoint() + "\n"} {
		if !strings.Contains(env, want) {
			t.Errorf("no %q in\n%s", want, env)
		}
	}
}

func TestStack_MessagesReachTheFunctionAndFailuresTheDeadLetters(t *testing.T) {
	s := start(t, stack.Options{})
	client := sqs.NewFromConfig(s.AWSConfig())
	for _, body := range []string{"good", "bad"} {
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(s.QueueURL("Jobs")), MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "good once, bad twice", func() bool {
		return strings.Join(keys(t, s, "messages/"), " ") == "bad-1 bad-2 good-1"
	})
	var dead []string
	eventually(t, "bad among the dead letters", func() bool {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.QueueURL("Dead")), WaitTimeSeconds: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			dead = append(dead, *m.Body)
		}
		return len(dead) > 0
	})
	if strings.Join(dead, " ") != "bad" {
		t.Errorf("dead letters: %v", dead)
	}
	if len(s.Workers()) == 0 {
		t.Error("no worker is listed")
	}
}

func TestStack_ScheduleFiresByTheClockThatIsMoved(t *testing.T) {
	clock := scheduler.NewManualClock(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	s := start(t, stack.Options{Clock: clock})
	clock.Set(time.Date(2026, 11, 23, 0, 59, 59, 0, time.UTC))
	clock.Set(time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)) // 2:00 in Berlin
	eventually(t, "the schedule's trace", func() bool {
		return strings.Join(keys(t, s, "schedule/"), " ") == "2026-11-23T01:00:00Z"
	})
}

func TestStack_NextRunFindsTheStateAndLeavesNoProcess(t *testing.T) {
	dir := t.TempDir()
	o := stack.Options{Dir: dir, Databases: []stack.Database{{Name: "school", Secret: `{"engine":"postgres"}`}}}
	first := start(t, o)
	if status, body := get(t, first.URL()+"/open", ""); status != 200 {
		t.Fatal(status, body)
	}
	secret := func(s *stack.Stack, id string) string {
		v, err := secretsmanager.NewFromConfig(s.AWSConfig()).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
		if err != nil {
			t.Fatal(err)
		}
		return *v.SecretString
	}
	arn, value := first.SecretARN("Key"), secret(first, first.SecretARN("Key"))
	if len(value) != 40 {
		t.Errorf("generated secret: %q", value)
	}
	token, err := first.Token("Kim", "operator", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	pid := first.Host().Instances("")[0].PID
	stop(t, first)
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	if _, err := os.Stat(dir + "/bin/probe/bootstrap"); err != nil {
		t.Error(err)
	}
	o.Databases[0].Secret = `{"engine":"postgres","port":1}`
	second := start(t, o)
	if second.SecretARN("Key") != arn || secret(second, arn) != value {
		t.Error("the secret is another")
	}
	if got := secret(second, "backup-restore/database/school"); got != o.Databases[0].Secret {
		t.Errorf("the database's secret is %s", got)
	}
	if _, err := first.Token("Kim", "operator", time.Minute); err != nil || token == "" {
		t.Error(err)
	}
}

func TestStart_NamesTheTakenPortAndItsSetting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for what, o := range map[string]stack.Options{
		"the API":           {Ports: stack.Ports{API: port}},
		"the AWS protocols": {Ports: stack.Ports{AWS: port}},
		"the sign-in page":  {Ports: stack.Ports{Issuer: port}},
	} {
		o.Root, o.Dir = "testdata/product", t.TempDir()
		o.PortHints.API, o.PortHints.AWS, o.PortHints.Issuer = "X_PORT", "X_PORT", "X_PORT"
		t.Chdir(".")
		_, err := stack.Start(t.Context(), o)
		var taken *stack.PortError
		if !errors.As(err, &taken) || taken.Port != port || taken.For != what || !strings.Contains(err.Error(), "X_PORT") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestStart_NamesAFunctionWhosePackageIsMissing(t *testing.T) {
	text, err := os.ReadFile("testdata/product/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/template.yaml"
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "functions/probe", "functions/none")), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(".")
	_, err = stack.Start(t.Context(), stack.Options{Root: "testdata/product", Template: path, Dir: t.TempDir()})
	want := "property CodeUri can't be run here: there is no Go package in ./functions/none"
	if err == nil || !strings.HasPrefix(err.Error(), "resource ") || !strings.Contains(err.Error(), want) {
		t.Errorf("error: %v", err)
	}
}

func TestStart_BuildErrorIsShown(t *testing.T) {
	root := t.TempDir()
	text, err := os.ReadFile("testdata/product/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root+"/functions/probe", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"template.yaml": string(text), "go.mod": "module broken\n",
		"functions/probe/main.go": "package main\n\nfunc main() { missing() }\n"} {
		if err := os.WriteFile(root+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(".")
	if _, err := stack.Start(t.Context(), stack.Options{Root: root, Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "undefined: missing") {
		t.Errorf("error: %v", err)
	}
}
