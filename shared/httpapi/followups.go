package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
)

// Can is what can be done with a restore now.
type Can struct {
	Apply  Possible `json:"apply" doc:"Put the rehearsed copy in the live database's place."`
	Undo   Possible `json:"undo" doc:"Bring the replaced database back."`
	Cancel Possible `json:"cancel" doc:"Stop it, or what follows it."`
}

// Possible says whether something can be done.
type Possible struct {
	Allowed    bool              `json:"allowed" doc:"Whether it can be done now, by who asks."`
	Reason     string            `json:"reason,omitempty" doc:"Why not, for people." example:"The replaced database is not kept any more."`
	Hint       string            `json:"hint,omitempty" doc:"What to do instead."`
	Permission access.Permission `json:"permission,omitempty" doc:"The permission that is missing, where it is only that."`
}

func canView(o access.Operator, r backup.Restore, now time.Time) *Can {
	return &Can{
		Apply:  possible(o, access.RestoresRun, r.CanApply(now)),
		Undo:   possible(o, access.RestoresRun, r.CanUndo(now)),
		Cancel: possible(o, cancelNeeds(r), r.CanCancel()),
	}
}

// possible puts together what the restore's state says, which err tells, and what who asks may do.
func possible(o access.Operator, needs access.Permission, err error) Possible {
	if why := (*backup.Error)(nil); errors.As(err, &why) {
		return Possible{Reason: why.Text, Hint: why.Hint}
	}
	if !o.Allows(needs) {
		p := notAllowed(needs)
		return Possible{Reason: p.Detail, Hint: p.Hint, Permission: needs}
	}
	return Possible{Allowed: true}
}

// cancelNeeds is what starting needed that a cancel would stop: a dry run, or what replaces the live database.
func cancelNeeds(r backup.Restore) access.Permission {
	if r.DryRun && !r.State.Ended() {
		return access.RestoresRehearse
	}
	return access.RestoresRun
}

// Confirmation is what has to be sent where the live database is to be replaced.
type Confirmation struct {
	Confirm string `json:"confirm" maxLength:"63" doc:"The database's name, as a person typed it." example:"school"`
}

type confirmedInput struct {
	InRecord
	IdempotencyKey
	Body Confirmation
}

func (a *API) registerFollowUps() {
	notThere := []string{"restore_not_found", "not_found"}
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: restorePath + "/apply", Permission: access.RestoresRun}, id: "apply-restore", tag: "Restores",
		summary: "Apply what was rehearsed",
		text: "Puts the rehearsed copy in the live database's place, as it stands: nothing is loaded again. Poll the restore until its followUp has " +
			"ended; the restore is restored then. The replaced database is kept for an undo, with the rows that came into it since the rehearsal: the copy lacks them.",
		status: http.StatusAccepted, refusals: withBody(refusals{404: notThere, 409: {"apply_not_possible", "idempotency_key_spent"}, 422: {"confirm_mismatch", "backup_partial", "idempotency_key_reused"}}),
	}, func(ctx context.Context, in *confirmedInput) (*accepted[Restore], error) {
		return a.follow(ctx, in, "apply-restore", a.Desk.Apply)
	})
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: restorePath + "/undo", Permission: access.RestoresRun}, id: "undo-restore", tag: "Restores",
		summary: "Undo a restore",
		text: "Brings the replaced database back, as it was when it was replaced. Poll the restore until its followUp has ended; the restore is undone then. The " +
			"restored database is kept in turn, with the rows that came into it since: the one that comes back lacks them.",
		status: http.StatusAccepted, refusals: withBody(refusals{404: notThere, 409: {"undo_not_possible", "idempotency_key_spent"}, 422: {"confirm_mismatch", "idempotency_key_reused"}}),
	}, func(ctx context.Context, in *confirmedInput) (*accepted[Restore], error) {
		return a.follow(ctx, in, "undo-restore", a.Desk.Undo)
	})
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: restorePath + "/cancel", Permission: access.RestoresRehearse}, id: "cancel-restore", tag: "Restores",
		permissionWhen: map[string]access.Permission{"it is a real run, an apply or an undo": access.RestoresRun},
		summary:        "Cancel a restore, or what follows it",
		text: "Stops it at once where no worker has taken it up, else within seconds, and leaves the live database as it was. Once the live " +
			"database is being replaced, it is too late: then it ends as if nobody had asked.",
		status: http.StatusAccepted, refusals: refusals{404: notThere, 409: {"cancel_not_possible"}},
	}, a.cancelRestore)
}

type followUp func(ctx context.Context, database, restore, id string, by backup.Actor) (backup.Restore, error)

// follow starts what follows a restore.
func (a *API) follow(ctx context.Context, in *confirmedInput, operation string, start followUp) (*accepted[Restore], error) {
	d := database(ctx)
	r, err := a.findRestore(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := confirmed(d, in.Body.Confirm); err != nil {
		return nil, err
	}
	id, first, err := a.claim(ctx, in.IdempotencyKey, operation+" "+r.ID, in.Body)
	if err != nil {
		return nil, err
	}
	if !first {
		if err := a.overtaken(r, id); err != nil {
			return nil, err
		}
	}
	if r, err = start(ctx, d.Name, r.ID, id, actor(ctx)); err != nil {
		return nil, orNotFound(err, "restore_not_found", "There is no restore with that id.")
	}
	return a.acceptedRestore(ctx, r), nil
}

// overtaken refuses the key of a follow-up that another has come after, or that was never made: a record keeps the newest only, and a
// repeated call must not replace the live database a second time.
func (a *API) overtaken(r backup.Restore, id string) error {
	newest := ""
	if r.FollowUp != nil {
		newest = r.FollowUp.ID
	}
	// Ids sort by time.
	if newest == id || newest < id && a.Now().Sub(backup.IDTime(id)) < claimedFor {
		return nil
	}
	return problem(http.StatusConflict, "idempotency_key_spent", "Something else was done with this restore since, or the request of this Idempotency-Key was cut off.",
		"Look at the restore as it is now. Use a fresh key to do something with it.")
}

func (a *API) cancelRestore(ctx context.Context, in *InRecord) (*accepted[Restore], error) {
	r, err := a.findRestore(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := r.CanCancel(); err != nil {
		return nil, err
	}
	if needs := cancelNeeds(r); !operator(ctx).Allows(needs) {
		return nil, notAllowed(needs)
	}
	if r, err = a.Desk.Cancel(ctx, r.Database, r.ID, r.Newest().ID, actor(ctx)); err != nil {
		return nil, orNotFound(err, "restore_not_found", "There is no restore with that id.")
	}
	return a.acceptedRestore(ctx, r), nil
}
