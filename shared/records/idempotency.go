package records

import (
	"context"
	"errors"
	"fmt"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// idempotencyKeys implements backup.IdempotencyKeys.
type idempotencyKeys struct{ bucket *bucket }

// Claim implements backup.IdempotencyKeys.
func (k idempotencyKeys) Claim(ctx context.Context, database, hash string, c backup.Claim) (stored backup.Claim, first bool, err error) {
	f, err := folder("idempotency/", database)
	if err == nil && !hashForm.MatchString(hash) {
		err = errNoHash
	}
	if err != nil {
		return backup.Claim{}, false, fmt.Errorf("claim idempotency key: %w", err)
	}
	key := f + hash + ".json"
	err = k.bucket.create(ctx, key, c)
	if err == nil {
		return c, true, nil
	}
	if errors.Is(err, backup.ErrExists) {
		if stored, _, err = read[backup.Claim](ctx, k.bucket, key); err == nil {
			return stored, false, nil
		}
	}
	return backup.Claim{}, false, s3call.Error(err, "claim idempotency key")
}
