package eventsource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/backup-restore/backup-restore/infra/local/awsapi"
	"github.com/backup-restore/backup-restore/infra/local/eventsource"
	"github.com/backup-restore/backup-restore/infra/local/lambdahost"
	"github.com/backup-restore/backup-restore/infra/local/template"
)

// handler stands where the host does, so that a test can give each answer that a function could.
type handler func(e events.SQSEvent) (lambdahost.Result, error)

func (h handler) Invoke(_ context.Context, _ string, payload []byte) (lambdahost.Result, error) {
	var e events.SQSEvent
	if err := json.Unmarshal(payload, &e); err != nil {
		return lambdahost.Result{}, err
	}
	return h(e)
}

func newClient(t *testing.T) *sqs.Client {
	t.Helper()
	t.Chdir(".") // the S3 gateway changes the working folder; this brings it back
	server, err := awsapi.Start(t.Context(), awsapi.Options{Addr: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return sqs.New(sqs.Options{Region: "eu-central-1", BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local-secret", "")})
}

// count is how many messages a queue holds, those in flight too.
func count(t *testing.T, client *sqs.Client, url string) string {
	t.Helper()
	out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

func TestMapping_DeletesWhatSucceededAndNothingElse(t *testing.T) {
	client := newClient(t)
	fail := func(ids ...string) string {
		var r events.SQSEventResponse
		for _, id := range ids {
			r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
		}
		b, _ := json.Marshal(r)
		return string(b)
	}
	for name, c := range map[string]struct {
		report bool
		answer func(ids []string) string
		fails  string // FunctionError
		left   string
	}{
		"success":                        {false, func([]string) string { return `{}` }, "", "0+0"},
		"failure":                        {false, func([]string) string { return `{}` }, "Unhandled", "0+2"},
		"answer is not looked at":        {false, func(ids []string) string { return fail(ids...) }, "", "0+0"},
		"report: none failed":            {true, func([]string) string { return fail() }, "", "0+0"},
		"report: null":                   {true, func([]string) string { return `null` }, "", "0+0"},
		"report: one failed":             {true, func(ids []string) string { return fail(ids[0]) }, "", "0+1"},
		"report: all failed":             {true, func(ids []string) string { return fail(ids...) }, "", "0+2"},
		"report: unknown id":             {true, func([]string) string { return fail("x") }, "", "0+2"},
		"report: empty id":               {true, func([]string) string { return fail("") }, "", "0+2"},
		"report: no id":                  {true, func([]string) string { return `{"batchItemFailures":[{}]}` }, "", "0+2"},
		"report: answer of another form": {true, func([]string) string { return `"done"` }, "", "0+2"},
		"report: function failed":        {true, func([]string) string { return fail() }, "Unhandled", "0+2"},
	} {
		t.Run(name, func(t *testing.T) {
			queue := fmt.Sprintf("q%d", time.Now().UnixNano())
			made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &queue, Attributes: map[string]string{"VisibilityTimeout": "300"}})
			if err != nil {
				t.Fatal(err)
			}
			for _, body := range []string{"a", "b"} {
				if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: &body}); err != nil {
					t.Fatal(err)
				}
			}
			seen := 0
			ctx, cancel := context.WithCancel(t.Context())
			m := eventsource.New(eventsource.Options{
				Trigger:  template.Trigger{BatchSize: 2, ReportFailures: c.report, MaxConcurrency: 1, Enabled: true, Window: 5 * time.Second},
				QueueURL: *made.QueueUrl, QueueARN: "arn", Client: client, Pause: time.Millisecond,
				Functions: handler(func(e events.SQSEvent) (lambdahost.Result, error) {
					seen += len(e.Records)
					cancel() // one batch is enough; what succeeded is deleted all the same
					if e.Records[0].EventSource != "aws:sqs" || e.Records[0].Attributes["ApproximateReceiveCount"] != "1" {
						t.Errorf("record: %+v", e.Records[0])
					}
					var ids []string
					for _, r := range e.Records {
						ids = append(ids, r.MessageId)
					}
					return lambdahost.Result{Payload: []byte(c.answer(ids)), FunctionError: c.fails}, nil
				}),
			})
			m.Run(ctx)
			if seen != 2 {
				t.Fatalf("the batch had %d messages", seen)
			}
			if got := count(t, client, *made.QueueUrl); got != c.left {
				t.Errorf("visible+in flight is %s, want %s", got, c.left)
			}
		})
	}
}

func TestMapping_HoldsItsConcurrencyAndWaitsWhenThrottled(t *testing.T) {
	client := newClient(t)
	made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	const messages = 12
	for i := range messages {
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: aws.String(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	running, most, done, throttled := 0, 0, 0, 0
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m := eventsource.New(eventsource.Options{Trigger: template.Trigger{BatchSize: 1, MaxConcurrency: 3, Enabled: true}, QueueURL: *made.QueueUrl,
		Client: client, Pause: time.Millisecond, Functions: handler(func(events.SQSEvent) (lambdahost.Result, error) {
			mu.Lock()
			if throttled < 5 {
				throttled++
				mu.Unlock()
				return lambdahost.Result{}, fmt.Errorf("busy: %w", lambdahost.ErrThrottled)
			}
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(20 * time.Millisecond) // work, so that others overlap
			mu.Lock()
			defer mu.Unlock()
			running--
			if done++; done == messages {
				cancel()
			}
			return lambdahost.Result{}, nil
		})})
	m.Run(ctx)
	if done != messages || most > 3 || most < 2 {
		t.Errorf("%d done, %d at once", done, most)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("not within 30 seconds")
	}
	if got := count(t, client, *made.QueueUrl); got != "0+0" {
		t.Errorf("left: %s", got)
	}
}
