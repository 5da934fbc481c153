package httpapi_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

// day is when the records of searches begin.
var day = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func at(hours float64) time.Time { return day.Add(time.Duration(hours * float64(time.Hour))) }

// put writes a backup of that hour and state.
func put(t *testing.T, r backup.Records[backup.Backup], hour int, state backup.State) string {
	t.Helper()
	id := backup.DeriveID(at(float64(hour)), "search")
	b := backup.Backup{Job: backup.Job{ID: id, Database: "school", State: state, RequestedAt: at(float64(hour))}}
	if state == backup.Created {
		b.File = &backup.Stored{Key: "k", VersionID: "v", Size: 1}
	}
	if err := r.Create(t.Context(), "school", id, b); err != nil {
		t.Fatal(err)
	}
	return id
}

// walk is all pages of a query's backups.
func (w *world) walk(query string) (ids []string, pages int) {
	w.t.Helper()
	for next := ""; ; {
		list := into[httpapi.BackupList](w.do(call{method: "GET", path: schoolBackups + "?" + query + next, role: access.Auditor}).want(200))
		pages++
		for _, b := range list.Items {
			ids = append(ids, b.ID)
		}
		if list.Next == "" || pages > 50 {
			return ids, pages
		}
		next = "&cursor=" + list.Next
	}
}

// filters are queries, and which of ten backups they find: one an hour, of which every third has failed.
var filters = []struct {
	query string
	want  []int // hours, newest first
}{
	{"", []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
	{"state=failed", []int{9, 6, 3, 0}},
	{"state=failed&state=running", []int{9, 6, 3, 0}},
	{"state=created&state=failed", []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
	{"state=queued", nil},
	{"from=" + at(3).Format(time.RFC3339), []int{9, 8, 7, 6, 5, 4, 3}},
	{"to=" + at(3).Format(time.RFC3339), []int{2, 1, 0}},
	{"from=" + at(3).Format(time.RFC3339) + "&to=" + at(6).Format(time.RFC3339), []int{5, 4, 3}},
	{"from=" + at(3).Add(time.Microsecond).Format(time.RFC3339Nano), []int{9, 8, 7, 6, 5, 4}},
	{"to=" + at(3).Add(time.Microsecond).Format(time.RFC3339Nano), []int{3, 2, 1, 0}},
	{"from=" + url.QueryEscape("2026-11-22T04:00:00+01:00") + "&to=2026-11-22T06:00:00Z&state=created", []int{5, 4}},
	{"from=2027-01-01T00:00:00Z", nil},
	{"to=1960-01-01T00:00:00Z", nil},
	{"from=1960-01-01T00:00:00Z&to=9999-01-01T00:00:00Z&state=failed", []int{9, 6, 3, 0}},
}

func checkFilters(t *testing.T, w *world) {
	t.Helper()
	var ids []string
	for hour := range 10 {
		state := backup.Created
		if hour%3 == 0 {
			state = backup.Failed
		}
		ids = append(ids, put(t, w.backups, hour, state))
	}
	for _, tt := range filters {
		var want []string
		for _, hour := range tt.want {
			want = append(want, ids[hour])
		}
		for _, limit := range []int{1, 2, 3, 100} {
			if got, _ := w.walk(fmt.Sprintf("limit=%d&%s", limit, tt.query)); !slices.Equal(got, want) {
				t.Errorf("limit %d, %s: found %q, want those of the hours %v", limit, tt.query, got, tt.want)
			}
		}
	}
}

func TestListBackups_FiltersFindAllThatTheyShouldAndNothingElse(t *testing.T) {
	t.Parallel()
	checkFilters(t, newWorld(t))
}

func TestBucket_FiltersFindAllThatTheyShouldAndNothingElse(t *testing.T) {
	t.Parallel()
	checkFilters(t, newStored(t).world)
}

// frugal counts what is read.
type frugal struct {
	backup.Records[backup.Backup]
	read *int
}

func (f frugal) List(ctx context.Context, database string, p backup.Page) ([]backup.Backup, string, error) {
	items, next, err := f.Records.List(ctx, database, p)
	*f.read += len(items)
	return items, next, err
}

func TestListBackups_SearchOfWhatIsSeldomReadsABoundedNumberPerCall(t *testing.T) {
	t.Parallel()
	read := 0
	w := newWorld(t, func(o *httpapi.Options) { o.Backups = frugal{o.Backups, &read} })
	wanted := put(t, w.backups, 0, backup.Failed)
	for hour := 1; hour <= 1200; hour++ {
		put(t, w.backups, hour, backup.Created)
	}
	first := into[httpapi.BackupList](w.do(call{method: "GET", path: schoolBackups + "?state=failed", role: access.Auditor}).want(200))
	if len(first.Items) != 0 || first.Next == "" || read != 500 {
		t.Errorf("the first call found %d, read %d, goes on at %q", len(first.Items), read, first.Next)
	}
	if got, pages := w.walk("state=failed"); !slices.Equal(got, []string{wanted}) || pages != 3 {
		t.Errorf("found %q on %d pages", got, pages)
	}
	read = 0
	if got, pages := w.walk("from=" + at(1190).Format(time.RFC3339) + "&state=failed"); len(got) != 0 || pages != 1 || read != 11 {
		t.Errorf("found %q on %d pages, having read %d", got, pages, read)
	}
}

func TestActivity_IsFilteredByWhoWhatAndHow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, e := range []backup.Entry{
		{Actor: backup.Actor{Kind: backup.ByOperator, Name: "Ada Lovelace"}, Action: "restore.run", Database: "school", Result: "accepted"},
		{Actor: backup.Actor{Kind: backup.ByOperator, Name: "Ada Lovelace"}, Action: "restore.end", Database: "school", Result: "failed"},
		{Actor: backup.Actor{Kind: backup.ByCronKey, Name: "cron key"}, Action: "backup.end", Database: "school", Result: "failed"},
		{Actor: backup.Actor{Kind: backup.ByOperator, Name: "Öznur"}, Action: "restore.run", Database: "chinook", Result: "accepted"},
		{Actor: backup.Actor{Kind: backup.ByOperator, Name: "Öznur"}, Action: "restorexx", Database: "chinook", Result: "accepted"},
	} {
		e.ID, e.At = backup.DeriveID(at(float64(i)), "entry"), at(float64(i))
		if err := w.activity.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]string{
		"":                                "4 3 2 1 0",
		"actor=ADA":                       "1 0",
		"actor=lace":                      "1 0",
		"actor=" + url.QueryEscape("öz"):  "4 3",
		"action=restore.run":              "3 0",
		"action=restore.":                 "3 1 0",
		"action=restore":                  "",
		"action=RESTORE.":                 "",
		"result=failed":                   "2 1",
		"result=fail":                     "",
		"result=failed&actor=ada":         "1",
		"database=school&action=restore.": "1 0",
		"from=" + at(1).Format(time.RFC3339) + "&to=" + at(3).Format(time.RFC3339):              "2 1",
		"from=" + at(1).Format(time.RFC3339) + "&to=" + at(4).Format(time.RFC3339) + "&actor=a": "1",
		"from=" + at(4.5).Format(time.RFC3339):                                                  "",
	} {
		var got []string
		list := into[httpapi.ActivityList](w.do(call{method: "GET", path: "/api/activity?" + query, role: access.Auditor}).want(200))
		for _, e := range list.Items {
			got = append(got, fmt.Sprint(e.At.Hour()))
		}
		if strings.Join(got, " ") != want || list.Next != "" {
			t.Errorf("%s: found those of the hours %q, want %q; next is %q", query, got, want, list.Next)
		}
	}
	w.do(call{method: "GET", path: "/api/activity?actor=" + strings.Repeat("a", 201), role: access.Auditor}).want(422, "request_invalid")
}

func TestListBackups_CursorGoesOnWhereAFullPageEndedInTheMiddleOfWhatWasRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for hour := range 4 {
		put(t, w.backups, hour, backup.Failed)
	}
	first := into[httpapi.BackupList](w.do(call{method: "GET", path: schoolBackups + "?state=failed&limit=3", role: access.Auditor}).want(200))
	if len(first.Items) != 3 || first.Next != first.Items[2].ID {
		t.Fatalf("%+v", first)
	}
	for _, b := range first.Items { // the cursor need not be that of a record that is still there
		if err := w.backups.Delete(t.Context(), "school", b.ID); err != nil {
			t.Fatal(err)
		}
	}
	rest := into[httpapi.BackupList](w.do(call{method: "GET", path: schoolBackups + "?state=failed&limit=3&cursor=" + first.Next, role: access.Auditor}).want(200))
	if len(rest.Items) != 1 || rest.Next != "" {
		t.Errorf("%+v", rest)
	}
}
