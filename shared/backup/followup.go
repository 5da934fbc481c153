package backup

import (
	"encoding/json"
	"fmt"
	"time"
)

// Held is a database that a restore keeps on the server besides the live one: the copy of a rehearsal, the database that a restore
// replaced, or the one that an undo replaced in turn.
type Held struct {
	Name  string    `json:"name"`  // on the server
	Bytes int64     `json:"bytes"` // of disk; 0 where it could not be asked
	Until time.Time `json:"until"` // when it is dropped
}

// Holding says that a restore may hold a database. It is written before the database comes to be held and removed after it was
// dropped, so whoever looks for databases whose window has ended reads these and no others. The record says what is held.
type Holding struct {
	Database string          `json:"database"`
	Restore  string          `json:"restore"`
	Memo     json.RawMessage `json:"memo,omitempty"` // what the engine needs to apply a rehearsal
}

// FollowUp is what is done with a restore after it has ended. It is a job of its own, which goes
// queued → running → done | failed | cancelled and is kept on the restore's record: the newest one only.
type FollowUp struct {
	Job
	Kind JobKind `json:"kind"` // ApplyJob, UndoJob or DropJob
}

// Doubt is an apply or undo that ended without its being known whether the databases were exchanged. The server knows. A record keeps it
// apart from the follow-up, in whose place the next one comes.
type Doubt struct {
	Kind    JobKind   `json:"kind"`
	ID      string    `json:"id"`
	Attempt int       `json:"attempt"`
	Since   time.Time `json:"since"`
}

// Doubted notes that it is not known what came of the follow-up, which has ended. An earlier doubt stays: as long as there is one,
// nothing is exchanged.
func (r *Restore) Doubted() {
	f := r.FollowUp
	if r.Doubt == nil && f != nil && (f.Kind == ApplyJob || f.Kind == UndoJob) {
		r.Doubt = &Doubt{Kind: f.Kind, ID: f.ID, Attempt: f.Attempt, Since: f.EndedAt}
	}
}

// InDoubt is the kind of the job of which it is not known whether it exchanged the databases: the restore itself, or an apply or undo of it.
// It is empty where that is known: the drop that follows a restore which ended in doubt has asked the server.
func (r *Restore) InDoubt() JobKind {
	asked := r.FollowUp != nil && r.FollowUp.Kind == DropJob && r.FollowUp.State == Done
	switch {
	case r.Doubt != nil:
		return r.Doubt.Kind
	case r.State == Failed && !r.DryRun && r.Failure != nil && r.Failure.Unknown && !asked:
		return RestoreJob
	}
	return ""
}

// TookPlace records that a job of which nobody knew, the restore itself or what is in doubt of its follow-ups, has exchanged the databases.
// held is the one that was replaced.
func (r *Restore) TookPlace(held Held, now time.Time) {
	if r.Doubt != nil && r.Doubt.Kind == UndoJob {
		r.State, r.UndoneAt = Undone, now
	} else {
		r.State, r.SwitchedAt, r.Failure = Restored, now, nil
	}
	r.Held, r.Doubt = &held, nil
}

// CanApply is nil where the rehearsed copy can be switched in, else an *Error that says why not.
func (r *Restore) CanApply(now time.Time) error {
	const code = "apply_not_possible"
	switch {
	case r.busy():
		return errFollowUp(code)
	case r.State == Expired, r.State == Rehearsed && (r.Held == nil || now.After(r.Held.Until)):
		return &Error{Code: code, Text: "The rehearsed copy is not kept any more.", Hint: "Rehearse the restore again, or start it as a real run."}
	case r.State != Rehearsed:
		return &Error{Code: code, Text: fmt.Sprintf("Only a rehearsed restore can be applied; this one is %s.", r.State), Hint: "Start a new restore."}
	case r.Partial != nil && !r.AcceptPartial:
		return &Error{Code: "backup_partial", Text: fmt.Sprintf("The backup is partial, with %s: all other tables of the copy are empty.", r.Partial),
			Hint: "Choose a whole backup. If empty tables are what you want, rehearse it again and acknowledge this."}
	}
	return nil
}

// CanUndo is nil where the replaced database can be brought back, else an *Error that says why not.
func (r *Restore) CanUndo(now time.Time) error {
	const code = "undo_not_possible"
	switch {
	case r.busy():
		return errFollowUp(code)
	case r.State != Restored:
		return &Error{Code: code, Text: fmt.Sprintf("Only a restored database can be undone; this restore is %s.", r.State), Hint: "There is nothing to undo."}
	case r.Held == nil || now.After(r.Held.Until):
		return &Error{Code: code, Text: "The replaced database is not kept any more.", Hint: "Restore a backup instead."}
	}
	return nil
}

// CanCancel is nil where there is something to cancel, else an *Error that says why not.
func (r *Restore) CanCancel() error {
	const code = "cancel_not_possible"
	switch {
	case !r.State.Ended():
		return nil
	case !r.busy():
		return &Error{Code: code, Text: fmt.Sprintf("This restore has ended: it is %s.", r.State), Hint: "There is nothing to cancel."}
	case r.FollowUp.Kind == DropJob:
		return &Error{Code: code, Text: "A kept database is being dropped, which can't be cancelled.", Hint: "Wait until it is done."}
	}
	return nil
}

// Newest is the job that is done last on this record: what follows the restore, or the restore itself.
func (r *Restore) Newest() *Job {
	if r.FollowUp != nil {
		return &r.FollowUp.Job
	}
	return &r.Job
}

// busy reports whether a follow-up has not ended.
func (r *Restore) busy() bool { return r.FollowUp != nil && !r.FollowUp.State.Ended() }

func errFollowUp(code Code) error {
	return &Error{Code: code, Text: "Something is being done with this restore already.", Hint: "Wait until it has ended."}
}

// Follow adds a follow-up. A drop waits for its window; apply and undo must be within theirs. A drop of nothing that is known clears
// what was left on the server by a restore that ended without a word.
func (r *Restore) Follow(kind JobKind, id string, by Actor, now time.Time) error {
	switch kind {
	case ApplyJob:
		if err := r.CanApply(now); err != nil {
			return err
		}
	case UndoJob:
		if err := r.CanUndo(now); err != nil {
			return err
		}
	case DropJob:
		if r.busy() || !r.State.Ended() {
			return errFollowUp("drop_not_possible")
		}
	default:
		return fmt.Errorf("a job of kind %q follows no restore", kind)
	}
	r.FollowUp = &FollowUp{Kind: kind, Job: Job{ID: id, Database: r.Database, State: Queued, RequestedBy: by, RequestedAt: now}}
	return nil
}

// Applied ends an apply, run as attempt of the follow-up: the rehearsed copy is live now.
func (r *Restore) Applied(attempt int, s Switched, held Held, now time.Time) error {
	if err := r.followed(ApplyJob, attempt, now); err != nil {
		return err
	}
	r.State, r.Held, r.Downtime, r.SwitchedAt = Restored, &held, s.Downtime, now
	return nil
}

// Undone ends an undo: the replaced database is live again, and the one that it replaced is held in turn.
func (r *Restore) Undone(attempt int, s Switched, held Held, now time.Time) error {
	if err := r.followed(UndoJob, attempt, now); err != nil {
		return err
	}
	r.State, r.Held, r.UndoDowntime, r.UndoneAt = Undone, &held, s.Downtime, now
	return nil
}

// Dropped ends a drop: nothing is held any more.
func (r *Restore) Dropped(attempt int, now time.Time) error {
	if err := r.followed(DropJob, attempt, now); err != nil {
		return err
	}
	r.release()
	return nil
}

// Cleared ends a drop that was there for a doubt only, which was cleared: what is held stays for its window.
func (r *Restore) Cleared(attempt int, now time.Time) error {
	if err := r.followed(DropJob, attempt, now); err != nil {
		return err
	}
	r.Doubt = nil
	return nil
}

// Superseded gives up the copy of a rehearsal, which was dropped because another restore of the database began.
func (r *Restore) Superseded() error {
	if r.State != Rehearsed || r.Held == nil {
		return &TransitionError{ID: r.ID, From: r.State, To: Expired}
	}
	r.release()
	return nil
}

func (r *Restore) release() {
	r.Held, r.Doubt = nil, nil
	if r.State == Rehearsed {
		r.State = Expired
	}
}

func (r *Restore) followed(kind JobKind, attempt int, now time.Time) error {
	if r.FollowUp == nil || r.FollowUp.Kind != kind {
		return fmt.Errorf("restore %s has no follow-up of kind %q", r.ID, kind)
	}
	return r.FollowUp.end(Done, attempt, now)
}
