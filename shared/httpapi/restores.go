package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
)

const restoresPath = "/api/databases/{database}/restores"

// RestoreList is a page of restores.
type RestoreList struct {
	Items []Restore `json:"items" doc:"Newest first."`
	Next  string    `json:"next,omitempty" doc:"The cursor of the next page. Absent on the last one. A page may be shorter than its limit before the last."`
}

// RestoreRequest asks for a restore.
type RestoreRequest struct {
	Source  Source `json:"source" doc:"What to restore."`
	DryRun  *bool  `json:"dryRun,omitempty" default:"true" doc:"Stop before the live database would be replaced, and report. A real run has to be asked for by false."`
	Confirm string `json:"confirm,omitempty" maxLength:"63" doc:"For a real run: the database's name, as a person typed it." example:"school"`
}

func (a *API) registerRestores() {
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: restoresPath, Permission: access.BackupsRead}, id: "list-restores", tag: "Restores",
		summary: "List the restores of a database", errors: []int{400, 422},
	}, a.listRestores)
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: restoresPath, Permission: access.RestoresRehearse}, id: "create-restore", tag: "Restores",
		permissionWhen: map[string]access.Permission{"dryRun is false": access.RestoresRun},
		summary:        "Restore a backup, or rehearse that",
		text: "Queues a restore of a backup into the database it was taken of, and answers with its record. A dry run, which is the default, " +
			"does everything but replace the live database. A real run needs the database's name in confirm.",
		status: http.StatusAccepted, errors: []int{400, 409, 413, 415, 422},
	}, a.createRestore)
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: restoresPath + "/{id}", Permission: access.BackupsRead}, id: "get-restore", tag: "Restores",
		summary: "Get a restore, with its report",
	}, a.getRestore)
}

func (a *API) listRestores(ctx context.Context, in *InPageOfDatabase) (*output[RestoreList], error) {
	if err := checkCursor(in.Cursor); err != nil {
		return nil, err
	}
	records, next, err := a.Restores.List(ctx, database(ctx).Name, in.Cursor, in.Limit)
	if err := a.readable(ctx, err); err != nil {
		return nil, fmt.Errorf("list restores: %w", err)
	}
	progress := a.progressOf(ctx)
	list := RestoreList{Items: make([]Restore, 0, len(records)), Next: next}
	for _, r := range records {
		v := restoreView(r, false)
		v.Progress = progress(r.Job)
		list.Items = append(list.Items, v)
	}
	return &output[RestoreList]{list}, nil
}

func (a *API) getRestore(ctx context.Context, in *InRecord) (*output[RestoreDetail], error) {
	r, err := a.Restores.Get(ctx, database(ctx).Name, in.ID)
	if err != nil {
		return nil, orNotFound(err, "restore_not_found", "There is no restore with that id.")
	}
	v := restoreDetail(r)
	v.Progress = a.progressOf(ctx)(r.Job)
	return &output[RestoreDetail]{v}, nil
}

type createRestoreInput struct {
	InDatabase
	IdempotencyKey
	Body RestoreRequest
}

func (a *API) createRestore(ctx context.Context, in *createRestoreInput) (*accepted[Restore], error) {
	d, dryRun := database(ctx), in.Body.DryRun == nil || *in.Body.DryRun
	if !dryRun {
		if !operator(ctx).Allows(access.RestoresRun) {
			return nil, notAllowed(access.RestoresRun)
		}
		if in.Body.Confirm != d.Name {
			p := problem(http.StatusUnprocessableEntity, "confirm_mismatch", "The target is not confirmed: this replaces the live database "+d.Name+".",
				"Type the database's name to confirm: "+d.Name)
			p.Errors = []FieldError{{Location: "body.confirm", Message: "must be " + d.Name}}
			return nil, p
		}
	}
	id, first, err := a.claim(ctx, in.IdempotencyKey, "create-restore", in.Body)
	if err != nil {
		return nil, err
	}
	if !first {
		// Whatever has become of the backup since: the answer is what the first call made.
		r, err := a.Restores.Get(ctx, d.Name, id)
		if err == nil {
			return a.acceptedRestore(ctx, r), nil
		}
		if !isNotFound(err) {
			return nil, err
		}
	}
	b, err := a.findBackup(ctx, in.Body.Source.Backup)
	if err != nil {
		return nil, err
	}
	if err := b.Usable(); err != nil {
		return nil, err
	}
	r, err := a.Desk.StartRestore(ctx, backup.RestoreSource{Backup: &b}, id, backup.RestoreOptions{DryRun: dryRun}, actor(ctx))
	if err != nil {
		return nil, err
	}
	return a.acceptedRestore(ctx, r), nil
}

func (a *API) acceptedRestore(ctx context.Context, r backup.Restore) *accepted[Restore] {
	v := restoreView(r, false)
	v.Progress = a.progressOf(ctx)(r.Job)
	return &accepted[Restore]{Location: "/api/databases/" + r.Database + "/restores/" + r.ID, Body: v}
}
