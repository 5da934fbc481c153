package sqs

import (
	"crypto/md5" // the protocol's checksum
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
)

// attributeValue is a message attribute.
type attributeValue struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

// size is what the attribute counts for, with its name, in bytes.
func (a attributeValue) size(name string) int {
	return len(name) + len(a.DataType) + len(a.StringValue) + len(a.BinaryValue)
}

type sendEntry struct {
	Id                      string // of an entry of a batch
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]attributeValue
	MessageSystemAttributes map[string]attributeValue
}

func (e *sendEntry) size() int {
	n := len(e.MessageBody)
	for name, a := range e.MessageAttributes {
		n += a.size(name)
	}
	return n
}

type sendInput struct {
	QueueUrl string
	sendEntry
}

type sendOutput struct {
	Id                           string `json:",omitempty"`
	MessageId                    string
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
}

func (s *Server) sendMessage(in *sendInput) (sendOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return sendOutput{}, err
	}
	return s.send(q, &in.sendEntry)
}

type sendBatchInput struct {
	QueueUrl string
	Entries  []sendEntry
}

func (s *Server) sendMessageBatch(in *sendBatchInput) (out batchOutput[sendOutput], err error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return out, err
	}
	total := 0
	for _, e := range in.Entries {
		total += e.size()
	}
	if most := numbers["MaximumMessageSize"].most; total > most {
		return out, modeled("BatchRequestTooLong", legacy+"BatchRequestTooLong",
			"Batch requests cannot be longer than %d bytes. You have sent %d bytes.", most, total)
	}
	return batch(in.Entries, func(e *sendEntry) string { return e.Id }, func(e *sendEntry) (sendOutput, error) {
		out, err := s.send(q, e)
		out.Id = e.Id
		return out, err
	})
}

// send keeps a message and answers for it.
func (s *Server) send(q *queue, e *sendEntry) (sendOutput, error) {
	if err := checkMessage(q, e); err != nil {
		return sendOutput{}, err
	}
	now := s.now()
	delay := q.duration("DelaySeconds")
	if e.DelaySeconds != nil {
		delay = time.Duration(*e.DelaySeconds) * time.Second
	}
	key := ulid.Make().String()
	m := message{Key: key, ID: newID(), Body: e.MessageBody, Attributes: e.MessageAttributes,
		Trace: e.MessageSystemAttributes[traceHeader].StringValue, Sent: now}
	extra, twice, after := q.faults.next()
	m.Visible = now.Add(delay + extra)
	if err := q.put(m); err != nil {
		return sendOutput{}, err
	}
	if twice {
		again := m
		again.Key = ulid.Make().String()
		again.Visible = m.Visible.Add(after)
		if err := q.put(again); err != nil {
			return sendOutput{}, err
		}
	}
	s.wake()
	return sendOutput{MessageId: m.ID, MD5OfMessageBody: md5Hex([]byte(m.Body)), MD5OfMessageAttributes: attributesMD5(m.Attributes),
		MD5OfMessageSystemAttributes: attributesMD5(e.MessageSystemAttributes)}, nil
}

const traceHeader = "AWSTraceHeader"

func checkMessage(q *queue, e *sendEntry) error {
	if e.MessageBody == "" {
		return missingParameter("MessageBody")
	}
	if !validText(e.MessageBody) {
		return errContents()
	}
	if most := q.number("MaximumMessageSize"); e.size() > most {
		return invalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", most)
	}
	if d := e.DelaySeconds; d != nil && (*d < 0 || *d > numbers["DelaySeconds"].most) {
		return invalidParameter("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", *d)
	}
	for name := range e.MessageSystemAttributes {
		if name != traceHeader {
			return invalidParameter("Message system attribute name '%s' is invalid.", name)
		}
	}
	const most = 10
	if len(e.MessageAttributes) > most {
		return invalidParameter("Number of message attributes [%d] exceeds the allowed maximum [10].", len(e.MessageAttributes))
	}
	for name, a := range e.MessageAttributes {
		kind, _, _ := strings.Cut(a.DataType, ".")
		if kind != "String" && kind != "Number" && kind != "Binary" {
			return invalidParameter("The message attribute '%s' has an invalid message attribute type, "+
				"the set of supported type prefixes is Binary, Number, and String.", name)
		}
		if (kind == "Binary" && len(a.BinaryValue) == 0) || (kind != "Binary" && a.StringValue == "") {
			return invalidParameter("Message attribute '%s' must contain a non-empty value of its type.", name)
		}
	}
	return nil
}

// validText reports whether a body has only the characters that SQS takes.
func validText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r != '\t' && r != '\n' && r != '\r' && (r < 0x20 || r == 0xFFFE || r == 0xFFFF) {
			return false
		}
	}
	return true
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b) // the protocol's checksum
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is the checksum that SDKs compare, "" of no attributes: see "Calculating the MD5 message digest for message
// attributes" in the SQS developer guide.
func attributesMD5(attributes map[string]attributeValue) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	add := func(v []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(v))) // at most 1 MiB
		b = append(b, v...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		add([]byte(name))
		add([]byte(a.DataType))
		if strings.HasPrefix(a.DataType, "Binary") {
			b = append(b, 2)
			add(a.BinaryValue)
		} else {
			b = append(b, 1)
			add([]byte(a.StringValue))
		}
	}
	return md5Hex(b)
}
