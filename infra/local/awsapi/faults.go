package awsapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// FaultKind is what goes wrong.
type FaultKind string

// The kinds of faults in front of S3.
const (
	// SlowDown answers 503 SlowDown and does nothing.
	SlowDown FaultKind = "slow-down"
	// DropRequest cuts the connection and does nothing.
	DropRequest FaultKind = "drop-request"
	// DropAnswer does what was asked, then cuts the connection instead of answering.
	DropAnswer FaultKind = "drop-answer"
	// Stall neither does what was asked nor answers, for as long as the caller waits.
	Stall FaultKind = "stall"
)

// Fault makes some S3 requests go wrong: those that match all of its fields that are not empty.
type Fault struct {
	Kind      FaultKind `json:"kind"`
	Method    string    `json:"method,omitempty"`    // GET, PUT, …
	Bucket    string    `json:"bucket,omitempty"`    // the bucket's name
	KeyPrefix string    `json:"keyPrefix,omitempty"` // how the key begins; the prefix parameter of a list is no key
	Query     string    `json:"query,omitempty"`     // a query parameter that is there, such as partNumber or uploads

	Skip     int `json:"skip,omitempty"`     // this many matching requests pass first
	Requests int `json:"requests,omitempty"` // then this many go wrong; 0 for all until cleared

	Matched int    `json:"matched"` // how many requests have matched so far; set by the server
	From    string `json:"-"`       // the address that the last of them came from; set by the server
}

func (f *Fault) matches(r *http.Request) bool {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return (f.Method == "" || f.Method == r.Method) &&
		(f.Bucket == "" || f.Bucket == bucket) &&
		strings.HasPrefix(key, f.KeyPrefix) &&
		(f.Query == "" || r.URL.Query().Has(f.Query))
}

// Faults are the faults in front of S3. The first that matches a request and is not used up is the one that happens.
type Faults struct {
	mu   sync.Mutex
	list []*Fault
}

// Set replaces all faults. An error names the kind that is not known, and changes nothing.
func (f *Faults) Set(faults ...Fault) error {
	list := make([]*Fault, 0, len(faults))
	for _, fault := range faults {
		switch fault.Kind {
		case SlowDown, DropRequest, DropAnswer, Stall:
		default:
			return fmt.Errorf("set S3 faults: kind is %q, not %s, %s, %s or %s", fault.Kind, SlowDown, DropRequest, DropAnswer, Stall)
		}
		fault.Matched, fault.From = 0, ""
		list = append(list, &fault)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = list
	return nil
}

// List returns the faults with how often each has matched.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Fault, 0, len(f.list))
	for _, fault := range f.list {
		list = append(list, *fault)
	}
	return list
}

// next says what is to happen to r: "" for nothing.
func (f *Faults) next(r *http.Request) FaultKind {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.list {
		if !fault.matches(r) {
			continue
		}
		fault.Matched, fault.From = fault.Matched+1, r.RemoteAddr
		if fault.Matched > fault.Skip && (fault.Requests == 0 || fault.Matched <= fault.Skip+fault.Requests) {
			return fault.Kind
		}
	}
	return ""
}

// wrap puts the faults in front of S3.
func (f *Faults) wrap(s3 http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch f.next(r) {
		case "":
			s3.ServeHTTP(w, r)
		case SlowDown:
			w.Header().Set("Content-Type", "application/xml")
			w.Header().Set("Connection", "close") // the body may not have been read
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+
				`<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
		case DropRequest:
			panic(http.ErrAbortHandler)
		case DropAnswer:
			s3.ServeHTTP(&noAnswer{header: http.Header{}}, r)
			panic(http.ErrAbortHandler)
		case Stall:
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
	})
}

// noAnswer takes an answer that nobody is to see.
type noAnswer struct{ header http.Header }

func (n *noAnswer) Header() http.Header         { return n.header }
func (n *noAnswer) Write(b []byte) (int, error) { return len(b), nil }
func (n *noAnswer) WriteHeader(int)             {}

// ServeHTTP is the control from outside the process: see the package's documentation.
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		_ = f.Set()
	case http.MethodPut:
		var list []Fault
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		d.DisallowUnknownFields()
		err := d.Decode(&list)
		if err == nil {
			err = f.Set(list...)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		http.Error(w, "use GET, PUT or DELETE", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(f.List())
}
