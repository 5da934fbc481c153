// Package memory holds the ports of shared/backup in memory, for tests of what stands above them that are to run without
// any service. What an adapter promises is tested on the adapter and the real service, never here.
package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Records holds records of one kind. It keeps them as JSON, so that nothing is shared with the caller and what the real
// ones would lose is lost here too.
type Records[T any] struct {
	mu  sync.Mutex
	all map[string]map[string][]byte // database → id → JSON
}

var _ backup.Records[backup.Backup] = (*Records[backup.Backup])(nil)

// NewRecords returns an empty set.
func NewRecords[T any]() *Records[T] { return &Records[T]{all: map[string]map[string][]byte{}} }

// Create is Records.Create.
func (r *Records[T]) Create(_ context.Context, database, id string, v T) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.all[database][id]; ok {
		return fmt.Errorf("create %s: %w", id, backup.ErrExists)
	}
	return r.put(database, id, v)
}

func (r *Records[T]) put(database, id string, v T) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", id, err)
	}
	if r.all[database] == nil {
		r.all[database] = map[string][]byte{}
	}
	r.all[database][id] = text
	return nil
}

func (r *Records[T]) get(database, id string) (v T, err error) {
	text, ok := r.all[database][id]
	if !ok {
		return v, fmt.Errorf("get %s: %w", id, backup.ErrNotFound)
	}
	return v, json.Unmarshal(text, &v)
}

// Get is Records.Get.
func (r *Records[T]) Get(_ context.Context, database, id string) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.get(database, id)
}

// Update is Records.Update.
func (r *Records[T]) Update(_ context.Context, database, id string, change func(*T) error) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, err := r.get(database, id)
	if err != nil {
		return v, err
	}
	if err := change(&v); err != nil {
		return v, err
	}
	return v, r.put(database, id, v)
}

// List is Records.List.
func (r *Records[T]) List(_ context.Context, database string, p backup.Page) (items []T, next string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids, next := page(r.all[database], p)
	for _, id := range ids {
		v, err := r.get(database, id)
		if err != nil {
			return nil, "", err
		}
		items = append(items, v)
	}
	return items, next, nil
}

// page returns the newest ids within a page's bounds.
func page[V any](all map[string]V, p backup.Page) (ids []string, next string) {
	for id := range all {
		if (p.After == "" || id < p.After) && id >= p.Oldest {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(b, a) })
	if len(ids) > p.Limit {
		ids = ids[:p.Limit]
		next = ids[p.Limit-1]
	}
	return ids, next
}

// Delete is Records.Delete.
func (r *Records[T]) Delete(_ context.Context, database, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all[database], id)
	return nil
}

// Activity is an activity log.
type Activity struct {
	mu  sync.Mutex
	all map[string]backup.Entry
}

var _ backup.ActivityLog = (*Activity)(nil)

// NewActivity returns an empty log.
func NewActivity() *Activity { return &Activity{all: map[string]backup.Entry{}} }

// Append is ActivityLog.Append.
func (a *Activity) Append(_ context.Context, e backup.Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !backup.ValidID(e.ID) {
		return fmt.Errorf("append entry: %q is no id", e.ID)
	}
	if _, ok := a.all[e.ID]; !ok {
		a.all[e.ID] = e
	}
	return nil
}

// List is ActivityLog.List.
func (a *Activity) List(_ context.Context, p backup.Page) (items []backup.Entry, next string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids, next := page(a.all, p)
	for _, id := range ids {
		items = append(items, a.all[id])
	}
	return items, next, nil
}

// Open holds the markers of open jobs.
type Open struct {
	mu  sync.Mutex
	all map[string]backup.OpenJob
}

var _ backup.OpenJobs = (*Open)(nil)

// NewOpen returns an empty set.
func NewOpen() *Open { return &Open{all: map[string]backup.OpenJob{}} }

// Mark is OpenJobs.Mark.
func (o *Open) Mark(_ context.Context, j backup.OpenJob) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	j.Marked = time.Now()
	o.all[j.ID] = j
	return nil
}

// Clear is OpenJobs.Clear.
func (o *Open) Clear(_ context.Context, j backup.OpenJob) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, j.ID)
	return nil
}

// List is OpenJobs.List.
func (o *Open) List(_ context.Context, database string) ([]backup.OpenJob, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var jobs []backup.OpenJob
	for _, j := range o.all {
		if database == "" || j.Database == database {
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, func(a, b backup.OpenJob) int { return strings.Compare(a.ID, b.ID) })
	return jobs, nil
}

// Locks says what a test has set.
type Locks struct {
	mu      sync.Mutex
	holders map[string]backup.Holder
}

// NewLocks returns locks that nobody holds.
func NewLocks() *Locks { return &Locks{holders: map[string]backup.Holder{}} }

// Hold makes h the live holder of a database's lock; a Holder without worker frees it.
func (l *Locks) Hold(database string, h backup.Holder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holders[database] = h
}

// Read is Locks.Read.
func (l *Locks) Read(_ context.Context, database string) (backup.Holder, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holders[database]
	return h, h.Worker != "", nil
}

// Databases is a registry of fixed databases.
type Databases []backup.Database

// List is Databases.List.
func (d Databases) List(context.Context) ([]backup.Database, error) { return d, nil }

// Get is Databases.Get.
func (d Databases) Get(_ context.Context, name string) (backup.Database, error) {
	for _, one := range d {
		if one.Name == name {
			return one, nil
		}
	}
	return backup.Database{}, fmt.Errorf("get database %s: %w", name, backup.ErrNotFound)
}

// Files remembers which versions of objects there are, and what is in them where a test has said so.
type Files struct {
	mu  sync.Mutex
	all map[string][]byte // key + "@" + version
}

// NewFiles returns an empty bucket.
func NewFiles() *Files { return &Files{all: map[string][]byte{}} }

// Put adds a version of that content.
func (f *Files) Put(key, versionID string, content []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[key+"@"+versionID] = content
}

// Has reports whether a version is there.
func (f *Files) Has(key, versionID string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.all[key+"@"+versionID]
	return ok
}

// Stat is Files.Stat; nothing has a checksum.
func (f *Files) Stat(_ context.Context, key, versionID string) (backup.Stored, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, ok := f.all[key+"@"+versionID]
	if !ok {
		return backup.Stored{}, fmt.Errorf("look at %s: %w", key, backup.ErrNotFound)
	}
	return backup.Stored{Key: key, VersionID: versionID, Size: int64(len(content))}, nil
}

// OpenRange is Files.OpenRange.
func (f *Files) OpenRange(_ context.Context, key, versionID string, offset, length int64) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, ok := f.all[key+"@"+versionID]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", key, backup.ErrNotFound)
	}
	if n := int64(len(content)); offset < 0 || length < 0 || offset > n || length > n-offset {
		return nil, fmt.Errorf("open %s: it has %d bytes, not %d from %d on", key, len(content), length, offset)
	}
	return io.NopCloser(bytes.NewReader(content[offset:][:length])), nil
}

// Delete is Files.Delete.
func (f *Files) Delete(_ context.Context, key, versionID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, key+"@"+versionID)
	return nil
}

// PresignDownload is Files.PresignDownload; the link leads nowhere.
func (f *Files) PresignDownload(_ context.Context, key, versionID, filename string, lifetime time.Duration) (string, time.Time, error) {
	return "https://bucket.example/" + key + "?versionId=" + versionID + "&filename=" + filename, time.Now().Add(lifetime), nil
}

// Idempotency remembers claims.
type Idempotency struct {
	mu  sync.Mutex
	all map[string]backup.Claim
}

var _ backup.IdempotencyKeys = (*Idempotency)(nil)

// NewIdempotency returns an empty memory.
func NewIdempotency() *Idempotency { return &Idempotency{all: map[string]backup.Claim{}} }

// Claim is IdempotencyKeys.Claim.
func (i *Idempotency) Claim(_ context.Context, database, hash string, c backup.Claim) (backup.Claim, bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	key := database + "/" + hash
	if stored, ok := i.all[key]; ok {
		return stored, false, nil
	}
	i.all[key] = c
	return c, true, nil
}

// KeyUses remembers the last uses of cron keys.
type KeyUses struct {
	mu  sync.Mutex
	all map[string]time.Time
}

var _ backup.KeyUses = (*KeyUses)(nil)

// NewKeyUses returns an empty memory.
func NewKeyUses() *KeyUses { return &KeyUses{all: map[string]time.Time{}} }

// Note is KeyUses.Note.
func (u *KeyUses) Note(_ context.Context, fingerprint string, at time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !at.Before(u.all[fingerprint].Add(time.Minute)) {
		u.all[fingerprint] = at
	}
	return nil
}

// Last is KeyUses.Last.
func (u *KeyUses) Last(_ context.Context, fingerprint string) (time.Time, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.all[fingerprint], nil
}

// Bell counts how often it was rung.
type Bell struct {
	mu    sync.Mutex
	rings map[string]int
}

var _ backup.Doorbell = (*Bell)(nil)

// NewBell returns a bell that was never rung.
func NewBell() *Bell { return &Bell{rings: map[string]int{}} }

// Ring is Doorbell.Ring.
func (b *Bell) Ring(_ context.Context, database string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rings[database]++
	return nil
}

// Rings is how often the bell was rung for a database.
func (b *Bell) Rings(database string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rings[database]
}
