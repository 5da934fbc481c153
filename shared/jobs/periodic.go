package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Periodic starts the backups of many databases at once, for whoever does so by the clock.
type Periodic struct {
	Desk      *Desk
	Databases backup.Databases
}

// parallelStarts is how many backups are started at once: each takes some five calls of S3 and SQS, one after the other, and a
// caller behind API Gateway waits for all of them.
const parallelStarts = 16

// Start starts a backup of each named database (of all where names is empty) on behalf of by. The minute of at goes into
// the backups' ids, so that one database gets one backup in a minute from one source, however often it is called.
// A database that fails, or is not registered (any more, or in a way that makes sense), does not keep the others from it: what
// was started is returned beside the error.
func (p *Periodic) Start(ctx context.Context, source string, names []string, at time.Time, by backup.Actor) ([]backup.Backup, error) {
	databases, missing, err := p.named(ctx, names)
	if err != nil {
		return nil, err
	}
	backups, errs := make([]backup.Backup, len(databases)), make([]error, len(databases))
	var group errgroup.Group
	group.SetLimit(parallelStarts)
	for i, d := range databases {
		group.Go(func() error {
			id := backup.DeriveID(at.Truncate(time.Minute), source, d.Name)
			if backups[i], errs[i] = p.Desk.StartBackup(ctx, d, id, backup.Selection{}, by); errs[i] != nil {
				errs[i] = fmt.Errorf("start backup of %s: %w", d.Name, errs[i])
			}
			return nil
		})
	}
	_ = group.Wait() // its errors are in errs
	var started []backup.Backup
	for i, b := range backups {
		if errs[i] == nil {
			started = append(started, b)
		}
	}
	return started, errors.Join(errors.Join(errs...), missing)
}

// UnknownDatabasesError names databases that are not registered.
type UnknownDatabasesError struct{ Names []string }

func (e *UnknownDatabasesError) Error() string { return fmt.Sprintf("unknown databases: %q", e.Names) }

// named are the databases to back up; missing says which of them can't be, because of how or that they are not registered.
func (p *Periodic) named(ctx context.Context, names []string) (found []backup.Database, missing, err error) {
	if len(names) == 0 {
		var bad *backup.UnusableError
		all, err := p.Databases.List(ctx)
		if err != nil && !errors.As(err, &bad) {
			return nil, nil, fmt.Errorf("list databases: %w", err)
		}
		return all, err, nil
	}
	unknown := &UnknownDatabasesError{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		// One by one, as a list may lack what was registered a moment ago.
		d, err := p.Databases.Get(ctx, name)
		var why *backup.Error
		switch {
		case err == nil:
			found = append(found, d)
		case errors.Is(err, backup.ErrNotFound):
			unknown.Names = append(unknown.Names, name)
		case errors.As(err, &why) && why.Code != backup.CodeNoRegistry:
			missing = errors.Join(missing, why)
		default:
			return nil, nil, fmt.Errorf("look up database %s: %w", name, err)
		}
	}
	if len(unknown.Names) > 0 {
		missing = errors.Join(missing, unknown)
	}
	return found, missing, nil
}
