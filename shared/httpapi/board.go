package httpapi

import (
	"context"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// board tells what goes on on a database now: who holds its lock, and which jobs are open. Each is read once, and only when a job
// of the answer needs it. What can't be read is left out: it is no reason to fail.
type board struct {
	api      *API
	database string
	holder   *backup.Holder
	open     *[]backup.OpenJob
}

func (a *API) board(ctx context.Context) *board { return &board{api: a, database: database(ctx).Name} }

// tell adds to a job what only the moment knows: how far it is, or what it waits for.
func (b *board) tell(ctx context.Context, v *Job, j backup.Job) {
	switch j.State {
	case backup.Running:
		if h := b.held(ctx); h.Job == j.ID {
			v.Progress = progressView(h.Progress)
		}
	case backup.Queued, backup.Received:
		v.WaitingFor = b.waitingFor(ctx, j.ID)
	}
}

// held is the live holder of the lock; the zero Holder where there is none.
func (b *board) held(ctx context.Context) backup.Holder {
	if b.holder == nil {
		h, live, err := b.api.Locks.Read(ctx, b.database)
		if err != nil {
			b.api.logger(ctx).WarnContext(ctx, "progress not read", "database", b.database, "error", err)
		}
		if err != nil || !live {
			h = backup.Holder{}
		}
		b.holder = &h
	}
	return *b.holder
}

func (b *board) jobs(ctx context.Context) []backup.OpenJob {
	if b.open == nil {
		open, err := b.api.Open.List(ctx, b.database)
		if err != nil {
			b.api.logger(ctx).WarnContext(ctx, "open jobs not listed", "database", b.database, "error", err)
		}
		b.open = &open
	}
	return *b.open
}

// waitingFor is what the job of that id waits for. Ids sort by time, and the oldest job goes first.
func (b *board) waitingFor(ctx context.Context, id string) *WaitingFor {
	h := b.held(ctx)
	w := WaitingFor{}
	for _, j := range b.jobs(ctx) {
		switch {
		case j.ID == id:
		case j.ID == h.Job:
			w.Running = &RunningJob{Kind: j.Kind, ID: j.ID, Restore: j.Restore}
			w.Before++
		case j.ID < id:
			w.Before++
		}
	}
	if w.Before == 0 {
		return nil
	}
	return &w
}
