package httpapi

import (
	"errors"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// The types of this file are what callers see of records. They are types of their own, so that a field that is added to
// a record is not published by that, and each says its unit.

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
	Stage       backup.Stage `json:"stage,omitempty" enum:"inspect,stage,load,verify,compare,switch" doc:"The step of a restore, or of what follows one."`
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

// Job is what backups, uploads, restores and what follows a restore have in common.
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
	// What a job waits for is another job, so the two are told side by side.
	WaitingFor *WaitingFor    `json:"waitingFor,omitempty" doc:"What it waits for, while it is queued. Absent where nothing but a worker is missing."`
	Cancel     *CancelRequest `json:"cancelRequest,omitempty" doc:"Who wants it to be stopped, where somebody does. It is granted until the live database is being replaced."`
	Log        []LogLine      `json:"log,omitempty" doc:"What happened to it, oldest first: at most 50 lines. What an attempt did is there once it has ended. Not in lists."`
}

// LogLine is a line of a job's log.
type LogLine struct {
	At   time.Time `json:"at" doc:"When."`
	Text string    `json:"text" doc:"What happened, for people: at most 200 bytes." example:"Attempt 1 began, by worker 01kax5r9mv4e8c0d2n6h3tqz7w."`
}

// WaitingFor is why a queued job does not run yet: one job runs on a database at a time, the oldest first.
type WaitingFor struct {
	Running *RunningJob `json:"running,omitempty" doc:"The job that runs on the database now. Absent between two jobs."`
	Before  int         `json:"before" doc:"How many jobs of the database are to end before this one begins, the running one included." example:"1"`
}

// RunningJob names a job that runs.
type RunningJob struct {
	Kind    backup.JobKind `json:"kind" enum:"backup,restore,inspect,apply,undo,drop" doc:"What it does: inspect is of an upload; apply, undo and drop follow a restore."`
	ID      string         `json:"id" doc:"Its id: that of the backup, restore or upload, or of what follows a restore." example:"01kax5r9mv4e8c0d2n6h3tqz7w"`
	Restore string         `json:"restore,omitempty" doc:"The id of the restore that it follows. Absent for the other kinds."`
}

// CancelRequest is somebody's wish that a job be stopped.
type CancelRequest struct {
	By Actor     `json:"by" doc:"Who."`
	At time.Time `json:"at" doc:"When."`
}

func jobView(j backup.Job, withLog bool) Job {
	v := Job{ID: j.ID, Database: j.Database, RequestedAt: j.RequestedAt.UTC(), RequestedBy: actorView(j.RequestedBy),
		StartedAt: moment(j.StartedAt), EndedAt: moment(j.EndedAt), Attempt: j.Attempt, Failure: failureView(j.Failure, withLog)}
	if c := j.Cancel; c != nil {
		v.Cancel = &CancelRequest{By: actorView(c.By), At: c.At.UTC()}
	}
	if withLog {
		for _, l := range j.Log {
			v.Log = append(v.Log, LogLine{At: l.At.UTC(), Text: l.Text})
		}
	}
	return v
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
	Indexed         bool              `json:"indexed,omitempty" doc:"Whether single tables can be read out of the file: it has an index. Absent for older backups, and until created."`
	Partial         *Selection        `json:"partial,omitempty" doc:"Of which tables the rows are in the file: a restore of the whole leaves the others empty. Absent where of all."`
	Usable          bool              `json:"usable" doc:"Whether it can be downloaded, restored and deleted."`
	Unusable        *Refusal          `json:"unusable,omitempty" doc:"Why it can't, where it can't."`
}

// Refusal is why a backup or an upload can't be used.
type Refusal struct {
	Code   backup.Code `json:"code" doc:"For programs." example:"backup_not_created"`
	Reason string      `json:"reason" doc:"For people." example:"This backup is still running."`
	Hint   string      `json:"hint,omitempty" doc:"What to do." example:"Wait until it is created."`
}

// Table is a table of a backup or an upload.
type Table struct {
	Schema string `json:"schema" doc:"The table's schema." example:"public"`
	Table  string `json:"table" doc:"The table's name." example:"students"`
	Name   string `json:"name" doc:"Both in one, which is how paths name it: a part with a dot or a quote in it stands in double quotes." example:"public.students"`
	Rows   int64  `json:"rows" doc:"Rows in the file."`
	Bytes  int64  `json:"bytes,omitempty" doc:"Bytes of SQL text, before compression. Absent where unknown."`
}

// FileLocation is where a file lies.
type FileLocation struct {
	Bucket    string `json:"bucket" doc:"The S3 bucket." example:"backup-restore-bucket-1a2b3c4d5e6f"`
	Key       string `json:"key" doc:"The object's key." example:"backups/school/01kax5r9mv4e8c0d2n6h3tqz7w/school-20261122-031500.sql.gz"`
	VersionID string `json:"versionId" doc:"The object's version that was proved." example:"3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"`
}

// BackupDetail is a backup with its tables.
type BackupDetail struct {
	Backup
	CRC64NVME string        `json:"crc64nvme,omitempty" doc:"CRC-64/NVME of the file in base64, as S3 keeps it and confirmed it. Absent until created." example:"rmPnGqGUuTU="`
	Location  *FileLocation `json:"location,omitempty" doc:"Where the file lies, to be fetched by the tools of AWS when all else is gone: aws s3api get-object --bucket … --key … --version-id … school.sql.gz. Absent until created."`
	Tables    []Table       `json:"tables,omitempty" doc:"The tables and their rows: at most the first 10,000 of tableCount. Absent until created."`

	SnapshotSeconds float64 `json:"snapshotSeconds,omitempty" doc:"How long the database server had to keep the moment that was read, in seconds: what was deleted meanwhile stays on its disk. Absent where not known."`
	Connections     int     `json:"connections,omitempty" doc:"How many connections read at the same time. Absent where not known."`
}

func backupView(b backup.Backup, withLog bool) Backup {
	v := Backup{Job: jobView(b.Job, withLog), State: b.State, Filename: b.Filename, Engine: b.Engine, SQLBytes: b.SQLBytes, Rows: b.Rows,
		TableCount: len(b.Tables), ServerVersion: b.ServerVersion, ToolVersion: b.ToolVersion, LastRehearsalAt: moment(b.LastRehearsal), Indexed: b.Indexed,
		Partial: selectionView(b.Selection)}
	if b.File != nil {
		v.Size, v.SHA256 = b.File.Size, b.File.SHA256
	}
	v.Usable, v.Unusable = usable(b.Usable())
	return v
}

// usable is what callers are told of the error of a record's Usable.
func usable(err error) (bool, *Refusal) {
	if why := (*backup.Error)(nil); errors.As(err, &why) {
		return false, &Refusal{Code: why.Code, Reason: why.Text, Hint: why.Hint}
	}
	return err == nil, nil
}

func (a *API) backupDetail(b backup.Backup) BackupDetail {
	room := maxView
	v := BackupDetail{Backup: backupView(b, true), Tables: fill(&room, b.Tables, maxRows, tableView),
		SnapshotSeconds: b.SnapshotHeld.Seconds(), Connections: b.Connections}
	if f := b.File; f != nil {
		v.CRC64NVME, v.Location = f.CRC64NVME, &FileLocation{Bucket: a.Bucket, Key: f.Key, VersionID: f.VersionID}
	}
	return v
}

func tableView(t backup.TableRows) Table {
	return Table{Schema: t.Schema, Table: t.Table, Name: tableName(t), Rows: t.Rows, Bytes: t.Bytes}
}
