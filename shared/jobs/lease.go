package jobs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// progressEvery is how often progress is written while it changes: often enough to watch, and a few hundred small PUTs
// for the longest job that fits in a Lambda.
const progressEvery = 2 * time.Second

// heartbeat keeps a lease alive and ends the work when it can't.
type heartbeat struct {
	lease backup.Lease
	every time.Duration // between beats when nothing changes
	log   *slog.Logger
	lose  context.CancelCauseFunc
	dog   *time.Timer   // fires when no beat was confirmed for too long, by the monotonic clock
	bound time.Duration // how long that is

	beating sync.Mutex // one beat at a time
	mu      sync.Mutex // guards the rest
	holder  backup.Holder
	dirty   bool
	sent    time.Time // when the last confirmed beat was sent
}

// keepAlive starts beating. The context that it returns is cancelled with ErrLeaseLost when the lock was taken over, or
// when no beat could be confirmed for two thirds of its expiry: well before somebody else may take it.
func keepAlive(ctx context.Context, lease backup.Lease, worker string, every, expiry time.Duration, log *slog.Logger) (context.Context, *heartbeat) {
	ctx, lose := context.WithCancelCause(ctx)
	h := &heartbeat{lease: lease, every: every, log: log, lose: lose, bound: expiry * 2 / 3,
		holder: backup.Holder{Worker: worker}, sent: time.Now()}
	h.dog = time.AfterFunc(h.bound, func() { lose(backup.ErrLeaseLost) })
	go h.run(ctx)
	return ctx, h
}

func (h *heartbeat) run(ctx context.Context) {
	tick := time.NewTicker(min(progressEvery, h.every))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h.mu.Lock()
		due := h.dirty || time.Since(h.sent) >= h.every
		h.mu.Unlock()
		if due {
			if err := h.beat(ctx); err != nil && ctx.Err() == nil {
				h.log.WarnContext(ctx, "beat not confirmed", "error", err)
			}
		}
	}
}

// beat writes what the holder is at and returns nil when S3 has confirmed that the lease is still ours.
func (h *heartbeat) beat(ctx context.Context) error {
	h.beating.Lock()
	defer h.beating.Unlock()
	h.mu.Lock()
	holder := h.holder
	h.dirty = false
	h.mu.Unlock()
	sent := time.Now()
	err := h.lease.Beat(ctx, holder)
	switch {
	case errors.Is(err, backup.ErrLeaseLost):
		h.lose(backup.ErrLeaseLost)
	case err == nil:
		h.mu.Lock()
		h.sent = sent
		h.mu.Unlock()
		// From when it was sent: S3 may have written it at any time since.
		h.dog.Reset(h.bound - time.Since(sent))
	}
	return err
}

// at says which job is worked on from now.
func (h *heartbeat) at(kind backup.JobKind, id string, attempt int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holder.Kind, h.holder.Job, h.holder.Attempt, h.holder.Progress, h.dirty = kind, id, attempt, nil, true
}

// report notes progress; the next beat takes it along.
func (h *heartbeat) report(p backup.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holder.Progress, h.dirty = &p, true
}

// stop ends the beating, without giving the lease up.
func (h *heartbeat) stop() {
	h.dog.Stop()
	h.lose(context.Canceled)
	h.beating.Lock() // a beat under way has ended
	defer h.beating.Unlock()
}
