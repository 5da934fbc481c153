package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// parallelReads bounds the GETs of one page.
const parallelReads = 16

// maxPage is S3's own limit of a LIST.
const maxPage = 1000

// collection is the records of one kind.
type collection[T any] struct {
	bucket *bucket
	prefix string // ends with a slash
}

var _ backup.Records[backup.Backup] = collection[backup.Backup]{}

func (c collection[T]) key(database, id string) (string, error) {
	f, err := folder(c.prefix, database)
	if err != nil {
		return "", err
	}
	return recordKey(f, id)
}

// Create implements backup.Records.
func (c collection[T]) Create(ctx context.Context, database, id string, v T) error {
	key, err := c.key(database, id)
	if err != nil {
		return fmt.Errorf("create record: %w", err)
	}
	if err := c.bucket.create(ctx, key, v); err != nil {
		return s3call.Error(err, "create record")
	}
	return nil
}

// Get implements backup.Records.
func (c collection[T]) Get(ctx context.Context, database, id string) (T, error) {
	var none T
	key, err := c.key(database, id)
	if err != nil {
		return none, fmt.Errorf("get record: %w", err)
	}
	v, _, err := read[T](ctx, c.bucket, key)
	if err != nil {
		return none, s3call.Error(err, "get record")
	}
	return v, nil
}

// Update implements backup.Records.
func (c collection[T]) Update(ctx context.Context, database, id string, change func(*T) error) (T, error) {
	var none T
	key, err := c.key(database, id)
	if err != nil {
		return none, fmt.Errorf("update record: %w", err)
	}
	var (
		v     T
		ended error // by anything but another writer
	)
	// A round fails because another writer succeeded, so all of them together always get on.
	err = c.bucket.policy.Do(ctx, func(context.Context) error {
		// With the caller's context: the calls within bound their own attempts.
		v, ended = c.updateOnce(ctx, key, change)
		if errors.Is(ended, errConflict) {
			return s3call.Again(ended)
		}
		return nil
	})
	var refused refusal
	switch {
	case errors.As(ended, &refused):
		return none, refused.error
	case err == nil && ended == nil:
		return v, nil
	case err == nil:
		err = ended
	}
	return none, s3call.Error(err, "update record")
}

// refusal is an error of the caller's change.
type refusal struct{ error }

func (c collection[T]) updateOnce(ctx context.Context, key string, change func(*T) error) (T, error) {
	v, o, err := read[T](ctx, c.bucket, key)
	if err != nil {
		return v, err
	}
	if err := change(&v); err != nil {
		return v, refusal{err}
	}
	e, err := o.next(newNonce(), v)
	if err != nil {
		return v, err
	}
	_, err = c.bucket.put(ctx, key, o.etag, e)
	return v, err
}

// List implements backup.Records.
func (c collection[T]) List(ctx context.Context, database string, p backup.Page) (items []T, next string, err error) {
	f, err := folder(c.prefix, database)
	if err != nil {
		return nil, "", fmt.Errorf("list records: %w", err)
	}
	items, next, err = page[T](ctx, c.bucket, f, p)
	if err != nil {
		return items, next, s3call.Error(err, "list records")
	}
	return items, next, nil
}

// Delete implements backup.Records.
func (c collection[T]) Delete(ctx context.Context, database, id string) error {
	key, err := c.key(database, id)
	if err != nil {
		return nil //nolint:nilerr // there is no record of such a name
	}
	if err := c.bucket.remove(ctx, key); err != nil {
		return s3call.Error(err, "delete record")
	}
	return nil
}

// read is an object and the record in it.
func read[T any](ctx context.Context, b *bucket, key string) (v T, o object, err error) {
	if o, err = b.get(ctx, key); err != nil {
		return v, o, err
	}
	if err := json.Unmarshal(o.Record, &v); err != nil {
		return v, o, fmt.Errorf("decode %s: %w: %w", key, backup.ErrUnreadable, err)
	}
	return v, o, nil
}

// page is one page of the records below folder, newest first: one LIST and a GET for each record.
func page[T any](ctx context.Context, b *bucket, folder string, p backup.Page) (items []T, next string, err error) {
	startAfter, last, err := borders(folder, p)
	if err != nil {
		return nil, "", err
	}
	limit := min(max(p.Limit, 1), maxPage)
	var keys []string
	for more := true; more && len(keys) == 0; {
		// A second LIST is needed only where a whole page is of objects that are no records.
		var found []listed
		if found, more, err = b.list(ctx, folder, startAfter, limit); err != nil {
			return nil, "", err
		}
		for _, o := range found {
			if last != "" && o.key > last {
				more = false
				break
			}
			startAfter = o.key
			if id := recordID(folder, o.key); id != "" {
				keys, next = append(keys, o.key), id
			}
		}
		if !more {
			next = ""
		}
	}
	items, err = readAll[T](ctx, b, keys)
	if err != nil && !errors.Is(err, backup.ErrUnreadable) {
		return nil, "", err
	}
	return items, next, err
}

// borders are the key behind which a page begins and the one behind which it ends, "" for none.
func borders(folder string, p backup.Page) (startAfter, last string, err error) {
	for _, b := range []struct {
		id  string
		key *string
	}{{p.After, &startAfter}, {p.Oldest, &last}} {
		if b.id == "" {
			continue
		}
		if *b.key, err = recordKey(folder, b.id); err != nil {
			return "", "", fmt.Errorf("cursor %.80q: %w", b.id, backup.ErrBadCursor)
		}
	}
	return startAfter, last, nil
}

// readAll reads the records under keys, in their order. One that was deleted since they were listed is left out. So is one that
// can't be read, which the error tells: one bad record must not hide all that are listed with it.
func readAll[T any](ctx context.Context, b *bucket, keys []string) ([]T, error) {
	found, unreadable := make([]*T, len(keys)), make([]error, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, key := range keys {
		group.Go(func() error {
			v, _, err := read[T](ctx, b, key)
			switch {
			case err == nil:
				found[i] = &v
			case errors.Is(err, backup.ErrUnreadable):
				unreadable[i] = err
			case !errors.Is(err, backup.ErrNotFound):
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	items := make([]T, 0, len(keys))
	for _, v := range found {
		if v != nil {
			items = append(items, *v)
		}
	}
	return items, errors.Join(unreadable...)
}
