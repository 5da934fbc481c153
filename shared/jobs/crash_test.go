package jobs_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// rehearsed makes a restore that is rehearsed, and holds its copy.
func (w *world) rehearsed() backup.Restore {
	w.t.Helper()
	id := w.startRestore(w.created(), true).ID
	w.work("rehearsing")
	r := w.restore(id)
	if r.State != backup.Rehearsed || r.Held == nil {
		w.t.Fatalf("restore is %s, holds %+v: %+v", r.State, r.Held, r.Failure)
	}
	return r
}

// restored makes a restore that has replaced the database, and holds what was there.
func (w *world) restored() backup.Restore {
	w.t.Helper()
	id := w.startRestore(w.created(), false).ID
	w.work("restoring")
	r := w.restore(id)
	if r.State != backup.Restored || r.Held == nil {
		w.t.Fatalf("restore is %s, holds %+v: %+v", r.State, r.Held, r.Failure)
	}
	return r
}

func (w *world) apply(restore string) string {
	w.t.Helper()
	r, err := w.desk.Apply(w.t.Context(), "school", restore, "", anna)
	if err != nil {
		w.t.Fatalf("apply: %v", err)
	}
	return r.FollowUp.ID
}

func (w *world) undo(restore string) string {
	w.t.Helper()
	r, err := w.desk.Undo(w.t.Context(), "school", restore, "", anna)
	if err != nil {
		w.t.Fatalf("undo: %v", err)
	}
	return r.FollowUp.ID
}

// endWindow moves the end of what a restore holds into the past.
func (w *world) endWindow(restore string) {
	w.t.Helper()
	if _, err := w.store.Restores().Update(context.Background(), "school", restore, func(r *backup.Restore) error {
		r.Held.Until = time.Now().UTC().Add(-time.Second)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// received makes an upload whose file has arrived.
func (w *world) received(content []byte) backup.Upload {
	w.t.Helper()
	u, err := w.desk.Announce(w.t.Context(), school, "", backup.UploadFile{Filename: "theirs.sql.gz", Size: int64(len(content))}, anna)
	if err != nil {
		w.t.Fatalf("announce: %v", err)
	}
	w.send(u, content)
	if u, err = w.desk.Receive(w.t.Context(), u); err != nil {
		w.t.Fatalf("receive: %v", err)
	}
	return u
}

func (w *world) upload(id string) backup.Upload {
	w.t.Helper()
	u, err := w.store.Uploads().Get(context.Background(), "school", id)
	if err != nil {
		w.t.Fatalf("read upload: %v", err)
	}
	return u
}

// sweepAndWork is what happens in the minutes after a worker died, or a window ended.
func (w *world) sweepAndWork() {
	w.t.Helper()
	for range 2 {
		if err := w.sweeper().Sweep(context.Background()); err != nil {
			w.t.Errorf("sweep: %v", err)
		}
		w.work("after the sweep")
	}
}

// server fails the test unless these are the databases on the server besides live.
func (w *world) server(want ...string) {
	w.t.Helper()
	if got := w.engine.names(); !cmp.Equal(got, append([]string{}, want...)) && len(got)+len(want) > 0 {
		w.t.Errorf("on the server are %v, want %v", got, want)
	}
}

// ends are how often the activity log says that a job of a kind ended, on a record.
func (w *world) ends(kind backup.JobKind, target string) (results []string) {
	w.t.Helper()
	entries, _, err := w.store.Activity().List(context.Background(), backup.Page{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == string(kind)+".end" && e.Target == target {
			results = append(results, e.Result)
		}
	}
	return results
}

func (w *world) endedOnce(kind backup.JobKind, target string, want backup.State) {
	w.t.Helper()
	if got := w.ends(kind, target); !cmp.Equal(got, []string{string(want)}) {
		w.t.Errorf("activity has %v as ends of the %s, want %s once", got, kind, want)
	}
}

var crashes = map[string]struct {
	prepare func(*world) string
	check   func(*world, string)
}{
	"a dry run": {
		func(w *world) string { return w.startRestore(w.created(), true).ID },
		func(w *world, id string) {
			r := w.restore(id)
			if r.State != backup.Rehearsed || r.Held == nil || r.Report == nil {
				w.t.Fatalf("restore is %s, holds %+v: %+v", r.State, r.Held, r.Failure)
			}
			w.server(r.Held.Name)
			w.holds(id)
			if h, err := w.store.Holdings().Get(context.Background(), "school", id); err != nil || string(h.Memo) != memo {
				w.t.Errorf("holding %+v, %v", h, err)
			}
			w.endedOnce(backup.RestoreJob, id, backup.Rehearsed)
		},
	},
	"a real run": {
		func(w *world) string { return w.startRestore(w.created(), false).ID },
		func(w *world, id string) {
			r := w.restore(id)
			if r.State != backup.Restored || r.Held == nil || r.Held.Name != keptName(id) {
				w.t.Fatalf("restore is %s, holds %+v: %+v", r.State, r.Held, r.Failure)
			}
			w.server(keptName(id))
			w.holds(id)
			if w.engine.content(live) != id || w.engine.switches.Load() != 1 {
				w.t.Errorf("live is %s after %d switches", w.engine.content(live), w.engine.switches.Load())
			}
			w.endedOnce(backup.RestoreJob, id, backup.Restored)
		},
	},
	"a run that fails": {
		func(w *world) string {
			w.engine.verify = &backup.Error{Code: backup.CodeVerifyMismatch, Text: "a row is missing"}
			return w.startRestore(w.created(), false).ID
		},
		func(w *world, id string) {
			if r := w.restore(id); r.State != backup.Failed || r.Failure.Code != backup.CodeVerifyMismatch || r.Held != nil {
				w.t.Fatalf("restore is %s, holds %+v: %+v", r.State, r.Held, r.Failure)
			}
			w.server()
			w.holds()
			w.endedOnce(backup.RestoreJob, id, backup.Failed)
		},
	},
	"a run that is cancelled": {
		func(w *world) string {
			id := w.startRestore(w.created(), false).ID
			w.engine.at = func(ctx context.Context, step string) error {
				if step != "verify" {
					return nil
				}
				if r := w.restore(id); r.Cancel == nil {
					if _, err := w.desk.Cancel(context.Background(), "school", id, id, anna); err != nil {
						w.t.Errorf("cancel: %v", err)
					}
				}
				<-ctx.Done()
				return ctx.Err()
			}
			return id
		},
		func(w *world, id string) {
			if r := w.restore(id); r.State != backup.Cancelled || r.Failure != nil || r.Held != nil {
				w.t.Fatalf("restore is %s, holds %+v: %+v", r.State, r.Held, r.Failure)
			}
			w.server()
			w.holds()
			w.endedOnce(backup.RestoreJob, id, backup.Cancelled)
		},
	},
	"a run that supersedes a rehearsal": {
		func(w *world) string {
			w.rehearsed()
			return w.startRestore(w.created(), true).ID
		},
		func(w *world, id string) {
			r := w.restore(id)
			if r.State != backup.Rehearsed || r.Held == nil {
				w.t.Fatalf("restore is %s, holds %+v: %+v", r.State, r.Held, r.Failure)
			}
			w.server(r.Held.Name)
			w.holds(id)
			all, _, err := w.store.Restores().List(context.Background(), "school", backup.Page{Limit: 10})
			if err != nil || len(all) != 2 || all[1].State != backup.Expired || all[1].Held != nil {
				w.t.Errorf("the earlier one is %+v, %v", all[1], err)
			}
		},
	},
	"a rescue":              {func(w *world) string { return w.startRescue(false, 1).ID }, (*world).checkRescued},
	"a dry run of a rescue": {func(w *world) string { return w.startRescue(true, 1).ID }, (*world).checkRescueRehearsed},
	"an apply": {
		func(w *world) string { id := w.rehearsed().ID; w.apply(id); return id },
		func(w *world, id string) {
			r := w.restore(id)
			if r.State != backup.Restored || r.Held == nil || r.Held.Name != keptName(r.FollowUp.ID) || r.FollowUp.State != backup.Done || r.SwitchedAt.IsZero() {
				w.t.Fatalf("restore is %s, holds %+v, follow-up %+v", r.State, r.Held, r.FollowUp)
			}
			w.server(r.Held.Name)
			w.holds(id)
			if w.engine.content(live) != id || w.engine.switches.Load() != 1 {
				w.t.Errorf("live is %s after %d switches", w.engine.content(live), w.engine.switches.Load())
			}
			w.endedOnce(backup.ApplyJob, id, backup.Done)
		},
	},
	"an apply that fails": {
		func(w *world) string {
			id := w.rehearsed().ID
			w.engine.onSwitch = func(context.Context) error {
				return &backup.Error{Code: backup.CodeSwitchBlocked, Text: "a session does not end"}
			}
			w.apply(id)
			return id
		},
		func(w *world, id string) {
			r := w.restore(id)
			if r.State != backup.Rehearsed || r.Held == nil || r.FollowUp.State != backup.Failed || r.FollowUp.Failure.Code != backup.CodeSwitchBlocked {
				w.t.Fatalf("restore is %s, holds %+v, follow-up %+v", r.State, r.Held, r.FollowUp)
			}
			w.server(r.Held.Name)
			w.holds(id)
			if w.engine.content(live) != original {
				w.t.Errorf("live is %s", w.engine.content(live))
			}
		},
	},
	"an undo": {
		func(w *world) string { id := w.restored().ID; w.undo(id); return id },
		func(w *world, id string) {
			r := w.restore(id)
			if r.State != backup.Undone || r.Held == nil || r.Held.Name != keptName(r.FollowUp.ID) || r.FollowUp.State != backup.Done || r.UndoneAt.IsZero() {
				w.t.Fatalf("restore is %s, holds %+v, follow-up %+v", r.State, r.Held, r.FollowUp)
			}
			w.server(r.Held.Name)
			w.holds(id)
			if w.engine.content(live) != original || w.engine.undos.Load() != 1 {
				w.t.Errorf("live is %s after %d undos", w.engine.content(live), w.engine.undos.Load())
			}
			w.endedOnce(backup.UndoJob, id, backup.Done)
		},
	},
	"a drop": {
		func(w *world) string {
			id := w.rehearsed().ID
			w.endWindow(id)
			if err := w.sweeper().Sweep(context.Background()); err != nil {
				w.t.Fatal(err)
			}
			return id
		},
		func(w *world, id string) {
			if r := w.restore(id); r.State != backup.Expired || r.Held != nil || r.FollowUp.State != backup.Done {
				w.t.Fatalf("restore is %s, holds %+v, follow-up %+v", r.State, r.Held, r.FollowUp)
			}
			w.server()
			w.holds()
		},
	},
	"an inspection": {
		func(w *world) string { return w.received(gzipped(dumpText)).ID },
		func(w *world, id string) {
			if u := w.upload(id); u.State != backup.Accepted || u.File.SHA256 == "" || u.Inspection == nil {
				w.t.Fatalf("upload is %+v: %+v", u, u.Failure)
			}
			w.endedOnce(backup.InspectJob, id, backup.Accepted)
		},
	},
}

// A worker that dies at whichever step, before or after the step had its effect, leaves nothing that the next one does not bring to the
// same end: nothing is done twice, nothing is forgotten on the server, nothing stays open.
func TestWork_WhereverAWorkerDiesTheJobComesToItsEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range crashes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// How many steps there are tells one that lives.
			w := newWorld(t)
			ctx, l := lives(t.Context(), math.MaxInt32)
			id := tt.prepare(w)
			if err := w.runnerBy("first", l).Work(ctx, "school"); err != nil {
				t.Fatal(err)
			}
			tt.check(w, id)
			w.nothingOpen()
			for steps := range math.MaxInt32 - l.left.Load() {
				t.Run(fmt.Sprintf("after %d steps", steps), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					id := tt.prepare(w)
					ctx, l := lives(t.Context(), steps)
					err := w.runnerBy("dies", l).Work(ctx, "school")
					t.Logf("the worker ended: %v", err)
					w.sweepAndWork()
					tt.check(w, id)
					w.nothingOpen()
				})
			}
		})
	}
}
