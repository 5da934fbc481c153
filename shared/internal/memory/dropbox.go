package memory

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Dropbox remembers what was sent to it, without its bytes.
type Dropbox struct {
	mu      sync.Mutex
	count   int
	arrived map[string]backup.Stored // by key, the newest version
	parts   map[string]int64         // by the id of an upload in parts, how many bytes have arrived
	keys    map[string]string        // by the id of an upload in parts
}

var _ backup.Dropbox = (*Dropbox)(nil)

// NewDropbox returns an empty one.
func NewDropbox() *Dropbox {
	return &Dropbox{arrived: map[string]backup.Stored{}, parts: map[string]int64{}, keys: map[string]string{}}
}

// Send sends a file of size bytes to a key, as by a form.
func (d *Dropbox) Send(key string, size int64) backup.Stored {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.store(key, size)
}

func (d *Dropbox) store(key string, size int64) backup.Stored {
	d.count++
	d.arrived[key] = backup.Stored{Key: key, VersionID: "v" + strconv.Itoa(d.count), Size: size}
	return d.arrived[key]
}

// SendParts sends so many bytes more of an upload in parts.
func (d *Dropbox) SendParts(partsID string, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.parts[partsID] += bytes
}

// PresignPost is Dropbox.PresignPost; the form leads nowhere.
func (d *Dropbox) PresignPost(_ context.Context, key string, _ int64, lifetime time.Duration) (backup.PostForm, error) {
	return backup.PostForm{URL: "https://bucket.example/", Fields: map[string]string{"key": key, "policy": "signed"}, Expires: time.Now().Add(lifetime).UTC()}, nil
}

// BeginParts is Dropbox.BeginParts.
func (d *Dropbox) BeginParts(_ context.Context, key string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	id := "parts" + strconv.Itoa(d.count)
	d.parts[id], d.keys[id] = 0, key
	return id, nil
}

// PresignParts is Dropbox.PresignParts; the links lead nowhere.
func (d *Dropbox) PresignParts(_ context.Context, key, partsID string, size int64, lifetime time.Duration) (backup.PartLinks, error) {
	const part = 64 << 20
	links := backup.PartLinks{PartSize: part, Expires: time.Now().Add(lifetime).UTC()}
	for n := int64(1); (n-1)*part < size; n++ {
		links.URLs = append(links.URLs, fmt.Sprintf("https://bucket.example/%s?uploadId=%s&partNumber=%d", key, partsID, n))
	}
	return links, nil
}

// CompleteParts is Dropbox.CompleteParts.
func (d *Dropbox) CompleteParts(_ context.Context, key, partsID string, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	sent, ok := d.parts[partsID]
	switch {
	case ok && d.keys[partsID] == key && sent == size:
		delete(d.parts, partsID)
		d.store(key, size)
	case ok && d.keys[partsID] == key:
		return &backup.Error{Code: "upload_incomplete", Text: fmt.Sprintf("The upload is not complete: %d of its %d bytes have not arrived.", size-sent, size),
			Hint: "Send the missing parts to their links, then complete the upload again."}
	case d.arrived[key].Size != size:
		return &backup.Error{Code: "upload_gone", Text: "The parts of this upload are no longer there: they are kept for a day.", Hint: "Begin a new upload."}
	}
	return nil
}

// Arrived is Dropbox.Arrived.
func (d *Dropbox) Arrived(_ context.Context, key string) (backup.Stored, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	stored, ok := d.arrived[key]
	if !ok {
		return backup.Stored{}, fmt.Errorf("look for %s: %w", key, backup.ErrNotFound)
	}
	return stored, nil
}
