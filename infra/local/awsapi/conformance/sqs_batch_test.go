package conformance

import (
	"slices"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestSQS_Batches(t *testing.T) {
	t.Parallel()
	q := newQueue(t, map[string]string{"MaximumMessageSize": "1024"})
	sent := must[*sqs.SendMessageBatchOutput](t)(q.c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: q.url,
		Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("a"), MessageBody: aws.String("A")},
			{Id: aws.String("b"), MessageBody: aws.String("B")},
			{Id: aws.String("c"), MessageBody: aws.String("C")},
		}}))
	if len(sent.Successful) != 3 || len(sent.Failed) != 0 || *sent.Successful[1].Id != "b" {
		t.Fatalf("sent %v, failed %v", sent.Successful, sent.Failed)
	}
	got := q.receive(30)
	if want := []string{"A", "B", "C"}; !slices.Equal(bodies(got), want) {
		t.Fatalf("received %q, want %q", bodies(got), want)
	}
	changed := must[*sqs.ChangeMessageVisibilityBatchOutput](t)(q.c.ChangeMessageVisibilityBatch(t.Context(),
		&sqs.ChangeMessageVisibilityBatchInput{QueueUrl: q.url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("x"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0},
			{Id: aws.String("y"), ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 0},
		}}))
	if len(changed.Successful) != 1 || len(changed.Failed) != 1 || *changed.Failed[0].Code != "ReceiptHandleIsInvalid" || !changed.Failed[0].SenderFault {
		t.Errorf("changed %v, failed %v", changed.Successful, changed.Failed)
	}
	back := one(t, q.receiveBy(&sqs.ReceiveMessageInput{WaitTimeSeconds: 5}))
	deleted := must[*sqs.DeleteMessageBatchOutput](t)(q.c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: q.url,
		Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("x"), ReceiptHandle: back.ReceiptHandle}, {Id: aws.String("y"), ReceiptHandle: got[1].ReceiptHandle},
			{Id: aws.String("z"), ReceiptHandle: aws.String("nonsense")},
		}}))
	if len(deleted.Successful) != 2 || len(deleted.Failed) != 1 || *deleted.Failed[0].Id != "z" || *deleted.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("deleted %v, failed %v", deleted.Successful, deleted.Failed)
	}
	if got := q.attribute("ApproximateNumberOfMessagesNotVisible"); got != "1" {
		t.Errorf("%s messages are left in flight, want 1", got)
	}
}

func TestSQS_BatchRefuses(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	entry := func(id string) types.SendMessageBatchRequestEntry {
		return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: aws.String("x")}
	}
	var eleven []types.SendMessageBatchRequestEntry
	for i := range 11 {
		eleven = append(eleven, entry(strconv.Itoa(i)))
	}
	for _, tt := range []struct {
		name, code string
		entries    []types.SendMessageBatchRequestEntry
	}{
		{"no entry", "AWS.SimpleQueueService.EmptyBatchRequest", []types.SendMessageBatchRequestEntry{}},
		{"eleven entries", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", eleven},
		{"an id twice", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", []types.SendMessageBatchRequestEntry{entry("a"), entry("a")}},
		{"a wrong id", "AWS.SimpleQueueService.InvalidBatchEntryId", []types.SendMessageBatchRequestEntry{entry("a b")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := q.c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: q.url, Entries: tt.entries})
			wantCode(t, err, tt.code)
		})
	}
	if got := q.attribute("ApproximateNumberOfMessages"); got != "0" {
		t.Errorf("%s messages were sent by refused batches", got)
	}
}
