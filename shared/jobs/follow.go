package jobs

import (
	"context"
	"errors"

	"github.com/backup-restore/backup-restore/shared/backup"
)

var errNotBuilt = errors.New("not built")

// Announce records an upload, which is then pending. See StartBackup for id.
func (d *Desk) Announce(ctx context.Context, database backup.Database, id string, file backup.UploadFile, by backup.Actor) (backup.Upload, error) {
	return backup.Upload{}, errNotBuilt
}

// Receive pins what has arrived for an upload, marks its inspection as open and rings. An upload that was received already is
// returned as it stands. An *backup.Error where nothing has arrived, or another size than was announced.
func (d *Desk) Receive(ctx context.Context, u backup.Upload) (backup.Upload, error) {
	return backup.Upload{}, errNotBuilt
}

// Apply switches a rehearsed copy in: it adds the follow-up to the restore's record and rings. See StartBackup for id.
func (d *Desk) Apply(ctx context.Context, database, restore, id string, by backup.Actor) (backup.Restore, error) {
	return backup.Restore{}, errNotBuilt
}

// Undo brings the database back that a restore replaced.
func (d *Desk) Undo(ctx context.Context, database, restore, id string, by backup.Actor) (backup.Restore, error) {
	return backup.Restore{}, errNotBuilt
}

// Cancel stops a restore, or what follows it, up to the switch: at once where no worker has taken it up, else as soon as its worker
// notices.
func (d *Desk) Cancel(ctx context.Context, database, restore string, by backup.Actor) (backup.Restore, error) {
	return backup.Restore{}, errNotBuilt
}
