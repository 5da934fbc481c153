package records

import (
	"context"
	"errors"
	"fmt"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

const activityFolder = "activity/"

// activityLog implements backup.ActivityLog.
type activityLog struct{ bucket *bucket }

// Append implements backup.ActivityLog.
func (l activityLog) Append(ctx context.Context, e backup.Entry) error {
	key, err := recordKey(activityFolder, e.ID)
	if err != nil {
		return fmt.Errorf("append activity: %w", err)
	}
	if err := l.bucket.create(ctx, key, e); err != nil && !errors.Is(err, backup.ErrExists) {
		return s3call.Error(err, "append activity")
	}
	return nil
}

// List implements backup.ActivityLog.
func (l activityLog) List(ctx context.Context, p backup.Page) (items []backup.Entry, next string, err error) {
	items, next, err = page[backup.Entry](ctx, l.bucket, activityFolder, p)
	if err != nil {
		return items, next, s3call.Error(err, "list activity")
	}
	return items, next, nil
}
