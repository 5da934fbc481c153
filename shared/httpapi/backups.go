package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
)

const (
	backupsPath = "/api/databases/{database}/backups"
	backupPath  = backupsPath + "/{id}"
	// linkLifetime is short because the link itself is the right to download. The transfer may take longer: only its
	// beginning counts.
	linkLifetime = 5 * time.Minute
)

// InDatabase is the path of what belongs to a database. The guard has looked at paths before a handler runs: these
// fields are here for the document. They are exported because huma fills in no others.
type InDatabase struct {
	Database string `path:"database" doc:"The database's name." example:"school"`
}

// InRecord is the path of one record.
type InRecord struct {
	InDatabase
	ID string `path:"id" doc:"The record's id." example:"01kax5r9mv4e8c0d2n6h3tqz7w"`
}

// InPage is the query of a list.
type InPage struct {
	Limit  int    `query:"limit" default:"25" minimum:"1" maximum:"100" doc:"How many items, at most."`
	Cursor string `query:"cursor" doc:"Where to go on: next of the page before."`
}

// InPageOfDatabase is a list of a database.
type InPageOfDatabase struct {
	InDatabase
	InPage
}

// BackupList is a page of backups.
type BackupList struct {
	Items []Backup `json:"items" doc:"Newest first."`
	Next  string   `json:"next,omitempty" doc:"The cursor of the next page. Absent on the last one. A page may be shorter than its limit, or empty, before the last."`
}

// Download is a link to a backup's file.
type Download struct {
	URL       string    `json:"url" format:"uri" doc:"Downloads the file, without any header. Whoever has it can use it."`
	ExpiresAt time.Time `json:"expiresAt" doc:"When the link stops to work, five minutes after it was made. A transfer that has begun goes on."`
	Filename  string    `json:"filename" doc:"The name the file is saved under."`
}

type accepted[T any] struct {
	Location string `header:"Location" doc:"Where the record is."`
	Body     T
}

func (a *API) registerBackups() {
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: backupsPath, Permission: access.BackupsRead}, id: "list-backups", tag: "Backups",
		summary: "List the backups of a database", text: searchText,
		refusals: refusals{400: {"cursor_invalid"}, 422: {"request_invalid"}},
	}, a.listBackups)
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: backupsPath, Permission: access.BackupsCreate}, id: "create-backup", tag: "Backups",
		summary: "Create a backup", text: "Queues a backup and answers with its record. Poll the record until it is created or failed. Without a body it is of the whole database. " +
			"One of some tables is partial: it has the whole schema, and the rows of these tables only.",
		status: http.StatusAccepted, refusals: withBody(refusals{409: {"idempotency_key_spent"}, 422: {"selection_invalid", "idempotency_key_reused"}}),
	}, a.createBackup)
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: backupPath, Permission: access.BackupsRead}, id: "get-backup", tag: "Backups",
		summary: "Get a backup, with its tables", refusals: refusals{404: {"backup_not_found", "not_found"}},
	}, a.getBackup)
	register(a, route{
		Route: Route{Method: http.MethodDelete, Path: backupPath, Permission: access.BackupsDelete}, id: "delete-backup", tag: "Backups",
		summary: "Delete a backup and its file", text: "Only created backups can be deleted. A call that was cut half-way can be repeated.",
		status: http.StatusNoContent, refusals: refusals{404: {"backup_not_found", "not_found"}, 409: {"backup_not_created", "backup_in_use"}},
	}, a.deleteBackup)
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: backupPath + "/download", Permission: access.BackupsDownload}, id: "download-backup", tag: "Backups",
		summary: "Get a link to a backup's file", text: "The link is short-lived, so make it when it is used. It is recorded who made one.",
		refusals: refusals{404: {"backup_not_found", "not_found"}, 409: {"backup_not_created", "backup_deleting"}},
	}, a.downloadBackup)
}

type listBackupsInput struct {
	InPageOfDatabase
	InPeriod
	States []backup.State `query:"state,explode" enum:"queued,running,created,failed" doc:"Only backups in one of these states. Repeat it for more than one."`
}

func (a *API) listBackups(ctx context.Context, in *listBackupsInput) (*output[BackupList], error) {
	q := query[backup.Backup]{InPage: in.InPage, InPeriod: in.InPeriod, id: func(b backup.Backup) string { return b.ID },
		list: func(ctx context.Context, p backup.Page) ([]backup.Backup, string, error) {
			return a.Backups.List(ctx, database(ctx).Name, p)
		}}
	if len(in.States) > 0 {
		q.wanted = func(b backup.Backup) bool { return slices.Contains(in.States, b.State) }
	}
	records, next, err := search(ctx, a, q)
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	now := a.board(ctx)
	list := BackupList{Items: make([]Backup, 0, len(records)), Next: next}
	for _, b := range records {
		v := backupView(b, false)
		now.tell(ctx, &v.Job, b.Job)
		list.Items = append(list.Items, v)
	}
	return &output[BackupList]{list}, nil
}

type createBackupInput struct {
	InDatabase
	IdempotencyKey
	Body *Selection
}

func (a *API) createBackup(ctx context.Context, in *createBackupInput) (*accepted[Backup], error) {
	var s backup.Selection
	var body any
	if in.Body != nil {
		s = backup.Selection{Include: in.Body.Include, Exclude: in.Body.Exclude}
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if !s.All() { // no body and an empty one are the same request
		body = s
	}
	id, first, err := a.claim(ctx, in.IdempotencyKey, "create-backup", body)
	if err != nil {
		return nil, err
	}
	if !first {
		if err := a.unspent(ctx, id); err != nil {
			return nil, err
		}
	}
	b, err := a.Desk.StartBackup(ctx, database(ctx), id, s, actor(ctx))
	if err != nil {
		return nil, err
	}
	v := backupView(b, false)
	a.board(ctx).tell(ctx, &v.Job, b.Job)
	return &accepted[Backup]{Location: "/api/databases/" + b.Database + "/backups/" + b.ID, Body: v}, nil
}

func (a *API) findBackup(ctx context.Context, id string) (backup.Backup, error) {
	b, err := a.Backups.Get(ctx, database(ctx).Name, id)
	if err != nil {
		return b, orNotFound(err, "backup_not_found", "There is no backup with that id.")
	}
	return b, nil
}

func (a *API) getBackup(ctx context.Context, in *InRecord) (*output[BackupDetail], error) {
	b, err := a.findBackup(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	v := a.backupDetail(b)
	a.board(ctx).tell(ctx, &v.Job, b.Job)
	return &output[BackupDetail]{v}, nil
}

func (a *API) downloadBackup(ctx context.Context, in *InRecord) (*output[Download], error) {
	b, err := a.findBackup(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := b.Usable(); err != nil {
		return nil, err
	}
	url, expires, err := a.Files.PresignDownload(ctx, b.File.Key, b.File.VersionID, b.Filename, linkLifetime)
	if err != nil {
		return nil, fmt.Errorf("presign %s: %w", b.File.Key, err)
	}
	// The link is given only to somebody whose name is on record.
	if err := a.record(ctx, actor(ctx), "backup.download", b.Database, b.ID, "accepted", b.Filename); err != nil {
		return nil, err
	}
	return &output[Download]{Download{URL: url, ExpiresAt: expires.UTC(), Filename: b.Filename}}, nil
}

// deleteBackup goes mark, file, record: wherever it is cut, the record is still there to be found and deleted again, and
// nobody is offered a backup whose file is gone.
func (a *API) deleteBackup(ctx context.Context, in *InRecord) (*struct{}, error) {
	b, err := a.findBackup(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if !b.Deleting {
		if err := b.Usable(); err != nil {
			return nil, err
		}
		// A restore that is asked for after this finds its source gone and fails, with live as it was.
		if err := a.notInUse(ctx, b); err != nil {
			return nil, err
		}
	}
	if err := a.record(ctx, actor(ctx), "backup.delete", b.Database, b.ID, "accepted", b.Filename); err != nil {
		return nil, err
	}
	b, err = a.Backups.Update(ctx, b.Database, b.ID, func(b *backup.Backup) error {
		if b.Deleting {
			return nil
		}
		if err := b.Usable(); err != nil {
			return err
		}
		b.Deleting = true
		return nil
	})
	if err != nil {
		return nil, orNotFound(err, "backup_not_found", "There is no backup with that id.")
	}
	if err := a.Files.Delete(ctx, b.File.Key, b.File.VersionID); err != nil {
		return nil, fmt.Errorf("delete %s: %w", b.File.Key, err)
	}
	if err := a.Backups.Delete(ctx, b.Database, b.ID); err != nil {
		return nil, fmt.Errorf("delete the record of %s: %w", b.ID, err)
	}
	a.log.InfoContext(ctx, "backup deleted", "database", b.Database, "backup", b.ID, "by", operator(ctx).Subject)
	return nil, a.record(ctx, actor(ctx), "backup.delete", b.Database, b.ID, "deleted", b.Filename)
}

// notInUse refuses where a restore of b has not ended.
func (a *API) notInUse(ctx context.Context, b backup.Backup) error {
	open, err := a.Open.List(ctx, b.Database)
	if err != nil {
		return fmt.Errorf("list open jobs: %w", err)
	}
	for _, j := range open {
		if j.Kind != backup.RestoreJob {
			continue
		}
		r, err := a.Restores.Get(ctx, j.Database, j.ID)
		if isNotFound(err) { // the marker goes before the record: its request is not through yet, or died
			continue
		}
		if err != nil {
			return fmt.Errorf("read restore %s: %w", j.ID, err)
		}
		if r.Backup == b.ID && !r.State.Ended() {
			return problem(http.StatusConflict, "backup_in_use", "A restore of this backup is "+string(r.State)+".", "Wait until it has ended.")
		}
	}
	return nil
}
