package e2e

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// cronKey keeps tests that replace the cron key from those that use it.
var cronKey sync.Mutex

type key struct {
	Masked, Key string
	CreatedBy   struct{ Kind, Name string }
	Rotations   int
}

type cronStarted struct {
	Items []struct {
		Database, Backup, State string
		Started                 bool
	}
}

func (w *world) cron(t *testing.T, key string, body any) answer {
	t.Helper()
	return w.do(t, request{method: "POST", path: "/cron/backups", header: map[string]string{"X-Cron-Key": key}, body: body})
}

func TestCronKey_StartsBackupsUntilItIsReplaced(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_cron", small)
	cronKey.Lock()
	defer cronKey.Unlock()

	old := into[key](w.do(t, request{method: "POST", path: "/api/cron-key/reveal", role: superAdmin}).want(200))
	masked := w.do(t, request{path: "/api/cron-key", role: auditor}).want(200)
	if len(old.Key) < 43 { // 256 bits in base64
		t.Errorf("a key of %d characters", len(old.Key))
	}
	if strings.Contains(string(masked.body), old.Key[4:]) || into[key](masked).Masked == "" {
		t.Errorf("masked: %s", masked.body)
	}

	named := map[string]any{"databases": []string{db}}
	first := oneOf(t, w.cron(t, old.Key, named).want(202))
	if first.Database != db || !first.Started {
		t.Errorf("the first call: %+v", first)
	}
	b := w.await(t, "/api/databases/"+db+"/backups/"+first.Backup, nil).wantState(t, "created")
	if b.RequestedBy.Kind != "cron-key" {
		t.Errorf("asked for by %+v", b.RequestedBy)
	}

	w.do(t, request{method: "POST", path: "/api/cron-key/regenerate", role: operator}).want(403, "permission_missing")
	fresh := into[key](w.do(t, request{method: "POST", path: "/api/cron-key/regenerate", role: superAdmin}).want(200))
	if fresh.Key == old.Key || fresh.Rotations != old.Rotations+1 || fresh.CreatedBy.Name != "Kim super-admin" {
		t.Errorf("after the rotation: %+v", fresh)
	}
	for _, wrong := range []string{old.Key, "", "x", strings.Repeat("x", len(old.Key)), fresh.Key + "x", fresh.Key[:len(fresh.Key)-1]} {
		a := w.cron(t, wrong, named).want(401, "cron_key_refused")
		if strings.Contains(string(a.body), fresh.Key) {
			t.Error("the refusal shows the key")
		}
	}
	w.cron(t, fresh.Key, named).want(202)
	log := string(w.do(t, request{path: "/api/activity?limit=100", role: auditor}).want(200).body)
	if !strings.Contains(log, `"cron-key.regenerate"`) || !strings.Contains(log, `"cron-key.reveal"`) || strings.Contains(log, fresh.Key) {
		t.Error("the activity log does not tell of the rotation, or tells too much")
	}
	w.cron(t, fresh.Key, map[string]any{"databases": []string{db, "no-such"}}).want(404, "database_not_found")
}

func oneOf(t *testing.T, a answer) (item struct {
	Database, Backup, State string
	Started                 bool
}) {
	t.Helper()
	list := into[cronStarted](a)
	if len(list.Items) != 1 {
		t.Fatalf("%s: %s", a.what, a.body)
	}
	return list.Items[0]
}

func TestCron_StartsOneBackupAMinute(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_minute", small)
	cronKey.Lock()
	defer cronKey.Unlock()
	k := into[key](w.do(t, request{method: "POST", path: "/api/cron-key/reveal", role: superAdmin}).want(200))
	body := map[string]any{"databases": []string{db}}

	// Calls over the turn of a minute prove nothing; two tries can't both be.
	for range 2 {
		minute := time.Now().Truncate(time.Minute)
		var calls sync.WaitGroup
		answers := make([]answer, 5)
		for i := range answers {
			calls.Go(func() { answers[i] = w.cron(t, k.Key, body) })
		}
		calls.Wait()
		started, ids := 0, map[string]bool{}
		for _, a := range answers {
			item := oneOf(t, a.want(202))
			ids[item.Backup] = true
			if item.Started {
				started++
			}
		}
		if !time.Now().Truncate(time.Minute).Equal(minute) {
			continue
		}
		if len(ids) != 1 || started != 1 {
			t.Errorf("five calls in a minute made %d backups; %d say that they started one", len(ids), started)
		}
		for id := range ids {
			w.await(t, "/api/databases/"+db+"/backups/"+id, nil).wantState(t, "created")
		}
		if n := len(into[page](w.do(t, request{path: "/api/databases/" + db + "/backups", role: auditor}).want(200)).Items); n != 1 {
			t.Errorf("%d backups", n)
		}
		return
	}
}

func TestSchedule_FiresAtItsTime(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := scheduled
	path := "/api/databases/" + db + "/backups"
	token := w.token(t, auditor)
	for deadline := w.scheduledAt.Add(patience); ; time.Sleep(200 * time.Millisecond) {
		list := into[page](w.do(t, request{path: path, token: token}).want(200))
		if len(list.Items) == 0 {
			if time.Now().After(deadline) {
				t.Fatalf("nothing was started at %s", w.scheduledAt)
			}
			continue
		}
		b := w.await(t, path+"/"+list.Items[0].ID, nil).wantState(t, "created")
		if b.RequestedBy.Kind != "schedule" {
			t.Errorf("asked for by %+v", b.RequestedBy)
		}
		if late := b.RequestedAt.Sub(w.scheduledAt); late < 0 || late > 30*time.Second {
			t.Errorf("asked for %s after its time", late)
		}
		return
	}
}
