package httpapi

import (
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Restore is a restore as lists show it.
type Restore struct {
	Job
	State          backup.State   `json:"state" enum:"queued,running,rehearsed,restored,failed,cancelled,expired,undone" doc:"Where it stands. A dry run ends as rehearsed, and as expired when its copy is not kept any more; a real run, or a rehearsal that was applied, ends as restored, and as undone when the replaced database was brought back. A failed or cancelled restore left the live database as it was, unless its failure says that this is not known."`
	Source         Source         `json:"source" doc:"What is restored."`
	Filename       string         `json:"filename" doc:"The name of the file that is restored." example:"school-20261122-031500.sql.gz"`
	DryRun         bool           `json:"dryRun" doc:"Whether it stops before it would replace the live database."`
	AcceptUnproven bool           `json:"acceptUnproven,omitempty" doc:"Whether who asked for it knew that nothing proves the file to be complete."`
	Partial        *Selection     `json:"partial,omitempty" doc:"Of which tables the backup has the rows: the others are empty in the copy. Absent where of all."`
	AcceptPartial  bool           `json:"acceptPartial,omitempty" doc:"Whether who asked for it knew that the others are empty afterwards. Without it a rehearsal of a partial backup can't be applied."`
	Summary        *Summary       `json:"summary,omitempty" doc:"What was found, in numbers. Absent until verified."`
	Held           *Held          `json:"held,omitempty" doc:"The database that it keeps on the server: the copy of a rehearsal, the database that was replaced, or after an undo the one that was replaced by that. Absent where none is kept."`
	FollowUp       *FollowUp      `json:"followUp,omitempty" doc:"What was last done with it after it had ended, or is being done."`
	InDoubt        backup.JobKind `json:"inDoubt,omitempty" enum:"restore,apply,undo" doc:"The job of which it is not known whether it replaced the live database: the restore itself, or what followed it. The server is asked as soon as it answers. Absent where it is known."`
	Can            *Can           `json:"can,omitempty" doc:"What can be done with it now, by who asks. Not in the downloaded report."`

	DowntimeSeconds     float64    `json:"downtimeSeconds,omitempty" doc:"How long the database could not be reached while it was replaced, in seconds. Absent where it was not measured."`
	SwitchedAt          *time.Time `json:"switchedAt,omitempty" doc:"When the live database was replaced."`
	UndoDowntimeSeconds float64    `json:"undoDowntimeSeconds,omitempty" doc:"How long the database could not be reached while the undo brought the old one back, in seconds. Absent where it was not measured."`
	UndoneAt            *time.Time `json:"undoneAt,omitempty" doc:"When the replaced database was brought back."`
}

// Source is what a restore restores: one of the two.
type Source struct {
	Backup string `json:"backup,omitempty" minLength:"26" maxLength:"26" pattern:"^[0-7][0-9a-hjkmnp-tv-z]{25}$" patternDescription:"an id" doc:"The id of a backup of the same database." example:"01kax5r9mv4e8c0d2n6h3tqz7w"`
	Upload string `json:"upload,omitempty" minLength:"26" maxLength:"26" pattern:"^[0-7][0-9a-hjkmnp-tv-z]{25}$" patternDescription:"an id" doc:"The id of an upload for the same database." example:"01kax5r9mv4e8c0d2n6h3tqz7w"`
}

// Summary is a restore's report in numbers.
type Summary struct {
	Tables     int   `json:"tables" doc:"Tables in the restored copy or in live."`
	Changed    int   `json:"changed" doc:"Tables whose number of rows differs from live, or that live lacks or has alone."`
	Objects    int   `json:"objects" doc:"Schema objects that the copy has more, less or otherwise than live."`
	Rows       int64 `json:"rows" doc:"Rows in the restored copy."`
	Statements int64 `json:"statements" doc:"Statements that were run."`
	Skipped    int   `json:"skipped" doc:"Statements that were not run."`
	ByHand     int   `json:"byHand" doc:"Statements that an administrator may want to run by hand."`
	Warnings   int   `json:"warnings" doc:"Things that one should know and that keep nothing from going on."`
}

// Held is a database that a restore keeps on the server.
type Held struct {
	Name  string    `json:"name" doc:"Its name on the server." example:"br_01kax5r9mv4e8c0d2n6h3tqz7w_kept"`
	Bytes int64     `json:"bytes,omitempty" doc:"What it takes of the server's disk. Absent where that could not be asked."`
	Until time.Time `json:"until" doc:"When its window ends: until then it can be applied or brought back, and soon after it is dropped."`
}

// FollowUp is a job that follows a restore.
type FollowUp struct {
	Job
	Kind  backup.JobKind `json:"kind" enum:"apply,undo,drop" doc:"What it does: apply puts the rehearsed copy in the live database's place, undo brings the replaced database back, drop removes a database whose time has ended."`
	State backup.State   `json:"state" enum:"queued,running,done,failed,cancelled" doc:"Where it stands. One that failed or was cancelled left the live database as it was, unless its failure says that this is not known."`
}

// RestoreDetail is a restore with its report.
type RestoreDetail struct {
	Restore
	Report *Report `json:"report,omitempty" doc:"What was found. Absent until verified."`
}

// Report is what a restore found before it would replace the live database.
type Report struct {
	Tables       []TableChange    `json:"tables" doc:"Each table as it is live and as it would be after."`
	Objects      []ObjectChange   `json:"objects,omitempty" doc:"Schema objects that the copy has more, less or otherwise than live."`
	Skipped      []Skipped        `json:"skipped,omitempty" doc:"Statements of the file that were not run."`
	ByHand       []string         `json:"byHand,omitempty" doc:"SQL for what can't be carried over from the live database."`
	Warnings     []string         `json:"warnings,omitempty" doc:"What one should know and what keeps nothing from going on."`
	Loader       backup.Loader    `json:"loader" enum:"prepared,throw-away,owner" doc:"The login that loaded: one prepared for restores, one made for this restore, or the owner of the database."`
	Stages       []StageOfRestore `json:"stages" doc:"How long each stage took, in their order."`
	Seconds      float64          `json:"seconds,omitempty" doc:"How long this run took, in seconds."`
	RealSeconds  float64          `json:"realSeconds,omitempty" doc:"How long a real run would take, in seconds: an estimate."`
	ApplySeconds float64          `json:"applySeconds,omitempty" doc:"How long it would take to apply the copy as it stands, in seconds: an estimate."`
	LiveBytes    int64            `json:"liveBytes,omitempty" doc:"What the live database takes of the server's disk. Absent where that could not be asked."`
	CopyBytes    int64            `json:"copyBytes,omitempty" doc:"What the copy takes of the server's disk. Absent where that could not be asked."`
	Unproven     bool             `json:"unproven,omitempty" doc:"Whether nothing proves the file to be complete."`
	FileDatabase string           `json:"fileDatabase,omitempty" doc:"The name under which the file thought its database lived. Absent where it names none." example:"school_production"`
	LeftOut      *LeftOut         `json:"leftOut,omitempty" doc:"How much of the lists is left out here, as the answer or the record would be too large. Absent where they are complete."`
}

// LeftOut is how many items the lists of a report leave out. The first ones are there.
type LeftOut struct {
	Tables   int `json:"tables" doc:"Of tables."`
	Objects  int `json:"objects" doc:"Of objects."`
	Skipped  int `json:"skipped" doc:"Of skipped."`
	ByHand   int `json:"byHand" doc:"Of byHand."`
	Warnings int `json:"warnings" doc:"Of warnings."`
}

// TableChange is a table as it is live and as it would be.
type TableChange struct {
	Schema      string `json:"schema" doc:"The table's schema." example:"public"`
	Table       string `json:"table" doc:"The table's name." example:"students"`
	Live        int64  `json:"live" doc:"Rows now; -1 where there is no such table, or it may not be read."`
	After       int64  `json:"after" doc:"Rows afterwards; -1 where there will be no such table."`
	Column      string `json:"column,omitempty" doc:"The column by which the newest row is told. Absent where the table has none that is fit." example:"created_at"`
	NewestLive  string `json:"newestLive,omitempty" doc:"The newest value of that column now, in the server's words. Absent where there is no row." example:"2026-11-22 08:14:03+00"`
	NewestAfter string `json:"newestAfter,omitempty" doc:"The newest value of that column afterwards. Absent where there is no row." example:"2026-11-22 03:15:00+00"`
	NewerInLive int64  `json:"newerInLive,omitempty" doc:"Rows now whose value comes after the newest one afterwards: they would be lost."`
}

// ObjectChange is a schema object that differs between live and the copy.
type ObjectChange struct {
	Kind   string        `json:"kind" doc:"Such as table, column, index, constraint, view, function, trigger, policy, type, sequence, extension." example:"index"`
	Name   string        `json:"name" doc:"Its name in full." example:"public.students_name_idx"`
	Change backup.Change `json:"change" enum:"added,removed,changed" doc:"What would happen to it."`
	Live   string        `json:"live,omitempty" doc:"Its definition now, shortened, where it would be changed."`
	After  string        `json:"after,omitempty" doc:"Its definition afterwards, shortened, where it would be changed."`
}

// Skipped is a statement that was not run.
type Skipped struct {
	Line int64  `json:"line" doc:"Its line in the uncompressed file, from 1."`
	Text string `json:"text" doc:"The statement, shortened."`
	Why  string `json:"why" doc:"Why it was not run."`
}

// StageOfRestore is how long a stage took.
type StageOfRestore struct {
	Stage     backup.Stage `json:"stage" enum:"inspect,stage,load,verify,compare,switch" doc:"Which."`
	StartedAt time.Time    `json:"startedAt" doc:"When it began."`
	Seconds   float64      `json:"seconds" doc:"How long it took, in seconds."`
}

func restoreView(r backup.Restore, withLog bool) Restore {
	v := Restore{Job: jobView(r.Job, withLog), State: r.State, Source: Source{Backup: r.Backup, Upload: r.Upload}, Filename: r.Filename, DryRun: r.DryRun,
		AcceptUnproven: r.AcceptUnproven, Partial: selectionView(r.Partial), AcceptPartial: r.AcceptPartial, InDoubt: r.InDoubt(), DowntimeSeconds: r.Downtime.Seconds(), SwitchedAt: moment(r.SwitchedAt),
		UndoDowntimeSeconds: r.UndoDowntime.Seconds(), UndoneAt: moment(r.UndoneAt)}
	if h := r.Held; h != nil {
		v.Held = &Held{Name: h.Name, Bytes: h.Bytes, Until: h.Until.UTC()}
	}
	if f := r.FollowUp; f != nil {
		v.FollowUp = &FollowUp{Job: jobView(f.Job, withLog), Kind: f.Kind, State: f.State}
	}
	if p := r.Report; p != nil {
		v.Summary = &Summary{Tables: len(p.Tables), Objects: objectCount(*p), Rows: p.Rows, Statements: p.Statements, Skipped: len(p.Skipped),
			ByHand: len(p.ByHand), Warnings: len(p.Warnings)}
		for _, t := range p.Tables {
			if t.Changed() {
				v.Summary.Changed++
			}
		}
	}
	return v
}

// objectCount is how many schema objects differ, of which a record holds the first only.
func objectCount(p backup.Report) int { return max(int(p.ObjectCount), len(p.Objects)) }

func restoreDetail(r backup.Restore) RestoreDetail {
	v := RestoreDetail{Restore: restoreView(r, true)}
	if r.Report != nil {
		v.Report = reportView(*r.Report, maxView, maxRows, short)
	}
	return v
}

// reportView is a report within the given room, with at most that many tables and a tenth of that of everything else. cut shortens
// statements and definitions.
func reportView(p backup.Report, left room, most int, cut func(string) string) *Report {
	v := &Report{Loader: p.Loader, Stages: stageViews(p.Stages), Seconds: p.Seconds, RealSeconds: p.RealSeconds, ApplySeconds: p.ApplySeconds,
		LiveBytes: p.LiveBytes, CopyBytes: p.CopyBytes, Unproven: p.Unproven, FileDatabase: p.FileDatabase}
	// What one has to act upon comes first: it is short, and what is long must not push it out.
	v.Warnings = fill(&left, p.Warnings, most/10, cut)
	v.ByHand = fill(&left, p.ByHand, most/10, func(s string) string { return s }) // SQL to run: never cut
	v.Objects = fill(&left, p.Objects, most/10, func(o backup.ObjectChange) ObjectChange {
		return ObjectChange{Kind: o.Kind, Name: o.Name, Change: o.Change, Live: cut(o.Live), After: cut(o.After)}
	})
	v.Tables = fill(&left, p.Tables, most, func(t backup.TableChange) TableChange {
		return TableChange{Schema: t.Schema, Table: t.Table, Live: t.Live, After: t.After, Column: t.Column, NewestLive: t.NewestLive,
			NewestAfter: t.NewestAfter, NewerInLive: t.NewerInLive}
	})
	v.Skipped = fill(&left, p.Skipped, most/10, func(s backup.Skipped) Skipped { return Skipped{Line: s.Line, Text: cut(s.Text), Why: s.Why} })
	out := LeftOut{Tables: len(p.Tables) - len(v.Tables), Objects: objectCount(p) - len(v.Objects), Skipped: len(p.Skipped) - len(v.Skipped),
		ByHand: len(p.ByHand) - len(v.ByHand), Warnings: len(p.Warnings) - len(v.Warnings)}
	if out != (LeftOut{}) {
		v.LeftOut = &out
	}
	return v
}

func stageViews(stages map[backup.Stage]backup.Timing) []StageOfRestore {
	out := []StageOfRestore{}
	for _, stage := range []backup.Stage{backup.StageInspect, backup.StageStage, backup.StageLoad, backup.StageVerify, backup.StageCompare, backup.StageSwitch} {
		if t, ok := stages[stage]; ok {
			out = append(out, StageOfRestore{Stage: stage, StartedAt: t.Started.UTC(), Seconds: t.Seconds})
		}
	}
	return out
}
