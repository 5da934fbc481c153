package gateway

import (
	"sync"
	"time"
)

// bucket is a token bucket: burst requests at once, rate more each second.
type bucket struct {
	mu          sync.Mutex
	rate, burst float64
	tokens      float64
	last        time.Time
	now         func() time.Time
}

func newBucket(rate float64, burst int, now func() time.Time) *bucket {
	size := float64(burst)
	if burst == 0 {
		size = max(rate, 1)
	}
	return &bucket{rate: rate, burst: size, tokens: size, last: now(), now: now}
}

func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
