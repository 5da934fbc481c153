package httpapi

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
)

const (
	restoresPath = "/api/databases/{database}/restores"
	restorePath  = restoresPath + "/{id}"
)

// restoringSample goes from a backup to a live database that was replaced, and back.
const restoringSample = `# Rehearse it, and look until it is rehearsed: what would change stands in report.
restores=$URL/api/databases/school/restores
curl -H "Authorization: Bearer $TOKEN" $restores --json '{"source":{"backup":"'$BACKUP'"}}' > restore.json
restore=$restores/$(jq -r .id restore.json)
curl -H "Authorization: Bearer $TOKEN" $restore

# Put the rehearsed copy in the live database's place. If that was a mistake, bring the old one back.
curl -H "Authorization: Bearer $TOKEN" $restore/apply --json '{"confirm":"school"}'
curl -H "Authorization: Bearer $TOKEN" $restore/undo --json '{"confirm":"school"}'

# Or restore without a rehearsal: here an upload that nothing proves to be complete.
curl -H "Authorization: Bearer $TOKEN" $restores \
  --json '{"source":{"upload":"'$UPLOAD'"},"acceptUnproven":true,"dryRun":false,"confirm":"school"}'`

// RestoreList is a page of restores.
type RestoreList struct {
	Items []Restore `json:"items" doc:"Newest first."`
	Next  string    `json:"next,omitempty" doc:"The cursor of the next page. Absent on the last one. A page may be shorter than its limit before the last."`
}

// RestoreRequest asks for a restore.
type RestoreRequest struct {
	Source         Source `json:"source" doc:"What to restore: a backup or an upload."`
	DryRun         *bool  `json:"dryRun,omitempty" default:"true" doc:"Stop before the live database would be replaced, and report. A real run has to be asked for by false."`
	Confirm        string `json:"confirm,omitempty" maxLength:"63" doc:"For a real run: the database's name, as a person typed it." example:"school"`
	AcceptUnproven bool   `json:"acceptUnproven,omitempty" doc:"For an upload whose needsAcknowledgement is true: I know that nothing proves the file to be complete."`
	AcceptPartial  bool   `json:"acceptPartial,omitempty" doc:"For a backup that is partial: I know that the tables whose rows it lacks are empty afterwards. Needed for a real run, and for a dry run that is to be applied."`
}

// ReportDocument is a restore's report as it is downloaded.
type ReportDocument struct {
	WrittenAt time.Time `json:"writtenAt" doc:"When this document was made. The report in it was made by the restore."`
	Restore   Restore   `json:"restore" doc:"The restore."`
	Report    Report    `json:"report" doc:"What was found, whole: its leftOut says so where even this document could not hold all."`
}

type attachment[T any] struct {
	Disposition string `header:"Content-Disposition" doc:"Makes a browser save it, and names the file."`
	Body        T
}

func (a *API) registerRestores() {
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: restoresPath, Permission: access.BackupsRead}, id: "list-restores", tag: "Restores",
		summary: "List the restores of a database", refusals: refusals{400: {"cursor_invalid"}, 422: {"request_invalid"}},
	}, a.listRestores)
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: restoresPath, Permission: access.RestoresRehearse}, id: "create-restore", tag: "Restores",
		permissionWhen: map[string]access.Permission{"dryRun is false": access.RestoresRun},
		summary:        "Restore a backup or an upload, or rehearse that",
		text: "Queues a restore into the database that the backup was taken of, or the upload was sent in for, and answers with its record. Poll it until it " +
			"has ended. A dry run, which is the default, does everything but replace the live database: it ends as rehearsed, with a report, and can be " +
			"applied while its copy is kept. A real run needs the database's name in confirm, and ends as restored.",
		sample: restoringSample,
		status: http.StatusAccepted, refusals: withBody(refusals{404: {"backup_not_found", "upload_not_found"},
			409: {"backup_not_created", "backup_deleting", "upload_not_accepted", "upload_gone"}, 422: {"confirm_mismatch", "upload_unproven", "backup_partial", "idempotency_key_reused"}}),
	}, a.createRestore)
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: restorePath, Permission: access.BackupsRead}, id: "get-restore", tag: "Restores",
		summary: "Get a restore, with its report", text: "Its lists are bounded: at most 10,000 tables and 1,000 of everything else. leftOut says how many are missing; the downloaded report has more. can says what the caller can do with it now.",
		refusals: refusals{404: {"restore_not_found", "not_found"}},
	}, a.getRestore)
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: restorePath + "/report", Permission: access.BackupsRead}, id: "download-restore-report", tag: "Restores",
		summary: "Download a restore's report", text: "As a JSON document, to keep. It is whole as long as a Lambda function can answer it: some 5 MB.",
		refusals: refusals{404: {"restore_not_found", "not_found"}, 409: {"report_not_made"}},
	}, a.downloadReport)
}

func (a *API) listRestores(ctx context.Context, in *InPageOfDatabase) (*output[RestoreList], error) {
	if err := checkCursor(in.Cursor); err != nil {
		return nil, err
	}
	records, next, err := a.Restores.List(ctx, database(ctx).Name, backup.Page{After: in.Cursor, Limit: in.Limit})
	if err := a.readable(ctx, err); err != nil {
		return nil, fmt.Errorf("list restores: %w", err)
	}
	now := a.board(ctx)
	list := RestoreList{Items: make([]Restore, 0, len(records)), Next: next}
	for _, r := range records {
		v := restoreView(r, false)
		a.present(ctx, now, &v, r)
		list.Items = append(list.Items, v)
	}
	return &output[RestoreList]{list}, nil
}

// present adds to the view of a restore what depends on the moment and on who asks.
func (a *API) present(ctx context.Context, now *board, v *Restore, r backup.Restore) {
	now.tell(ctx, &v.Job, r.Job)
	if f := r.FollowUp; f != nil {
		now.tell(ctx, &v.FollowUp.Job, f.Job)
	}
	v.Can = canView(operator(ctx), r, a.Now())
}

func (a *API) findRestore(ctx context.Context, id string) (backup.Restore, error) {
	r, err := a.Restores.Get(ctx, database(ctx).Name, id)
	if err != nil {
		return r, orNotFound(err, "restore_not_found", "There is no restore with that id.")
	}
	return r, nil
}

func (a *API) getRestore(ctx context.Context, in *InRecord) (*output[RestoreDetail], error) {
	r, err := a.findRestore(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	v := restoreDetail(r)
	a.present(ctx, a.board(ctx), &v.Restore, r)
	return &output[RestoreDetail]{v}, nil
}

func (a *API) downloadReport(ctx context.Context, in *InRecord) (*attachment[ReportDocument], error) {
	r, err := a.findRestore(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if r.Report == nil {
		return nil, problem(http.StatusConflict, "report_not_made", "This restore has no report: it is "+string(r.State)+".",
			"A report is made when the copy was verified and compared with the live database.")
	}
	whole := func(s string) string { return s }
	doc := ReportDocument{WrittenAt: a.Now().UTC(), Restore: restoreView(r, true), Report: *reportView(*r.Report, maxDocument, math.MaxInt, whole)}
	// Both parts of the name have been checked to be plain, so it needs no quoting that could be got wrong.
	return &attachment[ReportDocument]{Disposition: fmt.Sprintf(`attachment; filename="%s-restore-%s.json"`, r.Database, r.ID), Body: doc}, nil
}

type createRestoreInput struct {
	InDatabase
	IdempotencyKey
	Body RestoreRequest
}

func (a *API) createRestore(ctx context.Context, in *createRestoreInput) (*accepted[Restore], error) {
	d, o := database(ctx), backup.RestoreOptions{DryRun: in.Body.DryRun == nil || *in.Body.DryRun, AcceptUnproven: in.Body.AcceptUnproven,
		AcceptPartial: in.Body.AcceptPartial}
	if s := in.Body.Source; (s.Backup == "") == (s.Upload == "") {
		return nil, invalid(FieldError{Location: "body.source", Message: "expected either backup or upload"})
	}
	if !o.DryRun {
		if !operator(ctx).Allows(access.RestoresRun) {
			return nil, notAllowed(access.RestoresRun)
		}
		if err := confirmed(d, in.Body.Confirm); err != nil {
			return nil, err
		}
	}
	id, first, err := a.claim(ctx, in.IdempotencyKey, "create-restore", in.Body)
	if err != nil {
		return nil, err
	}
	if !first {
		// Whatever has become of the source since: the answer is what the first call made.
		r, err := a.Restores.Get(ctx, d.Name, id)
		if err == nil {
			return a.acceptedRestore(ctx, r), nil
		}
		if !isNotFound(err) {
			return nil, err
		}
	}
	source, err := a.findSource(ctx, in.Body.Source, o)
	if err != nil {
		return nil, err
	}
	r, err := a.Desk.StartRestore(ctx, source, id, o, actor(ctx))
	if err != nil {
		return nil, err
	}
	return a.acceptedRestore(ctx, r), nil
}

// findSource reads what is to be restored, and refuses what can't be.
func (a *API) findSource(ctx context.Context, s Source, o backup.RestoreOptions) (backup.RestoreSource, error) {
	if s.Upload != "" {
		u, err := a.findUpload(ctx, s.Upload)
		if err != nil {
			return backup.RestoreSource{}, err
		}
		return backup.RestoreSource{Upload: &u}, u.CanRestore(o, a.Now())
	}
	b, err := a.findBackup(ctx, s.Backup)
	if err != nil {
		return backup.RestoreSource{}, err
	}
	return backup.RestoreSource{Backup: &b}, b.CanRestore(o)
}

// confirmed refuses to replace a live database unless somebody has typed its name.
func confirmed(d backup.Database, typed string) error {
	if typed == d.Name {
		return nil
	}
	p := problem(http.StatusUnprocessableEntity, "confirm_mismatch", "The target is not confirmed: this replaces the live database "+d.Name+".",
		"Type the database's name to confirm: "+d.Name)
	p.Errors = []FieldError{{Location: "body.confirm", Message: "must be " + d.Name}}
	return p
}

func (a *API) acceptedRestore(ctx context.Context, r backup.Restore) *accepted[Restore] {
	v := restoreView(r, false)
	a.present(ctx, a.board(ctx), &v, r)
	return &accepted[Restore]{Location: "/api/databases/" + r.Database + "/restores/" + r.ID, Body: v}
}
