package httpapi_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

const schoolRestores = "/api/databases/school/restores"

func TestRestore_IsADryRunUnlessAskedOtherwise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	source := `"source":{"backup":"` + b.ID + `"}`
	tests := []struct {
		body   string
		dryRun bool
	}{
		{`{` + source + `}`, true},
		{`{` + source + `,"dryRun":true}`, true},
		{`{` + source + `,"dryRun":true,"confirm":"something"}`, true},
		{`{` + source + `,"confirm":"school"}`, true},
		{`{` + source + `,"dryRun":false,"confirm":"school"}`, false},
	}
	for _, tt := range tests {
		a := w.do(call{method: "POST", path: schoolRestores, role: access.SuperAdmin, body: tt.body}).want(202)
		r := into[httpapi.Restore](a)
		if r.DryRun != tt.dryRun || r.State != backup.Queued || r.Source.Backup != b.ID || a.header.Get("Location") != schoolRestores+"/"+r.ID {
			t.Errorf("%s made %+v", tt.body, r)
		}
		stored, err := w.restores.Get(t.Context(), "school", r.ID)
		if err != nil || stored.DryRun != tt.dryRun || stored.Source != *b.File || stored.RequestedBy.Subject != "subject-of-super-admin" {
			t.Errorf("stored %+v, %v", stored, err)
		}
	}
	if got := w.bell.Rings("school"); got != len(tests) {
		t.Errorf("the bell rang %d times", got)
	}
}

func TestRestore_ShowsItsReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	id := into[httpapi.Restore](w.do(call{method: "POST", path: schoolRestores, role: access.Staff, body: `{"source":{"backup":"` + b.ID + `"}}`}).want(202)).ID
	report := backup.Report{
		Tables:  []backup.TableChange{{Schema: "public", Table: "students", Live: 12, After: 12}, {Schema: "public", Table: "grades", Live: 29, After: 30}, {Schema: "public", Table: "gone", Live: 1, After: -1}},
		Skipped: []backup.Skipped{{Line: 3, Text: strings.Repeat("é", 400), Why: "needs a superuser"}}, ByHand: []string{"ALTER ROLE x SET y;"},
		Loader: backup.LoaderThrowAway, Statements: 99, Rows: 42,
		Stages: map[backup.Stage]backup.Timing{backup.StageLoad: {Started: time.Now(), Seconds: 2}, backup.StageInspect: {Started: time.Now(), Seconds: 1}},
	}
	_, err := w.restores.Update(t.Context(), "school", id, func(r *backup.Restore) error {
		return errors.Join(r.Begin("worker-1", time.Now()), r.Rehearse(1, report, nil, time.Now()))
	})
	if err != nil {
		t.Fatal(err)
	}
	a := w.do(call{method: "GET", path: schoolRestores + "/" + id, role: access.Auditor}).want(200)
	a.lacks(`"worker"`, "version-1", "backups/school", "subject-of")
	d := into[httpapi.RestoreDetail](a)
	if d.State != backup.Rehearsed || d.Summary == nil || *d.Summary != (httpapi.Summary{Tables: 3, Changed: 2, Rows: 42, Statements: 99, Skipped: 1, ByHand: 1}) {
		t.Errorf("summary: %+v", d.Summary)
	}
	if p := d.Report; p == nil || len(p.Tables) != 3 || p.Tables[1].Live != 29 || len(p.Stages) != 2 || p.Stages[0].Stage != backup.StageInspect ||
		p.Skipped[0].Line != 3 || len(p.Skipped[0].Text) > 520 || !strings.HasSuffix(p.Skipped[0].Text, "é …") || p.ByHand[0] != report.ByHand[0] {
		t.Errorf("report: %+v", p)
	}
	w.do(call{method: "GET", path: schoolRestores, role: access.Auditor}).want(200).lacks(`"report"`, "needs a superuser").has(`"summary"`)
}

func TestRestoreOfAnotherDatabase_IsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	w.do(call{method: "POST", path: "/api/databases/chinook/restores", role: access.SuperAdmin,
		body: `{"source":{"backup":"` + b.ID + `"},"dryRun":false,"confirm":"chinook"}`}).want(404, "backup_not_found")
}
