package sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/atomicfile"
)

// queue is a folder with queue.json and, in messages, a file for each message.
type queue struct {
	name     string
	dir      string
	saved    savedQueue
	messages map[string]*message // by key
	faults   Faults
}

type savedQueue struct {
	Created    time.Time
	Modified   time.Time
	Attributes map[string]string // those that were set
}

// message is a message as it is kept. Its key is its file's name; two copies of a message, which SQS may deliver too, have
// the same id and different keys.
type message struct {
	Key        string
	ID         string
	Body       string
	Attributes map[string]attributeValue `json:",omitempty"`
	Trace      string                    `json:",omitempty"` // AWSTraceHeader
	Sent       time.Time
	Visible    time.Time // when it can be received (again)
	First      time.Time `json:",omitzero"` // when it was received first
	Received   int       // how often
	Receipt    string    `json:",omitempty"` // the newest receipt handle's secret part
	Source     string    `json:",omitempty"` // ARN of the queue that it was moved from, as a dead letter
}

const (
	queueFile   = "queue.json"
	messagesDir = "messages"
)

func openQueue(dir, name string) (*queue, error) {
	q := &queue{name: name, dir: dir, messages: map[string]*message{}}
	if err := readJSON(filepath.Join(dir, queueFile), &q.saved); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, messagesDir))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, messagesDir, e.Name())
		key, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok { // a write that was cut: it was never answered
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		m := &message{}
		if err := readJSON(path, m); err != nil {
			return nil, err
		}
		m.Key = key
		q.messages[key] = m
	}
	return q, nil
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// create makes the folder; the queue is there when its file is.
func (q *queue) create() error {
	if err := os.RemoveAll(q.dir); err != nil { // what a cut deletion left
		return err
	}
	if err := os.MkdirAll(filepath.Join(q.dir, messagesDir), 0o700); err != nil {
		return err
	}
	return q.save(q.saved)
}

func (q *queue) save(saved savedQueue) error {
	if err := atomicfile.WriteJSON(filepath.Join(q.dir, queueFile), saved); err != nil {
		return err
	}
	q.saved = saved
	return nil
}

// remove deletes the queue: its file first, without which the rest is nothing.
func (q *queue) remove() error {
	return errors.Join(os.Remove(filepath.Join(q.dir, queueFile)), os.RemoveAll(q.dir))
}

func (q *queue) path(m *message) string { return filepath.Join(q.dir, messagesDir, m.Key+".json") }

// put keeps a new message or a message's new state.
func (q *queue) put(m message) error {
	if err := atomicfile.WriteJSON(q.path(&m), m); err != nil {
		return err
	}
	q.messages[m.Key] = &m
	return nil
}

func (q *queue) drop(m *message) error {
	if err := os.Remove(q.path(m)); err != nil {
		return err
	}
	delete(q.messages, m.Key)
	return nil
}

// move gives a message to the dead-letter queue: by a rename, so that it is in exactly one of the two at any time.
func (q *queue) move(m *message, to *queue, source string, now time.Time) error {
	moved := *m
	moved.Visible, moved.Receipt, moved.Source = now, "", source
	if err := q.put(moved); err != nil {
		return err
	}
	if err := os.Rename(q.path(&moved), to.path(&moved)); err != nil {
		return err
	}
	delete(q.messages, m.Key)
	to.messages[m.Key] = &moved
	return nil
}

// ordered returns the messages, oldest first: a standard queue promises no order, but does its best.
func (q *queue) ordered() []*message {
	list := make([]*message, 0, len(q.messages))
	for _, m := range q.messages {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *message) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// expire drops what is older than the queue keeps.
func (q *queue) expire(now time.Time) {
	keep := q.duration("MessageRetentionPeriod")
	for _, m := range q.messages {
		if now.Sub(m.Sent) > keep {
			_ = q.drop(m) // tried again at the next call
		}
	}
}

func (q *queue) count(now time.Time) (visible, inFlight, delayed int) {
	for _, m := range q.messages {
		switch {
		case !m.Visible.After(now):
			visible++
		case m.Received == 0:
			delayed++
		default:
			inFlight++
		}
	}
	return visible, inFlight, delayed
}
