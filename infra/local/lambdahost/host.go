// Package lambdahost runs Lambda functions on one machine: it starts their bootstrap binaries, speaks the Lambda Runtime
// API to them (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) and keeps Lambda's promises and limits: one
// invocation at a time per instance, warm instances used again, a deadline that kills, payload limits, errors in AWS's form.
//
// Start with [New], [Host.Add] the functions, then [Host.Invoke] or [Host.InvokeAsync]. [Host.Close] leaves no process.
package lambdahost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Lambda's payload limits in bytes, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. Lambda's own
// error texts give a response 100 bytes more than a request.
const (
	MaxRequest      = 6 * 1024 * 1024
	MaxResponse     = 6*1024*1024 + 100
	MaxAsyncRequest = 1024 * 1024
)

// The ways in which an invocation is refused before a function sees it.
var (
	ErrTooLarge  = errors.New("request payload is too large")
	ErrThrottled = errors.New("the function's concurrency is used up")
	ErrUnknown   = errors.New("there is no such function")
	ErrClosed    = errors.New("the host is closed")
)

// Options configure a Host. The zero value of a field stands for its default.
type Options struct {
	Region          string
	Endpoint        string // AWS_ENDPOINT_URL of the functions
	AccessKeyID     string
	SecretAccessKey string
	Dir             string    // holds a temporary folder for each instance; the system's by default
	Log             io.Writer // lines of the functions and of the host; nothing by default
	Reports         bool      // also START, END and REPORT lines, as Lambda writes them
	// MaxInstances caps the instances of a function that reserves no concurrency: 16. A call beyond waits for one.
	MaxInstances int
	// InitTimeout is how long an instance may take until it asks for its first event: 10 s, as Lambda's.
	InitTimeout time.Duration
	// RetryDelays are the waits before the second and third try of an asynchronous invocation. Lambda waits one and two
	// minutes; here it is 5 and 10 seconds.
	RetryDelays []time.Duration
}

// Function is what a host has to know of a function.
type Function struct {
	Name         string // as AWS knows it
	Label        string // begins its log lines; Name by default
	Binary       string // absolute path of its bootstrap
	Handler      string
	MemoryMB     int
	Timeout      time.Duration
	Environment  map[string]string
	Reserved     *int // reserved concurrency; calls beyond it are refused
	AsyncRetries int  // of failed asynchronous invocations
	AsyncMaxAge  time.Duration
}

// Host runs functions.
type Host struct {
	options Options
	log     *lineLog
	stop    chan struct{} // closed by Close
	work    sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	functions map[string]*function
}

// New makes a host.
func New(o Options) *Host {
	if o.MaxInstances == 0 {
		o.MaxInstances = 16
	}
	if o.InitTimeout == 0 {
		o.InitTimeout = 10 * time.Second
	}
	if o.RetryDelays == nil {
		o.RetryDelays = []time.Duration{5 * time.Second, 10 * time.Second}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	return &Host{options: o, log: &lineLog{w: o.Log}, stop: make(chan struct{}), functions: map[string]*function{}}
}

// Add makes a function known. Its instances start when they are needed.
func (h *Host) Add(f Function) error {
	if f.Label == "" {
		f.Label = f.Name
	}
	info, err := os.Stat(f.Binary)
	if err != nil {
		return fmt.Errorf("add function %s: %w", f.Name, err)
	}
	if info.IsDir() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("add function %s: %s is not a program", f.Name, f.Binary)
	}
	if f.Timeout <= 0 {
		return fmt.Errorf("add function %s: it has no timeout", f.Name)
	}
	limit := h.options.MaxInstances
	if f.Reserved != nil {
		limit = *f.Reserved
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.functions[f.Name]; ok {
		return fmt.Errorf("add function %s: it is there already", f.Name)
	}
	h.functions[f.Name] = &function{Function: f, host: h, slots: make(chan struct{}, limit), all: map[*instance]bool{}}
	return nil
}

func (h *Host) function(name string) (*function, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	f, ok := h.functions[name]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	return f, nil
}

// Result is the answer of a function.
type Result struct {
	RequestID string
	Payload   []byte
	// FunctionError is "" where the function succeeded, else "Unhandled": the payload is then {errorType, errorMessage}.
	FunctionError string
}

// Invoke runs a function and waits for its answer. When ctx ends Invoke returns, and the function goes on until its own
// timeout, as in Lambda. The error is one of ErrTooLarge, ErrThrottled, ErrUnknown, ErrClosed or ctx's own.
func (h *Host) Invoke(ctx context.Context, name string, payload []byte) (Result, error) {
	if len(payload) > MaxRequest {
		return Result{}, fmt.Errorf("invoke %s: %w: %d bytes, and %d are allowed", name, ErrTooLarge, len(payload), MaxRequest)
	}
	f, err := h.function(name)
	if err != nil {
		return Result{}, fmt.Errorf("invoke %s: %w", name, err)
	}
	inv := newInvocation(payload)
	if err := f.begin(ctx, inv); err != nil {
		return Result{}, fmt.Errorf("invoke %s: %w", name, err)
	}
	select {
	case <-inv.done:
		return inv.result, nil
	case <-ctx.Done():
		return Result{RequestID: inv.id}, fmt.Errorf("invoke %s: %w", name, ctx.Err())
	}
}

// InvokeAsync takes an event, answers at once, and runs the function with retries: a failed invocation is repeated
// AsyncRetries times, a throttled one until AsyncMaxAge. Events are kept in memory only.
func (h *Host) InvokeAsync(name string, payload []byte) error {
	if len(payload) > MaxAsyncRequest {
		return fmt.Errorf("invoke %s: %w: %d bytes, and %d are allowed for an event", name, ErrTooLarge, len(payload), MaxAsyncRequest)
	}
	f, err := h.function(name)
	if err != nil {
		return fmt.Errorf("invoke %s: %w", name, err)
	}
	if !h.track() {
		return fmt.Errorf("invoke %s: %w", name, ErrClosed)
	}
	go func() {
		defer h.work.Done()
		f.async(payload)
	}()
	return nil
}

// track counts a piece of work that Close waits for; false once the host is closed.
func (h *Host) track() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.work.Add(1)
	return true
}

// Instance describes a running process of a function.
type Instance struct {
	Function    string    `json:"function"`
	PID         int       `json:"pid"`
	Started     time.Time `json:"started"`
	RequestID   string    `json:"requestId,omitempty"` // of the invocation that it works on; "" while it is idle
	Invocations int       `json:"invocations"`
}

// Instances lists the running processes of a function, the oldest first; of all functions where name is "".
func (h *Host) Instances(name string) []Instance {
	h.mu.Lock()
	var list []*function
	for n, f := range h.functions {
		if name == "" || n == name {
			list = append(list, f)
		}
	}
	h.mu.Unlock()
	out := []Instance{}
	for _, f := range list {
		out = append(out, f.instances()...)
	}
	slices.SortFunc(out, func(a, b Instance) int { return a.Started.Compare(b.Started) })
	return out
}

// Close kills every instance with whatever it started, and waits until all are gone.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	close(h.stop)
	functions := h.functions
	h.mu.Unlock()
	for _, f := range functions {
		f.killAll()
	}
	h.work.Wait()
	return nil
}
