package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

const heldFolder = "held/"

// holdings implements backup.Holdings. What a list has to tell stands in the keys, so it costs one LIST, whatever the memos hold.
type holdings struct{ bucket *bucket }

var _ backup.Holdings = holdings{}

func (h holdings) key(database, restore string) (string, error) {
	f, err := folder(heldFolder, database)
	switch {
	case err != nil:
		return "", err
	case !backup.ValidID(restore):
		return "", fmt.Errorf("id %.80q: %w", restore, errKey)
	}
	return f + restore + ".json", nil
}

// Put implements backup.Holdings.
func (h holdings) Put(ctx context.Context, v backup.Holding) error {
	key, err := h.key(v.Database, v.Restore)
	if err != nil {
		return fmt.Errorf("write holding: %w", err)
	}
	var ended error // by anything but another writer
	err = h.bucket.policy.Do(ctx, func(context.Context) error {
		// With the caller's context: the calls within bound their own attempts.
		if ended = h.putOnce(ctx, key, v); errors.Is(ended, errConflict) {
			return s3call.Again(ended)
		}
		return nil
	})
	if err == nil {
		err = ended
	}
	if err != nil {
		return s3call.Error(err, "write holding")
	}
	return nil
}

func (h holdings) putOnce(ctx context.Context, key string, v backup.Holding) error {
	before, err := h.bucket.get(ctx, key)
	if err != nil && !errors.Is(err, backup.ErrNotFound) && !errors.Is(err, backup.ErrUnreadable) {
		return err
	}
	e, err := before.next(newNonce(), v)
	if err != nil {
		return err
	}
	_, err = h.bucket.put(ctx, key, before.etag, e)
	return err
}

// Get implements backup.Holdings.
func (h holdings) Get(ctx context.Context, database, restore string) (backup.Holding, error) {
	key, err := h.key(database, restore)
	if err != nil {
		return backup.Holding{}, fmt.Errorf("read holding: %w", err)
	}
	v, _, err := read[backup.Holding](ctx, h.bucket, key)
	if err != nil {
		return backup.Holding{}, s3call.Error(err, "read holding")
	}
	return v, nil
}

// List implements backup.Holdings.
func (h holdings) List(ctx context.Context, database string) ([]backup.Holding, error) {
	prefix := heldFolder
	if database != "" {
		var err error
		if prefix, err = folder(heldFolder, database); err != nil {
			return nil, nil //nolint:nilerr // nothing is held of a name that no database can have
		}
	}
	found, err := h.bucket.listAll(ctx, prefix)
	if err != nil {
		return nil, s3call.Error(err, "list holdings")
	}
	var all []backup.Holding
	for _, f := range found {
		if v, ok := holding(f.key); ok {
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(a, b backup.Holding) int { return cmp.Compare(a.Restore, b.Restore) })
	return all, nil
}

// holding reads a holding's key. Objects of another form are not ours.
func holding(key string) (backup.Holding, bool) {
	database, restore, ok := cutKey(key, heldFolder, ".json")
	return backup.Holding{Database: database, Restore: restore}, ok && backup.ValidDatabaseName(database) && backup.ValidID(restore)
}

// Remove implements backup.Holdings.
func (h holdings) Remove(ctx context.Context, database, restore string) error {
	key, err := h.key(database, restore)
	if err != nil {
		return nil //nolint:nilerr // there is no holding of such a name
	}
	if err := h.bucket.remove(ctx, key); err != nil {
		return s3call.Error(err, "remove holding")
	}
	return nil
}
