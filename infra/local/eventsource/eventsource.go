// Package eventsource feeds functions from SQS queues as Lambda's event source mappings do
// (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html): it polls by the real protocol, invokes the
// function, deletes what succeeded and leaves the rest to the queue's visibility timeout.
package eventsource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/backup-restore/backup-restore/infra/local/lambdahost"
	"github.com/backup-restore/backup-restore/infra/local/template"
)

// Functions runs functions; lambdahost.Host does.
type Functions interface {
	Invoke(ctx context.Context, name string, payload []byte) (lambdahost.Result, error)
}

// Options configure a Mapping.
type Options struct {
	Trigger   template.Trigger
	Function  string // the function's name
	QueueURL  string
	QueueARN  string
	Region    string
	Client    *sqs.Client
	Functions Functions
	Log       func(format string, args ...any)
	// Pause is the wait after a poll that failed: 1 s by default.
	Pause time.Duration
}

// Mapping polls one queue for one function.
type Mapping struct {
	options Options
}

// New makes a mapping.
func New(o Options) *Mapping {
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	return &Mapping{options: o}
}

// Lambda begins with five pollers where no maximum is set.
const defaultPollers = 5

// poll is the longest long poll that SQS has, in seconds.
const poll = 20

// Run polls until ctx ends. Each poller has one batch at a time, so their number is the concurrency.
func (m *Mapping) Run(ctx context.Context) {
	if !m.options.Trigger.Enabled {
		return
	}
	n := m.options.Trigger.MaxConcurrency
	if n == 0 {
		n = defaultPollers
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := m.once(ctx); err != nil && ctx.Err() == nil {
					m.options.Log("mapping %s: %v", m.options.Trigger.ID, err)
					m.pause(ctx)
				}
			}
		})
	}
	wg.Wait()
}

func (m *Mapping) pause(ctx context.Context) {
	t := time.NewTimer(m.options.Pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// once receives a batch and sees it through.
func (m *Mapping) once(ctx context.Context) error {
	batch, err := m.collect(ctx)
	if err != nil || len(batch) == 0 {
		return err
	}
	payload, err := m.event(batch)
	if err != nil {
		return err
	}
	result, err := m.options.Functions.Invoke(ctx, m.options.Function, payload)
	for errors.Is(err, lambdahost.ErrThrottled) {
		// Lambda tries again for as long as the messages are invisible; what passes that time comes back by itself.
		m.pause(ctx)
		result, err = m.options.Functions.Invoke(ctx, m.options.Function, payload)
	}
	if err != nil {
		return err
	}
	if result.FunctionError != "" {
		return fmt.Errorf("the function failed, its messages stay in the queue: %s", result.Payload)
	}
	done, err := m.succeeded(batch, result.Payload)
	if err != nil {
		return err
	}
	return m.delete(ctx, done)
}

// collect receives up to a batch, and waits for more as long as the batching window lasts.
func (m *Mapping) collect(ctx context.Context) ([]types.Message, error) {
	var batch []types.Message
	var end time.Time
	for {
		wait := int32(poll)
		if len(batch) > 0 {
			left := time.Until(end)
			if left < time.Second {
				return batch, nil
			}
			wait = min(poll, int32(left.Seconds()))
		}
		out, err := m.options.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &m.options.QueueURL, WaitTimeSeconds: wait,
			MaxNumberOfMessages:         int32(min(10, m.options.Trigger.BatchSize-len(batch))), // at most 10
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			return nil, fmt.Errorf("receive: %w", err)
		}
		if len(batch) == 0 {
			end = time.Now().Add(m.options.Trigger.Window)
		}
		batch = append(batch, out.Messages...)
		if len(batch) == 0 || len(batch) >= m.options.Trigger.BatchSize || m.options.Trigger.Window == 0 {
			return batch, nil
		}
	}
}

// event writes a batch as functions get it.
func (m *Mapping) event(batch []types.Message) ([]byte, error) {
	var e events.SQSEvent
	for _, msg := range batch {
		r := events.SQSMessage{MessageId: aws.ToString(msg.MessageId), ReceiptHandle: aws.ToString(msg.ReceiptHandle),
			Body: aws.ToString(msg.Body), Md5OfBody: aws.ToString(msg.MD5OfBody), Md5OfMessageAttributes: aws.ToString(msg.MD5OfMessageAttributes),
			Attributes: msg.Attributes, MessageAttributes: map[string]events.SQSMessageAttribute{},
			EventSourceARN: m.options.QueueARN, EventSource: "aws:sqs", AWSRegion: m.options.Region}
		for k, a := range msg.MessageAttributes {
			r.MessageAttributes[k] = events.SQSMessageAttribute{DataType: aws.ToString(a.DataType), StringValue: a.StringValue,
				BinaryValue: a.BinaryValue}
		}
		e.Records = append(e.Records, r)
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write the event: %w", err)
	}
	return payload, nil
}

// succeeded gives the messages that are done. With ReportBatchItemFailures the answer names those that failed; an answer
// that can't be read, or that names a message that was not in the batch, fails the whole batch.
func (m *Mapping) succeeded(batch []types.Message, answer []byte) ([]types.Message, error) {
	if !m.options.Trigger.ReportFailures {
		return batch, nil
	}
	if answer = bytes.TrimSpace(answer); len(answer) == 0 || string(answer) == "null" {
		return batch, nil
	}
	var a struct {
		Failures []struct {
			ID *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, fmt.Errorf("the function's answer is no list of batchItemFailures: %w", err)
	}
	failed := map[string]bool{}
	for _, f := range a.Failures {
		if f.ID == nil || *f.ID == "" {
			return nil, errors.New("the function's answer has an itemIdentifier that is empty")
		}
		failed[*f.ID] = true
	}
	var done []types.Message
	for _, msg := range batch {
		if id := aws.ToString(msg.MessageId); failed[id] {
			delete(failed, id)
		} else {
			done = append(done, msg)
		}
	}
	for id := range failed {
		return nil, fmt.Errorf("the function's answer names a message that is not of the batch: %s", id)
	}
	return done, nil
}

// delete removes messages from the queue, also when we are just stopping: they are done.
func (m *Mapping) delete(ctx context.Context, done []types.Message) error {
	if len(done) == 0 {
		return nil
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &m.options.QueueURL}
	for i, msg := range done {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: msg.ReceiptHandle})
	}
	out, err := m.options.Client.DeleteMessageBatch(ctx, in)
	if err != nil {
		return fmt.Errorf("delete %d messages that are done: %w", len(done), err)
	}
	if len(out.Failed) > 0 {
		return fmt.Errorf("delete a message that is done: %s", aws.ToString(out.Failed[0].Message))
	}
	return nil
}
