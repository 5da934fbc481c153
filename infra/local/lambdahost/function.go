package lambdahost

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// function is a function with its instances.
type function struct {
	Function
	host  *Host
	slots chan struct{} // one for each invocation that runs

	mu   sync.Mutex
	idle []*instance // the last one used is at the end and is used next, so that the others can stay asleep
	all  map[*instance]bool
}

// begin waits for a free slot and hands the invocation to an instance. It returns before the answer is there.
func (f *function) begin(ctx context.Context, inv *invocation) error {
	if f.Reserved != nil {
		select {
		case f.slots <- struct{}{}:
		default:
			return fmt.Errorf("%w: %d are reserved and all are at work", ErrThrottled, *f.Reserved)
		}
	} else {
		select {
		case f.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		case <-f.host.stop:
			return ErrClosed
		}
	}
	if !f.host.track() {
		<-f.slots
		return ErrClosed
	}
	go func() {
		defer f.host.work.Done()
		f.serve(inv)
		<-f.slots
		inv.handOver()
	}()
	return nil
}

// serve runs one invocation to its end. An instance that died while it was idle has not seen the invocation, so another
// takes it.
func (f *function) serve(inv *invocation) {
	for {
		in, warm, err := f.take()
		if err != nil {
			inv.fail("Runtime.InvalidEntrypoint", fmt.Sprintf("RequestId: %s Error: %v", inv.id, err))
			return
		}
		if in.run(inv) {
			if in.alive() {
				f.rest(in)
			}
			return
		}
		if !warm {
			return
		}
	}
}

// take gives a warm instance, or starts one.
func (f *function) take() (in *instance, warm bool, err error) {
	f.mu.Lock()
	if n := len(f.idle); n > 0 {
		in = f.idle[n-1]
		f.idle = f.idle[:n-1]
		f.mu.Unlock()
		return in, true, nil
	}
	f.mu.Unlock()
	in, err = f.start()
	return in, false, err
}

// rest makes an instance available for the next invocation.
func (f *function) rest(in *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[in] {
		f.idle = append(f.idle, in)
	}
}

// enlist and forget keep the list of running processes. enlist is false once the host is closing: the caller kills the
// process that it just started.
func (f *function) enlist(in *instance) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[in] = true
	select {
	case <-f.host.stop:
		return false
	default:
		return true
	}
}

func (f *function) forget(in *instance) (wasIdle bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, in)
	for i := range f.idle {
		if f.idle[i] == in {
			f.idle = append(f.idle[:i], f.idle[i+1:]...)
			return true
		}
	}
	return false
}

func (f *function) instances() []Instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Instance
	for in := range f.all {
		out = append(out, in.describe())
	}
	return out
}

func (f *function) killAll() {
	f.mu.Lock()
	list := make([]*instance, 0, len(f.all))
	for in := range f.all {
		list = append(list, in)
	}
	f.mu.Unlock()
	for _, in := range list {
		in.kill()
		<-in.exited
	}
}

// async runs an event with Lambda's retries.
func (f *function) async(payload []byte) {
	begun, failures := time.Now(), 0
	for throttled := 0; ; {
		inv := newInvocation(payload)
		err := f.begin(context.Background(), inv)
		switch {
		case errors.Is(err, ErrThrottled):
			throttled++
		case err != nil:
			return
		default:
			<-inv.done
			if inv.result.FunctionError == "" {
				return
			}
			failures++
			throttled = 0
			if failures > f.AsyncRetries {
				f.host.log.printf(f.Label, "event dropped after %d tries: %s", failures, inv.result.Payload)
				return
			}
		}
		wait := f.retryDelay(failures + throttled)
		if f.AsyncMaxAge > 0 && time.Since(begun)+wait > f.AsyncMaxAge {
			f.host.log.printf(f.Label, "event dropped: it is older than %s", f.AsyncMaxAge)
			return
		}
		select {
		case <-time.After(wait):
		case <-f.host.stop:
			return
		}
	}
}

func (f *function) retryDelay(n int) time.Duration {
	delays := f.host.options.RetryDelays
	if len(delays) == 0 {
		return 0
	}
	return delays[min(max(n-1, 0), len(delays)-1)]
}
