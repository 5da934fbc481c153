package httpapi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

// rescuable is a created backup of tables, of which single ones can be rescued.
func (w *world) rescuable(tables ...backup.TableRows) backup.Backup {
	w.t.Helper()
	b := w.created("school")
	w.set(b, func(b *backup.Backup) { b.Indexed, b.Tables = true, tables })
	return b
}

// rescueOf is the body of a request.
func rescueOf(b backup.Backup, more string, names ...string) string {
	text, _ := json.Marshal(names)
	return `{"source":{"backup":"` + b.ID + `"},"tables":` + string(text) + more + `}`
}

func TestRescue_IsADryRunUnlessItIsConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.rescuable(backup.TableRows{Schema: "school", Table: "grade", Rows: 3, Bytes: 30}, backup.TableRows{Schema: "a.b", Table: `q"t`, Rows: 1, Bytes: 2})
	post := func(role access.Role, body string) answer {
		return w.do(call{method: "POST", path: schoolRestores, role: role, body: body})
	}
	r := into[httpapi.Restore](post(access.Staff, rescueOf(b, "", "school.grade", `"a.b"."q""t"`, "school.grade")).want(202))
	want := &httpapi.Rescue{Schema: "rescue_" + r.ID, TableCount: 2, Tables: []httpapi.RescuedTable{
		{Name: "school.grade", Schema: "school", Table: "grade", As: "grade", Rows: 3, Bytes: 30}, {Name: `"a.b"."q""t"`, Schema: "a.b", Table: `q"t`, As: `q"t`, Rows: 1, Bytes: 2}}}
	if r.Rescue != nil {
		want.Comment = r.Rescue.Comment
	}
	if !r.DryRun || !cmp.Equal(r.Rescue, want) {
		t.Errorf("dry run %v; %s", r.DryRun, cmp.Diff(want, r.Rescue))
	}
	post(access.Staff, rescueOf(b, `,"dryRun":false,"confirm":"school"`, "school.grade")).want(403, "permission_missing")
	post(access.SuperAdmin, rescueOf(b, `,"dryRun":false,"confirm":"chinook"`, "school.grade")).want(422, "confirm_mismatch").has("puts tables into the live database").lacks("replaces")
	real := into[httpapi.Restore](post(access.SuperAdmin, rescueOf(b, `,"dryRun":false,"confirm":"school"`, "school.grade")).want(202))
	if real.DryRun || real.Rescue == nil || real.Rescue.Schema != "rescue_"+real.ID || real.Rescue.Drop != "" {
		t.Errorf("%+v", real)
	}
	if got := strings.Join(w.entries()[:2], "|"); got != "restore.rescue accepted "+real.ID+"|restore.rehearse accepted "+r.ID {
		t.Errorf("activity: %s", got)
	}
}

func TestRescue_RefusesWhatItCantDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.rescuable(backup.TableRows{Schema: "public", Table: "pupil", Rows: 1})
	old := w.created("school")
	failed := w.rescuable()
	w.set(failed, func(b *backup.Backup) { b.State, b.File = backup.Failed, nil })
	upload := backup.NewID()
	u := backup.Upload{Job: backup.Job{ID: upload, Database: "school", State: backup.Accepted}, Filename: "x.sql"}
	if err := w.uploads.Create(t.Context(), "school", upload, u); err != nil {
		t.Fatal(err)
	}
	many := make([]string, 101)
	for i := range many {
		many[i] = "public.pupil"
	}
	for name, tt := range map[string]struct {
		body   string
		status int
		code   string
		says   []string
	}{
		"an unknown table":    {rescueOf(b, "", "public.pupil", "public.nobody"), 422, "table_not_in_backup", []string{"public.nobody", "body.tables[1]"}},
		"another way to name": {rescueOf(b, "", `"public"."pupil"`), 422, "table_not_in_backup", nil},
		"no index":            {rescueOf(old, "", "public.students"), 409, "backup_not_indexed", []string{"from now on"}},
		"a failed backup":     {rescueOf(failed, "", "public.pupil"), 409, "backup_not_created", nil},
		"an upload":           {`{"source":{"upload":"` + upload + `"},"tables":["public.pupil"]}`, 422, "rescue_of_upload", []string{"body.tables"}},
		"an empty list":       {rescueOf(b, "", []string{}...), 422, "request_invalid", nil},
		"no list":             {`{"source":{"backup":"` + b.ID + `"},"tables":null}`, 422, "request_invalid", nil},
		"too many":            {rescueOf(b, "", many...), 422, "request_invalid", nil},
		"no backup":           {strings.Replace(rescueOf(b, "", "public.pupil"), b.ID, backup.NewID(), 1), 404, "backup_not_found", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w.do(call{method: "POST", path: schoolRestores, role: access.SuperAdmin, body: tt.body}).want(tt.status, tt.code).has(tt.says...)
		})
	}
	if all, _, err := w.restores.List(t.Context(), "school", backup.Page{Limit: 5}); err != nil || len(all) != 0 {
		t.Errorf("%d restores, %v", len(all), err)
	}
}

func TestRescue_ShowsTheSQLWhereItIsLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var tables []backup.TableRows
	var names []string
	for _, name := range []string{"a", "b", "c", "d"} {
		tables, names = append(tables, backup.TableRows{Schema: "public", Table: name, Rows: 1}), append(names, "public."+name)
	}
	b := w.rescuable(tables...)
	id := into[httpapi.Restore](w.do(call{method: "POST", path: schoolRestores, role: access.SuperAdmin, body: rescueOf(b, `,"dryRun":false,"confirm":"school"`, names...)}).want(202)).ID
	_, err := w.restores.Update(t.Context(), "school", id, func(r *backup.Restore) error {
		for i := range r.Rescue.Tables {
			r.Rescue.Tables[i].BringBack = "INSERT INTO public." + names[i] + ";"
		}
		r.Rescue.Tables[1].BringBack = strings.Repeat("x", 2<<20) // more than an answer holds
		return errors.Join(r.Begin("worker-1", time.Now()), r.Rescued(1, r.Rescue.Tables, &backup.Report{Rows: 4, Loader: backup.LoaderOwner}, time.Now()))
	})
	if err != nil {
		t.Fatal(err)
	}
	d := into[httpapi.RestoreDetail](w.do(call{method: "GET", path: schoolRestores + "/" + id, role: access.Auditor}).want(200))
	if d.Rescue == nil || d.State != backup.Restored || d.Rescue.Drop != "DROP SCHEMA rescue_"+id+" CASCADE;" || len(d.Rescue.Tables) != 4 ||
		d.Rescue.Tables[3].BringBack != "INSERT INTO public.public.d;" || d.Rescue.Tables[1].BringBack != "" {
		t.Errorf("%+v", d.Rescue)
	}
	if c := d.Can; c == nil || c.Apply.Allowed || c.Undo.Allowed || c.Cancel.Allowed || !strings.Contains(c.Undo.Reason, "nothing was replaced") {
		t.Errorf("can %+v", d.Can)
	}
	list := into[httpapi.RestoreList](w.do(call{method: "GET", path: schoolRestores, role: access.Auditor}).want(200).lacks("INSERT"))
	if r := list.Items[0].Rescue; r == nil || r.TableCount != 4 || len(r.Tables) != 3 {
		t.Errorf("in a list: %+v", r)
	}
	for _, action := range []string{"apply", "undo"} {
		w.do(call{method: "POST", path: schoolRestores + "/" + id + "/" + action, role: access.SuperAdmin, body: `{"confirm":"school"}`}).want(409, action+"_not_possible")
	}
}
