package lambdahost

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// invocation is one event on its way through an instance.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time // set when an instance takes it

	answer   sync.Once
	answered chan struct{} // closed when result is set
	hand     sync.Once
	done     chan struct{} // closed when the caller may have it
	result   Result
}

// linger is how long a caller waits, after the answer, for the process to be ready again. Handing the answer over only
// then makes the next call find a warm instance, and a free slot where concurrency is reserved.
const linger = 200 * time.Millisecond

func newInvocation(payload []byte) *invocation {
	return &invocation{id: newUUID(), payload: payload, answered: make(chan struct{}), done: make(chan struct{})}
}

func (i *invocation) finish(payload []byte, functionError string) {
	i.answer.Do(func() {
		i.result = Result{RequestID: i.id, Payload: payload, FunctionError: functionError}
		close(i.answered)
		time.AfterFunc(linger, i.handOver)
	})
}

func (i *invocation) handOver() { i.hand.Do(func() { close(i.done) }) }

// fail finishes the invocation with an error in the form that Lambda gives to callers.
func (i *invocation) fail(errorType, message string) {
	payload, err := json.Marshal(map[string]string{"errorType": errorType, "errorMessage": message})
	if err != nil {
		payload = []byte(`{"errorType":"Runtime.Unknown"}`)
	}
	i.finish(payload, "Unhandled")
}

// newUUID gives a random UUID, the form of Lambda's request ids.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
