// Package seed makes records of backups that never were, for demos and for tests of long inventories. They look like the history
// of a school's database: nightly and by hand, growing, with failures of several kinds and one sudden shrink. There are no files
// behind them, so they can be listed, read and deleted, but not downloaded or restored.
package seed

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/jobs"
	"github.com/backup-restore/backup-restore/shared/records"
)

// Options say which history to make.
type Options struct {
	Database string
	Backups  int
	Every    time.Duration // between two backups
	Until    time.Time     // all have ended before it
}

// ShrunkAt is which backup, from the newest, has suddenly lost most of a table, where there are more than so many.
const ShrunkAt = 12

// loggedBackups is how many of the newest the activity log tells of: enough for several pages of it.
const loggedBackups = 300

// parallel is how many records are written at once.
const parallel = 64

// Backups makes the history, newest first. The same options give the same records.
func Backups(o Options) ([]backup.Backup, error) {
	if !backup.ValidDatabaseName(o.Database) {
		return nil, fmt.Errorf("%q can't be the name of a database", o.Database)
	}
	if o.Backups < 1 || o.Every < time.Minute {
		return nil, fmt.Errorf("at least 1 backup, and at least a minute between two, are needed: got %d every %s", o.Backups, o.Every)
	}
	h := history{Options: o, chance: rand.New(rand.NewPCG(uint64(o.Backups), 1))}
	out := make([]backup.Backup, 0, o.Backups)
	for i := range o.Backups {
		b, err := h.backup(i)
		if err != nil {
			return nil, fmt.Errorf("make backup %d: %w", i, err)
		}
		out = append(out, b)
	}
	return out, nil
}

type history struct {
	Options
	chance *rand.Rand
}

// backup makes the record of the i-th backup from the newest by the steps that a worker takes, whose rules it keeps thereby.
func (h history) backup(i int) (backup.Backup, error) {
	took := h.around(8 * time.Second)
	asked := h.Until.Add(-h.Every * time.Duration(i+1)).Add(h.around(20 * time.Second)).UTC().Truncate(time.Millisecond)
	id := backup.DeriveID(asked, "seed", h.Database)
	b := backup.Backup{Engine: backup.Postgres, Filename: jobs.Filename(h.Database, id), Job: backup.Job{
		ID: id, Database: h.Database, State: backup.Queued, RequestedBy: h.actor(), RequestedAt: asked}}
	begun := asked.Add(h.around(900 * time.Millisecond))
	worker := "seed-" + id[len(id)-6:]
	if err := b.Begin(worker, begun); err != nil {
		return b, err
	}
	// Two single failures and one row of three in a hundred backups.
	if at := i % 100; at == 3 || at == 41 || at >= 70 && at < 73 {
		why := failures[(i/100+at)%len(failures)]
		for b.Attempt < why.attempts {
			begun = begun.Add(2 * time.Minute)
			if err := b.Begin(worker, begun); err != nil {
				return b, err
			}
		}
		return b, b.Fail(b.Attempt, why.Failure, begun.Add(why.after))
	}
	dumped := h.dumped(i)
	if i%17 == 5 {
		b.LastRehearsal = begun.Add(took + 20*time.Minute)
	}
	return b, b.Complete(b.Attempt, dumped, h.stored(b, dumped), begun.Add(took))
}

// around is d, give or take a third.
func (h history) around(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.67 + 0.66*h.chance.Float64())).Truncate(time.Millisecond)
}

func (h history) actor() backup.Actor {
	switch h.chance.IntN(12) {
	case 0:
		return backup.Actor{Kind: backup.ByOperator, Subject: "seed-ada", Name: "Ada Lindqvist"}
	case 1:
		return backup.Actor{Kind: backup.ByCronKey, Subject: "seed", Name: "cron key"}
	}
	return backup.Actor{Kind: backup.BySchedule, Name: "schedule"}
}

// dumped is what the i-th backup from the newest holds: tables that grew to what they are.
func (h history) dumped(i int) backup.Dumped {
	// The oldest has a third of the newest.
	share := 1 - 0.67*float64(i)/float64(h.Backups)
	d := backup.Dumped{ServerVersion: "15.18", ToolVersion: "15.18"}
	for _, t := range tables {
		if t.grows {
			t.Rows = int64(float64(t.Rows) * share)
		}
		if i == ShrunkAt && t.shrinks {
			t.Rows /= 20
		}
		t.Bytes = t.Rows * t.width
		d.Tables = append(d.Tables, t.TableRows)
		d.SQLBytes += t.Bytes
	}
	d.SQLBytes += 180_000 // of what is no row
	return d
}

// stored is a file of a size that fits, which is not there.
func (h history) stored(b backup.Backup, d backup.Dumped) backup.Stored {
	sum := sha256.Sum256([]byte(b.ID))
	return backup.Stored{
		Key: jobs.FileKey(b), VersionID: "seed-" + b.ID, SHA256: hex.EncodeToString(sum[:]), CRC64NVME: base64.StdEncoding.EncodeToString(sum[:8]),
		Size: int64(float64(d.SQLBytes) * (0.17 + 0.002*h.chance.Float64())),
	}
}

// Write writes the records, newest first, and what the activity log says of the newest, many at once. A record that is there already is an error.
func Write(ctx context.Context, store *records.Store, backups []backup.Backup) error {
	all, log := store.Backups(), store.Activity()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, b := range backups {
		group.Go(func() error {
			if err := all.Create(ctx, b.Database, b.ID, b); err != nil {
				return fmt.Errorf("write backup %s: %w", b.ID, err)
			}
			if i >= loggedBackups {
				return nil
			}
			for _, e := range entries(b) {
				if err := log.Append(ctx, e); err != nil {
					return fmt.Errorf("write activity of backup %s: %w", b.ID, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// entries are what the desk and the worker write of a backup.
func entries(b backup.Backup) []backup.Entry {
	begin := backup.Entry{ID: backup.DeriveID(b.RequestedAt, "start", b.ID), At: b.RequestedAt, Actor: b.RequestedBy, Action: "backup.create",
		Database: b.Database, Target: b.ID, Result: "accepted"}
	end := backup.Entry{ID: backup.DeriveID(b.EndedAt, "end", b.ID), At: b.EndedAt, Actor: b.RequestedBy, Action: "backup.end",
		Database: b.Database, Target: b.ID, Result: string(b.State)}
	if b.Failure != nil {
		end.Detail = b.Failure.Reason
	}
	return []backup.Entry{begin, end}
}
