package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/awsjson"
)

// Options say where the queues are kept and how they are named to clients.
type Options struct {
	Dir     string // made if it is not there
	URL     string // of the endpoint, which queue URLs begin with: http://127.0.0.1:8081
	Region  string
	Account string
}

// Server holds the queues. It is safe for concurrent use.
type Server struct {
	o       Options
	service *awsjson.Service
	now     func() time.Time // the clock, for tests

	mu      sync.Mutex
	queues  map[string]*queue
	changed chan struct{} // closed and replaced when messages may have become visible
	closed  bool
}

// Open reads the queues that are in o.Dir.
func Open(o Options) (*Server, error) {
	s := &Server{o: o, now: time.Now, queues: map[string]*queue{}, changed: make(chan struct{})}
	s.service = &awsjson.Service{Target: "AmazonSQS", ContentType: "application/x-amz-json-1.0", Actions: s.actions(),
		BodyLimit: 8 << 20}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the queues: %w", err)
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the queues: %w", err)
	}
	for _, e := range entries {
		if !queueName.MatchString(e.Name()) {
			continue
		}
		q, err := openQueue(filepath.Join(o.Dir, e.Name()), e.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue // its making or its deletion was cut: it was never or is no longer a queue
		}
		if err != nil {
			return nil, fmt.Errorf("open queue %s: %w", e.Name(), err)
		}
		s.queues[q.name] = q
	}
	return s, nil
}

// Close ends long polls; those that come later do not wait.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wake()
}

// wake lets those who wait for messages look again. The caller holds mu.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// ServeHTTP answers an SQS request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.service.ServeHTTP(w, r) }

func (s *Server) actions() map[string]awsjson.Action {
	return map[string]awsjson.Action{
		"CreateQueue":                  awsjson.Do(locked(s, s.createQueue)),
		"DeleteQueue":                  awsjson.Do(locked(s, s.deleteQueue)),
		"GetQueueUrl":                  awsjson.Do(locked(s, s.getQueueURL)),
		"ListQueues":                   awsjson.Do(locked(s, s.listQueues)),
		"GetQueueAttributes":           awsjson.Do(locked(s, s.getQueueAttributes)),
		"SetQueueAttributes":           awsjson.Do(locked(s, s.setQueueAttributes)),
		"PurgeQueue":                   awsjson.Do(locked(s, s.purgeQueue)),
		"SendMessage":                  awsjson.Do(locked(s, s.sendMessage)),
		"SendMessageBatch":             awsjson.Do(locked(s, s.sendMessageBatch)),
		"ReceiveMessage":               awsjson.Do(s.receiveMessage), // which waits, and locks by itself
		"DeleteMessage":                awsjson.Do(locked(s, s.deleteMessage)),
		"DeleteMessageBatch":           awsjson.Do(locked(s, s.deleteMessageBatch)),
		"ChangeMessageVisibility":      awsjson.Do(locked(s, s.changeVisibility)),
		"ChangeMessageVisibilityBatch": awsjson.Do(locked(s, s.changeVisibilityBatch)),
	}
}

// locked makes an action that runs alone.
func locked[In, Out any](s *Server, f func(*In) (Out, error)) func(context.Context, *In) (Out, error) {
	return func(_ context.Context, in *In) (Out, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return f(in)
	}
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func (s *Server) url(name string) string { return s.o.URL + "/" + s.o.Account + "/" + name }
func (s *Server) arn(name string) string {
	return "arn:aws:sqs:" + s.o.Region + ":" + s.o.Account + ":" + name
}

// find returns the queue of a URL. Only the path counts, as in SQS, so that a queue is found after the port has changed.
func (s *Server) find(url string) (*queue, error) {
	if url == "" {
		return nil, missingParameter("QueueUrl")
	}
	if i := strings.LastIndexByte(url, '/'); i >= 0 && strings.HasSuffix(url[:i], "/"+s.o.Account) {
		if q, ok := s.queues[url[i+1:]]; ok {
			return q, nil
		}
	}
	return nil, errNoQueue()
}

type queueURL struct{ QueueUrl string } // the protocol's spelling, as in all types here

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
	Tags       map[string]string `json:"tags"`
}

func (s *Server) createQueue(in *createQueueInput) (queueURL, error) {
	if strings.HasSuffix(in.QueueName, ".fifo") || in.Attributes["FifoQueue"] == "true" {
		return queueURL{}, unsupported("FIFO queues are not supported on this machine.")
	}
	if !queueName.MatchString(in.QueueName) {
		return queueURL{}, invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if len(in.Tags) > 0 {
		return queueURL{}, unsupported("Tags of queues are not supported on this machine.")
	}
	if err := s.checkAttributes(in.Attributes); err != nil {
		return queueURL{}, err
	}
	if q, ok := s.queues[in.QueueName]; ok {
		for name, value := range in.Attributes {
			if !sameAttribute(name, q.attribute(name), value) {
				return queueURL{}, errNameExists(name)
			}
		}
		return queueURL{s.url(q.name)}, nil
	}
	q := &queue{name: in.QueueName, dir: filepath.Join(s.o.Dir, in.QueueName), messages: map[string]*message{}}
	now := s.now()
	q.saved = savedQueue{Created: now, Modified: now, Attributes: in.Attributes}
	if err := q.create(); err != nil {
		return queueURL{}, fmt.Errorf("create queue %s: %w", q.name, err)
	}
	s.queues[q.name] = q
	return queueURL{s.url(q.name)}, nil
}

func (s *Server) deleteQueue(in *queueURL) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	delete(s.queues, q.name)
	s.wake() // who waits on it learns that it is gone
	return nil, q.remove()
}

type getQueueURLInput struct {
	QueueName              string
	QueueOwnerAWSAccountId string
}

func (s *Server) getQueueURL(in *getQueueURLInput) (queueURL, error) {
	q, ok := s.queues[in.QueueName]
	if !ok || (in.QueueOwnerAWSAccountId != "" && in.QueueOwnerAWSAccountId != s.o.Account) {
		return queueURL{}, errNoQueue()
	}
	return queueURL{s.url(q.name)}, nil
}

type listQueuesInput struct {
	QueueNamePrefix string
	MaxResults      int
	NextToken       string
}

type listQueuesOutput struct {
	QueueUrls []string `json:",omitempty"`
	NextToken string   `json:",omitempty"`
}

func (s *Server) listQueues(in *listQueuesInput) (out listQueuesOutput, err error) {
	var names []string
	for name := range s.queues {
		if strings.HasPrefix(name, in.QueueNamePrefix) && name > in.NextToken {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	const most = 1000
	limit := most
	if in.MaxResults > 0 {
		limit = min(in.MaxResults, most)
	}
	if len(names) > limit {
		names = names[:limit]
		if in.MaxResults > 0 { // without it SQS gives no token
			out.NextToken = names[limit-1]
		}
	}
	for _, name := range names {
		out.QueueUrls = append(out.QueueUrls, s.url(name))
	}
	return out, nil
}

func (s *Server) purgeQueue(in *queueURL) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	for _, m := range q.ordered() {
		if err := q.drop(m); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
