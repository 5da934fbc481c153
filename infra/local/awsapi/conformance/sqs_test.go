package conformance

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// queue is a queue under test.
type queue struct {
	t   *testing.T
	c   *sqs.Client
	url *string
}

func newQueue(t *testing.T, attributes map[string]string) *queue {
	t.Helper()
	c := sqsClient()
	out := must[*sqs.CreateQueueOutput](t)(c.CreateQueue(t.Context(),
		&sqs.CreateQueueInput{QueueName: aws.String(unique()), Attributes: attributes}))
	return &queue{t, c, out.QueueUrl}
}

func (q *queue) attribute(name types.QueueAttributeName) string {
	q.t.Helper()
	out := must[*sqs.GetQueueAttributesOutput](q.t)(q.c.GetQueueAttributes(q.t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: q.url, AttributeNames: []types.QueueAttributeName{name}}))
	return out.Attributes[string(name)]
}

func (q *queue) send(body string) *sqs.SendMessageOutput {
	q.t.Helper()
	return must[*sqs.SendMessageOutput](q.t)(q.c.SendMessage(q.t.Context(), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: &body}))
}

// receive takes up to 10 messages without waiting, hidden for some seconds.
func (q *queue) receive(hide int32) []types.Message {
	q.t.Helper()
	return q.receiveBy(&sqs.ReceiveMessageInput{MaxNumberOfMessages: 10, VisibilityTimeout: hide})
}

func (q *queue) receiveBy(in *sqs.ReceiveMessageInput) []types.Message {
	q.t.Helper()
	in.QueueUrl = q.url
	in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}
	return must[*sqs.ReceiveMessageOutput](q.t)(q.c.ReceiveMessage(q.t.Context(), in)).Messages
}

func (q *queue) delete(m types.Message) {
	q.t.Helper()
	must[*sqs.DeleteMessageOutput](q.t)(q.c.DeleteMessage(q.t.Context(),
		&sqs.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle}))
}

// one requires exactly one message.
func one(t *testing.T, list []types.Message) types.Message {
	t.Helper()
	if len(list) != 1 {
		t.Fatalf("received %d messages, want 1", len(list))
	}
	return list[0]
}

func bodies(list []types.Message) []string {
	var b []string
	for _, m := range list {
		b = append(b, aws.ToString(m.Body))
	}
	slices.Sort(b)
	return b
}

func TestSQS_CreateQueue(t *testing.T) {
	t.Parallel()
	c := sqsClient()
	name := unique()
	create := func(visibility string) (*sqs.CreateQueueOutput, error) {
		return c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name,
			Attributes: map[string]string{"VisibilityTimeout": visibility}})
	}
	first := must[*sqs.CreateQueueOutput](t)(create("90"))
	t.Run("its URL ends in account and name", func(t *testing.T) {
		parts := strings.Split(aws.ToString(first.QueueUrl), "/")
		if n := len(parts); n < 2 || parts[n-1] != name || len(parts[n-2]) != 12 {
			t.Errorf("got %s", aws.ToString(first.QueueUrl))
		}
	})
	t.Run("again is the same queue", func(t *testing.T) {
		if again := must[*sqs.CreateQueueOutput](t)(create("90")); aws.ToString(again.QueueUrl) != aws.ToString(first.QueueUrl) {
			t.Errorf("got %s, want %s", aws.ToString(again.QueueUrl), aws.ToString(first.QueueUrl))
		}
	})
	t.Run("with another attribute is refused", func(t *testing.T) {
		_, err := create("91")
		wantCode(t, err, "QueueAlreadyExists")
	})
	t.Run("is found by its name", func(t *testing.T) {
		out := must[*sqs.GetQueueUrlOutput](t)(c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name}))
		if aws.ToString(out.QueueUrl) != aws.ToString(first.QueueUrl) {
			t.Errorf("got %s, want %s", aws.ToString(out.QueueUrl), aws.ToString(first.QueueUrl))
		}
	})
	t.Run("is listed by its prefix", func(t *testing.T) {
		out := must[*sqs.ListQueuesOutput](t)(c.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String(name[:20])}))
		if !slices.Contains(out.QueueUrls, *first.QueueUrl) {
			t.Errorf("%s is not in %q", *first.QueueUrl, out.QueueUrls)
		}
	})
	t.Run("a wrong name is refused", func(t *testing.T) {
		_, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("a/b")})
		wantCode(t, err, "InvalidParameterValue")
	})
}

func TestSQS_AQueueThatIsNotThere(t *testing.T) {
	t.Parallel()
	c := sqsClient()
	url := strings.TrimSuffix(*newQueue(t, nil).url, "x") + "-none"
	calls := map[string]func() error{
		"GetQueueUrl": func() error {
			_, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(unique())})
			return err
		},
		"GetQueueAttributes": func() error {
			_, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url})
			return err
		},
		"SendMessage": func() error {
			_, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
			return err
		},
		"ReceiveMessage": func() error {
			_, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
			return err
		},
		"PurgeQueue": func() error {
			_, err := c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCode(t, call(), "AWS.SimpleQueueService.NonExistentQueue")
		})
	}
}

func TestSQS_Attributes(t *testing.T) {
	t.Parallel()
	q := newQueue(t, map[string]string{"VisibilityTimeout": "5400", "MessageRetentionPeriod": "1209600"})
	for name, want := range map[types.QueueAttributeName]string{
		"VisibilityTimeout": "5400", "MessageRetentionPeriod": "1209600", "DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0",
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
	} {
		if got := q.attribute(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	name := (*q.url)[strings.LastIndexByte(*q.url, '/')+1:]
	if got := q.attribute("QueueArn"); !strings.HasPrefix(got, "arn:aws:sqs:"+region+":") || !strings.HasSuffix(got, ":"+name) {
		t.Errorf("the ARN is %s", got)
	}
	created, err := strconv.ParseFloat(q.attribute("CreatedTimestamp"), 64)
	if err != nil || time.Since(time.Unix(int64(created), 0)).Abs() > time.Minute {
		t.Errorf("CreatedTimestamp is %q", q.attribute("CreatedTimestamp"))
	}
	set := func(name, value string) error {
		_, err := q.c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: q.url, Attributes: map[string]string{name: value}})
		return err
	}
	if err := set("VisibilityTimeout", "60"); err != nil {
		t.Fatal(err)
	}
	if got := q.attribute("VisibilityTimeout"); got != "60" {
		t.Errorf("after setting it VisibilityTimeout is %s", got)
	}
	if got := q.attribute("MessageRetentionPeriod"); got != "1209600" {
		t.Errorf("after setting another MessageRetentionPeriod is %s", got)
	}
	t.Run("one that is not known", func(t *testing.T) {
		deviates(t, "moto", "it keeps any attribute")
		wantCode(t, set("Color", "red"), "InvalidAttributeName")
	})
	t.Run("a value out of range", func(t *testing.T) {
		deviates(t, "moto", "it takes any number")
		wantCode(t, set("VisibilityTimeout", "43201"), "InvalidAttributeValue")
	})
}

func TestSQS_AMessageComesAsItWasSent(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	const body = "{\"database\":\"school\"}\n\tÄ€😀 <&>"
	sent := must[*sqs.SendMessageOutput](t)(q.c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: aws.String(body),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"kind": {DataType: aws.String("String"), StringValue: aws.String("doorbell")},
			"n":    {DataType: aws.String("Number.int"), StringValue: aws.String("7")},
			"b":    {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
		}}))
	before := time.Now()
	m := one(t, q.receiveBy(&sqs.ReceiveMessageInput{MessageAttributeNames: []string{"All"}}))
	sum := md5.Sum([]byte(body))
	if aws.ToString(m.Body) != body || aws.ToString(m.MD5OfBody) != hex.EncodeToString(sum[:]) ||
		aws.ToString(sent.MD5OfMessageBody) != hex.EncodeToString(sum[:]) {
		t.Errorf("got body %q with MD5 %s, sent with %s", aws.ToString(m.Body), aws.ToString(m.MD5OfBody), aws.ToString(sent.MD5OfMessageBody))
	}
	if aws.ToString(m.MessageId) != aws.ToString(sent.MessageId) || aws.ToString(m.ReceiptHandle) == "" {
		t.Errorf("got id %s and handle %q, sent as %s", aws.ToString(m.MessageId), aws.ToString(m.ReceiptHandle), aws.ToString(sent.MessageId))
	}
	if aws.ToString(m.MD5OfMessageAttributes) != aws.ToString(sent.MD5OfMessageAttributes) ||
		aws.ToString(sent.MD5OfMessageAttributes) != "d188cbc33ef05751f8019211417b613a" {
		t.Errorf("the attributes' MD5 is %s, sent %s", aws.ToString(m.MD5OfMessageAttributes), aws.ToString(sent.MD5OfMessageAttributes))
	}
	if got := m.MessageAttributes["b"].BinaryValue; string(got) != "\x00\x01\xff" || *m.MessageAttributes["kind"].StringValue != "doorbell" {
		t.Errorf("got the attributes %v", m.MessageAttributes)
	}
	if m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["SenderId"] == "" {
		t.Errorf("got the system attributes %v", m.Attributes)
	}
	for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
		ms, err := strconv.ParseInt(m.Attributes[name], 10, 64)
		if err != nil || before.Sub(time.UnixMilli(ms)).Abs() > time.Minute {
			t.Errorf("%s is %q", name, m.Attributes[name])
		}
	}
	t.Run("without attributes where none is asked for", func(t *testing.T) {
		q.send("second")
		out := must[*sqs.ReceiveMessageOutput](t)(q.c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.url}))
		if m := one(t, out.Messages); len(m.Attributes) != 0 || len(m.MessageAttributes) != 0 {
			t.Errorf("got %v and %v", m.Attributes, m.MessageAttributes)
		}
	})
}

func TestSQS_SendRefuses(t *testing.T) {
	t.Parallel()
	q := newQueue(t, map[string]string{"MaximumMessageSize": "2048"})
	for _, tt := range []struct {
		name string
		in   sqs.SendMessageInput
	}{
		{"a body that is too long", sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("a", 2049))}},
		{"a delay that is too long", sqs.SendMessageInput{MessageBody: aws.String("a"), DelaySeconds: 901}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.in.QueueUrl = q.url
			_, err := q.c.SendMessage(t.Context(), &tt.in)
			wantCode(t, err, "InvalidParameterValue")
		})
	}
}

func TestSQS_ReceiveHidesAMessageUntilItsTimeout(t *testing.T) {
	t.Parallel()
	q := newQueue(t, map[string]string{"VisibilityTimeout": "2"})
	q.send("a")
	first := one(t, q.receiveBy(&sqs.ReceiveMessageInput{}))
	if got := q.receive(30); len(got) != 0 {
		t.Fatalf("received %d messages that should be hidden", len(got))
	}
	if got := q.attribute("ApproximateNumberOfMessagesNotVisible"); got != "1" {
		t.Errorf("%s messages are in flight, want 1", got)
	}
	var second types.Message
	eventually(t, "the message is visible again", func() bool {
		got := q.receive(30)
		if len(got) > 0 {
			second = got[0]
		}
		return len(got) > 0
	})
	if n := second.Attributes["ApproximateReceiveCount"]; n != "2" || *second.MessageId != *first.MessageId {
		t.Errorf("received message %s for the %s. time, want %s for the 2nd", *second.MessageId, n, *first.MessageId)
	}
	if second.Attributes["ApproximateFirstReceiveTimestamp"] != first.Attributes["ApproximateFirstReceiveTimestamp"] {
		t.Error("the time of the first receive has changed")
	}
	t.Run("its receipt handle deletes, and again without an error", func(t *testing.T) {
		q.delete(second)
		q.delete(second)
		if got := q.attribute("ApproximateNumberOfMessagesNotVisible"); got != "0" {
			t.Errorf("%s messages are in flight, want 0", got)
		}
	})
}

func TestSQS_AHandleThatIsNone(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	_, err := q.c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: aws.String("nonsense")})
	wantCode(t, err, "ReceiptHandleIsInvalid")
	_, err = q.c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: q.url, ReceiptHandle: aws.String("nonsense")})
	wantCode(t, err, "ReceiptHandleIsInvalid")
}

func TestSQS_ReceiveTakesAsManyAsAsked(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	var want []string
	for i := range 12 {
		want = append(want, fmt.Sprintf("%02d", i))
		q.send(want[i])
	}
	if got := q.receiveBy(&sqs.ReceiveMessageInput{}); len(got) != 1 {
		t.Errorf("received %d messages, want 1 where no number is given", len(got))
	}
	got := q.receive(30)
	if len(got) != 10 {
		t.Errorf("received %d messages, want 10", len(got))
	}
	for _, n := range []int32{11, -1} {
		_, err := q.c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.url, MaxNumberOfMessages: n})
		wantCode(t, err, "InvalidParameterValue")
	}
	_, err := q.c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.url, WaitTimeSeconds: 21})
	wantCode(t, err, "InvalidParameterValue")
}

func TestSQS_LongPollEndsWhenAMessageComes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		attributes map[string]string
		wait       int32
	}{
		{"asked for", nil, 20},
		{"by the queue's default", map[string]string{"ReceiveMessageWaitTimeSeconds": "20"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, tt.attributes)
			got := make(chan *sqs.ReceiveMessageOutput, 1)
			go func() {
				out, err := q.c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.url, WaitTimeSeconds: tt.wait})
				if err != nil {
					t.Error(err)
				}
				got <- out
			}()
			select {
			case <-got:
				t.Fatal("the poll of an empty queue ended at once")
			case <-time.After(300 * time.Millisecond): // it waits
			}
			begin := time.Now()
			q.send("a")
			out := <-got
			if took := time.Since(begin); out == nil || len(out.Messages) != 1 || took > 5*time.Second {
				t.Errorf("the poll ended %s after the message was sent with %v", took, out)
			}
		})
	}
}

func TestSQS_LongPollEndsEmpty(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	begin := time.Now()
	got := q.receiveBy(&sqs.ReceiveMessageInput{WaitTimeSeconds: 1})
	if took := time.Since(begin); len(got) != 0 || took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("after %s received %d messages", took, len(got))
	}
}

func TestSQS_ADelayedMessageComesLater(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		attributes map[string]string
		delay      int32
	}{
		{"asked for", nil, 2},
		{"by the queue's default", map[string]string{"DelaySeconds": "2"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, tt.attributes)
			begin := time.Now()
			in := &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: aws.String("a"), DelaySeconds: tt.delay}
			must[*sqs.SendMessageOutput](t)(q.c.SendMessage(t.Context(), in))
			if got := q.attribute("ApproximateNumberOfMessagesDelayed"); got != "1" {
				t.Errorf("%s messages are delayed, want 1", got)
			}
			got := q.receiveBy(&sqs.ReceiveMessageInput{WaitTimeSeconds: 10})
			one(t, got)
			// Some servers keep time in whole seconds.
			if took := time.Since(begin); took < time.Second {
				t.Errorf("it came after %s", took)
			}
		})
	}
}

func TestSQS_ChangeMessageVisibility(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	q.send("a")
	m := one(t, q.receive(30))
	change := func(timeout int32) error {
		_, err := q.c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: q.url,
			ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: timeout})
		return err
	}
	if err := change(60); err != nil {
		t.Fatal(err)
	}
	if got := q.receive(30); len(got) != 0 {
		t.Fatal("it is visible")
	}
	if err := change(0); err != nil { // gives it back at once
		t.Fatal(err)
	}
	again := one(t, q.receiveBy(&sqs.ReceiveMessageInput{WaitTimeSeconds: 5}))
	if *again.MessageId != *m.MessageId || again.Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("received %s for the %s. time", *again.MessageId, again.Attributes["ApproximateReceiveCount"])
	}
	m = again
	wantCode(t, change(43_201), "InvalidParameterValue")
	q.delete(m)
	t.Run("of what has been deleted", func(t *testing.T) {
		deviates(t, "moto", "it forgets the receipt handles of what is deleted and calls them no handles")
		wantCode(t, change(30), "InvalidParameterValue")
	})
}

func TestSQS_RedriveToTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	dead := newQueue(t, nil)
	policy := must[[]byte](t)(json.Marshal(map[string]any{"deadLetterTargetArn": dead.attribute("QueueArn"), "maxReceiveCount": 2}))
	q := newQueue(t, map[string]string{"RedrivePolicy": string(policy)})
	var kept map[string]any
	if err := json.Unmarshal([]byte(q.attribute("RedrivePolicy")), &kept); err != nil || fmt.Sprint(kept["maxReceiveCount"]) != "2" {
		t.Errorf("the policy is %s (%v)", q.attribute("RedrivePolicy"), err)
	}
	sent := q.send("poison")
	q.send("good")
	giveBack := func(m types.Message) {
		must[*sqs.ChangeMessageVisibilityOutput](t)(q.c.ChangeMessageVisibility(t.Context(),
			&sqs.ChangeMessageVisibilityInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0}))
	}
	for range 2 {
		for _, m := range q.receive(30) {
			if *m.Body == "good" {
				q.delete(m)
			} else {
				giveBack(m)
			}
		}
	}
	if got := q.receive(30); len(got) != 0 {
		t.Errorf("received %q a third time", bodies(got))
	}
	m := one(t, dead.receiveBy(&sqs.ReceiveMessageInput{WaitTimeSeconds: 5}))
	if *m.Body != "poison" || *m.MessageId != *sent.MessageId {
		t.Errorf("the dead letter is %q with id %s, want poison with %s", *m.Body, *m.MessageId, *sent.MessageId)
	}
	t.Run("says where it came from", func(t *testing.T) {
		deviates(t, "moto", "it does not have the attribute DeadLetterQueueSourceArn")
		if got, want := m.Attributes["DeadLetterQueueSourceArn"], q.attribute("QueueArn"); got != want {
			t.Errorf("the dead letter comes from %q, want %q", got, want)
		}
	})
	t.Run("a target that is not there", func(t *testing.T) {
		deviates(t, "moto", "it answers NonExistentQueue, which is of the queue itself")
		_, err := q.c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: q.url, Attributes: map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"` + dead.attribute("QueueArn") + `-none","maxReceiveCount":2}`}})
		wantCode(t, err, "InvalidParameterValue")
	})
}

func TestSQS_PurgeAndDeleteQueue(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	q.send("a")
	q.send("b")
	q.receive(30)
	q.send("c")
	must[*sqs.PurgeQueueOutput](t)(q.c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: q.url}))
	eventually(t, "the queue is empty", func() bool {
		return q.attribute("ApproximateNumberOfMessages") == "0" && q.attribute("ApproximateNumberOfMessagesNotVisible") == "0"
	})
	must[*sqs.DeleteQueueOutput](t)(q.c.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: q.url}))
	_, err := q.c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: aws.String("x")})
	wantCode(t, err, "AWS.SimpleQueueService.NonExistentQueue")
}
