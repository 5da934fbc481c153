package records_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
	"github.com/backup-restore/backup-restore/shared/records"
)

func TestKeyUses_LastIsThatOfTheKeyToTheMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var calls atomic.Int64
	uses := records.New(w.counting(&calls), w.bucket).KeyUses()
	key, other := strings.Repeat("ab", 16), strings.Repeat("cd", 16)
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		at, want time.Time
		calls    int64 // a GET, and a PUT where it is written
	}{
		{"first", noon, noon, 2},
		{"seconds later", noon.Add(59 * time.Second), noon, 1},
		{"of an earlier clock", noon.Add(-time.Hour), noon, 1},
		{"a minute later", noon.Add(time.Minute), noon.Add(time.Minute), 2},
		{"in another time zone", noon.Add(time.Hour).In(time.FixedZone("", 3600)), noon.Add(time.Hour), 2},
	} {
		calls.Store(0)
		if err := uses.Note(t.Context(), key, tt.at); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if n := calls.Load(); n != tt.calls {
			t.Errorf("%s: %d requests, want %d", tt.name, n, tt.calls)
		}
		if got, err := uses.Last(t.Context(), key); err != nil || got != tt.want {
			t.Errorf("%s: Last = %s, %v, want %s", tt.name, got, err, tt.want)
		}
		if got, err := uses.Last(t.Context(), other); err != nil || !got.IsZero() {
			t.Errorf("%s: another key was used at %s, %v", tt.name, got, err)
		}
	}
	for _, bad := range []string{"", "../locks/school", "brk_0123456789abcdef"} {
		if err := uses.Note(t.Context(), bad, noon); err == nil {
			t.Errorf("noted a use of %q", bad)
		}
		if _, err := uses.Last(t.Context(), bad); err == nil {
			t.Errorf("told the last use of %q", bad)
		}
	}
}

func TestKeyUses_ManyAtOnceAreOneUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uses, key, at := w.faulty().KeyUses(), strings.Repeat("ab", 16), time.Now().UTC()
	w.proxy.First(1, faultyconn.Fault{DropAnswer: true}, writes)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := uses.Note(t.Context(), key, at); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := uses.Last(t.Context(), key); err != nil || !got.Equal(at) {
		t.Errorf("Last = %s, %v, want %s", got, err, at)
	}
}

func TestKeyUses_OutageIsAStorageError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uses := records.NewWith(w.faultyClient(), w.bucket, brief).KeyUses()
	w.proxy.Plan(func(*http.Request) faultyconn.Fault { return faultyconn.Fault{DropCall: true} })
	wantStorageError(t, uses.Note(t.Context(), strings.Repeat("ab", 16), time.Now()))
	_, err := uses.Last(t.Context(), strings.Repeat("ab", 16))
	wantStorageError(t, err)
}
