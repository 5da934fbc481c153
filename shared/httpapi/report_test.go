package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

func rehearsedWith(report backup.Report) func(*backup.Restore) error {
	return func(r *backup.Restore) error {
		return errors.Join(running(r), r.Rehearse(1, report, nil, time.Now()))
	}
}

func TestReport_TellsWhatWouldChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report := backup.Report{
		Tables: []backup.TableChange{{Schema: "public", Table: "attendance", Live: 512, After: 100, Column: "created_at", NewestLive: "2026-11-22 08:00:00+00",
			NewestAfter: "2026-11-21 20:00:00+00", NewerInLive: 412}},
		Objects: []backup.ObjectChange{{Kind: "index", Name: "public.a_idx", Change: backup.Added}, {Kind: "view", Name: "public.v", Change: backup.Altered, Live: strings.Repeat("l", 900), After: "SELECT 2"}},
		ByHand:  []string{strings.Repeat("s", 900)}, Warnings: []string{"It needs 20 GB."}, Loader: backup.LoaderPrepared, ObjectCount: 3, LiveBytes: 60, CopyBytes: 63,
		Seconds: 12.5, RealSeconds: 14, ApplySeconds: 2, Unproven: true, FileDatabase: "school_production",
	}
	r := w.restore(true, rehearsedWith(report))
	d := w.seen(r.ID, access.Auditor)
	p := d.Report
	if p == nil || p.Tables[0] != (httpapi.TableChange(report.Tables[0])) || len(p.Objects) != 2 || p.Objects[0] != (httpapi.ObjectChange{Kind: "index", Name: "public.a_idx", Change: backup.Added}) ||
		len(p.Objects[1].Live) > 520 || p.ByHand[0] != report.ByHand[0] || p.Warnings[0] != report.Warnings[0] || p.LiveBytes != 60 || p.CopyBytes != 63 || p.Seconds != 12.5 ||
		p.RealSeconds != 14 || p.ApplySeconds != 2 || !p.Unproven || p.FileDatabase != "school_production" || p.LeftOut == nil || *p.LeftOut != (httpapi.LeftOut{Objects: 1}) {
		t.Errorf("%+v", p)
	}
	if *d.Summary != (httpapi.Summary{Tables: 1, Changed: 1, Objects: 3, ByHand: 1, Warnings: 1}) {
		t.Errorf("%+v", d.Summary)
	}
}

func TestReport_IsDownloadedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report := backup.Report{Loader: backup.LoaderPrepared}
	for i := range 15_000 {
		report.Tables = append(report.Tables, backup.TableChange{Schema: "public", Table: fmt.Sprint("t", i), Live: 1, After: 2})
		if i < 1500 {
			report.Skipped = append(report.Skipped, backup.Skipped{Line: int64(i), Text: strings.Repeat("x", 600), Why: "no"})
		}
	}
	r := w.restore(true, rehearsedWith(report), func(r *backup.Restore) error {
		r.Filename = "x\"; filename=\"evil.sql" // an upload's: it must not get into a header
		return nil
	})
	if v := w.seen(r.ID, access.Auditor).Report; len(v.Tables) != 10_000 || len(v.Skipped) != 1000 || v.LeftOut == nil || *v.LeftOut != (httpapi.LeftOut{Tables: 5000, Skipped: 500}) {
		t.Errorf("the view has %d tables and %d lines, and leaves out %+v", len(v.Tables), len(v.Skipped), v.LeftOut)
	}
	a := w.do(call{method: "GET", path: schoolRestores + "/" + r.ID + "/report", role: access.Auditor}).want(200).lacks(`"worker"`, "version-1", "subject-1")
	doc := into[httpapi.ReportDocument](a)
	if len(doc.Report.Tables) != 15_000 || len(doc.Report.Skipped) != 1500 || len(doc.Report.Skipped[0].Text) != 600 || doc.Report.LeftOut != nil || doc.Restore.ID != r.ID || doc.Restore.Can != nil {
		t.Errorf("%d tables, %d lines, left out %+v", len(doc.Report.Tables), len(doc.Report.Skipped), doc.Report.LeftOut)
	}
	kind, params, err := mime.ParseMediaType(a.header.Get("Content-Disposition"))
	if err != nil || kind != "attachment" || params["filename"] != "school-restore-"+r.ID+".json" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v, %v", a.header, err)
	}
	asLambdaAnswers(t, a.body)
}

// Names and definitions can be as long as the database allows, and of characters that weigh most.
func TestReport_ThatDoesNotFitSaysWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`"<`, 31)
	lists := map[string]func(p *backup.Report, i int){
		"tables": func(p *backup.Report, i int) {
			p.Tables = append(p.Tables, backup.TableChange{Schema: long, Table: fmt.Sprint(long, i), Column: long, NewestLive: long, NewestAfter: long})
		},
		"objects": func(p *backup.Report, i int) {
			p.Objects = append(p.Objects, backup.ObjectChange{Kind: "view", Name: fmt.Sprint(long, i), Change: backup.Altered, Live: strings.Repeat("\n", 3000), After: strings.Repeat("\x01", 3000)})
		},
		"skipped": func(p *backup.Report, i int) {
			p.Skipped = append(p.Skipped, backup.Skipped{Line: int64(i), Text: strings.Repeat(`"`, 3000), Why: long})
		},
		"byHand":   func(p *backup.Report, _ int) { p.ByHand = append(p.ByHand, strings.Repeat(long, 100)) },
		"warnings": func(p *backup.Report, _ int) { p.Warnings = append(p.Warnings, strings.Repeat(long, 100)) },
	}
	for name, add := range lists {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			report := backup.Report{Loader: backup.LoaderOwner}
			for i := range 6_000 {
				if add(&report, i); name != "tables" && i == 1200 {
					break
				}
			}
			r := w.restore(true, rehearsedWith(report))
			for _, path := range []string{"", "/report"} {
				a := w.do(call{method: "GET", path: schoolRestores + "/" + r.ID + path, role: access.Auditor}).want(200)
				asLambdaAnswers(t, a.body)
				var doc struct {
					Report struct {
						httpapi.Report
						LeftOut map[string]int `json:"leftOut"`
					} `json:"report"`
				}
				if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
					t.Fatal(err)
				}
				all := map[string]int{"tables": len(report.Tables), "objects": len(report.Objects), "skipped": len(report.Skipped), "byHand": len(report.ByHand), "warnings": len(report.Warnings)}[name]
				shown := map[string]int{"tables": len(doc.Report.Tables), "objects": len(doc.Report.Objects), "skipped": len(doc.Report.Skipped), "byHand": len(doc.Report.ByHand), "warnings": len(doc.Report.Warnings)}[name]
				if left := doc.Report.LeftOut[name]; left == 0 || shown < 100 || left+shown != all {
					t.Errorf("%s: of %d, %d are shown and %d left out", path, all, shown, left)
				}
			}
		})
	}
}

func TestReport_ThatWasNotMadeIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, r := range []backup.Restore{w.restore(true), w.restore(true, running), w.restore(false, failed), w.restore(false, restoredUntil(time.Now()))} {
		a := w.do(call{method: "GET", path: schoolRestores + "/" + r.ID + "/report", role: access.Auditor}).want(409, "report_not_made")
		if !strings.Contains(a.body, string(r.State)) || a.header.Get("Content-Disposition") != "" {
			t.Errorf("%s: %v %s", r.State, a.header, a.body)
		}
	}
}
