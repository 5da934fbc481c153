package jobs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// linkLifetime is for how long an upload's link takes a file.
const linkLifetime = time.Hour

var sha256Form = regexp.MustCompile(`^([0-9a-f]{64})?$`)

// Announce records an upload, which is then pending. See StartBackup for id.
func (d *Desk) Announce(ctx context.Context, database backup.Database, id string, file backup.UploadFile, by backup.Actor) (backup.Upload, error) {
	if err := checkUpload(file); err != nil {
		return backup.Upload{}, err
	}
	id, now := orNew(id), time.Now().UTC()
	if stands, err := d.Uploads.Get(ctx, database.Name, id); err == nil {
		return stands, nil
	} else if !errors.Is(err, backup.ErrNotFound) {
		return backup.Upload{}, fmt.Errorf("look for upload %s: %w", id, err)
	}
	u := backup.Upload{Job: newJob(id, database.Name, by, now), Filename: file.Filename, Key: uploadKey(database.Name, id, file.Filename),
		Size: file.Size, SHA256: file.SHA256, Expires: now.Add(linkLifetime)}
	u.State = backup.Pending
	if u.Size > backup.MaxPostSize {
		// Of two calls with one id the later begins these parts in vain: a rule of the bucket ends them.
		var err error
		if u.PartsID, err = d.Dropbox.BeginParts(ctx, u.Key); err != nil {
			return backup.Upload{}, fmt.Errorf("begin upload %s in parts: %w", id, err)
		}
	}
	switch err := d.Uploads.Create(ctx, database.Name, id, u); {
	case errors.Is(err, backup.ErrExists):
		return d.Uploads.Get(ctx, database.Name, id)
	case err != nil:
		return backup.Upload{}, fmt.Errorf("create upload %s: %w", id, err)
	}
	d.note(ctx, backup.Entry{ID: backup.DeriveID(now, "start", id), At: now, Actor: by, Action: "upload.create", Database: database.Name, Target: id,
		Result: accepted, Detail: file.Filename})
	d.Log.InfoContext(ctx, "upload announced", "database", database.Name, "upload", id, "bytes", u.Size, "parts", u.PartsID != "", "by", by.Kind)
	return u, nil
}

// checkUpload refuses a file by what is said of it.
func checkUpload(file backup.UploadFile) error {
	if err := backup.CheckUploadName(file.Filename); err != nil {
		return err
	}
	switch {
	case file.Size <= 0:
		return &backup.Error{Code: "upload_size_refused", Text: "The file is empty.", Hint: "Choose the file that holds the dump."}
	case file.Size > backup.MaxUploadSize:
		return &backup.Error{Code: "upload_size_refused", Text: fmt.Sprintf("The file has %d bytes; at most %d are taken.", file.Size, int64(backup.MaxUploadSize)),
			Hint: "Compress it by gzip. What is larger even so has to be restored by psql."}
	case !sha256Form.MatchString(file.SHA256):
		return &backup.Error{Code: "upload_hash_refused", Text: "The SHA-256 of the file is not one.", Hint: "Give 64 lower-case hex digits, as sha256sum prints them, or none."}
	}
	return nil
}

// uploadKey is where an uploaded file lies in the bucket. Nothing of it but its ending comes from whoever sends it.
func uploadKey(database, id, filename string) string {
	name := "upload.sql"
	if strings.HasSuffix(strings.ToLower(filename), ".gz") {
		name += ".gz"
	}
	return fmt.Sprintf("uploads/%s/%s/%s", database, id, name)
}

// Receive pins what has arrived for an upload, marks its inspection as open and rings. An upload that was received already is
// returned as it stands. An *backup.Error where nothing has arrived, or another size than was announced.
func (d *Desk) Receive(ctx context.Context, u backup.Upload) (backup.Upload, error) {
	if u.State != backup.Pending {
		return u, nil
	}
	file, err := d.arrived(ctx, u)
	if err != nil {
		return backup.Upload{}, err
	}
	o := backup.OpenJob{Database: u.Database, Kind: backup.InspectJob, ID: u.ID}
	if err := d.Open.Mark(ctx, o); err != nil {
		return backup.Upload{}, fmt.Errorf("mark inspection %s as open: %w", u.ID, err)
	}
	received, err := d.Uploads.Update(ctx, u.Database, u.ID, func(u *backup.Upload) error { return u.Receive(file, time.Now().UTC()) })
	var transition *backup.TransitionError
	if errors.As(err, &transition) {
		return settle(ctx, d, d.Uploads, o, func(u backup.Upload) backup.State { return u.State })
	}
	if err != nil {
		return backup.Upload{}, fmt.Errorf("record that upload %s was received: %w", u.ID, err)
	}
	d.ring(ctx, o)
	d.Log.InfoContext(ctx, "upload received", "database", u.Database, "upload", u.ID, "bytes", file.Size, "version", file.VersionID)
	return received, nil
}

// arrived is the file that was sent for an upload.
func (d *Desk) arrived(ctx context.Context, u backup.Upload) (backup.Stored, error) {
	const again = "Send it to the upload's link, to its end, then complete the upload."
	if u.PartsID != "" {
		if err := d.Dropbox.CompleteParts(ctx, u.Key, u.PartsID, u.Size); err != nil {
			return backup.Stored{}, fmt.Errorf("complete the parts of upload %s: %w", u.ID, err)
		}
	}
	file, err := d.Dropbox.Arrived(ctx, u.Key)
	switch {
	case errors.Is(err, backup.ErrNotFound):
		return file, &backup.Error{Code: "upload_incomplete", Cause: err, Text: "Nothing has arrived for this upload.", Hint: again}
	case err != nil:
		return file, fmt.Errorf("look for the file of upload %s: %w", u.ID, err)
	case file.Size != u.Size:
		return file, &backup.Error{Code: "upload_incomplete", Hint: again,
			Text: fmt.Sprintf("Of this upload %d bytes have arrived; %d were announced.", file.Size, u.Size)}
	}
	return file, nil
}
