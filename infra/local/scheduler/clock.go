package scheduler

import (
	"context"
	"sync"
	"time"
)

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now is the time.
func (SystemClock) Now() time.Time { return time.Now() }

// look is how often the clock is looked at: timers stand still while a laptop sleeps, and a clock may be set.
const look = 15 * time.Second

// Wait sleeps until the time given, or a little while.
func (SystemClock) Wait(ctx context.Context, until time.Time) {
	// Round strips the monotonic reading: it is the wall clock that counts.
	t := time.NewTimer(min(max(until.Round(0).Sub(time.Now().Round(0)), 0), look))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// ManualClock is a clock that tests move.
type ManualClock struct {
	mu    sync.Mutex
	now   time.Time
	moved chan struct{} // closed and replaced at each move
}

// NewManualClock makes a clock that stands at now.
func NewManualClock(now time.Time) *ManualClock {
	return &ManualClock{now: now, moved: make(chan struct{})}
}

// Now is the time at which the clock stands.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock and wakes those who wait.
func (c *ManualClock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
	close(c.moved)
	c.moved = make(chan struct{})
}

// Advance moves the clock on.
func (c *ManualClock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// Wait returns when the clock is moved, or at once where the time has come.
func (c *ManualClock) Wait(ctx context.Context, until time.Time) {
	c.mu.Lock()
	moved, due := c.moved, !c.now.Before(until)
	c.mu.Unlock()
	if due {
		return
	}
	select {
	case <-moved:
	case <-ctx.Done():
	}
}
