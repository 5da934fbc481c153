package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/files"
	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
)

func TestStore_ReadGoesOnWhereTheConnectionBroke(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faultyconn.Fault{
		"cut early":         {Cut: 1000},
		"cut at once":       {Cut: -1},
		"cut late":          {Cut: 2 << 20},
		"stalled":           {Cut: 1000, Stall: true},
		"no answer":         {DropCall: true},
		"slow down":         {Status: http.StatusServiceUnavailable, Code: "SlowDown"},
		"internal error":    {Status: http.StatusInternalServerError, Code: "InternalError"},
		"all instead of it": {Status: http.StatusOK}, // an answer without a range
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := newWorld(t), content(3<<20)
			stored := store(t, w.direct, b)
			w.proxy.First(4, fault, reads)
			if got := readAll(t, w.faulty, stored); !bytes.Equal(got, b) {
				t.Error("other bytes came back")
			}
		})
	}
}

// However often it breaks, as long as there is a byte now and then it gets on.
func TestStore_ReadOverAConnectionThatAlwaysBreaks(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), content(1<<20)
	stored := store(t, w.direct, b)
	w.proxy.First(1<<30, faultyconn.Fault{Cut: 10_000}, reads)
	if got := readAll(t, w.faulty, stored); !bytes.Equal(got, b) {
		t.Error("other bytes came back")
	}
}

func TestStore_ReadThatFailsForGoodIsAnErrorAndNotTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stored := store(t, w.direct, content(1<<20))
	r, err := w.brief.Open(t.Context(), key, stored.VersionID)
	if err != nil {
		t.Fatal(err)
	}
	first := true
	w.proxy.Plan(func(*http.Request) faultyconn.Fault {
		if first {
			first = false
			return faultyconn.Fault{Cut: 5000}
		}
		return faultyconn.Fault{DropCall: true}
	})
	n, err := io.Copy(io.Discard, r)
	wantCode(t, err, backup.CodeStorage)
	if n != 5000 {
		t.Errorf("%d bytes came before the error, want 5000", n)
	}
	w.proxy.Plan(nil)
	if _, again := r.Read(make([]byte, 1)); again == nil || errors.Is(again, io.EOF) {
		t.Errorf("Read after an error: %v, want the error again", again)
	}
}

func TestStore_OpenReadsTheGivenVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older := store(t, w.direct, []byte("the older"))
	newer := store(t, w.direct, []byte("the newer one"))
	if got := readAll(t, w.direct, older); string(got) != "the older" {
		t.Errorf("read %q", got)
	}
	if got := readAll(t, w.direct, newer); string(got) != "the newer one" {
		t.Errorf("read %q", got)
	}
	if _, err := w.direct.Open(t.Context(), "backups/none", ""); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Open of no key: %v, want ErrNotFound", err)
	}
}

func TestStore_DeletedVersionIsGoneAndTheOtherStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	older, newer := store(t, w.direct, []byte("the older")), store(t, w.direct, []byte("the newer one"))
	for range 2 {
		if err := w.direct.Delete(t.Context(), key, older.VersionID); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
	if _, err := w.direct.Open(t.Context(), key, older.VersionID); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Open: %v, want ErrNotFound", err)
	}
	if got := readAll(t, w.direct, newer); string(got) != "the newer one" {
		t.Errorf("read %q", got)
	}
	if err := w.direct.Delete(t.Context(), key, newer.VersionID); err != nil {
		t.Fatal(err)
	}
	w.wantNothing(t)
	if err := w.direct.Delete(t.Context(), key, ""); err == nil {
		t.Error("a delete without a version was carried out")
	}
}

func TestStore_FileDeletedWhileItIsReadIsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stored := store(t, w.direct, content(1<<20))
	r, err := w.faulty.Open(t.Context(), key, stored.VersionID)
	if err != nil {
		t.Fatal(err)
	}
	w.proxy.First(1, faultyconn.Fault{Cut: 5000, After: func() {
		if err := w.direct.Delete(context.Background(), key, stored.VersionID); err != nil {
			t.Error(err)
		}
	}}, reads)
	_, err = io.Copy(io.Discard, r)
	wantCode(t, err, backup.CodeFileChanged)
}

// What arrives is compared with S3's checksum at the end, over all connections.
func TestStore_BytesThatArriveOtherwiseAreAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stored := store(t, w.direct, content(1<<20))
	for cut, fault := range map[string]faultyconn.Fault{"whole": {FlipAnswer: true}, "resumed": {FlipAnswer: true, Cut: 900_000}} {
		w.proxy.First(1, fault, reads)
		r, err := w.faulty.Open(t.Context(), key, stored.VersionID)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		wantCode(t, err, backup.CodeFileChanged)
		if n != stored.Size {
			t.Errorf("%s: %d bytes came before the error, want all %d", cut, n, stored.Size)
		}
	}
}

func TestStore_ClosedFileCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, err := w.direct.Open(t.Context(), key, store(t, w.direct, content(1<<20)).VersionID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Read: %v, want an error", err)
	}
}

func readRange(s *files.Store, stored backup.Stored, offset, length int64) ([]byte, error) {
	r, err := s.OpenRange(context.Background(), stored.Key, stored.VersionID, offset, length)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

func TestStore_RangeIsTheBytesThatWereAskedFor(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), content(1<<20)
	stored := store(t, w.direct, b)
	store(t, w.direct, content(1<<20+1)) // what lies under the key now
	n := int64(len(b))
	for name, at := range map[string]struct{ offset, length int64 }{
		"the middle":           {1000, 70_000},
		"one byte":             {n / 2, 1},
		"nothing":              {500, 0},
		"nothing at the end":   {n, 0},
		"from the beginning":   {0, 10},
		"to the end exactly":   {n - 10, 10},
		"the whole":            {0, n},
		"more than one buffer": {1, n - 2},
	} {
		if got, err := readRange(w.direct, stored, at.offset, at.length); err != nil || !bytes.Equal(got, b[at.offset:at.offset+at.length]) {
			t.Errorf("%s: %d bytes that are the wanted %d: %v; %v", name, len(got), at.length, bytes.Equal(got, b[at.offset:at.offset+at.length]), err)
		}
	}
}

func TestStore_RangeThatTheFileLacksIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stored := store(t, w.direct, content(1000))
	for _, at := range [][2]int64{{0, 1001}, {999, 2}, {1000, 1}, {1001, 0}, {-1, 10}, {0, -1}, {10, 1<<63 - 1}, {1 << 62, 1 << 62}} {
		if r, err := w.direct.OpenRange(t.Context(), key, stored.VersionID, at[0], at[1]); err == nil {
			t.Errorf("%d bytes from %d on were opened", at[1], at[0])
			_ = r.Close()
		}
	}
}

func TestStore_RangeGoesOnWhereTheConnectionBroke(t *testing.T) {
	t.Parallel()
	const offset, length = 300_001, 2 << 20
	for name, fault := range map[string]faultyconn.Fault{
		"cut early":         {Cut: 1000},
		"cut at once":       {Cut: -1},
		"cut late":          {Cut: length - 1},
		"stalled":           {Cut: 1000, Stall: true},
		"no answer":         {DropCall: true},
		"all instead of it": {Status: http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := newWorld(t), content(3<<20)
			stored := store(t, w.direct, b)
			w.proxy.First(4, fault, reads)
			if got, err := readRange(w.faulty, stored, offset, length); err != nil || !bytes.Equal(got, b[offset:offset+length]) {
				t.Errorf("%d bytes, not the wanted ones: %v", len(got), err)
			}
		})
	}
}

// What is taken up again is the rest of the range, and not of the file: other members follow.
func TestStore_RangeAsksForNoByteBehindIt(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), content(1<<20)
	stored := store(t, w.direct, b)
	w.proxy.First(1, faultyconn.Fault{Cut: 1000}, reads)
	if _, err := readRange(w.faulty, stored, 5000, 4000); err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, c := range w.proxy.Calls() {
		if c.Method == http.MethodGet {
			asked = append(asked, c.Header.Get("Range"))
		}
	}
	if want := []string{"bytes=5000-8999", "bytes=6000-8999"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

func TestStore_RangeOfAVersionThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stored := store(t, w.direct, content(1<<20))
	r, err := w.faulty.OpenRange(t.Context(), key, stored.VersionID, 1000, 500_000)
	if err != nil {
		t.Fatal(err)
	}
	w.proxy.First(1, faultyconn.Fault{Cut: 5000, After: func() {
		if err := w.direct.Delete(context.Background(), key, stored.VersionID); err != nil {
			t.Error(err)
		}
	}}, reads)
	n, err := io.Copy(io.Discard, r)
	wantCode(t, err, backup.CodeFileChanged)
	if n != 5000 {
		t.Errorf("%d bytes came before the error, want 5000", n)
	}
	if _, err := readRange(w.direct, stored, 0, 1); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("OpenRange: %v, want ErrNotFound", err)
	}
}
