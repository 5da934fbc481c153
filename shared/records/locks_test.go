package records_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
	"github.com/backup-restore/backup-restore/shared/records"
)

// soon expires a lock as fast as S3's clock, which counts whole seconds, allows to tell.
const soon = time.Millisecond

func mustAcquire(t *testing.T, l backup.Locks, worker string) backup.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), school, worker)
	if err != nil {
		t.Fatalf("Acquire for %s: %v", worker, err)
	}
	return lease
}

// wantHolder asks who holds the lock.
func wantHolder(t *testing.T, l backup.Locks, worker string) backup.Holder {
	t.Helper()
	h, _, err := l.Read(t.Context(), school)
	if err != nil || h.Worker != worker {
		t.Errorf("the lock is held by %q, %v, want %q", h.Worker, err, worker)
	}
	return h
}

// untilExpired waits until a lock that nobody confirms is no longer live.
func untilExpired(t *testing.T, l backup.Locks) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		h, live, err := l.Read(t.Context(), school)
		if err != nil {
			t.Fatal(err)
		}
		if h.Worker != "" && !live {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the lock did not expire")
		}
	}
}

func TestLocks_NeverTakenIsFree(t *testing.T) {
	t.Parallel()
	h, live, err := newWorld(t).locks(time.Minute).Read(t.Context(), school)
	if h != (backup.Holder{}) || live || err != nil {
		t.Errorf("Read = %+v, %v, %v, want the zero holder", h, live, err)
	}
}

func TestLocks_HeldIsBusyAndReleasedIsFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.locks(time.Minute)
	lease := mustAcquire(t, l, "one")
	if _, err := l.Acquire(t.Context(), school, "two"); !errors.Is(err, backup.ErrBusy) {
		t.Errorf("second Acquire: %v, want ErrBusy", err)
	}
	if _, err := l.Acquire(t.Context(), school, "one"); !errors.Is(err, backup.ErrBusy) {
		t.Errorf("second Acquire by the same worker: %v, want ErrBusy", err)
	}
	if other, err := l.Acquire(t.Context(), "other", "two"); err != nil {
		t.Errorf("Acquire of another database: %v", err)
	} else if err := other.Release(t.Context()); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := lease.Release(t.Context()); err != nil {
			t.Fatalf("Release: %v", err)
		}
	}
	if _, live, err := l.Read(t.Context(), school); live || err != nil {
		t.Errorf("released lock: live = %v, %v", live, err)
	}
	mustAcquire(t, l, "two")
	if err := lease.Beat(t.Context(), backup.Holder{}); !errors.Is(err, backup.ErrLeaseLost) {
		t.Errorf("Beat after Release: %v, want ErrLeaseLost", err)
	}
	wantHolder(t, l, "two")
}

func TestLocks_BeatTellsWhatTheHolderIsAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.locks(time.Minute)
	lease := mustAcquire(t, l, "one")
	before := wantHolder(t, l, "one")
	for n := range int64(3) {
		err := lease.Beat(t.Context(), backup.Holder{Worker: "ignored", Kind: backup.BackupJob, Job: "job", Attempt: 2,
			Progress: &backup.Progress{Rows: n}})
		if err != nil {
			t.Fatal(err)
		}
	}
	h, live, err := l.Read(t.Context(), school)
	if err != nil || !live || h.Worker != "one" || h.Job != "job" || h.Attempt != 2 || h.Progress.Rows != 2 || h.Beat != before.Beat+3 {
		t.Errorf("Read = %+v, %v, %v", h, live, err)
	}
	if age := time.Since(h.At); age < -2*time.Second || age > time.Minute {
		t.Errorf("written %s ago", age)
	}
}

func TestLocks_FreeLockIsTakenByOneOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raceForLock(t, w.locks(time.Minute))
}

func TestLocks_ExpiredLockIsTakenByOneOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mustAcquire(t, w.locks(time.Minute), "gone")
	l := w.locks(time.Second)
	untilExpired(t, l)
	raceForLock(t, l)
}

func TestLocks_ReleasedLockIsTakenByOneOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := mustAcquire(t, w.locks(time.Minute), "gone").Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	raceForLock(t, w.locks(time.Minute))
}

func raceForLock(t *testing.T, l backup.Locks) {
	t.Helper()
	var won atomic.Int64
	var winner atomic.Value
	var group errgroup.Group
	for i := range 12 {
		group.Go(func() error {
			worker := fmt.Sprintf("racer-%d", i)
			_, err := l.Acquire(t.Context(), school, worker)
			switch {
			case err == nil:
				won.Add(1)
				winner.Store(worker)
			case !errors.Is(err, backup.ErrBusy):
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil || won.Load() != 1 {
		t.Fatalf("%d took the lock, %v, want one", won.Load(), err)
	}
	wantHolder(t, l, winner.Load().(string))
}

// S3's two times are cut to whole seconds, so an age that reads 61 s can be 60.001 s, and one that reads 60 s can be 59.1 s.
func TestLocks_LockIsLiveUntilItIsTooOldHoweverTheClocksRound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		age    time.Duration
		worker string
		want   bool
	}{
		{0, "one", true},
		{60 * time.Second, "one", true},
		{61 * time.Second, "one", true}, // may be no more than a moment over 60 s
		{62 * time.Second, "one", false},
		{-time.Second, "one", true}, // S3's clock went back, or it gave no time
		{0, "", false},              // released
	} {
		if got := records.Live(time.Minute, c.age, c.worker); got != c.want {
			t.Errorf("age %s of %q: live = %v, want %v", c.age, c.worker, got, c.want)
		}
	}
}

func TestLocks_LockThatBeatsIsNotTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.locks(time.Second)
	lease := mustAcquire(t, l, "one")
	for began := time.Now(); time.Since(began) < 3*time.Second; {
		if _, err := l.Acquire(t.Context(), school, "thief"); !errors.Is(err, backup.ErrBusy) {
			t.Fatalf("Acquire: %v, want ErrBusy", err)
		}
		if err := lease.Beat(t.Context(), backup.Holder{}); err != nil {
			t.Fatalf("Beat: %v", err)
		}
	}
}

func TestLocks_HolderThatWasReplacedLearnsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lost := mustAcquire(t, w.locks(time.Minute), "slow")
	untilExpired(t, w.locks(soon))
	mustAcquire(t, w.locks(soon), "quick")
	for range 2 {
		if err := lost.Beat(t.Context(), backup.Holder{}); !errors.Is(err, backup.ErrLeaseLost) {
			t.Errorf("Beat: %v, want ErrLeaseLost", err)
		}
	}
	if err := lost.Release(t.Context()); err != nil {
		t.Errorf("Release of a lost lease: %v", err)
	}
	wantHolder(t, w.locks(time.Minute), "quick")
}

// A worker that was away for long, and that nobody replaced, is still the holder.
func TestLocks_ExpiredLeaseThatNobodyTookCanBeConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lease := mustAcquire(t, w.locks(time.Minute), "one")
	untilExpired(t, w.locks(soon))
	if err := lease.Beat(t.Context(), backup.Holder{}); err != nil {
		t.Errorf("Beat: %v", err)
	}
}

func TestLocks_AnswersLostOnTheWayDontLoseTheLease(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faultyconn.Fault{
		"answer lost":         {DropAnswer: true},
		"call lost":           {DropCall: true},
		"repeated on the way": {Repeat: true},
		"slow down":           {Status: http.StatusServiceUnavailable, Code: "SlowDown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			l := w.faultyLocks(time.Minute)
			w.proxy.First(1, fault, writes)
			lease := mustAcquire(t, l, "one")
			for n := range int64(2) {
				w.proxy.First(1, fault, writes)
				if err := lease.Beat(t.Context(), backup.Holder{Progress: &backup.Progress{Rows: n}}); err != nil {
					t.Fatalf("Beat: %v", err)
				}
			}
			if h := wantHolder(t, l, "one"); h.Progress.Rows != 1 {
				t.Errorf("the last beat is not there: %+v", h)
			}
			w.proxy.First(1, fault, writes)
			if err := lease.Release(t.Context()); err != nil {
				t.Fatalf("Release: %v", err)
			}
			wantHolder(t, l, "")
		})
	}
}

// Beat's caller stops waiting, nobody can look, and the beat is carried out all the same: the next one goes on from there.
func TestLocks_BeatThatWasGivenUpAndHappenedIsBuiltOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.faultyLocks(time.Minute)
	lease := mustAcquire(t, l, "one")
	ctx, cancel := context.WithCancel(t.Context())
	w.proxy.Plan(func(r *http.Request) faultyconn.Fault {
		if r.Method == http.MethodPut {
			return faultyconn.Fault{DropAnswer: true, After: cancel}
		}
		return faultyconn.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
	})
	if err := lease.Beat(ctx, backup.Holder{Job: "given up"}); err == nil || errors.Is(err, backup.ErrLeaseLost) {
		t.Fatalf("Beat: %v, want an error that is not ErrLeaseLost", err)
	}
	w.proxy.Plan(nil)
	if h := wantHolder(t, l, "one"); h.Job != "given up" {
		t.Fatalf("the beat did not happen: %+v", h)
	}
	if err := lease.Beat(t.Context(), backup.Holder{Job: "next"}); err != nil {
		t.Fatalf("next Beat: %v", err)
	}
	if h := wantHolder(t, l, "one"); h.Job != "next" {
		t.Errorf("Read = %+v", h)
	}
}

// The answer to a beat is lost, and before the holder looks its lock is taken over: that beat is no confirmation.
func TestLocks_BeatThatWasTakenOverIsLostThoughItHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	patient := quick
	patient.Attempt, patient.Patience = time.Minute, time.Minute
	lease := mustAcquire(t, records.NewLocksWith(w.faultyClient(), w.bucket, time.Minute, patient), "one")
	w.proxy.First(1, faultyconn.Fault{DropAnswer: true, After: func() {
		untilExpired(t, w.locks(soon))
		mustAcquire(t, w.locks(soon), "two")
	}}, writes)
	if err := lease.Beat(t.Context(), backup.Holder{}); !errors.Is(err, backup.ErrLeaseLost) {
		t.Errorf("Beat: %v, want ErrLeaseLost", err)
	}
	wantHolder(t, w.locks(time.Minute), "two")
}

func TestLocks_LeaseCanBeUsedAtOnceByMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.locks(time.Minute)
	lease := mustAcquire(t, l, "one")
	var group errgroup.Group
	for range 8 {
		group.Go(func() error { return lease.Beat(t.Context(), backup.Holder{}) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if h := wantHolder(t, l, "one"); h.Beat != 9 {
		t.Errorf("beat = %d, want 9", h.Beat)
	}
}
