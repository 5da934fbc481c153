package postgres

import (
	"context"

	"github.com/backup-restore/backup-restore/shared/backup"
)

var errNotYet = &backup.Error{Code: backup.CodeUnsupported, Text: "Not possible yet."}

// Resume takes up a parked copy.
func (e *Engine) Resume(context.Context, backup.Target, backup.Attempt, backup.Parked) (backup.Staged, error) {
	return nil, errNotYet
}

// Undo brings a kept database back.
func (e *Engine) Undo(context.Context, backup.Target, backup.Attempt, string, func(context.Context) error) (backup.Switched, error) {
	return backup.Switched{}, errNotYet
}

// Drop drops a parked or kept database.
func (e *Engine) Drop(context.Context, backup.Target, backup.Attempt, string) error { return errNotYet }

// Park keeps the copy.
func (s *staged) Park(context.Context) (backup.Parked, error) { return backup.Parked{}, errNotYet }
