package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
	"github.com/backup-restore/backup-restore/shared/jobs"
)

// rescuing is a rescue on the engine's server.
type rescuing struct {
	e    *engine
	plan backup.RescuePlan
	text string
	over bool
}

func (e *engine) Rescue(ctx context.Context, _ backup.Target, _ backup.Attempt, p backup.RescuePlan) (backup.Rescuing, error) {
	if err := e.step(ctx, "rescue"); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.plan = p
	return &rescuing{e: e, plan: p}, nil
}

func (e *engine) FindRescue(ctx context.Context, _ backup.Target, _ backup.Attempt, r backup.Rescue) ([]backup.RescuedTable, bool, error) {
	if err := e.step(ctx, "recover"); err != nil {
		return nil, false, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.schemas[r.Schema] == "" {
		return nil, false, nil
	}
	return backBy(r.Tables), true, nil
}

// backBy are tables as the server describes them.
func backBy(tables []backup.RescuedTable) []backup.RescuedTable {
	tables = slices.Clone(tables)
	for i := range tables {
		tables[i].BringBack = "INSERT INTO " + tables[i].Name()
	}
	return tables
}

func (r *rescuing) Warnings() []string { return []string{"mind the subscribers"} }

func (r *rescuing) Load(ctx context.Context, report func(backup.Progress)) error {
	report(backup.Progress{Table: r.plan.Tables[0].Name(), TablesTotal: len(r.plan.Tables)})
	for _, s := range r.plan.Sources {
		for i := range s.Pieces {
			text, err := s.Piece(ctx, i)
			if err != nil {
				return err
			}
			all, err := io.ReadAll(text)
			_ = text.Close()
			if err != nil {
				return err
			}
			r.text += string(all)
		}
	}
	return r.e.step(ctx, "load")
}

func (r *rescuing) Verify(ctx context.Context, _ func(backup.Progress)) ([]backup.RescuedTable, error) {
	return backBy(r.plan.Tables), r.e.step(ctx, "verify")
}

func (r *rescuing) Commit(ctx context.Context, confirm func(context.Context) error) error {
	if err := errors.Join(r.e.step(ctx, "switch"), confirm(ctx)); err != nil {
		return err
	}
	r.e.switches.Add(1)
	r.e.mu.Lock()
	r.e.schemas[r.plan.Schema] = r.text
	r.e.mu.Unlock()
	return r.e.step(ctx, "switched")
}

func (r *rescuing) Discard(context.Context) { r.over = true }

// rescues are the schemas on the server.
func (e *engine) rescues() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.schemas)
}

func (m mortalEngine) Rescue(ctx context.Context, t backup.Target, a backup.Attempt, p backup.RescuePlan) (backup.Rescuing, error) {
	r, err := step(m.l, func() (backup.Rescuing, error) { return m.engine.Rescue(ctx, t, a, p) })
	return mortalRescuing{r, m.l}, err
}

type mortalRescuing struct {
	backup.Rescuing
	l life
}

func (m mortalRescuing) Commit(ctx context.Context, confirm func(context.Context) error) error {
	return act(m.l, func() error { return m.Rescuing.Commit(ctx, confirm) })
}

func (m mortalRescuing) Discard(ctx context.Context) {
	if m.Rescuing != nil {
		m.Rescuing.Discard(ctx)
	}
}

var indexedTables = []backup.TableRows{{Schema: "public", Table: "t", Rows: 2, Bytes: 4}, {Schema: "school", Table: "grade", Rows: 3, Bytes: 6}}

// indexedFile is a dump file of indexedTables. The second has two members.
func indexedFile(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	f := dumpfile.NewWriter(&out, dumpfile.Options{Head: dumpfile.Index{Engine: "postgres", Encoding: "UTF8"}})
	member := func(kind dumpfile.Kind, table int, rows, length int64, text string) {
		m := f.Member(kind, table)
		if _, err := io.WriteString(m, text); err != nil {
			t.Fatal(err)
		}
		m.Rows(rows, length)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range indexedTables {
		f.AddTable(dumpfile.Table{Schema: name.Schema, Name: name.Table, Columns: []dumpfile.Column{{Name: "a", Type: "integer", NotNull: true}}, Key: []string{"a"}})
	}
	member(dumpfile.Schema, -1, 0, 0, "CREATE TABLE t (a int);\n")
	member(dumpfile.Data, 0, 2, 4, "COPY public.t (a) FROM stdin;\n1\n2\n\\.\n")
	member(dumpfile.Data, 1, 2, 4, "COPY school.grade (a) FROM stdin;\n3\n4\n\\.\n")
	member(dumpfile.Data, 1, 1, 2, "COPY school.grade (a) FROM stdin;\n5\n\\.\n")
	member(dumpfile.Constraints, -1, 0, 0, "--\n")
	if _, err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// startRescue asks for the tables of these numbers out of a new backup.
func (w *world) startRescue(dryRun bool, tables ...int) backup.Restore {
	w.t.Helper()
	if w.engine.file == nil {
		w.engine.file = indexedFile(w.t)
	}
	b := w.created()
	o := backup.RestoreOptions{DryRun: dryRun}
	for _, i := range tables {
		o.Tables = append(o.Tables, indexedTables[i])
	}
	r, err := w.desk.StartRestore(w.t.Context(), backup.RestoreSource{Backup: &b}, "", o, anna)
	if err != nil {
		w.t.Fatalf("start the rescue: %v", err)
	}
	return r
}

func rescuedBy(id string) map[string]string {
	return map[string]string{"rescue_" + id: "COPY school.grade (a) FROM stdin;\n3\n4\n\\.\nCOPY school.grade (a) FROM stdin;\n5\n\\.\n"}
}

func (w *world) checkRescued(id string) {
	w.t.Helper()
	r := w.restore(id)
	if r.State != backup.Restored || r.Held != nil || len(r.Rescue.Tables) != 1 || r.Rescue.Tables[0].BringBack != "INSERT INTO school.grade" {
		w.t.Fatalf("restore is %s, rescue %+v: %+v", r.State, r.Rescue, r.Failure)
	}
	if got := w.engine.rescues(); !cmp.Equal(got, rescuedBy(id)) || w.engine.switches.Load() != 1 {
		w.t.Errorf("on the server are %v after %d commits", got, w.engine.switches.Load())
	}
	if w.engine.content(live) != original {
		w.t.Errorf("live is %s", w.engine.content(live))
	}
	w.server()
	w.holds()
	w.endedOnce(backup.RestoreJob, id, backup.Restored)
}

func (w *world) checkRescueRehearsed(id string) {
	w.t.Helper()
	r := w.restore(id)
	if r.State != backup.Rehearsed || r.Held != nil || r.Report == nil || len(w.engine.rescues()) != 0 || w.engine.switches.Load() != 0 {
		w.t.Fatalf("restore is %s, there are %v: %+v", r.State, w.engine.rescues(), r.Failure)
	}
	w.server()
	w.holds()
	w.endedOnce(backup.RestoreJob, id, backup.Rehearsed)
}

func TestRescue_PutsTheTablesThereAndHoldsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRescue(false, 1).ID
	w.work("second")
	w.checkRescued(id)
	r := w.restore(id)
	p := r.Report
	if p == nil || p.Rows != 3 || p.Loader != backup.LoaderOwner || !cmp.Equal(p.Warnings, []string{"mind the subscribers"}) || p.Seconds <= 0 || p.ApplySeconds != 0 {
		t.Errorf("report %+v", p)
	}
	for _, s := range []backup.Stage{backup.StageInspect, backup.StageStage, backup.StageLoad, backup.StageVerify} {
		if p.Stages[s].Started.IsZero() {
			t.Errorf("stage %s has no timing", s)
		}
	}
	plan := w.engine.plan
	if len(plan.Sources) != 1 || plan.Encoding != "UTF8" || !cmp.Equal(plan.Sources[0].Key, []string{"a"}) ||
		!cmp.Equal(plan.Sources[0].Columns, []backup.Column{{Name: "a", Type: "integer", NotNull: true}}) {
		t.Errorf("plan %+v", plan)
	}
	if c := plan.Comment; !strings.Contains(c, r.Filename) || !strings.Contains(c, id) || !strings.Contains(c, backup.IDTime(r.Backup).Format(time.RFC3339)) {
		t.Errorf("comment %q", c)
	}
	refused(t, r.CanApply(time.Now()), "apply_not_possible")
	refused(t, r.CanUndo(time.Now()), "undo_not_possible")
	if !w.backup(r.Backup).LastRehearsal.IsZero() {
		t.Error("one table proves nothing of the backup")
	}
	w.nothingOpen()
}

func TestRescue_IsOnRecordWithItsTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRescue(false, 1, 0).ID
	all, _, err := w.store.Activity().List(t.Context(), backup.Page{Limit: 1})
	if err != nil || len(all) != 1 || all[0].Action != "restore.rescue" || all[0].Target != id || !strings.HasSuffix(all[0].Detail, ": school.grade, public.t.") {
		t.Errorf("activity: %+v, %v", all, err)
	}
	w.startRescue(true, 0)
	if all, _, err = w.store.Activity().List(t.Context(), backup.Page{Limit: 1}); err != nil || all[0].Action != "restore.rehearse" || !strings.HasSuffix(all[0].Detail, ": public.t.") {
		t.Errorf("activity: %+v, %v", all, err)
	}
}

func TestRescue_ADryRunLeavesNothingAndNoOtherRehearsal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parked := w.rehearsed()
	id := w.startRescue(true, 0, 1).ID
	w.work("second")
	r := w.restore(id)
	if r.State != backup.Rehearsed || r.Held != nil || r.Report.RealSeconds <= 0 || len(w.engine.rescues()) != 0 || w.engine.switches.Load() != 0 {
		t.Fatalf("restore is %+v: %+v, there are %v", r, r.Failure, w.engine.rescues())
	}
	refused(t, r.CanApply(time.Now()), "apply_not_possible")
	w.server(parked.Held.Name)
	if w.restore(parked.ID).State != backup.Rehearsed {
		t.Error("another rehearsal is gone")
	}
}

func TestRescue_WhatCantBeReadFailsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*world, []byte) []byte // of the file
		after func(*world, backup.Restore)
		want  backup.Code
	}{
		"a damaged member": {spoil: func(w *world, file []byte) []byte {
			index, err := dumpfile.ReadIndex(func(offset, length int64) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(file[offset : offset+length])), nil
			}, int64(len(file)))
			if err != nil {
				w.t.Fatal(err)
			}
			file[index.Members[2].Offset+index.Members[2].Length-9] ^= 1
			return file
		}, want: backup.CodeFileChanged},
		"no index":        {spoil: func(_ *world, file []byte) []byte { return file[:len(file)-dumpfile.TrailerLength] }, want: backup.CodeFileChanged},
		"a damaged index": {spoil: func(_ *world, file []byte) []byte { file[len(file)-dumpfile.TrailerLength-20] ^= 1; return file }, want: backup.CodeFileChanged},
		"other rows":      {after: func(w *world, r backup.Restore) { w.alter(r, func(r *backup.Restore) { r.Rescue.Tables[0].Rows++ }) }, want: backup.CodeFileChanged},
		"no such table": {after: func(w *world, r backup.Restore) {
			w.alter(r, func(r *backup.Restore) { r.Rescue.Tables[0].Table = "x" })
		}, want: backup.CodeFileChanged},
		"the file is gone": {after: func(w *world, r backup.Restore) {
			_ = w.files.Delete(context.Background(), r.Source.Key, r.Source.VersionID)
		}, want: backup.CodeSourceGone},
		"the backup is gone": {after: func(w *world, r backup.Restore) {
			_ = w.store.Backups().Delete(context.Background(), r.Database, r.Backup)
		}, want: backup.CodeSourceGone},
		"another file": {after: func(w *world, r backup.Restore) { w.alter(r, func(r *backup.Restore) { r.Source.VersionID = "x" }) }, want: backup.CodeFileChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.engine.file = indexedFile(t)
			if tt.spoil != nil {
				w.engine.file = tt.spoil(w, w.engine.file)
			}
			r := w.startRescue(false, 1)
			if tt.after != nil {
				tt.after(w, r)
			}
			w.work("second")
			if r = w.restore(r.ID); r.State != backup.Failed || r.Failure.Code != tt.want || r.Failure.Hint == "" {
				t.Errorf("restore is %s: %+v", r.State, r.Failure)
			}
			if got := w.engine.rescues(); len(got) != 0 {
				t.Errorf("there are %v", got)
			}
			w.nothingOpen()
		})
	}
}

// alter changes the record of a restore.
func (w *world) alter(r backup.Restore, change func(*backup.Restore)) {
	w.t.Helper()
	if _, err := w.store.Restores().Update(context.Background(), r.Database, r.ID, func(r *backup.Restore) error { change(r); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func TestRescue_TheCommitsAnswerIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRescue(false, 1).ID
	w.engine.at = func(_ context.Context, step string) error {
		if step == "switched" {
			return errAway
		}
		return nil
	}
	w.work("second")
	w.checkRescued(id)
	w.nothingOpen()
}

func TestRescue_OfWhichNobodyLearnsTheEndSaysHowToFindOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRescue(false, 1).ID
	w.engine.at = away
	for range backup.MaxAttempts - 1 {
		if err := w.runner("loses the server").Work(t.Context(), "school"); !errors.Is(err, errAway) {
			t.Fatalf("work: %v", err)
		}
	}
	w.work("is the last")
	r := w.restore(id)
	if r.State != backup.Failed || r.Failure.Code != backup.CodeUnreachable || !strings.Contains(r.Failure.Hint, "rescue_"+id) || r.InDoubt() != "" {
		t.Errorf("restore is %s, in doubt %q: %+v", r.State, r.InDoubt(), r.Failure)
	}
	w.nothingOpen()
}

func TestRescue_OfALostLeaseIsNotCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRescue(false, 1).ID
	w.engine.at = func(_ context.Context, step string) error {
		if step == "switch" {
			return w.overwriteLock("another")
		}
		return nil
	}
	w.work("second")
	if r := w.restore(id); r.State != backup.Running || len(w.engine.rescues()) != 0 {
		t.Errorf("restore is %s, there are %v", r.State, w.engine.rescues())
	}
}

func TestRescue_CancelledAtEachStage(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"rescue", "load", "verify", "switch"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.startRescue(false, 1).ID
			w.cancelAt(id, stage)
			if r := w.restore(id); r.State != backup.Cancelled || r.Failure != nil || len(w.engine.rescues()) != 0 {
				t.Errorf("restore is %s, there are %v: %+v", r.State, w.engine.rescues(), r.Failure)
			}
			w.nothingOpen()
		})
	}
}

func TestStartRestore_OfSingleTablesIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := w.created()
	upload := w.received(gzipped(dumpText))
	o := backup.RestoreOptions{DryRun: true, Tables: indexedTables}
	_, err := w.desk.StartRestore(t.Context(), backup.RestoreSource{Backup: &plain}, "", o, anna)
	refused(t, err, "backup_not_indexed")
	_, err = w.desk.StartRestore(t.Context(), backup.RestoreSource{Upload: &upload}, "", o, anna)
	refused(t, err, "rescue_of_upload")
}

func TestSweep_SaysOfARescueThatNobodyTookUpAgainHowToFindOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.startRescue(false, 1)
	long := time.Now().Add(-3 * time.Hour)
	w.alter(r, func(r *backup.Restore) {
		r.State, r.Attempt, r.RequestedAt, r.StartedAt = backup.Running, 1, long, long
	})
	if hint := jobs.AbandonedHint(w.restore(r.ID), backup.OpenJob{Database: "school", Kind: backup.RestoreJob, ID: r.ID}, 1); !strings.Contains(hint, "rescue_"+r.ID) || strings.Contains(hint, "br_") {
		t.Errorf("hint %q", hint)
	}
}

func TestNewRescue_GivesEveryTableANameOfItsOwn(t *testing.T) {
	t.Parallel()
	id, long := backup.NewID(), strings.Repeat("ü", 40)
	tables := []backup.TableRows{{Schema: "a", Table: "t"}, {Schema: "b", Table: "t"}, {Schema: "c", Table: "a_t"}, {Schema: long, Table: "x" + long[:40]}, {Schema: "d", Table: "x" + long[:40]}, {Schema: "e", Table: "only"}}
	var got []string
	for _, r := range backup.NewRescue(id, backup.Backup{}, tables).Tables {
		got = append(got, r.As)
		if len(r.As) > 63 {
			t.Errorf("%q has %d bytes", r.As, len(r.As))
		}
	}
	want := []string{"a_t_2", "b_t", "a_t", strings.Repeat("ü", 31), "d_x" + long[:40], "only"}
	if !cmp.Equal(got, want) {
		t.Errorf("%s", cmp.Diff(want, got))
	}
}

// What a partial backup lacks concerns nobody who wants what it has.
func TestRescue_OutOfAPartialBackupNeedsNoAcknowledgement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.file = indexedFile(t)
	b, err := w.desk.StartBackup(t.Context(), school, "", backup.Selection{Include: []string{"school.*"}}, anna)
	if err != nil {
		t.Fatal(err)
	}
	w.work("first")
	b = w.backup(b.ID)
	r, err := w.desk.StartRestore(t.Context(), backup.RestoreSource{Backup: &b}, "", backup.RestoreOptions{Tables: indexedTables[1:]}, anna)
	if err != nil || r.Partial != nil {
		t.Fatalf("partial %v, %v", r.Partial, err)
	}
	w.work("second")
	w.checkRescued(r.ID)
}
