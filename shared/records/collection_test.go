package records_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
	"github.com/backup-restore/backup-restore/shared/records"
)

func TestRecords_GetGivesWhatWasCreated(t *testing.T) {
	t.Parallel()
	r := newWorld(t).store().Backups()
	want := aBackup(backup.NewID())
	want.RequestedAt = time.Date(2026, 11, 22, 3, 15, 0, 0, time.UTC)
	mustCreate(t, r, want)
	got, err := r.Get(t.Context(), school, want.ID)
	if err != nil || got.ID != want.ID || got.Filename != want.Filename || !got.RequestedAt.Equal(want.RequestedAt) {
		t.Errorf("Get = %+v, %v, want %+v", got, err, want)
	}
	if _, err := r.Get(t.Context(), school, backup.NewID()); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Get of another id: %v, want ErrNotFound", err)
	}
	if _, err := r.Get(t.Context(), "other", want.ID); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Get in another database: %v, want ErrNotFound", err)
	}
}

func TestRecords_BackupsAndRestoresOfOneIDAreTwoRecords(t *testing.T) {
	t.Parallel()
	s, id := newWorld(t).store(), backup.NewID()
	mustCreate(t, s.Backups(), aBackup(id))
	if _, err := s.Restores().Get(t.Context(), school, id); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
}

func TestRecords_NamesThatCouldLeaveTheirFolderAreNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, good := w.store().Backups(), backup.NewID()
	for _, c := range []struct{ name, database, id string }{
		{"id with dots", school, "../" + good[3:]},
		{"id in upper case", school, strings.ToUpper(good)},
		{"empty id", school, ""},
		{"database with a slash", "school/x", good},
		{"database of dots", "..", good},
		{"empty database", "", good},
		{"database with a line break", "school\n", good},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := r.Create(t.Context(), c.database, c.id, aBackup(good)); err == nil {
				t.Error("Create succeeded")
			}
			if _, err := r.Get(t.Context(), c.database, c.id); !errors.Is(err, backup.ErrNotFound) {
				t.Errorf("Get: %v, want ErrNotFound", err)
			}
			if _, err := r.Update(t.Context(), c.database, c.id, func(*backup.Backup) error { return nil }); !errors.Is(err, backup.ErrNotFound) {
				t.Errorf("Update: %v, want ErrNotFound", err)
			}
			if err := r.Delete(t.Context(), c.database, c.id); err != nil {
				t.Errorf("Delete: %v, want none", err)
			}
		})
	}
}

func TestRecords_CreateHasOneWinnerOfTwenty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := backup.NewID()
	var won atomic.Int64
	var winner atomic.Value
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			b := aBackup(id)
			b.Worker = fmt.Sprintf("racer-%d", i)
			err := w.store().Backups().Create(t.Context(), school, id, b)
			if err == nil {
				won.Add(1)
				winner.Store(b.Worker)
				return nil
			}
			if !errors.Is(err, backup.ErrExists) {
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("a loser got %v, want ErrExists", err)
	}
	got, err := w.store().Backups().Get(t.Context(), school, id)
	if won.Load() != 1 || err != nil || got.Worker != winner.Load() {
		t.Errorf("%d winners, the record is of %q, %v", won.Load(), got.Worker, err)
	}
}

func TestRecords_UpdatesOfManyWritersAreNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := aBackup(backup.NewID())
	mustCreate(t, w.store().Backups(), b)
	const writers = 12
	var group errgroup.Group
	for range writers {
		group.Go(func() error {
			_, err := w.store().Backups().Update(t.Context(), school, b.ID, func(b *backup.Backup) error {
				b.Attempt++
				return nil
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, err := w.store().Backups().Get(t.Context(), school, b.ID); err != nil || got.Attempt != writers {
		t.Errorf("attempt = %d, %v, want %d", got.Attempt, err, writers)
	}
}

func TestRecords_ErrorOfAChangeComesBackAndWritesNothing(t *testing.T) {
	t.Parallel()
	r, b := newWorld(t).store().Backups(), aBackup(backup.NewID())
	mustCreate(t, r, b)
	mine := errors.New("not from this state")
	_, err := r.Update(t.Context(), school, b.ID, func(b *backup.Backup) error {
		b.State = backup.Created
		return mine
	})
	if !errors.Is(err, mine) || err.Error() != mine.Error() {
		t.Errorf("Update: %v, want the change's own error as it is", err)
	}
	if got, err := r.Get(t.Context(), school, b.ID); err != nil || got.State != backup.Queued {
		t.Errorf("Get = %s, %v, want queued", got.State, err)
	}
}

func TestRecords_DeletedIsGoneAndCanBeCreatedAnew(t *testing.T) {
	t.Parallel()
	r, b := newWorld(t).store().Backups(), aBackup(backup.NewID())
	mustCreate(t, r, b)
	for range 2 { // the second finds nothing
		if err := r.Delete(t.Context(), school, b.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Get(t.Context(), school, b.ID); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	if _, err := r.Update(t.Context(), school, b.ID, func(*backup.Backup) error { return nil }); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Update: %v, want ErrNotFound", err)
	}
	mustCreate(t, r, b)
}

// A write whose answer does not arrive, in each way that this happens, succeeds once.
func TestRecords_WriteWithoutAnAnswerSucceedsOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault faultyconn.Fault
	}{
		{"answer lost", faultyconn.Fault{DropAnswer: true}},
		{"call lost", faultyconn.Fault{DropCall: true}},
		{"repeated on the way", faultyconn.Fault{Repeat: true}},
		{"slow down", faultyconn.Fault{Status: http.StatusServiceUnavailable, Code: "SlowDown"}},
		{"internal error", faultyconn.Fault{Status: http.StatusInternalServerError, Code: "InternalError"}},
		{"conflict in flight", faultyconn.Fault{Status: http.StatusConflict, Code: "ConditionalRequestConflict"}},
		{"refused before it happened", faultyconn.Fault{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r, b := w.faulty().Backups(), aBackup(backup.NewID())
			w.proxy.First(1, c.fault, writes)
			mustCreate(t, r, b)
			w.proxy.First(1, c.fault, writes)
			changes := 0
			got, err := r.Update(t.Context(), school, b.ID, func(b *backup.Backup) error {
				changes++
				b.Attempt++
				return nil
			})
			if err != nil || got.Attempt != 1 || changes != 1 {
				t.Errorf("Update = attempt %d, %v after %d changes, want attempt 1 after 1", got.Attempt, err, changes)
			}
			if got, err := w.store().Backups().Get(t.Context(), school, b.ID); err != nil || got.Attempt != 1 {
				t.Errorf("Get = attempt %d, %v, want 1", got.Attempt, err)
			}
		})
	}
}

// The answer to our change is lost, and before we look, somebody else changes the record again.
func TestRecords_ChangeThatAnotherWriterBuiltOnIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, b := w.faulty().Backups(), aBackup(backup.NewID())
	mustCreate(t, w.store().Backups(), b)
	w.proxy.First(1, faultyconn.Fault{DropAnswer: true, After: func() {
		if _, err := w.store().Backups().Update(context.Background(), school, b.ID, func(b *backup.Backup) error {
			b.Worker = "another"
			return nil
		}); err != nil {
			t.Error(err)
		}
	}}, writes)
	if _, err := r.Update(t.Context(), school, b.ID, func(b *backup.Backup) error { b.Attempt++; return nil }); err != nil {
		t.Fatal(err)
	}
	got, err := w.store().Backups().Get(t.Context(), school, b.ID)
	if err != nil || got.Attempt != 1 || got.Worker != "another" {
		t.Errorf("Get = attempt %d of %q, %v, want 1 of another", got.Attempt, got.Worker, err)
	}
}

func TestRecords_CreateThatLostToAnotherIsNotOursThoughTheAnswerIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := aBackup(backup.NewID())
	w.proxy.First(1, faultyconn.Fault{DropCall: true, Before: func() {
		if err := w.store().Backups().Create(context.Background(), school, b.ID, b); err != nil {
			t.Error(err)
		}
	}}, writes)
	if err := w.faulty().Backups().Create(t.Context(), school, b.ID, b); !errors.Is(err, backup.ErrExists) {
		t.Errorf("Create: %v, want ErrExists", err)
	}
}

// The caller stops waiting right when its write is carried out.
func TestRecords_WriteOfACallerThatGaveUpIsToldAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := aBackup(backup.NewID())
	ctx, cancel := context.WithCancel(t.Context())
	w.proxy.First(1, faultyconn.Fault{DropAnswer: true, After: cancel}, writes)
	if err := w.faulty().Backups().Create(ctx, school, b.ID, b); err != nil {
		t.Errorf("Create: %v, though the record is there", err)
	}
}

func TestRecords_OutageThatEndsIsSurvived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := aBackup(backup.NewID())
	mustCreate(t, w.store().Backups(), b)
	r := w.faulty().Backups()
	for name, call := range map[string]func() error{
		"get":  func() error { _, err := r.Get(t.Context(), school, b.ID); return err },
		"list": func() error { _, _, err := r.List(t.Context(), school, backup.Page{Limit: 10}); return err },
		"update": func() error {
			_, err := r.Update(t.Context(), school, b.ID, func(*backup.Backup) error { return nil })
			return err
		},
		"delete": func() error { return r.Delete(t.Context(), school, b.ID) },
		"create": func() error { return r.Create(t.Context(), school, backup.NewID(), b) },
	} {
		w.proxy.First(12, faultyconn.Fault{Status: http.StatusServiceUnavailable, Code: "SlowDown"}, faultyconn.All)
		if name == "delete" {
			continue // last, as the others need the record
		}
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Delete(t.Context(), school, b.ID); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func TestRecords_OutageForGoodIsAStorageError(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faultyconn.Fault{
		"slow down":     {Status: http.StatusServiceUnavailable, Code: "SlowDown"},
		"no connection": {DropCall: true},
		"denied":        {Status: http.StatusForbidden, Code: "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.proxy.Plan(func(*http.Request) faultyconn.Fault { return fault })
			r := records.NewWith(w.faultyClient(), w.bucket, brief).Backups()
			_, err := r.Get(t.Context(), school, backup.NewID())
			wantStorageError(t, err)
			wantStorageError(t, r.Create(t.Context(), school, backup.NewID(), backup.Backup{}))
			_, _, err = r.List(t.Context(), school, backup.Page{Limit: 1})
			wantStorageError(t, err)
		})
	}
}

func TestRecords_BodyCutOnTheWayIsReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := aBackup(backup.NewID())
	mustCreate(t, w.store().Backups(), b)
	for name, fault := range map[string]faultyconn.Fault{"cut": {Cut: 20}, "stalled": {Cut: 20, Stall: true}} {
		w.proxy.First(1, fault, faultyconn.Method(http.MethodGet))
		if got, err := w.faulty().Backups().Get(t.Context(), school, b.ID); err != nil || got.ID != b.ID {
			t.Errorf("%s: Get = %q, %v", name, got.ID, err)
		}
	}
	for name, fault := range map[string]faultyconn.Fault{
		"cut": {Cut: 20}, "stalled": {Cut: 20, Stall: true}, "empty": {Status: http.StatusOK, Empty: true},
	} {
		w.proxy.First(1, fault, faultyconn.Method(http.MethodGet)) // the LIST
		if got, _, err := w.faulty().Backups().List(t.Context(), school, backup.Page{Limit: 5}); err != nil || len(got) != 1 {
			t.Errorf("%s: List = %d records, %v", name, len(got), err)
		}
	}
}

func TestRecords_ListIsNewestFirstAndPagesMeetWithoutGapOrOverlap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.store().Backups()
	var want []string
	for n := range 7 {
		mustCreate(t, r, aBackup(idAt(n)))
		want = append([]string{idAt(n)}, want...)
	}
	if err := r.Create(t.Context(), "school-2", idAt(9), aBackup(idAt(9))); err != nil {
		t.Fatal(err) // a database whose name begins with the other's
	}
	w.put(t, "records/backups/school/README.txt", "not a record")
	for _, limit := range []int{1, 2, 3, 7, 100} {
		var got []string
		for after, pages := "", 0; pages == 0 || after != ""; pages++ {
			items, next, err := r.List(t.Context(), school, backup.Page{After: after, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range items {
				got = append(got, b.ID)
			}
			if after = next; pages > 10 {
				t.Fatalf("limit %d: no end after %d pages", limit, pages)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %v, want %v", limit, got, want)
		}
	}
}

func TestRecords_ListRefusesACursorThatIsNone(t *testing.T) {
	t.Parallel()
	r := newWorld(t).store().Backups()
	for _, after := range []string{"x", "../../locks/school", strings.ToUpper(backup.NewID()), backup.NewID() + "/"} {
		if _, _, err := r.List(t.Context(), school, backup.Page{After: after, Limit: 5}); !errors.Is(err, backup.ErrBadCursor) {
			t.Errorf("List after %q: %v, want ErrBadCursor", after, err)
		}
	}
}

func TestRecords_RecordDeletedWhileItIsListedIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 3 {
		mustCreate(t, w.store().Backups(), aBackup(idAt(n)))
	}
	w.proxy.First(1, faultyconn.Fault{After: func() { // after the LIST
		if err := w.store().Backups().Delete(context.Background(), school, idAt(1)); err != nil {
			t.Error(err)
		}
	}}, faultyconn.All)
	got, next, err := w.faulty().Backups().List(t.Context(), school, backup.Page{Limit: 10})
	if err != nil || next != "" || len(got) != 2 || got[0].ID != idAt(2) || got[1].ID != idAt(0) {
		t.Errorf("List = %v, %q, %v, want the other two", got, next, err)
	}
}

func TestRecords_RecordOfANewerVersionIsAnErrorAndNotMisread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := backup.NewID()
	w.put(t, "records/backups/school/"+backup.Complement(id)+".json", `{"version":2,"write":"x","record":{}}`)
	if _, err := w.store().Backups().Get(t.Context(), school, id); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("Get: %v, want one that names the version", err)
	}
}

// Shown with 10,000 records: a page costs one LIST and its own GETs, at the newest end, in the middle and at the oldest.
func TestRecords_OneThatCannotBeReadDoesNotHideTheOthersOfItsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.store().Backups()
	for n := range 5 {
		mustCreate(t, r, aBackup(idAt(n)))
	}
	w.put(t, "records/backups/school/"+backup.Complement(idAt(3))+".json", "spoilt")
	w.put(t, "records/backups/school/"+backup.Complement(idAt(2))+".json", `{"version":2,"write":"x","record":{}}`)
	items, next, err := r.List(t.Context(), school, backup.Page{Limit: 4})
	if !errors.Is(err, backup.ErrUnreadable) || !strings.Contains(err.Error(), backup.Complement(idAt(3))) || !strings.Contains(err.Error(), backup.Complement(idAt(2))) {
		t.Errorf("error %v, want one that names both", err)
	}
	if len(items) != 2 || items[0].ID != idAt(4) || items[1].ID != idAt(1) || next != idAt(1) {
		t.Fatalf("page is %+v, next %q", items, next)
	}
	if rest, next, err := r.List(t.Context(), school, backup.Page{After: next, Limit: 4}); err != nil || len(rest) != 1 || next != "" {
		t.Errorf("the next page is %+v, %q, %v", rest, next, err)
	}
}

func TestRecords_PageCostsTheSameWhateverLiesBehindIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const records10k, limit = 10_000, 20
	seed(t, w, records10k)
	var calls atomic.Int64
	r := records.New(w.counting(&calls), w.bucket).Backups()
	for name, after := range map[string]string{"newest": "", "middle": idAt(records10k / 2), "oldest": idAt(limit)} {
		calls.Store(0)
		began := time.Now()
		items, _, err := r.List(t.Context(), school, backup.Page{After: after, Limit: limit})
		if err != nil || len(items) != limit {
			t.Fatalf("%s: %d records, %v", name, len(items), err)
		}
		if got := calls.Load(); got != 1+limit {
			t.Errorf("%s: %d requests, want %d", name, got, 1+limit)
		}
		t.Logf("%s page: %d requests, %s", name, calls.Load(), time.Since(began).Round(time.Millisecond))
	}
	if items, _, err := r.List(t.Context(), school, backup.Page{Limit: 1}); err != nil || items[0].ID != idAt(records10k-1) {
		t.Errorf("the newest is %v, %v", items, err)
	}
}

// seed writes n records by plain PUTs, which is faster than by Create.
func seed(t *testing.T, w *world, n int) {
	t.Helper()
	ids := make(chan int)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := range ids {
				id := idAt(i)
				key := "records/backups/school/" + backup.Complement(id) + ".json"
				body := `{"version":1,"write":"seed","record":{"id":"` + id + `","database":"school","state":"failed"}}`
				if _, err := w.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &w.bucket, Key: &key, Body: strings.NewReader(body)}); err != nil {
					t.Errorf("seed %s: %v", key, err)
				}
			}
		})
	}
	began := time.Now()
	for i := range n {
		ids <- i
	}
	close(ids)
	wg.Wait()
	t.Logf("seeded %d records in %s", n, time.Since(began).Round(time.Millisecond))
}
