package httpapi

import (
	"errors"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// The types of this file are what callers see of records. They are types of their own, so that a field that is added to
// a record is not published by that, and each says its unit.

// maxRows is how many tables, and lines of a report, one answer holds: a function can answer 6 MB, and a row with long
// names in it takes some 200 bytes.
const maxRows = 10_000

// maxText is how much of a statement is shown, in bytes.
const maxText = 500

// Actor is who asked for something.
type Actor struct {
	Kind backup.ActorKind `json:"kind" enum:"operator,cron-key,schedule,system" doc:"How they came in."`
	Name string           `json:"name" doc:"Who, for people to read." example:"ada@school.example"`
}

func actorView(a backup.Actor) Actor { return Actor{Kind: a.Kind, Name: a.Name} }

// Failure is why a job failed.
type Failure struct {
	Code   backup.Code `json:"code" doc:"For programs. Codes do not change." example:"database_unreachable"`
	Reason string      `json:"reason" doc:"What happened, for people."`
	Hint   string      `json:"hint,omitempty" doc:"What to do."`
	Log    string      `json:"log,omitempty" doc:"The failing tool's or server's own words, the last 8 KiB of them. Not in lists."`
}

func failureView(f *backup.Failure, withLog bool) *Failure {
	if f == nil {
		return nil
	}
	v := &Failure{Code: f.Code, Reason: f.Reason, Hint: f.Hint}
	if withLog {
		v.Log = f.Log
	}
	return v
}

// Progress is how far a running job is.
type Progress struct {
	Stage       backup.Stage `json:"stage,omitempty" enum:"inspect,stage,load,verify,compare,switch" doc:"The step of a restore."`
	Table       string       `json:"table,omitempty" doc:"The table that is worked on now." example:"public.attendance"`
	TablesDone  int          `json:"tablesDone" doc:"Tables done so far."`
	TablesTotal int          `json:"tablesTotal,omitempty" doc:"Tables in all, where known."`
	Rows        int64        `json:"rows" doc:"Rows done so far."`
	Bytes       int64        `json:"bytes" doc:"Bytes of SQL text done so far, before compression."`
	BytesTotal  int64        `json:"bytesTotal,omitempty" doc:"Bytes of SQL text in all: an estimate. Absent where unknown."`
	EndsAt      *time.Time   `json:"endsAt,omitempty" doc:"When it will be done: an estimate."`
}

func progressView(p *backup.Progress) *Progress {
	if p == nil {
		return nil
	}
	return &Progress{Stage: p.Stage, Table: p.Table, TablesDone: p.TablesDone, TablesTotal: p.TablesTotal, Rows: p.Rows, Bytes: p.Bytes,
		BytesTotal: p.BytesTotal, EndsAt: moment(p.EndsAt)}
}

// moment leaves a time out that never was.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Job is what backups and restores have in common.
type Job struct {
	ID          string     `json:"id" doc:"A ULID in lower case." example:"01kax5r9mv4e8c0d2n6h3tqz7w"`
	Database    string     `json:"database" doc:"The database's name." example:"school"`
	RequestedAt time.Time  `json:"requestedAt" doc:"When it was asked for."`
	RequestedBy Actor      `json:"requestedBy" doc:"Who asked for it."`
	StartedAt   *time.Time `json:"startedAt,omitempty" doc:"When the newest attempt began."`
	EndedAt     *time.Time `json:"endedAt,omitempty" doc:"When it ended, whichever way."`
	Attempt     int        `json:"attempt" doc:"Which attempt it is: 0 until a worker takes it, 2 and more where a worker died over it."`
	Failure     *Failure   `json:"failure,omitempty" doc:"Why it failed, where it did."`
	Progress    *Progress  `json:"progress,omitempty" doc:"How far it is, while it runs."`
}

func jobView(j backup.Job, withLog bool) Job {
	return Job{ID: j.ID, Database: j.Database, RequestedAt: j.RequestedAt.UTC(), RequestedBy: actorView(j.RequestedBy),
		StartedAt: moment(j.StartedAt), EndedAt: moment(j.EndedAt), Attempt: j.Attempt, Failure: failureView(j.Failure, withLog)}
}

// Backup is a backup as lists show it.
type Backup struct {
	Job
	State           backup.State      `json:"state" enum:"queued,running,created,failed" doc:"Where it stands. Created means proved: the dump ended cleanly, its rows were counted, and S3 confirmed size and checksum."`
	Filename        string            `json:"filename" doc:"The name it is downloaded under." example:"school-20261122-031500.sql.gz"`
	Engine          backup.EngineKind `json:"engine" enum:"postgres,mysql" doc:"The kind of database server."`
	Size            int64             `json:"size,omitempty" doc:"Bytes of the file, compressed. Absent until created."`
	SHA256          string            `json:"sha256,omitempty" doc:"SHA-256 of the file, in lower-case hex. Absent until created."`
	SQLBytes        int64             `json:"sqlBytes,omitempty" doc:"Bytes of SQL text, before compression. Absent until created."`
	Rows            int64             `json:"rows,omitempty" doc:"Rows in all tables. Absent until created."`
	TableCount      int               `json:"tableCount,omitempty" doc:"Number of tables. Absent until created."`
	ServerVersion   string            `json:"serverVersion,omitempty" doc:"Version of the database server." example:"15.18"`
	ToolVersion     string            `json:"toolVersion,omitempty" doc:"Version of the program that wrote the dump." example:"15.18"`
	LastRehearsalAt *time.Time        `json:"lastRehearsalAt,omitempty" doc:"When a restore of it was last verified."`
	Usable          bool              `json:"usable" doc:"Whether it can be downloaded, restored and deleted."`
	Unusable        *Refusal          `json:"unusable,omitempty" doc:"Why it can't, where it can't."`
}

// Refusal is why a backup can't be used.
type Refusal struct {
	Code   backup.Code `json:"code" doc:"For programs." example:"backup_not_created"`
	Reason string      `json:"reason" doc:"For people." example:"This backup is still running."`
	Hint   string      `json:"hint,omitempty" doc:"What to do." example:"Wait until it is created."`
}

// Table is a table of a backup.
type Table struct {
	Schema string `json:"schema" doc:"The table's schema." example:"public"`
	Table  string `json:"table" doc:"The table's name." example:"students"`
	Rows   int64  `json:"rows" doc:"Rows in the backup."`
	Bytes  int64  `json:"bytes,omitempty" doc:"Bytes of SQL text, before compression. Absent where unknown."`
}

// BackupDetail is a backup with its tables.
type BackupDetail struct {
	Backup
	Tables []Table `json:"tables,omitempty" doc:"The tables and their rows: the first 10,000 of tableCount. Absent until created."`
}

func backupView(b backup.Backup, withLog bool) Backup {
	v := Backup{Job: jobView(b.Job, withLog), State: b.State, Filename: b.Filename, Engine: b.Engine, SQLBytes: b.SQLBytes, Rows: b.Rows,
		TableCount: len(b.Tables), ServerVersion: b.ServerVersion, ToolVersion: b.ToolVersion, LastRehearsalAt: moment(b.LastRehearsal)}
	if b.File != nil {
		v.Size, v.SHA256 = b.File.Size, b.File.SHA256
	}
	err := b.Usable()
	v.Usable = err == nil
	if why := (*backup.Error)(nil); errors.As(err, &why) {
		v.Unusable = &Refusal{Code: why.Code, Reason: why.Text, Hint: why.Hint}
	}
	return v
}

func backupDetail(b backup.Backup) BackupDetail {
	v := BackupDetail{Backup: backupView(b, true)}
	for _, t := range b.Tables[:min(len(b.Tables), maxRows)] {
		v.Tables = append(v.Tables, Table{Schema: t.Schema, Table: t.Table, Rows: t.Rows, Bytes: t.Bytes})
	}
	return v
}

// Restore is a restore as lists show it.
type Restore struct {
	Job
	State           backup.State `json:"state" enum:"queued,running,rehearsed,restored,failed" doc:"Where it stands. A dry run ends as rehearsed, a real run as restored. A failed restore left the live database as it was, unless its failure says that this is not known."`
	Source          Source       `json:"source" doc:"What is restored."`
	Filename        string       `json:"filename" doc:"The name of the file that is restored." example:"school-20261122-031500.sql.gz"`
	DryRun          bool         `json:"dryRun" doc:"Whether it stops before it would replace the live database."`
	Summary         *Summary     `json:"summary,omitempty" doc:"What was found, in numbers. Absent until verified."`
	Kept            string       `json:"kept,omitempty" doc:"The name, on the server, of the database that was replaced. It is kept."`
	DowntimeSeconds float64      `json:"downtimeSeconds,omitempty" doc:"How long the database could not be reached while it was replaced, in seconds. Absent where it was not measured."`
}

// Source is what a restore restores.
type Source struct {
	Backup string `json:"backup" minLength:"26" maxLength:"26" pattern:"^[0-7][0-9a-hjkmnp-tv-z]{25}$" patternDescription:"an id" doc:"The id of a backup of the same database." example:"01kax5r9mv4e8c0d2n6h3tqz7w"`
}

// Summary is a restore's report in numbers.
type Summary struct {
	Tables     int   `json:"tables" doc:"Tables in the restored copy or in live."`
	Changed    int   `json:"changed" doc:"Tables whose number of rows differs from live, or that live lacks or has alone."`
	Rows       int64 `json:"rows" doc:"Rows in the restored copy."`
	Statements int64 `json:"statements" doc:"Statements that were run."`
	Skipped    int   `json:"skipped" doc:"Statements that were not run."`
	ByHand     int   `json:"byHand" doc:"Statements that an administrator may want to run by hand."`
}

// RestoreDetail is a restore with its report.
type RestoreDetail struct {
	Restore
	Report *Report `json:"report,omitempty" doc:"What was found. Absent until verified."`
}

// Report is what a restore found before it would replace the live database.
type Report struct {
	Tables  []TableChange    `json:"tables" doc:"Each table as it is live and as it would be after: the first 10,000 of summary.tables."`
	Skipped []Skipped        `json:"skipped,omitempty" doc:"Statements of the file that were not run: the first 1,000."`
	ByHand  []string         `json:"byHand,omitempty" doc:"SQL for what could not be carried over from the live database: the first 1,000."`
	Loader  backup.Loader    `json:"loader" enum:"prepared,throw-away,owner" doc:"The login that loaded: one prepared for restores, one made for this restore, or the owner of the database."`
	Stages  []StageOfRestore `json:"stages" doc:"How long each stage took, in their order."`
}

// TableChange is a table as it is live and as it would be.
type TableChange struct {
	Schema string `json:"schema" doc:"The table's schema." example:"public"`
	Table  string `json:"table" doc:"The table's name." example:"students"`
	Live   int64  `json:"live" doc:"Rows now; -1 where there is no such table, or it may not be read."`
	After  int64  `json:"after" doc:"Rows afterwards; -1 where there will be no such table."`
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
	v := Restore{Job: jobView(r.Job, withLog), State: r.State, Source: Source{Backup: r.Backup}, Filename: r.Filename, DryRun: r.DryRun,
		DowntimeSeconds: r.Downtime.Seconds()}
	if r.Held != nil {
		v.Kept = r.Held.Name
	}
	if p := r.Report; p != nil {
		v.Summary = &Summary{Tables: len(p.Tables), Rows: p.Rows, Statements: p.Statements, Skipped: len(p.Skipped), ByHand: len(p.ByHand)}
		for _, t := range p.Tables {
			if t.Changed() {
				v.Summary.Changed++
			}
		}
	}
	return v
}

func restoreDetail(r backup.Restore) RestoreDetail {
	v := RestoreDetail{Restore: restoreView(r, true)}
	if r.Report == nil {
		return v
	}
	p := r.Report
	v.Report = &Report{Tables: []TableChange{}, Loader: p.Loader, Stages: []StageOfRestore{}}
	for _, t := range p.Tables[:min(len(p.Tables), maxRows)] {
		v.Report.Tables = append(v.Report.Tables, TableChange{Schema: t.Schema, Table: t.Table, Live: t.Live, After: t.After})
	}
	for _, s := range p.Skipped[:min(len(p.Skipped), maxRows/10)] {
		v.Report.Skipped = append(v.Report.Skipped, Skipped{Line: s.Line, Text: short(s.Text), Why: s.Why})
	}
	v.Report.ByHand = p.ByHand[:min(len(p.ByHand), maxRows/10)]
	for _, stage := range []backup.Stage{backup.StageInspect, backup.StageStage, backup.StageLoad, backup.StageVerify, backup.StageCompare, backup.StageSwitch} {
		if t, ok := p.Stages[stage]; ok {
			v.Report.Stages = append(v.Report.Stages, StageOfRestore{Stage: stage, StartedAt: t.Started.UTC(), Seconds: t.Seconds})
		}
	}
	return v
}

func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for cut > 0 && s[cut]&0xC0 == 0x80 { // not inside a character
		cut--
	}
	return s[:cut] + " …"
}
