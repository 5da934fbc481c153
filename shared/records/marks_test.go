package records_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
)

func TestOpenJobs_ListIsOldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	open := w.store().Open()
	marked := []backup.OpenJob{
		{Database: school, Kind: backup.RestoreJob, ID: idAt(3)},
		{Database: school, Kind: backup.BackupJob, ID: idAt(1)},
		{Database: "accounts", Kind: backup.BackupJob, ID: idAt(2)},
		{Database: "school-2", Kind: backup.BackupJob, ID: idAt(4)},
	}
	for _, j := range marked {
		for range 2 { // again is no error
			if err := open.Mark(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.put(t, "open/school/note.txt.old", "")
	for database, want := range map[string][]string{
		"": {idAt(1), idAt(2), idAt(3), idAt(4)}, school: {idAt(1), idAt(3)}, "school-2": {idAt(4)}, "none": {}, "../x": {},
	} {
		jobs, err := open.List(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, j := range jobs {
			got = append(got, j.ID)
			if age := time.Since(j.Marked); age > time.Minute || age < -2*time.Second {
				t.Errorf("%s was marked %s ago", j.ID, age)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("List(%q) = %v, want %v", database, got, want)
		}
	}
	jobs, err := open.List(t.Context(), school)
	if err != nil || jobs[0].Kind != backup.BackupJob || jobs[1].Kind != backup.RestoreJob || jobs[0].Database != school {
		t.Errorf("List = %+v, %v", jobs, err)
	}
}

func TestOpenJobs_AJobThatFollowsARestoreNamesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	open := w.store().Open()
	// A restore and what follows it, and one whose id is the other's restore: none is taken for another.
	marked := []backup.OpenJob{
		{Database: school, Kind: backup.RestoreJob, ID: idAt(1)},
		{Database: school, Kind: backup.ApplyJob, ID: idAt(2), Restore: idAt(1)},
		{Database: school, Kind: backup.UndoJob, ID: idAt(3), Restore: idAt(1)},
	}
	for _, j := range marked {
		if err := open.Mark(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	w.put(t, "open/school/"+idAt(4)+".drop.nobody", "")
	w.put(t, "open/school/"+idAt(5)+".drop.", "")
	got, err := open.List(t.Context(), school)
	if err != nil || len(got) != len(marked) {
		t.Fatalf("List = %+v, %v", got, err)
	}
	for i, j := range got {
		j.Marked = time.Time{}
		if j != marked[i] || j.Record() != idAt(1) {
			t.Errorf("List[%d] = %+v on record %s, want %+v", i, j, j.Record(), marked[i])
		}
	}
	if err := open.Clear(t.Context(), marked[1]); err != nil {
		t.Fatal(err)
	}
	if got, err := open.List(t.Context(), school); err != nil || len(got) != 2 || got[1].ID != idAt(3) {
		t.Errorf("after the apply was cleared: %+v, %v", got, err)
	}
	if err := open.Mark(t.Context(), backup.OpenJob{Database: school, Kind: backup.ApplyJob, ID: idAt(6), Restore: "../x"}); err == nil {
		t.Error("a marker of no restore's id was written")
	}
}

func TestHoldings_PutReplacesAndRemoveForgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held := w.faulty().Holdings()
	if _, err := held.Get(t.Context(), school, idAt(1)); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Get of none: %v", err)
	}
	for _, memo := range []string{"", `{"loader":"throw-away"}`, `{"loader":"prepared"}`} {
		w.proxy.First(1, faultyconn.Fault{DropAnswer: true}, writes)
		want := backup.Holding{Database: school, Restore: idAt(1), Memo: []byte(memo)}
		if err := held.Put(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, err := held.Get(t.Context(), school, idAt(1))
		if err != nil || string(got.Memo) != memo || got.Restore != want.Restore || got.Database != school {
			t.Errorf("Get = %+v, %v, want %+v", got, err, want)
		}
	}
	for range 2 {
		if err := held.Remove(t.Context(), school, idAt(1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := held.Get(t.Context(), school, idAt(1)); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Get of what was removed: %v", err)
	}
	for _, bad := range []backup.Holding{{Database: "../x", Restore: idAt(1)}, {Database: school, Restore: "x"}, {Database: school}} {
		if err := held.Put(t.Context(), bad); err == nil {
			t.Errorf("Put of %+v succeeded", bad)
		}
	}
}

func TestHoldings_ListIsOldestFirstWithoutMemos(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held := w.store().Holdings()
	for database, ids := range map[string][]string{"accounts": {idAt(3)}, school: {idAt(4), idAt(1)}, "school-2": {idAt(2)}} {
		for _, id := range ids {
			if err := held.Put(t.Context(), backup.Holding{Database: database, Restore: id, Memo: []byte(`{"large":true}`)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.put(t, "held/school/note.json", "")
	for database, want := range map[string][]string{
		"": {idAt(1), idAt(2), idAt(3), idAt(4)}, school: {idAt(1), idAt(4)}, "school-2": {idAt(2)}, "none": {}, "../x": {},
	} {
		all, err := held.List(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, h := range all {
			got = append(got, h.Restore)
			if h.Memo != nil || h.Database == "" {
				t.Errorf("listed %+v", h)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("List(%q) = %v, want %v", database, got, want)
		}
	}
}

func TestOpenJobs_ClearedIsGoneAndCanBeMarkedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	open, j := w.faulty().Open(), backup.OpenJob{Database: school, Kind: backup.BackupJob, ID: backup.NewID()}
	for range 2 {
		w.proxy.First(1, faultyconn.Fault{DropAnswer: true}, writes)
		if err := open.Mark(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if jobs, err := open.List(t.Context(), school); err != nil || len(jobs) != 1 {
			t.Fatalf("List = %v, %v, want one", jobs, err)
		}
		w.proxy.First(1, faultyconn.Fault{DropAnswer: true}, faultyconn.Method(http.MethodDelete))
		for range 2 {
			if err := open.Clear(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
		if jobs, err := open.List(t.Context(), ""); err != nil || len(jobs) != 0 {
			t.Fatalf("List = %v, %v, want none", jobs, err)
		}
	}
}

func TestActivity_RepeatedEntryIsLoggedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log := w.store().Activity()
	for n := range 3 {
		for _, result := range []string{"accepted", "again"} {
			e := backup.Entry{ID: idAt(n), Action: "backup.create", Result: result}
			if err := log.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	first, next, err := log.List(t.Context(), backup.Page{Limit: 2})
	if err != nil || len(first) != 2 || first[0].ID != idAt(2) || first[0].Result != "accepted" {
		t.Fatalf("List = %+v, %v", first, err)
	}
	rest, end, err := log.List(t.Context(), backup.Page{After: next, Limit: 2})
	if err != nil || len(rest) != 1 || rest[0].ID != idAt(0) || end != "" {
		t.Errorf("List after %s = %+v, %q, %v", next, rest, end, err)
	}
	if _, _, err := log.List(t.Context(), backup.Page{After: "yesterday", Limit: 2}); !errors.Is(err, backup.ErrBadCursor) {
		t.Errorf("List: %v, want ErrBadCursor", err)
	}
}

func TestIdempotency_SecondCallGetsTheFirstsClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys, hash := w.faulty().Idempotency(), strings.Repeat("ab", 32)
	mine := backup.Claim{ID: backup.NewID(), BodyHash: "one"}
	w.proxy.First(1, faultyconn.Fault{DropAnswer: true}, writes)
	if got, first, err := keys.Claim(t.Context(), school, hash, mine); err != nil || !first || got != mine {
		t.Errorf("first Claim = %+v, %v, %v", got, first, err)
	}
	if got, first, err := keys.Claim(t.Context(), school, hash, backup.Claim{ID: backup.NewID(), BodyHash: "two"}); err != nil || first || got != mine {
		t.Errorf("second Claim = %+v, %v, %v, want the first's", got, first, err)
	}
	if _, first, err := keys.Claim(t.Context(), "other", hash, mine); err != nil || !first {
		t.Errorf("Claim in another database: %v, %v, want a first", first, err)
	}
	for _, bad := range []string{"", "../../locks/school", strings.Repeat("AB", 32)} {
		if _, _, err := keys.Claim(t.Context(), school, bad, mine); err == nil {
			t.Errorf("Claim of hash %q succeeded", bad)
		}
	}
}

func TestIdempotency_KeyIsClaimedByOneOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var firsts atomic.Int64
	var group errgroup.Group
	ids := make([]string, 12)
	for i := range ids {
		group.Go(func() error {
			c, first, err := w.store().Idempotency().Claim(t.Context(), school, strings.Repeat("0", 16), backup.Claim{ID: idAt(i)})
			if first {
				firsts.Add(1)
			}
			ids[i] = c.ID
			return err
		})
	}
	if err := group.Wait(); err != nil || firsts.Load() != 1 {
		t.Fatalf("%d firsts, %v, want one", firsts.Load(), err)
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("claims differ: %s and %s", id, ids[0])
		}
	}
}
