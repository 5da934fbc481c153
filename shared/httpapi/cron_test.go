package httpapi_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/cronkey"
	"github.com/backup-restore/backup-restore/shared/httpapi"
	"github.com/backup-restore/backup-restore/shared/jobs"
)

func (w *world) cron(key, body string) answer {
	w.t.Helper()
	return w.do(call{method: "POST", path: "/cron/backups", header: map[string]string{"X-Cron-Key": key}, body: body})
}

func (w *world) cronKey() string {
	w.t.Helper()
	k, err := w.keys.Reveal(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return k.Secret.Reveal()
}

func TestCron_StartsEachDatabaseOnceInAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// The future, so that what the desk writes by the real clock does not look newer than the call.
	minute := time.Now().UTC().Truncate(time.Minute).Add(time.Minute)
	ids := map[string]string{}
	for i, at := range []time.Time{time.Now().UTC(), minute.Add(-time.Nanosecond)} {
		if i > 0 && !at.Truncate(time.Minute).Equal(time.Now().UTC().Truncate(time.Minute)) {
			t.Skip("the minute ended in between")
		}
		w.now.set(at)
		out := into[httpapi.CronStarted](w.cron(w.cronKey(), "").want(202))
		if len(out.Items) != 2 || out.Items[0].Database != "chinook" || out.Items[1].Database != "school" {
			t.Fatalf("%+v", out)
		}
		for _, item := range out.Items {
			if item.Started != (i == 0) {
				t.Errorf("call %d: started is %t", i, item.Started)
			}
			if i == 0 {
				ids[item.Database] = item.Backup
			} else if ids[item.Database] != item.Backup {
				t.Error("a second call in the minute made another backup")
			}
		}
	}
	w.now.set(minute)
	for _, item := range into[httpapi.CronStarted](w.cron(w.cronKey(), `{"databases":["school","school"]}`).want(202)).Items {
		if item.Database != "school" || item.Backup == ids["school"] {
			t.Errorf("in the next minute: %+v", item)
		}
	}
	if w.bell.Rings("school") != 2 || w.bell.Rings("chinook") != 1 {
		t.Errorf("rings: %d, %d", w.bell.Rings("school"), w.bell.Rings("chinook"))
	}
	b, err := w.backups.Get(t.Context(), "school", ids["school"])
	if err != nil || b.RequestedBy.Kind != backup.ByCronKey {
		t.Errorf("%+v, %v", b.RequestedBy, err)
	}
}

func TestCron_RefusesOtherKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.cronKey()
	foreign := newWorld(t).cronKey()
	refused := w.cron("", "").want(401, "cron_key_refused").problem()
	for _, k := range []string{key[:len(key)-1], strings.ToUpper(key), foreign, "Bearer " + key} {
		p := w.cron(k, "").want(401, "cron_key_refused").problem()
		if p.Detail != refused.Detail || p.Hint != refused.Hint {
			t.Errorf("the answers tell keys apart: %+v, %+v", p, refused)
		}
	}
	if len(w.entries()) != 0 || w.bell.Rings("school") != 0 {
		t.Error("a refused key left a trace")
	}
	// A token is no cron key.
	w.do(call{method: "POST", path: "/cron/backups", role: access.SuperAdmin}).want(401, "cron_key_refused")
}

func TestCron_AnUnknownDatabaseIsToldAndTheOthersAreStarted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.cron(w.cronKey(), `{"databases":["school","elsewhere"]}`).want(404, "database_not_found").problem()
	if !strings.Contains(p.Detail, "elsewhere") || w.bell.Rings("school") != 1 {
		t.Errorf("%s; rings: %d", p.Detail, w.bell.Rings("school"))
	}
	w.cron(w.cronKey(), `{"databases":"school"}`).want(422, "request_invalid")
	w.cron(w.cronKey(), `{`).want(400, "json_invalid")
}

// partly fails for one database.
type partly struct{ httpapi.Desk }

func (p partly) Start(context.Context, string, []string, time.Time, backup.Actor) ([]backup.Backup, error) {
	return []backup.Backup{{}}, errors.New("start backup of chinook: no")
}

func TestCron_PartialFailureIsAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *httpapi.Options) { o.Periodic = partly{} })
	w.cron(w.cronKey(), "").want(500, "internal_error")
}

func TestCronKey_RotationByTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	masked := into[httpapi.CronKeyMasked](w.do(call{method: "GET", path: "/api/cron-key", role: access.Auditor}).want(200).lacks(`"key"`))
	revealed := into[httpapi.CronKeyRevealed](w.do(call{method: "POST", path: "/api/cron-key/reveal", role: access.SuperAdmin}).want(200))
	if revealed.CronKeyMasked != masked || masked.CreatedBy.Kind != backup.BySystem || strings.Contains(masked.Masked, revealed.Key[:30]) {
		t.Errorf("masked %+v, revealed %+v", masked, revealed)
	}
	w.cron(revealed.Key, "").want(202)
	fresh := into[httpapi.CronKeyRevealed](w.do(call{method: "POST", path: "/api/cron-key/regenerate", role: access.SuperAdmin}).want(200))
	if fresh.Key == revealed.Key || fresh.CreatedBy.Name != "Ada super-admin" || fresh.Rotations != 1 || fresh.OldUntil != nil {
		t.Errorf("%+v", fresh)
	}
	w.cron(revealed.Key, "").want(401, "cron_key_refused")
	w.cron(fresh.Key, "").want(202)
	again := into[httpapi.CronKeyMasked](w.do(call{method: "GET", path: "/api/cron-key", role: access.Staff}).want(200))
	if again.LastUsedAt = nil; again != fresh.CronKeyMasked {
		t.Errorf("masked %+v, want %+v", again, fresh.CronKeyMasked)
	}
	want := "cron-key.regenerate regenerated|cron-key.regenerate accepted|cron-key.reveal revealed"
	var got []string
	for _, line := range w.entries() {
		if strings.HasPrefix(line, "cron-key") {
			got = append(got, line)
		}
	}
	if strings.Join(got, "|") != want {
		t.Errorf("activity: %q", got)
	}
}

// rotated loses every race.
type rotated struct{ httpapi.CronKey }

func (rotated) Regenerate(context.Context, backup.Actor) (cronkey.Key, error) {
	return cronkey.Key{}, cronkey.ErrRotatedMeanwhile
}

func TestCronKey_LostRotationIsAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *httpapi.Options) { o.CronKey = rotated{o.CronKey} })
	w.do(call{method: "POST", path: "/api/cron-key/regenerate", role: access.SuperAdmin}).want(409, "cron_key_rotated")
}

func TestActivity_IsPagedAndFiltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 12 {
		path := schoolBackups
		if i%6 == 5 {
			path = "/api/databases/chinook/backups"
		}
		w.do(call{method: "POST", path: path, role: access.Staff}).want(202)
	}
	for _, tt := range []struct {
		query string
		want  int
	}{{"?limit=5", 12}, {"?limit=5&database=school", 10}, {"?limit=1&database=chinook", 2}, {"?database=none", 0}} {
		seen, next := map[string]bool{}, ""
		for calls := 0; ; calls++ {
			query := tt.query
			if next != "" {
				query += "&cursor=" + next
			}
			list := into[httpapi.ActivityList](w.do(call{method: "GET", path: "/api/activity" + query, role: access.Auditor}).want(200).lacks("subject-of"))
			for _, e := range list.Items {
				if seen[e.ID] {
					t.Errorf("%s: %s twice", tt.query, e.ID)
				}
				seen[e.ID] = true
				if e.Action != "backup.create" || e.Result != "accepted" || e.Actor.Name != "Ada operator" {
					t.Errorf("%+v", e)
				}
			}
			if next = list.Next; next == "" || calls > 20 {
				break
			}
		}
		if len(seen) != tt.want {
			t.Errorf("%s: %d entries, want %d", tt.query, len(seen), tt.want)
		}
	}
}

// mistagged is a registry with a database whose secret is tagged wrongly.
type mistagged struct{ registry }

var errNorth = &backup.Error{Code: backup.CodeBadSecret, Text: "The secret n is tagged with the engine \"oracle\".", Hint: "Set its tag."}

func (m mistagged) List(ctx context.Context) ([]backup.Database, error) {
	all, err := m.registry.List(ctx)
	return all, errors.Join(err, &backup.UnusableError{Databases: []backup.UnusableDatabase{{Name: "north", Why: errNorth}}})
}

func (m mistagged) Get(ctx context.Context, name string) (backup.Database, error) {
	if name == "north" {
		return backup.Database{}, errNorth
	}
	return m.registry.Get(ctx, name)
}

func TestDatabases_AMistakeInOneRegistrationIsShownAndStopsNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *httpapi.Options) {
		p, _ := o.Periodic.(*jobs.Periodic)
		all, _ := p.Databases.(registry)
		p.Databases, o.Databases = mistagged{all}, mistagged{all}
	})
	list := into[httpapi.DatabaseList](w.do(call{method: "GET", path: "/api/databases", role: access.Auditor}).want(200))
	if len(list.Items) != 2 || len(list.Unusable) != 1 || list.Unusable[0].Name != "north" || !strings.Contains(list.Unusable[0].Reason, "oracle") {
		t.Errorf("the databases are %+v", list)
	}
	w.cron(w.cronKey(), "").want(409, "secret_unusable")
	for _, database := range []string{"chinook", "school"} {
		if backups, _, err := w.backups.List(t.Context(), database, backup.Page{Limit: 10}); err != nil || len(backups) != 1 {
			t.Errorf("%s has %d backups, %v", database, len(backups), err)
		}
	}
	w.cron(w.cronKey(), `{"databases":["school"]}`).want(202)
	w.cron(w.cronKey(), `{"databases":["north"]}`).want(409, "secret_unusable")
	w.cron(w.cronKey(), `{"databases":["south","north"]}`).want(404, "database_not_found")
}

func (w *world) lastUsed() *time.Time {
	w.t.Helper()
	return into[httpapi.CronKeyMasked](w.do(call{method: "GET", path: "/api/cron-key", role: access.Auditor}).want(200)).LastUsedAt
}

func checkLastUse(t *testing.T, w *world) {
	t.Helper()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	w.now.set(noon)
	want := func(when string, at time.Time) {
		t.Helper()
		if got := w.lastUsed(); (got == nil) != at.IsZero() || got != nil && !got.Equal(at) {
			t.Errorf("%s: last used at %v, want %s", when, got, at)
		}
	}
	first := w.cronKey()
	want("never used", time.Time{})
	w.cron(first[:len(first)-1]+"x", "").want(401)
	want("only refused", time.Time{})
	w.cron(first, "").want(202)
	want("used", noon)
	w.now.set(noon.Add(10 * time.Minute))
	w.cron(first, `{"databases":["nowhere"]}`).want(404)
	want("accepted, with a database that is not there", noon.Add(10*time.Minute))
	revealed := into[httpapi.CronKeyRevealed](w.do(call{method: "POST", path: "/api/cron-key/reveal", role: access.SuperAdmin}).want(200))
	if revealed.LastUsedAt == nil {
		t.Error("a revealed key does not say when it was used")
	}
	second := into[httpapi.CronKeyRevealed](w.do(call{method: "POST", path: "/api/cron-key/regenerate", role: access.SuperAdmin}).want(200).lacks("lastUsedAt")).Key
	want("rotated", time.Time{})
	w.now.set(noon.Add(20 * time.Minute))
	w.cron(first, "").want(401)
	want("the old one refused", time.Time{})
	w.cron(second, "").want(202)
	want("the new one used", noon.Add(20*time.Minute))
}

func TestCronKey_SaysWhenItWasLastUsed(t *testing.T) {
	t.Parallel()
	checkLastUse(t, newWorld(t))
}

func TestBucket_CronKeySaysWhenItWasLastUsed(t *testing.T) {
	t.Parallel()
	checkLastUse(t, newStored(t).world)
}

func TestCronKey_UseOfTheOldOneInItsGraceIsNotThatOfTheNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	graceful := cronkey.New(w.secrets, "cron-key", cronkey.Options{Grace: time.Hour})
	w = newWorld(t, func(o *httpapi.Options) { o.CronKey = graceful })
	old, err := graceful.Reveal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.do(call{method: "POST", path: "/api/cron-key/regenerate", role: access.SuperAdmin}).want(200)
	w.cron(old.Secret.Reveal(), "").want(202)
	if got := w.lastUsed(); got != nil {
		t.Errorf("the new key was used at %s", got)
	}
}

// forgetful uses can be neither written nor read, and never answer.
type forgetful struct{}

func (forgetful) Note(ctx context.Context, _ string, _ time.Time) error {
	<-ctx.Done()
	return ctx.Err()
}

func (forgetful) Last(ctx context.Context, _ string) (time.Time, error) {
	<-ctx.Done()
	return time.Time{}, ctx.Err()
}

func TestCron_UseThatCannotBeNotedStopsNoBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *httpapi.Options) { o.KeyUses = forgetful{} })
	key := w.cronKey()
	if out := into[httpapi.CronStarted](w.cron(key, "").want(202)); len(out.Items) != 2 || !out.Items[0].Started {
		t.Errorf("%+v", out)
	}
	if got := w.lastUsed(); got != nil {
		t.Errorf("last used at %s", got)
	}
	log := w.log.String()
	if !strings.Contains(log, "use of the cron key not noted") || !strings.Contains(log, "use of the cron key not read") || strings.Contains(log, key) ||
		strings.Contains(log, cronkey.Fingerprint(backup.Sensitive(key))) {
		t.Errorf("log: %s", log)
	}
}
