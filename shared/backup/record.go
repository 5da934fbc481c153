package backup

import (
	"fmt"
	"time"
)

// State is where a job stands.
type State string

// The states. A backup goes queued → running → created | failed; an upload pending → received → running → accepted | rejected; a
// restore queued → running → rehearsed | restored | failed | cancelled, then rehearsed → restored | expired and restored → undone (and
// failed → restored where it turns out to have taken place);
// what follows a restore queued → running → done | failed | cancelled.
const (
	Queued    State = "queued"
	Running   State = "running"
	Created   State = "created"
	Failed    State = "failed"
	Rehearsed State = "rehearsed"
	Restored  State = "restored"
	Cancelled State = "cancelled"
	Expired   State = "expired"
	Undone    State = "undone"
	Pending   State = "pending"
	Received  State = "received"
	Accepted  State = "accepted"
	Rejected  State = "rejected"
	Done      State = "done"
)

// Ended reports whether s is final for a worker.
func (s State) Ended() bool {
	switch s {
	case Queued, Running, Pending, Received:
		return false
	}
	return true
}

// MaxAttempts is how many workers may die over one job before it is called failed.
const MaxAttempts = 3

// ActorKind says how somebody came in.
type ActorKind string

// The ways in.
const (
	ByOperator ActorKind = "operator" // signed in
	ByCronKey  ActorKind = "cron-key" // an outside scheduler
	BySchedule ActorKind = "schedule" // EventBridge Scheduler
	BySystem   ActorKind = "system"   // a worker or the janitor, of its own accord
)

// Actor is who asked for something.
type Actor struct {
	Kind    ActorKind `json:"kind"`
	Subject string    `json:"subject,omitempty"` // the identity provider's id of an operator; the request's of a call by the cron key
	Name    string    `json:"name"`              // for people to read
}

// Failure is why a job failed, in an operator's words.
type Failure struct {
	Code   Code   `json:"code"`
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
	Log    string `json:"log,omitempty"` // the tool's or server's own words: at most 8 KiB, the end of them
	// Unknown says that the job may have exchanged the databases all the same, or have rescued its tables.
	Unknown bool `json:"unknown,omitempty"`
}

// TableRows is a table and its rows. The name is the server's, unquoted.
type TableRows struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"` // of SQL text, before compression; 0 where not known
}

// Name is schema and table with a dot between, for people to read. A script may name a table without its schema.
func (t TableRows) Name() string {
	if t.Schema == "" {
		return t.Table
	}
	return t.Schema + "." + t.Table
}

// TotalRows adds up rows.
func TotalRows(tables []TableRows) (n int64) {
	for _, t := range tables {
		n += t.Rows
	}
	return n
}

// Job is what every job's record has.
type Job struct {
	ID          string    `json:"id"`
	Database    string    `json:"database"`
	State       State     `json:"state"`
	RequestedBy Actor     `json:"requestedBy"`
	RequestedAt time.Time `json:"requestedAt"`
	StartedAt   time.Time `json:"startedAt,omitzero"` // of the newest attempt
	EndedAt     time.Time `json:"endedAt,omitzero"`
	Attempt     int       `json:"attempt"` // 0 until a worker takes it, then from 1
	Worker      string    `json:"worker,omitempty"`
	Failure     *Failure  `json:"failure,omitempty"`
	// Cancel is somebody's wish that the job be stopped. It is granted until the switch has begun.
	Cancel *CancelRequest `json:"cancel,omitempty"`
	Log    []LogLine      `json:"log,omitempty"` // what happened, oldest first: see Note
}

// CancelRequest says who wants a job to be stopped.
type CancelRequest struct {
	By Actor     `json:"by"`
	At time.Time `json:"at"`
}

// Begin moves a job to running, by worker, as a new attempt. A job that is running may begin anew: its lock was free, so
// the worker that ran it is gone.
func (j *Job) Begin(worker string, now time.Time) error {
	if j.State.Ended() {
		return &TransitionError{ID: j.ID, From: j.State, To: Running}
	}
	if j.State == Running {
		j.Note(now, fmt.Sprintf("Attempt %d ended without a result.", j.Attempt))
	}
	j.State, j.Worker, j.StartedAt = Running, worker, now
	j.Attempt++
	j.Note(now, fmt.Sprintf("Attempt %d began, by worker %s.", j.Attempt, worker))
	return nil
}

// Fail moves a job that stands at attempt to failed: 0 for one that no worker has taken.
func (j *Job) Fail(attempt int, why Failure, now time.Time) error {
	return j.failAs(Failed, attempt, why, now)
}

// failAs moves a job to the state that is a failure's of its kind. The log has the failure's code: its reason may name the server.
func (j *Job) failAs(state State, attempt int, why Failure, now time.Time) error {
	if j.State.Ended() {
		return &TransitionError{ID: j.ID, From: j.State, To: state}
	}
	if err := j.mine(attempt); err != nil {
		return err
	}
	j.State, j.Failure, j.EndedAt = state, &why, now
	j.Note(now, fmt.Sprintf("Ended as %s: %s.", state, why.Code))
	return nil
}

// AskCancel cancels a job that nobody has taken up, and asks the worker of one that runs to stop.
func (j *Job) AskCancel(by Actor, now time.Time) error {
	if j.State.Ended() {
		return &TransitionError{ID: j.ID, From: j.State, To: Cancelled}
	}
	if j.Cancel == nil {
		j.Cancel = &CancelRequest{By: by, At: now}
		j.Note(now, fmt.Sprintf("%s asked for it to be stopped.", by.Name))
	}
	if j.State == Queued {
		j.ended(Cancelled, now)
	}
	return nil
}

// Stop moves a job that somebody wanted to be stopped, and that runs as attempt, to cancelled.
func (j *Job) Stop(attempt int, now time.Time) error {
	if j.Cancel == nil {
		return fmt.Errorf("stop %s: nobody asked for it", j.ID)
	}
	return j.end(Cancelled, attempt, now)
}

// end moves a job that is running in attempt to state.
func (j *Job) end(state State, attempt int, now time.Time) error {
	if j.State != Running {
		return &TransitionError{ID: j.ID, From: j.State, To: state}
	}
	if err := j.mine(attempt); err != nil {
		return err
	}
	j.ended(state, now)
	return nil
}

func (j *Job) ended(state State, now time.Time) {
	j.State, j.EndedAt = state, now
	j.Note(now, fmt.Sprintf("Ended as %s.", state))
}

// mine refuses a worker whose job was taken up by another: whatever it found out, it is not to be recorded.
func (j *Job) mine(attempt int) error {
	if j.Attempt != attempt {
		return fmt.Errorf("end %s as attempt %d, but it stands at attempt %d: %w", j.ID, attempt, j.Attempt, ErrLeaseLost)
	}
	return nil
}

// TransitionError says that a record can't go from one state to another.
type TransitionError struct {
	ID       string
	From, To State
}

func (e *TransitionError) Error() string {
	return fmt.Sprintf("%s is %s and can't become %s", e.ID, e.From, e.To)
}

// Stored is an object as S3 confirmed it.
type Stored struct {
	Key       string `json:"key"`
	VersionID string `json:"versionId"`
	Size      int64  `json:"size"`      // bytes
	SHA256    string `json:"sha256"`    // of the whole object, computed by us, lower-case hex
	CRC64NVME string `json:"crc64nvme"` // of the whole object, ours and S3's alike, base64 as S3 writes it
}

// Backup is the record of a backup.
type Backup struct {
	Job
	Filename      string     `json:"filename"` // the name it is downloaded under
	Engine        EngineKind `json:"engine"`
	ServerVersion string     `json:"serverVersion,omitempty"`
	ToolVersion   string     `json:"toolVersion,omitempty"`
	File          *Stored    `json:"file,omitempty"`
	SQLBytes      int64      `json:"sqlBytes,omitempty"` // before compression
	// Indexed says that the file can be read in parts: it has an index.
	Indexed bool `json:"indexed,omitempty"`
	// Selection says of which tables the rows were wanted: of all where it is nil.
	Selection *Selection `json:"selection,omitempty"`
	// SnapshotHeld is how long the server had to keep the moment that was read, in nanoseconds: what was deleted meanwhile stays on its disk.
	SnapshotHeld  time.Duration `json:"snapshotHeld,omitempty"`
	Connections   int           `json:"connections,omitempty"` // that read at the same time
	Rows          int64         `json:"rows,omitempty"`
	Tables        []TableRows   `json:"tables,omitempty"`
	LastRehearsal time.Time     `json:"lastRehearsal,omitzero"` // when a restore of it last verified
	Deleting      bool          `json:"deleting,omitempty"`     // its file is being deleted
}

// Dumped is what a dump was found to hold. That of a dump that failed holds what was known by then.
type Dumped struct {
	ConnectedAt   time.Time // zero where the server was not reached
	ServerVersion string
	ToolVersion   string
	SQLBytes      int64
	Tables        []TableRows
	Indexed       bool
	SnapshotHeld  time.Duration
	Connections   int
}

// Complete moves a backup that runs as attempt to created. It takes the proof with it: without what the dump held and
// what S3 confirmed there is no created backup.
func (b *Backup) Complete(attempt int, d Dumped, file Stored, now time.Time) error {
	if file.Size <= 0 || file.SHA256 == "" || file.CRC64NVME == "" || file.Key == "" {
		return fmt.Errorf("complete backup %s: the stored file is not confirmed", b.ID)
	}
	if err := b.end(Created, attempt, now); err != nil {
		return err
	}
	b.ServerVersion, b.ToolVersion, b.SQLBytes = d.ServerVersion, d.ToolVersion, d.SQLBytes
	b.Tables, b.Rows, b.File = d.Tables, TotalRows(d.Tables), &file
	b.Indexed, b.SnapshotHeld, b.Connections = d.Indexed, d.SnapshotHeld, d.Connections
	return nil
}

// Partial reports whether the file has the rows of some tables only: a restore of the whole leaves the others empty.
func (b *Backup) Partial() bool { return b.Selection != nil && !b.Selection.All() }

// CanRestore is nil where a restore may be started with these options, else an *Error.
func (b *Backup) CanRestore(o RestoreOptions) error {
	if len(o.Tables) > 0 {
		return b.CanRescue()
	}
	if err := b.Usable(); err != nil {
		return err
	}
	if b.Partial() && !o.DryRun && !o.AcceptPartial {
		return &Error{Code: "backup_partial", Text: fmt.Sprintf("This backup is partial, with %s: a restore of it leaves all other tables empty.", b.Selection),
			Hint: "Choose a whole backup. If empty tables are what you want, acknowledge this and start the restore again."}
	}
	return nil
}

// Usable is nil where the backup can be downloaded, restored and deleted, else an *Error that says why not.
func (b *Backup) Usable() error {
	switch {
	case b.Deleting:
		return &Error{Code: "backup_deleting", Text: "This backup is being deleted.", Hint: "Refresh the list; choose another backup."}
	case b.State == Created:
		return nil
	case b.State == Failed:
		return &Error{Code: "backup_not_created", Text: "This backup failed, so there is no file to use.",
			Hint: "Read its reason, then create a new backup."}
	}
	return &Error{Code: "backup_not_created", Text: fmt.Sprintf("This backup is still %s.", b.State), Hint: "Wait until it is created."}
}

// Stage is a step of a restore.
type Stage string

// The stages of a restore, in their order.
const (
	StageInspect Stage = "inspect"
	StageStage   Stage = "stage"
	StageLoad    Stage = "load"
	StageVerify  Stage = "verify"
	StageCompare Stage = "compare"
	StageSwitch  Stage = "switch"
)

// Restore is the record of a restore. Its source is a backup or an upload.
type Restore struct {
	Job
	Backup   string `json:"backup,omitempty"` // id of the backup to restore
	Upload   string `json:"upload,omitempty"` // id of the upload to restore
	Filename string `json:"filename"`
	DryRun   bool   `json:"dryRun"`
	// AcceptUnproven says that who asked for it knows that nothing proves the file to be complete.
	AcceptUnproven bool `json:"acceptUnproven,omitempty"`
	// Partial is the selection of a backup that is partial, nil for what is whole; AcceptPartial says that who asked for the restore
	// knows that it leaves the other tables empty.
	Partial       *Selection `json:"partial,omitempty"`
	AcceptPartial bool       `json:"acceptPartial,omitempty"`
	Source        Stored     `json:"source"` // pinned when the restore is asked for
	// Rescue is not nil where single tables are rescued instead of the database being replaced.
	Rescue *Rescue `json:"rescue,omitempty"`
	Report *Report `json:"report,omitempty"` // what was loaded and how it differs from live
	// Held is the database that this restore keeps on the server: the copy of a rehearsal, or what was replaced.
	Held *Held `json:"held,omitempty"`
	// Downtime is how long the database could not be reached while it was switched, UndoDowntime while it was switched back.
	Downtime     time.Duration `json:"downtime,omitempty"`     // nanoseconds
	UndoDowntime time.Duration `json:"undoDowntime,omitempty"` // nanoseconds
	SwitchedAt   time.Time     `json:"switchedAt,omitzero"`
	UndoneAt     time.Time     `json:"undoneAt,omitzero"`
	FollowUp     *FollowUp     `json:"followUp,omitempty"` // the newest
	Doubt        *Doubt        `json:"doubt,omitempty"`
}

// Rehearse moves a dry run to rehearsed. held is its copy, nil where none is kept.
func (r *Restore) Rehearse(attempt int, report Report, held *Held, now time.Time) error {
	if !r.DryRun {
		return fmt.Errorf("restore %s is not a dry run", r.ID)
	}
	if err := r.end(Rehearsed, attempt, now); err != nil {
		return err
	}
	r.Report, r.Held = &report, held
	return nil
}

// Switch moves a restore to restored. The report is nil where the worker that switched died before it could tell.
func (r *Restore) Switch(attempt int, report *Report, s Switched, held Held, now time.Time) error {
	if r.DryRun {
		return fmt.Errorf("restore %s is a dry run", r.ID)
	}
	if err := r.end(Restored, attempt, now); err != nil {
		return err
	}
	r.Held, r.Downtime, r.SwitchedAt = &held, s.Downtime, now
	if report != nil {
		r.Report = report
	}
	return nil
}

// Report is what a restore found out before it would switch.
type Report struct {
	Tables []TableChange `json:"tables"`
	// Skipped are statements of the file that were not run, and why.
	Skipped []Skipped `json:"skipped,omitempty"`
	// ByHand is SQL for what this role can't carry over from the live database: an administrator may run it.
	ByHand []string `json:"byHand,omitempty"`
	// Loader says who loaded: see the constants.
	Loader     Loader           `json:"loader"`
	Statements int64            `json:"statements"` // run in the staged copy
	Rows       int64            `json:"rows"`       // in the staged copy
	Stages     map[Stage]Timing `json:"stages"`
	// Objects are the schema objects that the copy has more, less or otherwise than live: the first 1,000 of ObjectCount.
	Objects     []ObjectChange `json:"objects,omitempty"`
	ObjectCount int64          `json:"objectCount,omitempty"`
	// LiveBytes and CopyBytes are what the two databases take on the server's disk; 0 where it could not be asked.
	LiveBytes int64 `json:"liveBytes,omitempty"`
	CopyBytes int64 `json:"copyBytes,omitempty"`
	// Seconds is how long this run took; RealSeconds and ApplySeconds are estimates of how long a real run would take, and the
	// switch of this copy as it stands.
	Seconds      float64 `json:"seconds"`
	RealSeconds  float64 `json:"realSeconds,omitempty"`
	ApplySeconds float64 `json:"applySeconds,omitempty"`
	// Unproven says that nothing proves the file to be complete.
	Unproven bool `json:"unproven,omitempty"`
	// FileDatabase is the name under which the file thought its database lived; "" where it names none.
	FileDatabase string `json:"fileDatabase,omitempty"`
	// Warnings are what an operator should know that keeps nothing from going on.
	Warnings []string `json:"warnings,omitempty"`
}

// Change says how something differs.
type Change string

// The ways in which the copy differs from live.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Altered Change = "changed"
)

// ObjectChange is a schema object that differs between live and the copy.
type ObjectChange struct {
	Kind   string `json:"kind"` // such as table, column, index, constraint, view, function, trigger, policy, type, sequence, extension
	Name   string `json:"name"` // in full, for people to read
	Change Change `json:"change"`
	Live   string `json:"live,omitempty"` // its definition, shortened, where it was changed
	After  string `json:"after,omitempty"`
}

// Timing is how long a stage took.
type Timing struct {
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
}

// Loader is the kind of login that loads a staged copy.
type Loader string

// The logins, the safest first.
const (
	LoaderPrepared  Loader = "prepared"   // restoreUsername of the secret
	LoaderThrowAway Loader = "throw-away" // created for the restore, dropped after it
	LoaderOwner     Loader = "owner"      // the secret's own role: for files that we wrote only
)

// TableChange is a table as it is live and as it would be. -1 stands for "no such table" (or, live, "may not be read").
type TableChange struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Live   int64  `json:"live"`
	After  int64  `json:"after"`
	// Column is the column by which the newest row is told, "" where the table has none that is fit. The two newest are in the
	// server's words, "" where there is no row. NewerInLive is how many rows of live come after the copy's newest.
	Column      string `json:"column,omitempty"`
	NewestLive  string `json:"newestLive,omitempty"`
	NewestAfter string `json:"newestAfter,omitempty"`
	NewerInLive int64  `json:"newerInLive,omitempty"`
}

// Changed reports whether the number of rows differs, or the table will be gone: also one whose rows now may not be read.
func (t TableChange) Changed() bool { return t.Live != t.After || t.After < 0 }

// Skipped is a statement that was not run.
type Skipped struct {
	Line int64  `json:"line"` // in the uncompressed file, from 1
	Text string `json:"text"` // the statement, shortened
	Why  string `json:"why"`
}

// Switched tells of a switch that happened.
type Switched struct {
	Kept      string        // the name under which the replaced database is kept
	KeptBytes int64         // of disk; 0 where it could not be asked
	Downtime  time.Duration // 0 where it could not be measured
}

// Progress is how far a running job is.
type Progress struct {
	Stage       Stage     `json:"stage,omitempty"` // of a restore
	Table       string    `json:"table,omitempty"` // worked on now
	TablesDone  int       `json:"tablesDone"`
	TablesTotal int       `json:"tablesTotal,omitempty"`
	Rows        int64     `json:"rows"`
	Bytes       int64     `json:"bytes"`                // of SQL text
	BytesTotal  int64     `json:"bytesTotal,omitempty"` // an estimate for a backup; 0 where unknown
	EndsAt      time.Time `json:"endsAt,omitzero"`      // estimate
}

// Entry is a line of the activity log: who did what to which, and how it ended.
type Entry struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Actor    Actor     `json:"actor"`
	Action   string    `json:"action"` // such as backup.create
	Database string    `json:"database,omitempty"`
	Target   string    `json:"target,omitempty"` // id of the backup or restore
	Result   string    `json:"result"`           // accepted, or the state in which it ended
	Detail   string    `json:"detail,omitempty"`
}
