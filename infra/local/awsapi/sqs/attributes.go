package sqs

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
)

// The attributes of a queue that are numbers, with SQS's defaults and limits. Times are in seconds, sizes in bytes.
var numbers = map[string]struct{ standard, least, most int }{
	"DelaySeconds":                  {0, 0, 900},
	"MaximumMessageSize":            {1 << 20, 1 << 10, 1 << 20},
	"MessageRetentionPeriod":        {345_600, 60, 1_209_600},
	"ReceiveMessageWaitTimeSeconds": {0, 0, 20},
	"VisibilityTimeout":             {30, 0, 43_200},
}

// What a template may set without any effect on one machine: everything is on this machine's disk in any case.
var inert = map[string]string{"SqsManagedSseEnabled": "true", "FifoQueue": "false"}

const redrivePolicy = "RedrivePolicy"

// computed are the attributes that can be read only.
var computed = []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
	"ApproximateNumberOfMessagesDelayed", "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn"}

// redrive says where messages go that were received too often.
type redrive struct {
	Target   string // ARN of the dead-letter queue
	Receives int    // a message that was received this often is moved instead of received again
}

func parseRedrive(value string) (redrive, bool) {
	var policy struct {
		Target   string          `json:"deadLetterTargetArn"`
		Receives json.RawMessage `json:"maxReceiveCount"`
	}
	if json.Unmarshal([]byte(value), &policy) != nil {
		return redrive{}, false
	}
	// A number or, as CloudFormation makes it, its text.
	n, err := strconv.Atoi(strings.Trim(string(policy.Receives), `"`))
	const most = 1000
	return redrive{policy.Target, n}, err == nil && n >= 1 && n <= most && policy.Target != ""
}

// checkAttributes says what is wrong with attributes that a client wants to set.
func (s *Server) checkAttributes(attributes map[string]string) error {
	for name, value := range attributes {
		if limit, ok := numbers[name]; ok {
			n, err := strconv.Atoi(value)
			if err != nil || n < limit.least || n > limit.most {
				return errAttributeValue(name)
			}
			continue
		}
		if name == redrivePolicy {
			if value == "" {
				continue
			}
			policy, ok := parseRedrive(value)
			if !ok {
				return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: It needs deadLetterTargetArn "+
					"and a maxReceiveCount from 1 to 1000.", value)
			}
			if s.byARN(policy.Target) == nil {
				return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.",
					value)
			}
			continue
		}
		if _, ok := inert[name]; ok {
			if value != "true" && value != "false" {
				return errAttributeValue(name)
			}
			continue
		}
		return errAttributeName(name)
	}
	return nil
}

// byARN returns the queue, or nil.
func (s *Server) byARN(arn string) *queue {
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	if arn != s.arn(name) {
		return nil
	}
	return s.queues[name]
}

// attribute is a value as it is set or by default, "" where there is none.
func (q *queue) attribute(name string) string {
	if v, ok := q.saved.Attributes[name]; ok {
		return v
	}
	if n, ok := numbers[name]; ok {
		return strconv.Itoa(n.standard)
	}
	return inert[name]
}

// number is a numeric attribute's value.
func (q *queue) number(name string) int {
	n, _ := strconv.Atoi(q.attribute(name)) // checked when it was set
	return n
}

func (q *queue) duration(name string) time.Duration {
	return time.Duration(q.number(name)) * time.Second
}

// sameAttribute compares the values of an attribute by what they mean.
func sameAttribute(name, a, b string) bool {
	if name == redrivePolicy && a != "" && b != "" {
		x, _ := parseRedrive(a)
		y, _ := parseRedrive(b)
		return x == y
	}
	return a == b
}

type getAttributesInput struct {
	QueueUrl       string
	AttributeNames []string
}

type attributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *Server) getQueueAttributes(in *getAttributesInput) (attributesOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return attributesOutput{}, err
	}
	all := s.readAttributes(q)
	out := attributesOutput{map[string]string{}}
	for _, name := range in.AttributeNames {
		if name == "All" {
			return attributesOutput{all}, nil
		}
		if v, ok := all[name]; ok {
			out.Attributes[name] = v
		} else if name != redrivePolicy {
			return attributesOutput{}, errAttributeName(name)
		}
	}
	return out, nil
}

func (s *Server) readAttributes(q *queue) map[string]string {
	q.expire(s.now())
	visible, inFlight, delayed := q.count(s.now())
	all := map[string]string{}
	for name := range numbers {
		all[name] = q.attribute(name)
	}
	all["SqsManagedSseEnabled"] = q.attribute("SqsManagedSseEnabled")
	if v := q.attribute(redrivePolicy); v != "" {
		all[redrivePolicy] = v
	}
	values := []string{strconv.Itoa(visible), strconv.Itoa(inFlight), strconv.Itoa(delayed),
		strconv.FormatInt(q.saved.Created.Unix(), 10), strconv.FormatInt(q.saved.Modified.Unix(), 10), s.arn(q.name)}
	for i, name := range computed {
		all[name] = values[i]
	}
	return all
}

type setAttributesInput struct {
	QueueUrl   string
	Attributes map[string]string
}

func (s *Server) setQueueAttributes(in *setAttributesInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := s.checkAttributes(in.Attributes); err != nil {
		return nil, err
	}
	saved := q.saved
	saved.Modified = s.now()
	saved.Attributes = maps.Clone(saved.Attributes)
	if saved.Attributes == nil {
		saved.Attributes = map[string]string{}
	}
	for name, value := range in.Attributes {
		saved.Attributes[name] = value
		if value == "" {
			delete(saved.Attributes, name)
		}
	}
	if err := q.save(saved); err != nil {
		return nil, err
	}
	s.wake()
	return nil, nil
}
