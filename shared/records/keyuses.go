package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// useStep is how much newer a use must be than the one that is written, to be written: whoever calls all the time must not make an object's
// version a second.
const useStep = time.Minute

// keyUses implements backup.KeyUses. Each key has an object of its own, so that a late use of the key before can't hide one of the
// key in force.
type keyUses struct{ bucket *bucket }

type keyUse struct {
	At time.Time `json:"at"`
}

func (u keyUses) key(fingerprint string) (string, error) {
	if !hashForm.MatchString(fingerprint) {
		return "", fmt.Errorf("use of a cron key: %w", errNoHash)
	}
	return "cron-key/" + fingerprint + ".json", nil
}

// Note implements backup.KeyUses.
func (u keyUses) Note(ctx context.Context, fingerprint string, at time.Time) error {
	key, err := u.key(fingerprint)
	if err != nil {
		return err
	}
	last, o, err := read[keyUse](ctx, u.bucket, key)
	switch {
	case errors.Is(err, backup.ErrNotFound): // the first use
	case err != nil:
		return s3call.Error(err, "note the use of the cron key")
	case at.Before(last.At.Add(useStep)):
		return nil
	}
	e, err := o.next(newNonce(), keyUse{at.UTC()})
	if err != nil {
		return err
	}
	// Of two calls at once one writes, and either tells the truth.
	if _, err = u.bucket.put(ctx, key, o.etag, e); err != nil && !errors.Is(err, errConflict) {
		return s3call.Error(err, "note the use of the cron key")
	}
	return nil
}

// Last implements backup.KeyUses.
func (u keyUses) Last(ctx context.Context, fingerprint string) (time.Time, error) {
	key, err := u.key(fingerprint)
	if err != nil {
		return time.Time{}, err
	}
	last, _, err := read[keyUse](ctx, u.bucket, key)
	if err != nil && !errors.Is(err, backup.ErrNotFound) {
		return time.Time{}, s3call.Error(err, "read the use of the cron key")
	}
	return last.At, nil
}
