package httpapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// checkCursor refuses what can't be a cursor before it gets near a key.
func checkCursor(cursor string) error {
	if cursor != "" && !backup.ValidID(cursor) {
		return backup.ErrBadCursor
	}
	return nil
}

// readable lets a page pass whose records could not all be read: it is shown without those, and the log names them.
func (a *API) readable(ctx context.Context, err error) error {
	if errors.Is(err, backup.ErrUnreadable) {
		a.logger(ctx).ErrorContext(ctx, "records left out of a list", "error", err)
		return nil
	}
	return err
}

func isNotFound(err error) bool { return errors.Is(err, backup.ErrNotFound) }

// orNotFound says what was not found, where it was that.
func orNotFound(err error, code, detail string) error {
	if isNotFound(err) {
		return notFound(code, detail, "It may have been deleted: refresh the list.")
	}
	return err
}

// record writes a line of the activity log.
func (a *API) record(ctx context.Context, by backup.Actor, action, database, target, result, detail string) error {
	e := backup.Entry{ID: backup.NewID(), At: a.Now().UTC(), Actor: by, Action: action, Database: database, Target: target, Result: result, Detail: detail}
	if err := a.Activity.Append(ctx, e); err != nil {
		return fmt.Errorf("record %s in the activity log: %w", action, err)
	}
	return nil
}
