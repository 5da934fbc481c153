package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/httpapi"
)

// desk does with records what the domain lets it, so that the API's tests do not depend on how jobs are run.
type desk struct {
	httpapi.Desk // starts backups and restores
	w            *world
}

func (d desk) Announce(ctx context.Context, database backup.Database, id string, file backup.UploadFile, by backup.Actor) (backup.Upload, error) {
	if id == "" {
		id = backup.NewID()
	}
	if u, err := d.w.uploads.Get(ctx, database.Name, id); err == nil {
		return u, nil
	}
	now := d.w.now.Now().UTC()
	u := backup.Upload{Job: backup.Job{ID: id, Database: database.Name, State: backup.Pending, RequestedBy: by, RequestedAt: now},
		Filename: file.Filename, Key: "uploads/" + database.Name + "/" + id + "/upload.sql", Size: file.Size, SHA256: file.SHA256, Expires: now.Add(time.Hour)}
	if file.Size > backup.MaxPostSize {
		u.PartsID = "parts-of-" + id
	}
	return u, d.w.uploads.Create(ctx, database.Name, id, u)
}

// Receive takes what the test has put into the dropbox.
func (d desk) Receive(ctx context.Context, u backup.Upload) (backup.Upload, error) {
	if u.State != backup.Pending {
		return u, nil
	}
	size, ok := d.w.box.arrived(u.Key)
	if !ok {
		return u, &backup.Error{Code: "upload_incomplete", Text: "The file of this upload has not arrived.", Hint: "Send it.", Cause: fmt.Errorf("HEAD s3://secret-bucket/%s: 404", u.Key)}
	}
	if size != u.Size {
		return u, &backup.Error{Code: "upload_incomplete", Text: fmt.Sprintf("%d bytes have arrived, %d were announced.", size, u.Size), Hint: "Send it again."}
	}
	if err := d.w.open.Mark(ctx, backup.OpenJob{Database: u.Database, Kind: backup.InspectJob, ID: u.ID}); err != nil {
		return u, err
	}
	return d.w.uploads.Update(ctx, u.Database, u.ID, func(u *backup.Upload) error {
		return u.Receive(backup.Stored{Key: u.Key, VersionID: "version-of-upload", Size: size}, d.w.now.Now())
	})
}

func (d desk) Apply(ctx context.Context, database, restore, id string, by backup.Actor) (backup.Restore, error) {
	return d.follow(ctx, backup.ApplyJob, database, restore, id, by)
}

func (d desk) Undo(ctx context.Context, database, restore, id string, by backup.Actor) (backup.Restore, error) {
	return d.follow(ctx, backup.UndoJob, database, restore, id, by)
}

func (d desk) follow(ctx context.Context, kind backup.JobKind, database, restore, id string, by backup.Actor) (backup.Restore, error) {
	if id == "" {
		id = backup.NewID()
	}
	if d.w.cut {
		return backup.Restore{}, errors.New("connection reset")
	}
	now := d.w.now.Now()
	r, err := d.w.restores.Update(ctx, database, restore, func(r *backup.Restore) error {
		if r.FollowUp != nil && r.FollowUp.ID == id {
			return nil
		}
		return r.Follow(kind, id, by, now)
	})
	if err != nil {
		return r, err
	}
	return r, d.w.open.Mark(ctx, backup.OpenJob{Database: database, Kind: kind, ID: id, Restore: restore})
}

func (d desk) Cancel(ctx context.Context, database, restore, job string, by backup.Actor) (backup.Restore, error) {
	return d.w.restores.Update(ctx, database, restore, func(r *backup.Restore) error {
		if err := r.CanCancel(); err != nil {
			return err
		}
		if r.Newest().ID != job {
			return fmt.Errorf("cancel %s, but %s is under way", job, r.Newest().ID)
		}
		if r.FollowUp != nil && !r.FollowUp.State.Ended() {
			return r.FollowUp.AskCancel(by, d.w.now.Now())
		}
		return r.AskCancel(by, d.w.now.Now())
	})
}

// dropbox signs links that lead nowhere, and holds what a test says has arrived.
type dropbox struct {
	mu    sync.Mutex
	sizes map[string]int64
	signs int
	now   *clock
}

func (b *dropbox) put(key string, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sizes[key] = size
}

func (b *dropbox) arrived(key string) (int64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size, ok := b.sizes[key]
	return size, ok
}

// signed is how often links were made.
func (b *dropbox) signed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.signs
}

func (b *dropbox) PresignPost(_ context.Context, key string, size int64, lifetime time.Duration) (backup.PostForm, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signs++
	return backup.PostForm{URL: "https://bucket.example/", Fields: map[string]string{"key": key, "policy": fmt.Sprint("only ", size)}, Expires: b.now.Now().Add(lifetime)}, nil
}

func (b *dropbox) PresignParts(_ context.Context, key, partsID string, size int64, lifetime time.Duration) (backup.PartLinks, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signs++
	links := backup.PartLinks{PartSize: 128 << 20, Expires: b.now.Now().Add(lifetime)}
	for n := int64(0); n*links.PartSize < size; n++ {
		links.URLs = append(links.URLs, fmt.Sprintf("https://bucket.example/%s?partNumber=%d&uploadId=%s", key, n+1, partsID))
	}
	return links, nil
}

// holdings are those that a test has set.
type holdings struct {
	mu  sync.Mutex
	all []backup.Holding
}

func (h *holdings) put(database, restore string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, backup.Holding{Database: database, Restore: restore})
}

func (h *holdings) List(_ context.Context, database string) ([]backup.Holding, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []backup.Holding
	for _, one := range h.all {
		if database == "" || one.Database == database {
			out = append(out, one)
		}
	}
	return out, nil
}
