package backup_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestSelection_WantsWhatItsPatternsSay(t *testing.T) {
	t.Parallel()
	const yes, no = true, false
	for _, c := range []struct {
		include, exclude string
		schema, table    string
		want             bool
	}{
		{"", "", "public", "pupil", yes},
		{"public.pupil", "", "public", "pupil", yes},
		{"public.pupil", "", "public", "pupils", no},
		{"public.pupil", "", "other", "pupil", no},
		{"public.pupil", "", "public", "Pupil", no},
		{"school.*", "", "school", "grade", yes},
		{"school.*", "", "schools", "grade", no},
		{"school.old.*", "", "school.old", "grade", yes},
		{"school.old.*", "", "school", "old.grade", yes},
		{"*.*", "", "any", "table", yes},
		{"*.log_*", "", "audit", "log_2026", yes},
		{"*.log_*", "", "audit", "log_", yes},
		{"*.log_*", "", "audit", "catalog_1", no},
		{"a.*b*c", "", "a", "xbxcbxc", yes},
		{"a.*b*c", "", "a", "xbxcbx", no},
		{"a.***", "", "a", "x", yes},
		{"schule.schüler*", "", "schule", "schülerin", yes},
		{`we"ird.ta ble/1`, "", `we"ird`, "ta ble/1", yes},
		{"", "audit.*", "audit", "log", no},
		{"", "audit.*", "public", "log", yes},
		{"audit.*", "audit.log_*", "audit", "log_1", no},
		{"audit.*", "audit.log_*", "audit", "entry", yes},
		{"public.a public.b", "", "public", "b", yes},
		{"public.a public.b", "", "public", "c", no},
	} {
		s := backup.Selection{Include: fields(c.include), Exclude: fields(c.exclude)}
		if got := s.Wants(c.schema + "." + c.table); got != c.want {
			t.Errorf("%s: wants %s.%s = %v, want %v", s, c.schema, c.table, got, c.want)
		}
	}
}

// A partition is meant by the name of the table that it is a part of, too.
func TestSelection_WantsATableByAnyOfItsNames(t *testing.T) {
	t.Parallel()
	part := []string{"public.grade_2026", "public.grade"}
	for _, c := range []struct {
		s    backup.Selection
		want bool
	}{
		{backup.Selection{Include: []string{"public.grade"}}, true},
		{backup.Selection{Include: []string{"public.grade_*"}}, true},
		{backup.Selection{Include: []string{"public.pupil"}}, false},
		{backup.Selection{Exclude: []string{"public.grade"}}, false},
	} {
		if got := c.s.Wants(part...); got != c.want {
			t.Errorf("%s: %v", c.s, got)
		}
	}
}

// fields are a table's patterns: those with a space in them stand alone.
func fields(s string) []string {
	if strings.Contains(s, "ta ble") {
		return []string{s}
	}
	return strings.Fields(s)
}

// A pattern of many stars against a name that just does not fit is what naive matching takes ages for.
func TestSelection_NoPatternTakesLong(t *testing.T) {
	t.Parallel()
	s := backup.Selection{Include: []string{"a." + strings.Repeat("*a", 99)}}
	if s.Wants("a." + strings.Repeat("a", 10_000) + "b") {
		t.Error("it fits a name that ends otherwise")
	}
}

func TestSelection_CheckRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	long := "a." + strings.Repeat("ä", backup.MaxPatternLength-2)
	many := make([]string, backup.MaxPatterns)
	for i := range many {
		many[i] = "public.pupil"
	}
	for _, s := range []backup.Selection{{}, {Include: []string{long}}, {Include: many, Exclude: many}, {Exclude: []string{"*.*", "a.b.c"}}} {
		if err := s.Check(); err != nil {
			t.Errorf("%.60s: %v", s, err)
		}
	}
	for _, p := range []string{"", "pupil", "*", ".pupil", "public.", ".", "..", "a.\x00", "a.b\n", "a.\xff", long + "ä"} {
		for _, s := range []backup.Selection{{Include: []string{"a.b", p}}, {Exclude: []string{p}}} {
			var e *backup.Error
			if err := s.Check(); !errors.As(err, &e) || e.Code != "selection_invalid" || e.Hint == "" {
				t.Errorf("%q is taken: %v", p, err)
			}
		}
	}
	if err := (backup.Selection{Exclude: slices.Concat(many, []string{"a.b"})}).Check(); err == nil {
		t.Error("more patterns than are taken are taken")
	}
}

func TestSelection_IsToldInFewWords(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]backup.Selection{
		"the rows of all tables":                                 {},
		"only the rows of a.b":                                   {Include: []string{"a.b"}},
		"only the rows of a.b, c.*, without the rows of c.d":     {Include: []string{"a.b", "c.*"}, Exclude: []string{"c.d"}},
		"without the rows of a.1, a.2, a.3, a.4, a.5 and 2 more": {Exclude: []string{"a.1", "a.2", "a.3", "a.4", "a.5", "a.6", "a.7"}},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestBackup_PartialIsRestoredForRealOnlyByWhoKnowsIt(t *testing.T) {
	t.Parallel()
	whole := backup.Backup{Job: backup.Job{State: backup.Created}, Selection: &backup.Selection{}}
	partial := backup.Backup{Job: backup.Job{State: backup.Created}, Selection: &backup.Selection{Include: []string{"public.pupil"}}}
	if whole.Partial() || !partial.Partial() {
		t.Errorf("partial: %v and %v", whole.Partial(), partial.Partial())
	}
	for _, c := range []struct {
		b    backup.Backup
		o    backup.RestoreOptions
		code backup.Code
	}{
		{whole, backup.RestoreOptions{}, ""},
		{partial, backup.RestoreOptions{DryRun: true}, ""},
		{partial, backup.RestoreOptions{AcceptPartial: true}, ""},
		{partial, backup.RestoreOptions{}, "backup_partial"},
		{partial, backup.RestoreOptions{AcceptUnproven: true}, "backup_partial"},
		{backup.Backup{Job: backup.Job{State: backup.Failed}}, backup.RestoreOptions{AcceptPartial: true}, "backup_not_created"},
	} {
		var e *backup.Error
		if errors.As(c.b.CanRestore(c.o), &e); e == nil && c.code != "" || e != nil && e.Code != c.code {
			t.Errorf("%+v with %+v: %v, want %q", c.b.Selection, c.o, e, c.code)
		}
	}
}

func TestRestore_RehearsalOfAPartialBackupIsAppliedOnlyByWhoKnewIt(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := backup.Restore{Job: backup.Job{State: backup.Rehearsed}, Held: &backup.Held{Until: now.Add(time.Hour)}}
	if err := r.CanApply(now); err != nil {
		t.Error(err)
	}
	r.Partial = &backup.Selection{Include: []string{"public.pupil"}}
	var e *backup.Error
	if err := r.Follow(backup.ApplyJob, "01", backup.Actor{}, now); !errors.As(err, &e) || e.Code != "backup_partial" {
		t.Errorf("it is applied: %v", err)
	}
	r.AcceptPartial = true
	if err := r.CanApply(now); err != nil {
		t.Error(err)
	}
}
