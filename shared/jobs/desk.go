package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Desk takes requests for jobs.
type Desk struct {
	Backups  backup.Records[backup.Backup]
	Restores backup.Records[backup.Restore]
	Uploads  backup.Records[backup.Upload]
	Dropbox  backup.Dropbox
	Open     backup.OpenJobs
	Bell     backup.Doorbell
	Activity backup.ActivityLog
	Log      *slog.Logger
}

// StartBackup records a backup of database and rings for a worker. id is "" for a new one; a job with that id that is
// there already is returned as it stands, so a repeated request makes one backup. s says of which tables the rows are wanted.
func (d *Desk) StartBackup(ctx context.Context, database backup.Database, id string, s backup.Selection, by backup.Actor) (backup.Backup, error) {
	if err := s.Check(); err != nil {
		return backup.Backup{}, err
	}
	id, now := orNew(id), time.Now().UTC()
	b := backup.Backup{Job: newJob(id, database.Name, by, now), Filename: Filename(database.Name, id), Engine: database.Engine}
	if !s.All() {
		b.Selection, b.Filename = &s, partialFilename(database.Name, id)
	}
	return start(ctx, d, d.Backups, request[backup.Backup]{
		job: backup.OpenJob{Database: database.Name, Kind: backup.BackupJob, ID: id}, record: b, state: func(b backup.Backup) backup.State { return b.State },
		entry: backup.Entry{Actor: by, Action: "backup.create", At: now, Detail: selected(b)},
	})
}

// StartRestore records a restore of a backup or upload that is usable, into the database it belongs to. See StartBackup for id.
func (d *Desk) StartRestore(ctx context.Context, source backup.RestoreSource, id string, o backup.RestoreOptions, by backup.Actor) (backup.Restore, error) {
	now := time.Now().UTC()
	r, err := restoreOf(source, o, now)
	if err != nil {
		return backup.Restore{}, err
	}
	id = orNew(id)
	r.Job = newJob(id, r.Database, by, now)
	action := "restore.run"
	if o.DryRun {
		action = "restore.rehearse"
	}
	return start(ctx, d, d.Restores, request[backup.Restore]{
		job: backup.OpenJob{Database: r.Database, Kind: backup.RestoreJob, ID: id}, record: r, state: func(r backup.Restore) backup.State { return r.State },
		entry: backup.Entry{Actor: by, Action: action, At: now, Detail: r.Filename},
	})
}

// restoreOf pins what is to be restored.
func restoreOf(source backup.RestoreSource, o backup.RestoreOptions, now time.Time) (r backup.Restore, err error) {
	r.DryRun, r.AcceptUnproven, r.AcceptPartial = o.DryRun, o.AcceptUnproven, o.AcceptPartial
	switch b, u := source.Backup, source.Upload; {
	case b != nil:
		if err := b.CanRestore(o); err != nil {
			return r, err
		}
		r.Database, r.Backup, r.Filename, r.Source = b.Database, b.ID, b.Filename, *b.File
		if b.Partial() {
			r.Partial = b.Selection
		}
	case u != nil:
		if err := u.CanRestore(o, now); err != nil {
			return r, err
		}
		r.Database, r.Upload, r.Filename, r.Source = u.Database, u.ID, u.Filename, *u.File
	default:
		return r, errors.New("start a restore: neither a backup nor an upload is given")
	}
	return r, nil
}

type request[T any] struct {
	job    backup.OpenJob
	record T
	state  func(T) backup.State
	entry  backup.Entry
}

// start writes marker, record, activity and rings, in that order: whichever write is the last before a crash, either
// nothing was promised yet, or the marker leads a worker to the job.
func start[T any](ctx context.Context, d *Desk, records backup.Records[T], q request[T]) (T, error) {
	var none T
	database, id := q.job.Database, q.job.ID
	// A job that has ended must not be marked as open again.
	if stands, err := records.Get(ctx, database, id); err == nil {
		return stands, nil
	} else if !errors.Is(err, backup.ErrNotFound) {
		return none, fmt.Errorf("look for %s %s: %w", q.job.Kind, id, err)
	}
	if err := d.Open.Mark(ctx, q.job); err != nil {
		return none, fmt.Errorf("mark %s %s as open: %w", q.job.Kind, id, err)
	}
	switch err := records.Create(ctx, database, id, q.record); {
	case errors.Is(err, backup.ErrExists):
		return settle(ctx, d, records, q.job, q.state)
	case err != nil:
		return none, fmt.Errorf("create %s %s: %w", q.job.Kind, id, err)
	}
	q.entry.ID, q.entry.Database, q.entry.Target, q.entry.Result = backup.DeriveID(q.entry.At, "start", id), database, id, accepted
	d.note(ctx, q.entry)
	d.ring(ctx, q.job)
	d.Log.InfoContext(ctx, "job queued", "kind", q.job.Kind, "database", database, "job", id, "by", q.entry.Actor.Kind)
	return q.record, nil
}

// accepted is the result of a request, in the activity log.
const accepted = "accepted"

// note writes an entry of the activity log. The job stands and will run, and its record says who asked for it: an entry that can't be
// written is no reason to say otherwise.
func (d *Desk) note(ctx context.Context, e backup.Entry) {
	if err := d.Activity.Append(ctx, e); err != nil {
		d.Log.ErrorContext(ctx, "activity not written", "action", e.Action, "target", e.Target, "error", err)
	}
}

// ring wakes a worker. Where that fails the sweep finds the marker within a minute and rings.
func (d *Desk) ring(ctx context.Context, o backup.OpenJob) {
	if err := d.Bell.Ring(ctx, o.Database); err != nil {
		d.Log.WarnContext(ctx, "bell not rung", "database", o.Database, "job", o.ID, "error", err)
	}
}

// settle returns the record of whoever wrote it first, and takes our marker back if that job has ended meanwhile.
func settle[T any](ctx context.Context, d *Desk, records backup.Records[T], o backup.OpenJob, state func(T) backup.State) (T, error) {
	stands, err := records.Get(ctx, o.Database, o.Record())
	if err != nil {
		return stands, fmt.Errorf("read %s %s: %w", o.Kind, o.ID, err)
	}
	if state(stands).Ended() {
		return stands, d.clear(ctx, o)
	}
	return stands, nil
}

// clear takes a marker back.
func (d *Desk) clear(ctx context.Context, o backup.OpenJob) error {
	if err := d.Open.Clear(ctx, o); err != nil {
		return fmt.Errorf("clear the marker of %s %s: %w", o.Kind, o.ID, err)
	}
	return nil
}

func newJob(id, database string, by backup.Actor, now time.Time) backup.Job {
	return backup.Job{ID: id, Database: database, State: backup.Queued, RequestedBy: by, RequestedAt: now}
}

func orNew(id string) string {
	if id == "" {
		return backup.NewID()
	}
	return id
}

// Filename is what a backup is downloaded as, and the last segment of its key: school-20261122-031500.sql.gz, in UTC.
func Filename(database, id string) string { return stem(database, id) + ".sql.gz" }

// partialFilename is that of a partial backup, which nothing else may tell from a whole one once it is on somebody's disk.
func partialFilename(database, id string) string { return stem(database, id) + "-partial.sql.gz" }

func stem(database, id string) string {
	return fmt.Sprintf("%s-%s", database, backup.IDTime(id).Format("20060102-150405"))
}

// selected is what the activity log says of a backup's selection, "" where it is whole.
func selected(b backup.Backup) string {
	if !b.Partial() {
		return ""
	}
	return "Partial: " + b.Selection.String() + "."
}

// FileKey is where a backup's file lies in the bucket.
func FileKey(b backup.Backup) string { return filePrefix(b.Database, b.ID) + b.Filename }

func filePrefix(database, id string) string { return fmt.Sprintf("backups/%s/%s/", database, id) }
