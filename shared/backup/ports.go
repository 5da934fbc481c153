package backup

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// Records is the set of records of one kind. Every write carries a nonce of its own: a write whose answer was lost is
// found to have succeeded by reading the record again, and is never repeated blindly.
type Records[T any] interface {
	// Create writes a record that must not be there yet, else ErrExists. Our own write whose answer was lost is a success.
	Create(ctx context.Context, database, id string, v T) error
	// Get reads a record, or ErrNotFound. ErrUnreadable where it is in a form that is not known.
	Get(ctx context.Context, database, id string) (T, error)
	// Update reads the record, lets change alter it, and writes it only if nobody else wrote meanwhile; else it begins
	// again, so change may run several times. An error of change ends it and comes back as it is. ErrNotFound if none.
	Update(ctx context.Context, database, id string, change func(*T) error) (T, error)
	// List returns a page of records, newest first, and the cursor to go on with, "" at the end. Its cost does not depend on
	// how many records there are. A page can be shorter than its limit before the end, as a record may be deleted meanwhile.
	// ErrBadCursor for a page that begins or ends at what is no id. A record that can't be read is left out; the error is
	// ErrUnreadable then, and items and next are good nevertheless.
	List(ctx context.Context, database string, p Page) (items []T, next string, err error)
	// Delete removes a record; one that is not there is no error.
	Delete(ctx context.Context, database, id string) error
}

// ActivityLog is append-only.
type ActivityLog interface {
	// Append writes an entry under its id; one that is there already is left as it is and is no error, so that a repeated
	// step with a derived id is logged once.
	Append(ctx context.Context, e Entry) error
	// List is as Records.List, over all databases.
	List(ctx context.Context, p Page) (items []Entry, next string, err error)
}

// Page says which part of a list is wanted. Its bounds are ids, by which lists are ordered; they need not be those of a record: see FirstID.
type Page struct {
	After  string // a cursor: only what is older than this id; "" begins at the newest
	Oldest string // nothing that is older than this id, which is not even read; "" goes to the end
	Limit  int
}

// JobKind is the kind of a job.
type JobKind string

// The kinds of jobs.
const (
	BackupJob  JobKind = "backup"
	RestoreJob JobKind = "restore"
	InspectJob JobKind = "inspect" // of an upload
	ApplyJob   JobKind = "apply"   // of a rehearsal
	UndoJob    JobKind = "undo"    // of a restore
	DropJob    JobKind = "drop"    // of a database whose window has ended
)

// OpenJob names a job that has not ended.
type OpenJob struct {
	Database string
	Kind     JobKind
	ID       string
	Restore  string    // the restore that an apply, undo or drop follows; "" for the other kinds
	Marked   time.Time // when the marker was written, by S3's clock
}

// Record is the id of the record that the job is on.
func (j OpenJob) Record() string {
	if j.Restore != "" {
		return j.Restore
	}
	return j.ID
}

// OpenJobs are the markers of jobs that have not ended. A marker is written before its job's record and removed after
// the record has ended, so it may stand without a record for a moment, and a job that has not ended always has one.
type OpenJobs interface {
	Mark(ctx context.Context, j OpenJob) error
	Clear(ctx context.Context, j OpenJob) error
	// List returns the open jobs of a database, oldest first; of all databases where database is "".
	List(ctx context.Context, database string) ([]OpenJob, error)
}

// Holder is what a lock says: who holds it, for which job, and how far that is.
type Holder struct {
	Worker   string    `json:"worker"` // "" when released
	Kind     JobKind   `json:"kind,omitempty"`
	Job      string    `json:"job,omitempty"`
	Attempt  int       `json:"attempt,omitempty"`
	Progress *Progress `json:"progress,omitempty"`
	Beat     int64     `json:"beat"` // counts up
	At       time.Time `json:"-"`    // when it was written, by S3's clock; filled in by Locks.Read
}

// Holdings are the databases that restores keep on servers: see Holding.
type Holdings interface {
	// Put writes a holding, in place of what there was of the same restore.
	Put(ctx context.Context, h Holding) error
	// Get reads one, or ErrNotFound.
	Get(ctx context.Context, database, restore string) (Holding, error)
	// List returns the holdings of a database, oldest first, without their memos; of all databases where database is "".
	List(ctx context.Context, database string) ([]Holding, error)
	// Remove removes one; one that is not there is no error.
	Remove(ctx context.Context, database, restore string) error
}

// Locks are the locks of databases: one each, for every kind of job.
type Locks interface {
	// Acquire takes a database's lock for worker, also from a holder that stopped beating. ErrBusy when it is held.
	Acquire(ctx context.Context, database, worker string) (Lease, error)
	// Read returns the lock as it stands and whether it is live: held, and its last beat is young enough. A lock that was
	// never taken is the zero Holder.
	Read(ctx context.Context, database string) (h Holder, live bool, err error)
}

// Lease is a lock that is held. It is safe for concurrent use.
type Lease interface {
	// Beat confirms that the lease is still held and writes what the holder is at. ErrLeaseLost when it is not.
	Beat(ctx context.Context, h Holder) error
	// Release gives the lock up. A lease that was lost is left to its new holder, without error.
	Release(ctx context.Context) error
}

// Files are the dump files in S3.
type Files interface {
	// Create begins an object of unknown size. Nothing can be read under key until Commit.
	Create(ctx context.Context, key string) (FileWriter, error)
	// Open streams an object's given version from its beginning. A connection that breaks is taken up again by range.
	// ErrNotFound if there is none.
	Open(ctx context.Context, key, versionID string) (io.ReadCloser, error)
	// Stat is what S3 holds of an object's given version: its size, and its CRC64NVME where S3 has that of the whole. It has no SHA-256.
	// ErrNotFound if there is none.
	Stat(ctx context.Context, key, versionID string) (Stored, error)
	// OpenRange streams length bytes of an object's given version from offset on, of which there must be as many. A connection that
	// breaks is taken up again. ErrNotFound if there is no such version.
	OpenRange(ctx context.Context, key, versionID string, offset, length int64) (io.ReadCloser, error)
	// AbortUploads ends unfinished uploads of keys that begin with prefix: those of a worker that is gone.
	AbortUploads(ctx context.Context, prefix string) error
	// Delete removes one version of an object; one that is not there is no error.
	Delete(ctx context.Context, key, versionID string) error
	// PresignDownload returns a link to a version, which the browser saves as filename. It works without any header and
	// ends at expires.
	PresignDownload(ctx context.Context, key, versionID, filename string, lifetime time.Duration) (url string, expires time.Time, err error)
}

// Dropbox is where somebody else sends files to.
type Dropbox interface {
	// PresignPost returns a form by which a file of exactly size bytes, at most 5 GB, can be sent to key.
	PresignPost(ctx context.Context, key string, size int64, lifetime time.Duration) (PostForm, error)
	// BeginParts begins an upload in parts and returns S3's id of it.
	BeginParts(ctx context.Context, key string) (partsID string, err error)
	// PresignParts returns the links of an upload in parts of size bytes in all.
	PresignParts(ctx context.Context, key, partsID string, size int64, lifetime time.Duration) (PartLinks, error)
	// CompleteParts makes one object of the parts that have arrived. An *Error where some are missing, or the sum of their sizes is
	// not size. One that is complete already is no error.
	CompleteParts(ctx context.Context, key, partsID string, size int64) error
	// Arrived is the object under key as it is now, without hashes: ErrNotFound if there is none.
	Arrived(ctx context.Context, key string) (Stored, error)
}

// FileWriter writes an object. Its errors stick: after a failed Write, Commit fails too.
type FileWriter interface {
	io.Writer
	// Commit ends the object and returns what S3 holds, after S3 has confirmed size and whole-object checksum.
	// On error nothing is left under the key.
	Commit(ctx context.Context) (Stored, error)
	// Abort gives the object up and leaves nothing behind. It works when the context that Create was given has ended, and
	// does nothing after Commit.
	Abort(ctx context.Context) error
}

// Databases is the registry of targets.
type Databases interface {
	// List returns the registered databases in the order of their names. Registrations that make no sense are left out; the error
	// is an *UnusableError then, and the list is good nevertheless: one mistake must not stop the backups of all others, and a
	// database that people believe to be backed up must not be missing without a word.
	List(ctx context.Context) ([]Database, error)
	// Get returns one, or ErrNotFound. An *Error where its registration makes no sense.
	Get(ctx context.Context, name string) (Database, error)
	// Target reads a database's secret. An *Error with CodeBadSecret where it can't be used.
	Target(ctx context.Context, name string) (Target, error)
}

// Claim is what an Idempotency-Key stands for.
type Claim struct {
	ID       string `json:"id"`       // of the record that the key's first call made
	BodyHash string `json:"bodyHash"` // of that call's body: the key with another body is a mistake of the caller
}

// IdempotencyKeys remember the Idempotency-Key of calls that create something.
type IdempotencyKeys interface {
	// Claim stores c for a key, once. It returns what is stored: c and true for the first call, the first call's claim
	// and false for any later one. hash stands for the key and its caller: lower-case hex, 16 to 128 digits.
	Claim(ctx context.Context, database, hash string, c Claim) (stored Claim, first bool, err error)
}

// KeyUses remember when each cron key was last used. A fingerprint stands for a key: lower-case hex, 16 to 128 digits.
type KeyUses interface {
	// Note writes that the key was used at that time, unless a use is written that was less than a minute before, or later.
	Note(ctx context.Context, fingerprint string, at time.Time) error
	// Last is the last use that is written; the zero time where there is none.
	Last(ctx context.Context, fingerprint string) (time.Time, error)
}

// Doorbell wakes a worker for a database. It carries nothing else: what to do stands in the records.
type Doorbell interface {
	Ring(ctx context.Context, database string) error
}

// Attempt is one worker's try at a job. Sessions, staged databases and throw-away logins are named after it, so that
// whoever comes later can tell whose they are.
type Attempt struct {
	Job    string
	Number int
}

// Engine works on one kind of database server. Its errors are *Error where an operator can understand them.
// Every session it opens has an application name that begins with "backup-restore " and the attempt.
type Engine interface {
	// Dump writes a complete dump file of the database to w, one consistent moment of it, and says what it held. A nil error means that
	// everything was read and written to the end, and the server's counts of rows are those of the text; with another, what it says is
	// what was known by then. An error of w comes back in the chain. w is written by one goroutine at a time.
	Dump(ctx context.Context, t Target, a Attempt, s Selection, w io.Writer, report func(Progress)) (Dumped, error)
	// Recover clears what other attempts at a.Job left on the server: sessions, staged databases, throw-away logins. It
	// ends what a.Number itself left running too, and does not touch a kept database. switched is not nil where one of them had switched already.
	Recover(ctx context.Context, t Target, a Attempt) (switched *Switched, err error)
	// Stage checks that a restore of what need says can go through and makes an empty database beside the live one.
	Stage(ctx context.Context, t Target, a Attempt, need Need) (Staged, error)
	// Resume takes up the copy that an attempt at another job has parked, to switch it in: of the result's methods only Loader,
	// ByHand, Switch and Discard are to be called, and its Discard leaves the copy parked. An *Error where live was replaced since.
	Resume(ctx context.Context, t Target, a Attempt, p Parked) (Staged, error)
	// Undo brings back the database that is kept under that name: it and live are exchanged, and live is kept in turn. confirm is as
	// in Switch. An *Error where live is not the database that replaced the kept one. An error leaves live as it was.
	Undo(ctx context.Context, t Target, a Attempt, kept string, confirm func(context.Context) error) (Switched, error)
	// Drop drops a parked or kept database by its name, and the login that loaded it; one that is gone is no error. It refuses
	// every name that this tool has not made.
	Drop(ctx context.Context, t Target, a Attempt, name string) error
}

// Need is what is known of a file before it is loaded.
type Need struct {
	// Inspection is that of an upload, nil for a backup. What was uploaded is loaded by a login of its own or not at all.
	Inspection *Inspection
	// SQLBytes and Tables are what the file holds.
	SQLBytes int64
	Tables   []TableRows
	// ServerVersion is that of the server that was dumped, "" where not known.
	ServerVersion string
}

// Parked is a copy that waits for being switched in.
type Parked struct {
	Name  string          // of the database on the server
	Bytes int64           // of disk; 0 where it could not be asked
	Memo  json.RawMessage // what Resume needs besides: the engine's own
}

// Want is what a staged copy must hold.
type Want struct {
	Tables []TableRows
	// Exact is false where the file may change rows by other ways than COPY and INSERT: then the counts of the file and those of the
	// copy need not agree, but what the server confirmed of each COPY and INSERT must.
	Exact bool
}

// Comparison is how a staged copy differs from live.
type Comparison struct {
	Tables               []TableChange  // in the order of their names
	Objects              []ObjectChange // the first of ObjectCount, in the order of kind and name, what matters most first
	ObjectCount          int64
	LiveBytes, CopyBytes int64 // of disk; 0 where it could not be asked
}

// Text is the SQL text of a file.
type Text interface {
	// All streams it from its beginning to its end.
	All(ctx context.Context) (io.ReadCloser, error)
	// Pieces are the parts that it can be read in, in their order; nil where it can only be read as a whole.
	Pieces() []Piece
	// Piece streams one of them. It may be called by several goroutines.
	Piece(ctx context.Context, i int) (io.ReadCloser, error)
}

// Piece is a part of a file's text.
type Piece struct {
	// Table is the table of which the piece has rows, and nothing else but comments: their loading can be put off, and done beside other
	// tables'. The zero value is a piece that has to be run in its place.
	Table TableRows
	Line  int64 // of its first line in the whole text, from 1
	Bytes int64 // of text
}

// Staged is a copy that is being built beside the live database. Its methods are called in their order here, by one
// goroutine. Until Switch has returned without error the live database is as it was; an error of Switch leaves it so too.
type Staged interface {
	// Loader says which login loads.
	Loader() Loader
	// Load runs a file's text, to its end.
	Load(ctx context.Context, text Text, report func(Progress)) (Loaded, error)
	// Warnings are what an operator should know of the server that does not keep the restore from going on. Most are known after
	// Stage; Compare may add to them.
	Warnings() []string
	// Verify counts every table and compares with want: all must be there, with these rows, and no other that has rows.
	Verify(ctx context.Context, want Want, report func(Progress)) error
	// Compare compares schema, rows and newest rows with live. The copy is read as the loader, live as the secret's role.
	Compare(ctx context.Context, report func(Progress)) (Comparison, error)
	// Park ends the copy's sessions and closes it to logins, so that it can be taken up by Resume. Discard does nothing after it.
	Park(ctx context.Context) (Parked, error)
	// Switch hands the copy over to the owner of live and exchanges the two. confirm is called right before the exchange;
	// its error stops it.
	Switch(ctx context.Context, confirm func(context.Context) error) (Switched, error)
	// ByHand is SQL for what Switch can't carry over from live, known after Stage.
	ByHand() []string
	// Discard drops the copy and whatever was made for it. It does nothing to a copy that was switched in, but closes
	// its connections. It works when the other calls' context has ended.
	Discard(ctx context.Context) error
}

// Loaded is what was run.
type Loaded struct {
	Statements int64
	Tables     []TableRows // rows as the server confirmed them
	Skipped    []Skipped
}
