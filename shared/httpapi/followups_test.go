package httpapi_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

const confirmSchool = `{"confirm":"school"}`

// restore is a restore of a new backup that change has brought to where it is to be.
func (w *world) restore(dryRun bool, change ...func(*backup.Restore) error) backup.Restore {
	w.t.Helper()
	b := w.created("school")
	r := backup.Restore{Job: backup.Job{ID: backup.NewID(), Database: "school", State: backup.Queued, RequestedAt: w.now.Now(), RequestedBy: backup.Actor{Kind: backup.ByOperator, Subject: "subject-1", Name: "Ada"}},
		Backup: b.ID, Filename: b.Filename, DryRun: dryRun, Source: *b.File}
	for _, c := range change {
		if err := c(&r); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.restores.Create(w.t.Context(), "school", r.ID, r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func running(r *backup.Restore) error { return r.Begin("worker-1", time.Now()) }

// rehearsedUntil ends a dry run whose copy is kept until then.
func rehearsedUntil(until time.Time) func(*backup.Restore) error {
	return func(r *backup.Restore) error {
		return errors.Join(running(r), r.Rehearse(1, backup.Report{}, &backup.Held{Name: "br_copy", Bytes: 1 << 20, Until: until}, time.Now()))
	}
}

// restoredUntil ends a real run whose replaced database is kept until then.
func restoredUntil(until time.Time) func(*backup.Restore) error {
	return func(r *backup.Restore) error {
		return errors.Join(running(r), r.Switch(1, nil, backup.Switched{Downtime: 200 * time.Millisecond}, backup.Held{Name: "br_x_kept", Bytes: 3 << 20, Until: until}, time.Now()))
	}
}

func failed(r *backup.Restore) error {
	return r.Fail(0, backup.Failure{Code: backup.CodeLoadFailed, Reason: "Refused.", Log: "ERROR: its words"}, time.Now())
}

// following adds a follow-up that stands at state.
func following(kind backup.JobKind, state backup.State) func(*backup.Restore) error {
	return func(r *backup.Restore) error {
		err := r.Follow(kind, backup.NewID(), backup.Actor{Kind: backup.ByOperator, Subject: "subject-2", Name: "Bob"}, time.Now())
		if r.FollowUp != nil {
			r.FollowUp.State = state
		}
		return err
	}
}

func (w *world) seen(id string, role access.Role) httpapi.RestoreDetail {
	w.t.Helper()
	return into[httpapi.RestoreDetail](w.do(call{method: "GET", path: schoolRestores + "/" + id, role: role}).want(200))
}

// What can be done is told in the view, for each role, and the routes do just that.
func TestWhatCanBeDone_IsToldAndHeld(t *testing.T) {
	t.Parallel()
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	tests := []struct {
		name                string
		dryRun              bool
		change              []func(*backup.Restore) error
		apply, undo, cancel string // who may: "all" who have the permission for it, "rehearsers", "" nobody
	}{
		{"a queued dry run", true, nil, "", "", "rehearsers"},
		{"a running dry run", true, []func(*backup.Restore) error{running}, "", "", "rehearsers"},
		{"a queued real run", false, nil, "", "", "all"},
		{"a running real run", false, []func(*backup.Restore) error{running}, "", "", "all"},
		{"a rehearsed one", true, []func(*backup.Restore) error{rehearsedUntil(soon)}, "all", "", ""},
		{"a rehearsed one whose time is over", true, []func(*backup.Restore) error{rehearsedUntil(past)}, "", "", ""},
		{"a rehearsed one that kept nothing", true, []func(*backup.Restore) error{running, func(r *backup.Restore) error { return r.Rehearse(1, backup.Report{}, nil, time.Now()) }}, "", "", ""},
		{"an expired one", true, []func(*backup.Restore) error{rehearsedUntil(past), (*backup.Restore).Superseded}, "", "", ""},
		{"a rehearsed one that is being applied", true, []func(*backup.Restore) error{rehearsedUntil(soon), following(backup.ApplyJob, backup.Queued)}, "", "", "all"},
		{"a rehearsed one whose apply failed", true, []func(*backup.Restore) error{rehearsedUntil(soon), following(backup.ApplyJob, backup.Failed)}, "all", "", ""},
		{"a restored one", false, []func(*backup.Restore) error{restoredUntil(soon)}, "", "all", ""},
		{"a restored one whose time is over", false, []func(*backup.Restore) error{restoredUntil(past)}, "", "", ""},
		{"a restored one that is being undone", false, []func(*backup.Restore) error{restoredUntil(soon), following(backup.UndoJob, backup.Running)}, "", "", "all"},
		{"a restored one whose kept database is being dropped", false, []func(*backup.Restore) error{restoredUntil(soon), following(backup.DropJob, backup.Running)}, "", "", ""},
		{"a failed one", false, []func(*backup.Restore) error{failed}, "", "", ""},
		{"a cancelled one", true, []func(*backup.Restore) error{func(r *backup.Restore) error { return r.AskCancel(backup.Actor{}, time.Now()) }}, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, role := range []access.Role{access.Auditor, access.Staff, access.SuperAdmin} {
				for action, who := range map[string]string{"apply": tt.apply, "undo": tt.undo, "cancel": tt.cancel} {
					r := w.restore(tt.dryRun, tt.change...)
					can := w.seen(r.ID, role).Can
					told := map[string]httpapi.Possible{"apply": can.Apply, "undo": can.Undo, "cancel": can.Cancel}[action]
					may := role == access.SuperAdmin || role == access.Staff && who == "rehearsers"
					a := w.do(call{method: "POST", path: schoolRestores + "/" + r.ID + "/" + action, role: role, body: confirmSchool})
					switch {
					case who != "" && may:
						if !told.Allowed || told.Reason != "" || a.status != 202 {
							t.Errorf("%s as %s: told %+v, answered %d %s", action, role, told, a.status, a.body)
						}
						if got := into[httpapi.Restore](a); got.ID != r.ID || a.header.Get("Location") != schoolRestores+"/"+r.ID {
							t.Errorf("%s: %s", action, a.body)
						}
						continue
					case told.Allowed || told.Reason == "" || told.Hint == "":
						t.Errorf("%s as %s: told %+v", action, role, told)
					case who != "" && told.Permission == "" || who == "" && told.Permission != "":
						t.Errorf("%s as %s: told of the permission %q", action, role, told.Permission)
					}
					switch a.status {
					case 403:
						a.want(403, "permission_missing")
					case 409:
						a.want(409, action+"_not_possible")
						if p := a.problem(); p.Detail != told.Reason || p.Hint != told.Hint {
							t.Errorf("%s is refused with %q, and told is %q", action, p.Detail, told.Reason)
						}
					default:
						t.Errorf("%s as %s: %d %s", action, role, a.status, a.body)
					}
					if after, err := w.restores.Get(t.Context(), "school", r.ID); err != nil || after.State != r.State || (after.Cancel == nil) != (r.Cancel == nil) || (after.FollowUp == nil) != (r.FollowUp == nil) {
						t.Errorf("a refused %s changed the record: %+v, %v", action, after, err)
					}
				}
			}
		})
	}
}

func TestApplyAndUndo_NeedTheDatabasesName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	soon := time.Now().Add(time.Hour)
	for action, r := range map[string]backup.Restore{"apply": w.restore(true, rehearsedUntil(soon)), "undo": w.restore(false, restoredUntil(soon))} {
		do := func(body string) answer {
			return w.do(call{method: "POST", path: schoolRestores + "/" + r.ID + "/" + action, role: access.SuperAdmin, body: body})
		}
		for _, typed := range []string{"", "School", "school ", "chinook", r.ID, "br_copy"} {
			if p := do(`{"confirm":"`+typed+`"}`).want(422, "confirm_mismatch").problem(); p.Errors[0].Location != "body.confirm" {
				t.Errorf("%+v", p)
			}
		}
		do("").want(400, "json_invalid")
		do(`{}`).want(422, "request_invalid")
		do(`{"confirm":true}`).want(422, "request_invalid")
		do(`{"confirm":"school","force":true}`).want(422, "request_invalid")
		other := "/api/databases/chinook/restores/" + r.ID + "/"
		w.do(call{method: "POST", path: other + action, role: access.SuperAdmin, body: `{"confirm":"chinook"}`}).want(404, "restore_not_found")
		w.do(call{method: "POST", path: other + "cancel", role: access.SuperAdmin}).want(404, "restore_not_found")
		w.do(call{method: "GET", path: other + "report", role: access.SuperAdmin}).want(404, "restore_not_found")
		if after, err := w.restores.Get(t.Context(), "school", r.ID); err != nil || after.FollowUp != nil {
			t.Fatalf("%s was begun: %+v, %v", action, after.FollowUp, err)
		}
		got := into[httpapi.Restore](do(confirmSchool).want(202))
		if f := got.FollowUp; f == nil || string(f.Kind) != action || f.State != backup.Queued || f.RequestedBy.Name != "Ada super-admin" || f.ID == r.ID {
			t.Errorf("%s: %+v", action, got.FollowUp)
		}
	}
}

func TestApply_RepeatedUnderItsKeyHappensOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restore(true, rehearsedUntil(time.Now().Add(time.Hour)))
	apply := func(key string) answer {
		return w.do(call{method: "POST", path: schoolRestores + "/" + r.ID + "/apply", role: access.SuperAdmin, body: confirmSchool, header: map[string]string{"Idempotency-Key": key}})
	}
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i] = into[httpapi.Restore](apply("k").want(202)).FollowUp.ID })
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("one key began %q", ids)
		}
	}
	apply("another").want(409, "apply_not_possible")
	end := func(state backup.State) {
		t.Helper()
		_, err := w.restores.Update(t.Context(), "school", r.ID, func(r *backup.Restore) error { r.FollowUp.State = state; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	end(backup.Failed)
	if got := into[httpapi.Restore](apply("k").want(202)); got.FollowUp.ID != ids[0] || got.FollowUp.State != backup.Failed {
		t.Errorf("repeated after it failed: %+v", got.FollowUp)
	}
	second := into[httpapi.Restore](apply("k2").want(202)).FollowUp.ID
	end(backup.Failed)
	if second == ids[0] {
		t.Error("a fresh key began nothing")
	}
	// The first key's apply has been overtaken: to do it now would replace the live database a time that nobody asked for.
	apply("k").want(409, "idempotency_key_spent")
	if after, err := w.restores.Get(t.Context(), "school", r.ID); err != nil || after.FollowUp.ID != second {
		t.Errorf("%+v, %v", after.FollowUp, err)
	}
	// The same key is another one's for another restore, and for an undo.
	other := w.restore(false, restoredUntil(time.Now().Add(time.Hour)))
	w.do(call{method: "POST", path: schoolRestores + "/" + other.ID + "/undo", role: access.SuperAdmin, body: confirmSchool, header: map[string]string{"Idempotency-Key": "k"}}).want(202)
}

func TestApply_WhoseRequestWasCutOffIsTakenUpForMinutesOnly(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		w := newWorld(t)
		r := w.restore(true, rehearsedUntil(time.Now().Add(24*time.Hour)))
		apply := call{method: "POST", path: schoolRestores + "/" + r.ID + "/apply", role: access.SuperAdmin, body: confirmSchool, header: map[string]string{"Idempotency-Key": "k"}}
		w.cut = true
		w.do(apply).want(500, "internal_error")
		w.cut = false
		if late {
			w.now.set(time.Now().Add(6 * time.Minute))
			w.do(apply).want(409, "idempotency_key_spent")
			continue
		}
		if got := into[httpapi.Restore](w.do(apply).want(202)); got.FollowUp == nil {
			t.Error("the repeated call began nothing")
		}
	}
}

func TestCancel_OfWhatRunsIsAWish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cancel := func(r backup.Restore) httpapi.Restore {
		t.Helper()
		return into[httpapi.Restore](w.do(call{method: "POST", path: schoolRestores + "/" + r.ID + "/cancel", role: access.SuperAdmin}).want(202))
	}
	if got := cancel(w.restore(true)); got.State != backup.Cancelled || got.EndedAt == nil {
		t.Errorf("queued: %+v", got)
	}
	r := w.restore(true, running)
	if got := cancel(r); got.State != backup.Running || got.Cancel == nil || got.Cancel.By.Name != "Ada super-admin" {
		t.Errorf("running: %+v", got)
	}
	if got := w.seen(r.ID, access.Auditor); got.Cancel == nil {
		t.Errorf("the record does not show who wants it stopped: %+v", got)
	}
	w.do(call{method: "GET", path: schoolRestores + "/" + r.ID, role: access.Auditor}).lacks("subject-of")
	r = w.restore(true, rehearsedUntil(time.Now().Add(time.Hour)), following(backup.ApplyJob, backup.Running))
	if got := cancel(r); got.State != backup.Rehearsed || got.Cancel != nil || got.FollowUp.State != backup.Running || got.FollowUp.Cancel == nil {
		t.Errorf("an apply: %+v", got)
	}
}

func TestFollowUp_ThatFailedSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restore(true, rehearsedUntil(time.Now().Add(time.Hour)), following(backup.ApplyJob, backup.Queued), func(r *backup.Restore) error {
		return errors.Join(r.FollowUp.Begin("worker-7", time.Now()), r.FollowUp.Fail(1, backup.Failure{Code: backup.CodeSwitchBlocked, Reason: "Somebody is connected.", Hint: "Ask bob.", Log: "its own words"}, time.Now()))
	})
	got := w.seen(r.ID, access.Auditor)
	if f := got.FollowUp; f == nil || f.State != backup.Failed || f.Failure == nil || f.Failure.Code != backup.CodeSwitchBlocked || f.Failure.Hint != "Ask bob." || f.Failure.Log != "its own words" || f.Attempt != 1 || got.State != backup.Rehearsed {
		t.Errorf("%+v", got.FollowUp)
	}
	w.do(call{method: "GET", path: schoolRestores, role: access.Auditor}).want(200).has("Somebody is connected.").lacks("its own words", "worker-7", "subject-2")
}

func TestRestore_ShowsWhatItKeepsAndWhenItWasReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	until := time.Now().Add(time.Hour).UTC()
	r := w.restore(false, restoredUntil(until), func(r *backup.Restore) error {
		return errors.Join(following(backup.UndoJob, backup.Running)(r), r.FollowUp.Begin("worker-1", time.Now()),
			r.Undone(1, backup.Switched{Downtime: 50 * time.Millisecond}, backup.Held{Name: "br_y_kept", Bytes: 7, Until: until}, time.Now()))
	})
	got := w.seen(r.ID, access.Auditor)
	if got.State != backup.Undone || got.Held == nil || *got.Held != (httpapi.Held{Name: "br_y_kept", Bytes: 7, Until: until}) || got.DowntimeSeconds != 0.2 ||
		got.UndoDowntimeSeconds != 0.05 || got.SwitchedAt == nil || got.UndoneAt == nil || got.FollowUp.State != backup.Done {
		t.Errorf("%+v", got)
	}
	w.do(call{method: "GET", path: schoolRestores + "/" + r.ID, role: access.Auditor}).lacks(`"kept"`)
}

func TestQueuedJobs_SayWhatTheyWaitFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := into[httpapi.Backup](w.do(call{method: "POST", path: schoolBackups, role: access.Staff}).want(202))
	if first.WaitingFor != nil {
		t.Errorf("the first waits for %+v", first.WaitingFor)
	}
	second := into[httpapi.Backup](w.do(call{method: "POST", path: schoolBackups, role: access.Staff}).want(202))
	if second.WaitingFor == nil || second.WaitingFor.Running != nil || second.WaitingFor.Before != 1 {
		t.Errorf("nothing runs, and the second waits for %+v", second.WaitingFor)
	}
	r := w.restore(true, rehearsedUntil(time.Now().Add(time.Hour)))
	applied := into[httpapi.Restore](w.do(call{method: "POST", path: schoolRestores + "/" + r.ID + "/apply", role: access.SuperAdmin, body: confirmSchool}).want(202))
	u := w.announced()
	stored, _ := w.uploads.Get(t.Context(), "school", u.ID)
	w.box.put(stored.Key, stored.Size)
	w.locks.Hold("school", backup.Holder{Worker: "worker-1", Kind: backup.ApplyJob, Job: applied.FollowUp.ID})
	up := into[httpapi.Upload](w.do(call{method: "POST", path: schoolUploads + "/" + u.ID + "/complete", role: access.Staff}).want(202))
	want := httpapi.RunningJob{Kind: backup.ApplyJob, ID: applied.FollowUp.ID, Restore: r.ID}
	if up.WaitingFor == nil || up.WaitingFor.Running == nil || *up.WaitingFor.Running != want || up.WaitingFor.Before != 3 {
		t.Errorf("the upload waits for %+v", up.WaitingFor)
	}
	list := into[httpapi.BackupList](w.do(call{method: "GET", path: schoolBackups, role: access.Auditor}).want(200))
	for _, b := range list.Items {
		before := map[string]int{first.ID: 1, second.ID: 2}[b.ID]
		if b.State == backup.Queued && (b.WaitingFor == nil || b.WaitingFor.Running.ID != want.ID || b.WaitingFor.Before != before) || b.State != backup.Queued && b.WaitingFor != nil {
			t.Errorf("%s %s waits for %+v", b.State, b.ID, b.WaitingFor)
		}
	}
	if got := w.seen(r.ID, access.Auditor); got.WaitingFor != nil || got.FollowUp.WaitingFor == nil || got.FollowUp.WaitingFor.Before != 2 || got.FollowUp.WaitingFor.Running != nil {
		t.Errorf("the apply waits for %+v", got.FollowUp.WaitingFor)
	}
	w.do(call{method: "GET", path: "/api/databases/chinook/backups", role: access.Auditor}).want(200).lacks("waitingFor")
}

func TestFollowUp_ShowsItsProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restore(true, rehearsedUntil(time.Now().Add(time.Hour)), following(backup.ApplyJob, backup.Running))
	w.locks.Hold("school", backup.Holder{Worker: "worker-1", Kind: backup.ApplyJob, Job: r.FollowUp.ID, Progress: &backup.Progress{Stage: backup.StageSwitch}})
	if got := w.seen(r.ID, access.Auditor); got.Progress != nil || got.FollowUp.Progress == nil || got.FollowUp.Progress.Stage != backup.StageSwitch {
		t.Errorf("%+v", got.FollowUp)
	}
}

func TestDatabases_SayWhatRestoresKeep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list := func() []httpapi.Database {
		return into[httpapi.DatabaseList](w.do(call{method: "GET", path: "/api/databases", role: access.Auditor}).want(200)).Items
	}
	for _, d := range list() {
		if d.Held != nil {
			t.Errorf("%s: %+v", d.Name, d.Held)
		}
	}
	soon := time.Now().Add(time.Hour)
	for range 20 {
		w.holdings.put("school", w.restore(true, rehearsedUntil(soon)).ID)
	}
	w.holdings.put("school", w.restore(false, restoredUntil(soon)).ID)
	w.holdings.put("school", w.restore(false, failed).ID) // keeps nothing
	w.holdings.put("school", backup.NewID())              // its record is not there
	for _, d := range list() {
		switch {
		case d.Name == "chinook" && d.Held != nil:
			t.Errorf("chinook: %+v", d.Held)
		case d.Name == "school" && (d.Held == nil || *d.Held != (httpapi.HeldRoom{Databases: 21, Bytes: 23 << 20})):
			t.Errorf("school: %+v", d.Held)
		}
	}
}
