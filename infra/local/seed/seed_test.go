package seed_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/infra/local/seed"
	"github.com/backup-restore/backup-restore/shared/backup"
)

func history(t *testing.T, n int) []backup.Backup {
	t.Helper()
	all, err := seed.Backups(seed.Options{Database: "school", Backups: n, Every: 6 * time.Hour, Until: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestBackups_AreRecordsAsAWorkerLeavesThem(t *testing.T) {
	t.Parallel()
	all := history(t, 5000)
	codes := map[backup.Code]int{}
	for i, b := range all {
		if !backup.ValidID(b.ID) || b.Filename == "" || b.StartedAt.Before(b.RequestedAt) || !b.EndedAt.After(b.StartedAt) {
			t.Fatalf("backup %d: %+v", i, b)
		}
		if i > 0 && b.ID >= all[i-1].ID {
			t.Fatalf("backup %d is not older than the one before", i)
		}
		switch b.State {
		case backup.Created:
			if b.File == nil || b.File.Size <= 0 || b.Rows != backup.TotalRows(b.Tables) || b.Rows == 0 || b.Failure != nil || b.Usable() != nil {
				t.Fatalf("backup %d: %+v", i, b)
			}
		case backup.Failed:
			if b.File != nil || b.Failure.Reason == "" || b.Failure.Hint == "" {
				t.Fatalf("backup %d: %+v", i, b)
			}
			codes[b.Failure.Code]++
		default:
			t.Fatalf("backup %d is %s", i, b.State)
		}
	}
	if len(codes) < 5 {
		t.Errorf("only these failures: %v", codes)
	}
}

func TestBackups_GrowAndShrinkOnce(t *testing.T) {
	t.Parallel()
	all := history(t, 100)
	size := func(i int) float64 { return float64(all[i].File.Size) }
	if size(0) < 2*size(99) {
		t.Errorf("the newest has %.0f bytes, the oldest %.0f", size(0), size(99))
	}
	for i := range all {
		if i == 0 || all[i].File == nil || all[i-1].File == nil {
			continue
		}
		// From one to the next newer.
		if ratio := size(i-1) / size(i); (ratio < 0.9) != (i-1 == seed.ShrunkAt) {
			t.Errorf("backup %d has %.2f of the size of the one before it", i-1, ratio)
		}
	}
}

func TestBackups_SameOptionsGiveTheSame(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(history(t, 50), history(t, 50)); diff != "" {
		t.Error(diff)
	}
}

func TestBackups_RefusesWhatMakesNoHistory(t *testing.T) {
	t.Parallel()
	for _, o := range []seed.Options{{Database: "../x", Backups: 1, Every: time.Hour}, {Database: "school", Every: time.Hour}, {Database: "school", Backups: 1}} {
		if _, err := seed.Backups(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
