package records_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/records"
)

func TestRecords_PageEndsAtItsOldestWithoutReadingWhatIsOlder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 9 {
		mustCreate(t, w.store().Backups(), aBackup(idAt(n)))
	}
	w.put(t, "records/backups/school/README.txt", "not a record")
	var calls atomic.Int64
	r := records.New(w.counting(&calls), w.bucket).Backups()
	for name, tt := range map[string]struct {
		page  backup.Page
		want  []int
		calls int64
	}{
		"the newest":               {backup.Page{Oldest: idAt(7), Limit: 100}, []int{8, 7}, 3},
		"between two":              {backup.Page{After: idAt(5), Oldest: idAt(3), Limit: 100}, []int{4, 3}, 3},
		"a border of no record":    {backup.Page{Oldest: backup.FirstID(backup.IDTime(idAt(6))), Limit: 100}, []int{8, 7, 6}, 4},
		"nothing is between":       {backup.Page{After: idAt(3), Oldest: idAt(3), Limit: 100}, nil, 1},
		"it ends before it begins": {backup.Page{After: idAt(3), Oldest: idAt(6), Limit: 100}, nil, 1},
	} {
		calls.Store(0)
		items, next, err := r.List(t.Context(), school, tt.page)
		var got []string
		for _, b := range items {
			got = append(got, b.ID)
		}
		var want []string
		for _, n := range tt.want {
			want = append(want, idAt(n))
		}
		if err != nil || next != "" || !slices.Equal(got, want) || calls.Load() != tt.calls {
			t.Errorf("%s: %v by %d requests, next %q, %v; want %v by %d", name, got, calls.Load(), next, err, want, tt.calls)
		}
	}
	if _, _, err := r.List(t.Context(), school, backup.Page{Oldest: "../x", Limit: 1}); !errors.Is(err, backup.ErrBadCursor) {
		t.Errorf("an end that is no id: %v", err)
	}
}
