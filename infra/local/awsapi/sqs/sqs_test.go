package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/awsjson"
)

// What clients see is in package conformance. Here is what they can't: the clock, the disk, the faults.

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func open(t *testing.T, dir string) (*Server, *clock) {
	t.Helper()
	s, err := Open(Options{Dir: dir, URL: "http://127.0.0.1:8081", Region: "eu-central-1", Account: "000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{time.Now()}
	s.now = func() time.Time { return c.now }
	return s, c
}

// call does an action by its JSON, and returns the answer's.
func call(t *testing.T, s *Server, action, in string) (map[string]any, error) {
	t.Helper()
	out, err := s.actions()[action](t.Context(), []byte(in))
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m, nil
}

func mustCall(t *testing.T, s *Server, action, in string) map[string]any {
	t.Helper()
	m, err := call(t, s, action, in)
	if err != nil {
		t.Fatalf("%s: %v", action, err)
	}
	return m
}

const jobs = `"QueueUrl":"http://127.0.0.1:8081/000000000000/jobs"`

func newJobs(t *testing.T, s *Server, attributes string) {
	t.Helper()
	mustCall(t, s, "CreateQueue", `{"QueueName":"jobs","Attributes":{`+attributes+`}}`)
}

func send(t *testing.T, s *Server, body string) {
	t.Helper()
	mustCall(t, s, "SendMessage", `{`+jobs+`,"MessageBody":"`+body+`"}`)
}

// receive returns what is visible.
func receive(t *testing.T, s *Server, url string) []map[string]any {
	t.Helper()
	out := mustCall(t, s, "ReceiveMessage", `{`+url+`,"MaxNumberOfMessages":10,"AttributeNames":["All"]}`)
	list, _ := out["Messages"].([]any)
	var messages []map[string]any
	for _, m := range list {
		messages = append(messages, m.(map[string]any))
	}
	return messages
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "messages", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestServer_VisibilityAndReceiveCountSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, clock := open(t, dir)
	newJobs(t, s, `"VisibilityTimeout":"5400"`)
	send(t, s, "a")
	first := receive(t, s, jobs)
	at := clock.now

	s, clock = open(t, dir)
	clock.now = at.Add(5399 * time.Second)
	if got := receive(t, s, jobs); len(first) != 1 || len(got) != 0 {
		t.Fatalf("received %d messages, then %d: it was to be hidden", len(first), len(got))
	}
	clock.pass(2 * time.Second)
	got := receive(t, s, jobs)
	if len(got) != 1 || got[0]["Attributes"].(map[string]any)["ApproximateReceiveCount"] != "2" {
		t.Errorf("received %v, want it for the second time", got)
	}
}

func TestServer_KeepsAMessageForItsRetention(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, clock := open(t, dir)
	newJobs(t, s, `"MessageRetentionPeriod":"60","VisibilityTimeout":"0"`)
	send(t, s, "a")
	clock.pass(60 * time.Second)
	if got := receive(t, s, jobs); len(got) != 1 {
		t.Errorf("after 60 s received %d messages, want 1", len(got))
	}
	clock.pass(time.Millisecond)
	if got := receive(t, s, jobs); len(got) != 0 {
		t.Errorf("later received %d messages, want none", len(got))
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("its file is left: %q", left)
	}
}

func TestServer_OpenForgetsWhatWasCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	newJobs(t, s, "")
	send(t, s, "a")
	cut := filepath.Join(dir, "jobs", "messages", "01X.json.123.tmp") // a write that had not ended
	if err := os.WriteFile(cut, []byte(`{"Body":"ha`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "half", "messages"), 0o700); err != nil { // a queue without its file
		t.Fatal(err)
	}
	s, _ = open(t, dir)
	if got := receive(t, s, jobs); len(got) != 1 {
		t.Errorf("received %d messages, want 1", len(got))
	}
	if _, err := os.Stat(cut); !os.IsNotExist(err) {
		t.Errorf("the cut file is left: %v", err)
	}
	mustCall(t, s, "CreateQueue", `{"QueueName":"half"}`)
}

func TestServer_OpenSaysWhichFileIsDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	newJobs(t, s, "")
	damaged := filepath.Join(dir, "jobs", "messages", "01X.json")
	if err := os.WriteFile(damaged, []byte(`{"Body":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.o); err == nil || !strings.Contains(err.Error(), damaged) {
		t.Errorf("got %v, want the path %s", err, damaged)
	}
}

func TestServer_AMovedMessageIsInOneQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	mustCall(t, s, "CreateQueue", `{"QueueName":"dead"}`)
	newJobs(t, s, `"VisibilityTimeout":"0","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-central-1:000000000000:dead\",\"maxReceiveCount\":\"1\"}"`)
	send(t, s, "poison")
	receive(t, s, jobs)
	if got := receive(t, s, jobs); len(got) != 0 {
		t.Fatalf("received %d messages a second time", len(got))
	}
	if left := files(t, dir); len(left) != 1 || !strings.Contains(left[0], filepath.Join("dead", "messages")) {
		t.Errorf("the files are %q", left)
	}
	s, _ = open(t, dir)
	dead := strings.Replace(jobs, "/jobs", "/dead", 1)
	if got := receive(t, s, dead); len(got) != 1 || got[0]["Attributes"].(map[string]any)["DeadLetterQueueSourceArn"] !=
		"arn:aws:sqs:eu-central-1:000000000000:jobs" {
		t.Errorf("after a restart the dead letters are %v", got)
	}
}

func TestServer_AnOldHandleDeletesNothing(t *testing.T) {
	t.Parallel()
	s, _ := open(t, t.TempDir())
	newJobs(t, s, `"VisibilityTimeout":"0"`)
	send(t, s, "a")
	old := receive(t, s, jobs)[0]["ReceiptHandle"].(string)
	newest := receive(t, s, jobs)[0]["ReceiptHandle"].(string)
	for _, tt := range []struct {
		name, handle string
		left         int
	}{{"the old", old, 1}, {"the newest", newest, 0}, {"the newest again", newest, 0}} {
		mustCall(t, s, "DeleteMessage", `{`+jobs+`,"ReceiptHandle":"`+tt.handle+`"}`)
		if n := len(s.queues["jobs"].messages); n != tt.left {
			t.Errorf("%s handle left %d messages, want %d", tt.name, n, tt.left)
		}
	}
}

func TestServer_AGoneClientTakesNothing(t *testing.T) {
	t.Parallel()
	s, _ := open(t, t.TempDir())
	newJobs(t, s, "")
	send(t, s, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.actions()["ReceiveMessage"](ctx, []byte(`{`+jobs+`}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := receive(t, s, jobs); len(got) != 1 || got[0]["Attributes"].(map[string]any)["ApproximateReceiveCount"] != "1" {
		t.Errorf("received %v, want it for the first time", got)
	}
}

func TestServer_SendRefusesBodies(t *testing.T) {
	t.Parallel()
	s, _ := open(t, t.TempDir())
	newJobs(t, s, "")
	for body, want := range map[string]string{"": "MissingParameter", `a\u0001b`: "InvalidMessageContents", `\uffff`: "InvalidMessageContents"} {
		_, err := call(t, s, "SendMessage", `{`+jobs+`,"MessageBody":"`+body+`"}`)
		var e *awsjson.Error
		if !errors.As(err, &e) || e.QueryCode != want {
			t.Errorf("%q got %v, want %s", body, err, want)
		}
	}
}

func TestFaults_DuplicatesAndDelays(t *testing.T) {
	t.Parallel()
	s, clock := open(t, t.TempDir())
	newJobs(t, s, "")
	if err := s.SetFaults("jobs", Faults{Duplicates: 1, DuplicateAfter: Duration(10 * time.Second), Delays: 2, DelayBy: Duration(5 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"twice", "late", "plain"} {
		send(t, s, body)
	}
	// When each is delivered, and deleted at once: the second copy comes nevertheless.
	want := []struct {
		after  time.Duration
		bodies string
	}{{0, "plain"}, {5 * time.Second, "twice late"}, {15 * time.Second, "twice"}, {3600 * time.Second, ""}}
	begin, ids := clock.now, map[string]string{}
	for _, step := range want {
		clock.now = begin.Add(step.after - time.Millisecond)
		if got := receive(t, s, jobs); len(got) != 0 {
			t.Errorf("before %s received %v", step.after, got)
		}
		clock.now = begin.Add(step.after)
		var bodies []string
		for _, m := range receive(t, s, jobs) {
			body, id := m["Body"].(string), m["MessageId"].(string)
			bodies = append(bodies, body)
			if ids[body] != "" && ids[body] != id {
				t.Errorf("the second copy of %s has another id", body)
			}
			ids[body] = id
			mustCall(t, s, "DeleteMessage", `{`+jobs+`,"ReceiptHandle":"`+m["ReceiptHandle"].(string)+`"}`)
		}
		if got := strings.Join(bodies, " "); got != step.bodies {
			t.Errorf("after %s received %q, want %q", step.after, got, step.bodies)
		}
	}
	if left, err := s.Faults("jobs"); err != nil || left.Duplicates != 0 || left.Delays != 0 {
		t.Errorf("left are %+v, %v", left, err)
	}
	if err := s.SetFaults("none", Faults{}); err == nil {
		t.Error("a queue that is not there has faults")
	}
}

func TestFaults_RedeliverGivesTwoReceiversTheSame(t *testing.T) {
	t.Parallel()
	s, _ := open(t, t.TempDir())
	newJobs(t, s, "")
	send(t, s, "a")
	if n, err := s.Redeliver("jobs"); n != 0 || err != nil {
		t.Errorf("nothing is in flight: %d, %v", n, err)
	}
	first := receive(t, s, jobs)[0]
	if n, err := s.Redeliver("jobs"); n != 1 || err != nil {
		t.Fatalf("redelivered %d, %v", n, err)
	}
	second := receive(t, s, jobs)
	if len(second) != 1 || second[0]["MessageId"] != first["MessageId"] {
		t.Fatalf("received %v", second)
	}
	for _, m := range []map[string]any{first, second[0]} { // each has a handle of its own
		mustCall(t, s, "DeleteMessage", `{`+jobs+`,"ReceiptHandle":"`+m["ReceiptHandle"].(string)+`"}`)
	}
	if n := len(s.queues["jobs"].messages); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}
