package sqs

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

type receiveInput struct {
	QueueUrl                    string
	AttributeNames              []string // the older name of the next
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
}

type receivedMessage struct {
	MessageId              string
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string         `json:",omitempty"`
	MessageAttributes      map[string]attributeValue `json:",omitempty"`
	MD5OfMessageAttributes string                    `json:",omitempty"`
}

type receiveOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

// option reads a number that a client may leave out.
func option(name string, given *int, otherwise, least, most int) (int, error) {
	if given == nil {
		return otherwise, nil
	}
	if *given < least || *given > most {
		return 0, invalidParameter("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.",
			*given, name, least, most)
	}
	return *given, nil
}

// receiveMessage answers with what is visible, or waits for it.
func (s *Server) receiveMessage(ctx context.Context, in *receiveInput) (receiveOutput, error) {
	limit, err := option("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 1, 10)
	if err != nil {
		return receiveOutput{}, err
	}
	var until time.Time
	for {
		got, wait, changed, err := s.receiveNow(ctx, in, limit, &until)
		if err != nil || len(got) > 0 || wait <= 0 {
			return receiveOutput{got}, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// receiveNow takes what is visible. Where that is nothing it says how long to wait at most, and for which signal. until is
// set by the first call.
func (s *Server) receiveNow(ctx context.Context, in *receiveInput, limit int, until *time.Time,
) (got []receivedMessage, wait time.Duration, changed <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, 0, nil, err // nobody would get the messages
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, 0, nil, err
	}
	now := s.now()
	if until.IsZero() {
		n, err := option("WaitTimeSeconds", in.WaitTimeSeconds, q.number("ReceiveMessageWaitTimeSeconds"), 0, 20)
		if err != nil {
			return nil, 0, nil, err
		}
		*until = now.Add(time.Duration(n) * time.Second)
	}
	hide, err := option("VisibilityTimeout", in.VisibilityTimeout, q.number("VisibilityTimeout"), 0, 43_200)
	if err != nil {
		return nil, 0, nil, err
	}
	q.expire(now)
	next := *until
	for _, m := range q.ordered() {
		if len(got) == limit {
			break
		}
		if m.Visible.After(now) {
			if m.Visible.Before(next) {
				next = m.Visible
			}
			continue
		}
		moved, err := s.redrive(q, m, now)
		if err != nil {
			return nil, 0, nil, err
		}
		if moved {
			continue
		}
		taken, err := take(q, m, now, time.Duration(hide)*time.Second)
		if err != nil {
			return nil, 0, nil, err
		}
		got = append(got, s.present(q, taken, in))
	}
	if s.closed {
		next = now
	}
	return got, next.Sub(now), s.changed, nil
}

// redrive moves a message that was received too often to the dead-letter queue. Where that queue has been deleted the
// message stays.
func (s *Server) redrive(q *queue, m *message, now time.Time) (bool, error) {
	policy, ok := parseRedrive(q.attribute(redrivePolicy))
	if !ok || m.Received < policy.Receives {
		return false, nil
	}
	to := s.byARN(policy.Target)
	if to == nil || to == q {
		return false, nil
	}
	if err := q.move(m, to, s.arn(q.name), now); err != nil {
		return false, err
	}
	s.wake() // somebody may wait for it there
	return true, nil
}

// take marks a message as received.
func take(q *queue, m *message, now time.Time, hide time.Duration) (*message, error) {
	taken := *m
	taken.Received++
	taken.Visible = now.Add(hide)
	taken.Receipt = rand.Text()
	if taken.First.IsZero() {
		taken.First = now
	}
	if err := q.put(taken); err != nil {
		return nil, err
	}
	return &taken, nil
}

// present is a message as the client asked to see it.
func (s *Server) present(q *queue, m *message, in *receiveInput) receivedMessage {
	out := receivedMessage{MessageId: m.ID, ReceiptHandle: makeHandle(q, m), Body: m.Body, MD5OfBody: md5Hex([]byte(m.Body))}
	system := map[string]string{
		"ApproximateReceiveCount":          strconv.Itoa(m.Received),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.First.UnixMilli(), 10),
		"SentTimestamp":                    strconv.FormatInt(m.Sent.UnixMilli(), 10),
		"SenderId":                         s.o.Account,
		traceHeader:                        m.Trace,
		"DeadLetterQueueSourceArn":         m.Source,
	}
	wanted := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	maps.DeleteFunc(system, func(name, value string) bool {
		return value == "" || (!slices.Contains(wanted, "All") && !slices.Contains(wanted, name))
	})
	out.Attributes = system
	out.MessageAttributes = maps.Clone(m.Attributes)
	maps.DeleteFunc(out.MessageAttributes, func(name string, _ attributeValue) bool {
		return !slices.ContainsFunc(in.MessageAttributeNames, func(pattern string) bool {
			prefix, wild := strings.CutSuffix(pattern, ".*")
			return pattern == "All" || pattern == name || (wild && strings.HasPrefix(name, prefix))
		})
	})
	out.MD5OfMessageAttributes = attributesMD5(out.MessageAttributes)
	return out
}

// A receipt handle names the queue, the copy of the message, and this one receiving of it.

func makeHandle(q *queue, m *message) string {
	return base64.RawURLEncoding.EncodeToString([]byte(q.name + "/" + m.Key + "/" + m.Receipt))
}

// byHandle returns the message that a receipt handle stands for: nil where it has been deleted, or received again since.
func (q *queue) byHandle(handle string) (*message, error) {
	b, err := base64.RawURLEncoding.DecodeString(handle)
	parts := strings.Split(string(b), "/")
	if err != nil || len(parts) != 3 || parts[0] != q.name {
		return nil, errHandle(handle)
	}
	if m := q.messages[parts[1]]; m != nil && m.Receipt == parts[2] {
		return m, nil
	}
	return nil, nil //nolint:nilnil // neither is there a message nor is the handle wrong
}

type deleteEntry struct {
	Id            string
	ReceiptHandle string
}

type deleteInput struct {
	QueueUrl string
	deleteEntry
}

type batchID struct{ Id string }

func (s *Server) deleteMessage(in *deleteInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, q.delete(in.ReceiptHandle)
}

type deleteBatchInput struct {
	QueueUrl string
	Entries  []deleteEntry
}

func (s *Server) deleteMessageBatch(in *deleteBatchInput) (out batchOutput[batchID], err error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return out, err
	}
	return batch(in.Entries, func(e *deleteEntry) string { return e.Id }, func(e *deleteEntry) (batchID, error) {
		return batchID{e.Id}, q.delete(e.ReceiptHandle)
	})
}

// delete succeeds too for a message that has gone; with a handle from before it was received again it does nothing.
func (q *queue) delete(handle string) error {
	if handle == "" {
		return missingParameter("ReceiptHandle")
	}
	m, err := q.byHandle(handle)
	if err != nil || m == nil {
		return err
	}
	return q.drop(m)
}

type visibilityEntry struct {
	Id                string
	ReceiptHandle     string
	VisibilityTimeout *int
}

type visibilityInput struct {
	QueueUrl string
	visibilityEntry
}

func (s *Server) changeVisibility(in *visibilityInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, s.setVisibility(q, &in.visibilityEntry)
}

type visibilityBatchInput struct {
	QueueUrl string
	Entries  []visibilityEntry
}

func (s *Server) changeVisibilityBatch(in *visibilityBatchInput) (out batchOutput[batchID], err error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return out, err
	}
	return batch(in.Entries, func(e *visibilityEntry) string { return e.Id }, func(e *visibilityEntry) (batchID, error) {
		return batchID{e.Id}, s.setVisibility(q, e)
	})
}

func (s *Server) setVisibility(q *queue, e *visibilityEntry) error {
	switch {
	case e.ReceiptHandle == "":
		return missingParameter("ReceiptHandle")
	case e.VisibilityTimeout == nil:
		return missingParameter("VisibilityTimeout")
	}
	n, err := option("VisibilityTimeout", e.VisibilityTimeout, 0, 0, 43_200)
	if err != nil {
		return err
	}
	m, err := q.byHandle(e.ReceiptHandle)
	if err != nil {
		return err
	}
	now := s.now()
	switch {
	case m == nil:
		return invalidParameter("Value %s for parameter ReceiptHandle is invalid. "+
			"Reason: Message does not exist or is not available for visibility timeout change.", e.ReceiptHandle)
	case !m.Visible.After(now):
		return errNotInflight()
	}
	changed := *m
	changed.Visible = now.Add(time.Duration(n) * time.Second)
	if err := q.put(changed); err != nil {
		return err
	}
	s.wake()
	return nil
}
