package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// LockOptions are settings of locks.
type LockOptions struct {
	// Expiry is how long after its last beat a lock may be taken by another. Default: 60 seconds; the template sets it shorter.
	Expiry time.Duration
}

// locks implements backup.Locks. A lock is one object per database. It stays when the lock is released, so that taking it
// is always a change of a known state.
type locks struct {
	bucket *bucket
	expiry time.Duration
}

// lockPolicy gives up early: a holder that can't confirm its lease has to stop its work well before the lease expires.
var lockPolicy = s3call.Policy{Patience: 20 * time.Second, Attempt: 5 * time.Second, MaxDelay: 2 * time.Second}

// NewLocks returns the locks that lie in a bucket.
func NewLocks(client *s3.Client, name string, o LockOptions) backup.Locks {
	return newLocks(newBucket(client, name, lockPolicy), o)
}

func newLocks(b *bucket, o LockOptions) *locks {
	if o.Expiry <= 0 {
		o.Expiry = time.Minute
	}
	return &locks{bucket: b, expiry: o.Expiry}
}

func lockKey(database string) (string, error) {
	f, err := folder("locks/", database)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(f, "/") + ".json", nil
}

// lock is a lock as it was read. The zero value is one that was never taken.
type lock struct {
	object
	holder backup.Holder
}

func (l *locks) read(ctx context.Context, key string) (lock, error) {
	o, err := l.bucket.get(ctx, key)
	if errors.Is(err, backup.ErrNotFound) {
		return lock{}, nil
	}
	if err != nil {
		return lock{}, err
	}
	k := lock{object: o}
	if err := json.Unmarshal(o.Record, &k.holder); err != nil {
		return lock{}, fmt.Errorf("decode %s: %w", key, err)
	}
	k.holder.At = o.modified
	return k, nil
}

// live reports whether a lock is held by somebody who beats. Both times of its age are S3's own and whole seconds: the
// age is known to less than a second, and a lock is free when it is too old even so.
func (l *locks) live(k lock) bool {
	return k.holder.Worker != "" && (k.age < 0 || k.age <= l.expiry+time.Second)
}

// Read implements backup.Locks.
func (l *locks) Read(ctx context.Context, database string) (h backup.Holder, live bool, err error) {
	key, err := lockKey(database)
	if err != nil {
		return backup.Holder{}, false, fmt.Errorf("read lock: %w", err)
	}
	k, err := l.read(ctx, key)
	if err != nil {
		return backup.Holder{}, false, s3call.Error(err, "read lock")
	}
	return k.holder, l.live(k), nil
}

// acquireRounds is how often a lock that changed under our hands is looked at again.
const acquireRounds = 3

// Acquire implements backup.Locks.
func (l *locks) Acquire(ctx context.Context, database, worker string) (backup.Lease, error) {
	key, err := lockKey(database)
	if err == nil && worker == "" {
		err = errors.New("a worker without a name can't hold a lock")
	}
	if err != nil {
		return nil, fmt.Errorf("acquire lock: %w", err)
	}
	for range acquireRounds {
		k, err := l.read(ctx, key)
		if err != nil {
			return nil, s3call.Error(err, "acquire lock")
		}
		if l.live(k) {
			return nil, fmt.Errorf("lock of %s, worker %s, job %s: %w", database, k.holder.Worker, k.holder.Job, backup.ErrBusy)
		}
		taken := &lease{bucket: l.bucket, key: key, worker: worker, name: newNonce(), beat: k.holder.Beat, at: k.object}
		err = taken.put(ctx, backup.Holder{Worker: worker})
		if err == nil {
			return taken, nil
		}
		if !errors.Is(err, errConflict) {
			return nil, s3call.Error(err, "acquire lock")
		}
	}
	return nil, fmt.Errorf("lock of %s, taken by another right now: %w", database, backup.ErrBusy)
}

// lease implements backup.Lease.
type lease struct {
	bucket *bucket
	key    string
	worker string
	name   string // begins the nonce of each of this lease's writes, and of no other's

	mu     sync.Mutex
	at     object // as last written
	beat   int64
	writes int  // that were tried
	over   bool // released or lost
}

// Beat implements backup.Lease. The holder's worker and count of beats are the lease's own.
func (l *lease) Beat(ctx context.Context, h backup.Holder) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return fmt.Errorf("beat: %w", backup.ErrLeaseLost)
	}
	h.Worker = l.worker
	return l.confirm(ctx, h)
}

// Release implements backup.Lease.
func (l *lease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil
	}
	err := l.confirm(ctx, backup.Holder{})
	if err == nil || errors.Is(err, backup.ErrLeaseLost) {
		l.over = true
		return nil
	}
	return err
}

// confirm writes h, or finds that the lease is lost.
func (l *lease) confirm(ctx context.Context, h backup.Holder) error {
	for {
		err := l.put(ctx, h)
		if !errors.Is(err, errConflict) {
			if err != nil {
				return s3call.Error(err, "confirm lease")
			}
			return nil
		}
		// An earlier beat of ours whose caller stopped waiting may have been carried out since: then we are still the
		// holder, and go on from there. Each round has such a beat behind it, so there is an end.
		o, err := l.bucket.get(ctx, l.key)
		if err != nil && !errors.Is(err, backup.ErrNotFound) {
			return s3call.Error(err, "confirm lease")
		}
		if err != nil || !strings.HasPrefix(o.Write, l.name+".") {
			l.over = true
			return fmt.Errorf("confirm lease: %w", backup.ErrLeaseLost)
		}
		l.at = o
	}
}

// put writes h over the lease's last write, or returns errConflict.
func (l *lease) put(ctx context.Context, h backup.Holder) error {
	l.writes++
	h.Beat = l.beat + 1
	// Without the nonces of earlier writes: a beat that somebody else's lock was built on is not a lease that is held.
	e, err := envelope{}.next(l.name+"."+strconv.Itoa(l.writes), h)
	if err != nil {
		return err
	}
	etag, err := l.bucket.put(ctx, l.key, l.at.etag, e)
	if err != nil {
		return err
	}
	l.at, l.beat = object{envelope: e, etag: etag}, h.Beat
	return nil
}
