package backup_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestComplement_ReversesTheOrderOfIDs(t *testing.T) {
	t.Parallel()
	var ids, complements []string
	for i := range 200 {
		id := backup.DeriveID(time.UnixMilli(1_700_000_000_000+int64(i)*977), "x")
		ids = append(ids, id)
		complements = append(complements, backup.Complement(id))
	}
	slices.Sort(complements)
	slices.Reverse(complements)
	for i, c := range complements {
		if got := backup.Complement(c); got != ids[i] {
			t.Fatalf("place %d: %s, want %s", i, got, ids[i])
		}
	}
}

func TestDeriveID_DependsOnEveryPartAndItsBorders(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 3, 15, 0, 0, time.UTC)
	same := backup.DeriveID(at, "cron", "school")
	if again := backup.DeriveID(at, "cron", "school"); again != same {
		t.Errorf("derived %s, then %s", same, again)
	}
	if got := backup.IDTime(same); !got.Equal(at) {
		t.Errorf("time of the id is %s, want %s", got, at)
	}
	for name, other := range map[string]string{
		"another time":   backup.DeriveID(at.Add(time.Minute), "cron", "school"),
		"another part":   backup.DeriveID(at, "schedule", "school"),
		"another border": backup.DeriveID(at, "crons", "chool"),
		"another count":  backup.DeriveID(at, "cron", "school", ""),
	} {
		if other == same {
			t.Errorf("%s gives the same id", name)
		}
	}
}

func TestValidID_LetsNothingElseThrough(t *testing.T) {
	t.Parallel()
	good := backup.NewID()
	if !backup.ValidID(good) {
		t.Errorf("%s is refused", good)
	}
	for _, bad := range []string{
		"", "../../../etc/passwd", strings.ToUpper(good), good + "a", good[1:], good[:25] + "/", good[:25] + ".", good[:25] + "u",
		"8" + good[1:], good[:25] + "é", strings.Repeat(" ", 26), "..%2f..%2f" + good[10:],
	} {
		if backup.ValidID(bad) {
			t.Errorf("%q is taken for an id", bad)
		}
	}
}

func TestValidDatabaseName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"school": true, "school-2": true, "a": true, "a.b": true, "school_eu.west": true, strings.Repeat("a", 63): true,
		"": false, "School": false, "-a": false, ".a": false, "a.": false, "a..b": false, "../a": false, "a/b": false, "a b": false, "schüle": false,
		strings.Repeat("a", 64): false, "a\n": false,
	} {
		if got := backup.ValidDatabaseName(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestFirstID_IsTheBorderBetweenBeforeAndNotBefore(t *testing.T) {
	t.Parallel()
	moment := time.Date(2026, 11, 22, 3, 15, 0, 7_000_000, time.UTC)
	for _, tt := range []struct {
		name  string
		at    time.Time
		under bool // an id of moment comes before FirstID(at)
	}{
		{"the same millisecond", moment, false},
		{"a millisecond later", moment.Add(time.Millisecond), true},
		{"a millisecond earlier", moment.Add(-time.Millisecond), false},
		{"a part of a millisecond later", moment.Add(time.Nanosecond), true},
		{"a part of a millisecond earlier", moment.Add(-time.Nanosecond), false},
		{"before all ids", time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{"the year 9999", time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), true},
		{"behind all ids", time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), true},
	} {
		first := backup.FirstID(tt.at)
		if id := backup.DeriveID(moment, "x"); !backup.ValidID(first) || id < first != tt.under {
			t.Errorf("%s: FirstID is %q, an id of the moment %q", tt.name, first, id)
		}
	}
}
