package sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/oklog/ulid/v2"
)

// Faults is what goes wrong with the messages that are sent to a queue next. They are not kept over a restart.
type Faults struct {
	// Duplicates is how many of the next messages are kept twice, as two copies with one message id. Deleting one copy leaves
	// the other.
	Duplicates int `json:"duplicates"`
	// DuplicateAfter is how much later than the first the second copy becomes visible.
	DuplicateAfter Duration `json:"duplicateAfter"`
	// Delays is how many of the next messages become visible late, -1 for all until cleared.
	Delays int `json:"delays"`
	// DelayBy is how much later they do.
	DelayBy Duration `json:"delayBy"`
}

// Duration is a time.Duration whose JSON is such as "1.5s".
type Duration time.Duration

// MarshalText makes "1.5s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads "1.5s".
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// next says what happens to the message that is sent now.
func (f *Faults) next() (delay time.Duration, twice bool, after time.Duration) {
	if f.Delays != 0 {
		delay = time.Duration(f.DelayBy)
		if f.Delays > 0 {
			f.Delays--
		}
	}
	if f.Duplicates > 0 {
		f.Duplicates--
		twice, after = true, time.Duration(f.DuplicateAfter)
	}
	return delay, twice, after
}

func (s *Server) byName(name string) (*queue, error) {
	if q, ok := s.queues[name]; ok {
		return q, nil
	}
	return nil, fmt.Errorf("%w: %q", errUnknownQueue, name)
}

var errUnknownQueue = errors.New("there is no such queue")

// SetFaults replaces the faults of a queue; the zero Faults clears them.
func (s *Server) SetFaults(queue string, f Faults) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byName(queue)
	if err != nil {
		return err
	}
	q.faults = f
	return nil
}

// Faults returns what is left of a queue's faults.
func (s *Server) Faults(queue string) (Faults, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byName(queue)
	if err != nil {
		return Faults{}, err
	}
	return q.faults, nil
}

// Redeliver delivers every message that is in flight a second time, now, and returns how many there were. Their first
// deliveries stay as they are: two receivers have the same message.
func (s *Server) Redeliver(queue string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byName(queue)
	if err != nil {
		return 0, err
	}
	now, n := s.now(), 0
	for _, m := range q.ordered() {
		if m.Received == 0 || !m.Visible.After(now) {
			continue
		}
		again := *m
		again.Key, again.Receipt, again.Visible = ulid.Make().String(), "", now
		if err := q.put(again); err != nil {
			return n, err
		}
		n++
	}
	s.wake()
	return n, nil
}

// Control is the faults for tests outside the process, below /_local/sqs/: see package awsapi.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_local/sqs/{queue}/faults", func(w http.ResponseWriter, r *http.Request) {
		f, err := s.Faults(r.PathValue("queue"))
		answer(w, f, err)
	})
	mux.HandleFunc("DELETE /_local/sqs/{queue}/faults", func(w http.ResponseWriter, r *http.Request) {
		answer(w, Faults{}, s.SetFaults(r.PathValue("queue"), Faults{}))
	})
	mux.HandleFunc("PUT /_local/sqs/{queue}/faults", func(w http.ResponseWriter, r *http.Request) {
		var f Faults
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, f, s.SetFaults(r.PathValue("queue"), f))
	})
	mux.HandleFunc("PUT /_local/sqs/{queue}/redelivery", func(w http.ResponseWriter, r *http.Request) {
		n, err := s.Redeliver(r.PathValue("queue"))
		answer(w, map[string]int{"redelivered": n}, err)
	})
	return mux
}

func answer(w http.ResponseWriter, v any, err error) {
	switch {
	case errors.Is(err, errUnknownQueue):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}
