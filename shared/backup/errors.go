package backup

import (
	"errors"
	"fmt"
)

// ErrNotFound says that there is no such record or object.
var ErrNotFound = errors.New("not found")

// ErrExists says that a record of that id is there already.
var ErrExists = errors.New("already exists")

// ErrBusy says that somebody else holds the lock.
var ErrBusy = errors.New("held by another worker")

// ErrUnreadable says that something is stored in a form that this program does not know: written by a newer version, or spoilt.
var ErrUnreadable = errors.New("not in a form that this program knows")

// ErrLeaseLost says that a worker no longer holds the lock it took: it was taken over, or could not be confirmed in time.
// Whatever the worker still does must have no effect.
var ErrLeaseLost = errors.New("lease lost")

// ErrBadCursor says that a list was asked to go on from something that no list gave out.
var ErrBadCursor = errors.New("not a cursor of this list")

// Code names a way of failing. Codes are part of the API: they do not change and are not reused.
type Code string

// The ways in which a job fails.
const (
	CodeUnreachable    Code = "database_unreachable" // no connection to the server
	CodeLoginRefused   Code = "login_refused"        // the server refused user or password
	CodeMissing        Code = "database_missing"     // the server has no such database
	CodeBadSecret      Code = "secret_unusable"      // the secret is missing, unreadable, incomplete or tagged in a way that makes no sense
	CodeNoRegistry     Code = "registry_unavailable" // the list of databases can't be read
	CodeToolTooOld     Code = "tool_too_old"         // the dump program is older than the server
	CodeToolFailed     Code = "tool_failed"          // the dump program ended with an error
	CodeDumpCut        Code = "dump_incomplete"      // the dump program ended without its end mark
	CodePermission     Code = "permission_missing"   // the database role lacks a right
	CodeDiskFull       Code = "disk_full"            // the database server has no room
	CodeNoConnections  Code = "no_connections"       // the server, the database or a role allows too few sessions
	CodeStorage        Code = "storage_failed"       // S3 refused, or confirmed something else than what was sent
	CodeFileChanged    Code = "file_changed"         // the file is not the one that the record describes
	CodeFileCut        Code = "file_incomplete"      // the file ends before its end
	CodeLoadFailed     Code = "load_failed"          // the server refused a statement or a row
	CodeVerifyMismatch Code = "verification_failed"  // the staged copy does not hold what the backup holds
	CodeSwitchBlocked  Code = "switch_blocked"       // the two databases could not be exchanged
	CodeDeadline       Code = "deadline_exceeded"    // the job did not fit in the time that a worker has
	CodeWorkerLost     Code = "worker_lost"          // workers ended without a word, again and again
	CodeUnsupported    Code = "unsupported"          // something that this version can't do
	CodeInternal       Code = "internal_error"       // anything else: the log has it
	CodeCancelled      Code = "cancelled"            // an operator stopped it
	CodeSourceGone     Code = "source_gone"          // the backup or upload to restore was deleted meanwhile
	CodeNotSQL         Code = "file_not_sql"         // an uploaded file is something else than SQL text
	CodeWrongEngine    Code = "file_wrong_engine"    // an uploaded file is for another kind of database server
	CodeDangerous      Code = "file_dangerous"       // an uploaded file has statements that must not be run
	CodeFileLimit      Code = "file_over_limit"      // an uploaded file is larger, or denser, than is taken
	CodeBadSelection   Code = "selection_unusable"   // the tables that are wanted can't be restored without those that are left out
	CodeNeverArrived   Code = "upload_never_arrived" // nothing was sent to an upload's link
)

// Error is an error that an operator may read. Text and Hint are fixed texts, free of secrets; the cause is for the log.
type Error struct {
	Code  Code
	Text  string // what is wrong, and where
	Hint  string // what to do
	Log   string // the failing tool's or server's own words, where there are any
	Cause error
}

// Error gives the whole, cause included: it is meant for the log.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Text
	}
	return fmt.Sprintf("%s: %v", e.Text, e.Cause)
}

func (e *Error) Unwrap() error { return e.Cause }

// UnusableDatabase is a registration that makes no sense: the name that it claims, and what is wrong with it.
type UnusableDatabase struct {
	Name string // as the tag says, which may be no database's name
	Why  *Error
}

// UnusableError names the registrations that a list of databases leaves out.
type UnusableError struct{ Databases []UnusableDatabase } // by name; at least one

func (e *UnusableError) Error() string { return errors.Join(e.Unwrap()...).Error() }

// Unwrap gives the reasons.
func (e *UnusableError) Unwrap() []error {
	reasons := make([]error, 0, len(e.Databases))
	for _, d := range e.Databases {
		reasons = append(reasons, d.Why)
	}
	return reasons
}

// FailureOf is what a record says of err: an *Error in its chain as it stands, anything else as an internal error whose
// cause stays in the log.
func FailureOf(err error) Failure {
	var e *Error
	if errors.As(err, &e) {
		return Failure{Code: e.Code, Reason: e.Text, Hint: e.Hint, Log: e.Log}
	}
	return Failure{
		Code:   CodeInternal,
		Reason: "The worker met an error that it did not expect.",
		Hint:   "Try again. If it happens again, look up this job's id in the worker's log.",
	}
}
