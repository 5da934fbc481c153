package jobs_test

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// life is that of a process, which ends after so many steps that the rest of the world could notice: before a step, or between the step
// and its answer. From then on nothing that it does has any effect. The zero value does not end.
type life struct {
	left *atomic.Int64
	die  context.CancelFunc // of all that the process does
}

// lives is a life of so many steps, and the context in which its process runs.
func lives(ctx context.Context, steps int64) (context.Context, life) {
	ctx, die := context.WithCancel(ctx)
	l := life{new(atomic.Int64), die}
	l.left.Store(steps)
	return ctx, l
}

var errDead = errors.New("the process is dead")

func (l life) over() bool { return l.left != nil && l.left.Load() < 0 }

func (l life) ends() bool {
	if l.left.Add(-1) >= 0 {
		return false
	}
	l.die()
	return true
}

// step takes one step of a life, and another one before its answer comes.
func step[T any](l life, do func() (T, error)) (T, error) {
	var none T
	if l.left == nil {
		return do()
	}
	if l.ends() {
		return none, errDead
	}
	v, err := do()
	if l.ends() {
		return none, errDead
	}
	return v, err
}

func act(l life, do func() error) error {
	_, err := step(l, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// peek is for what changes nothing: it takes no step, so that not every read has to be died at.
func peek[T any](l life, do func() (T, error)) (T, error) {
	if l.over() {
		var none T
		return none, errDead
	}
	return do()
}

type mortal[T any] struct {
	backup.Records[T]
	l life
}

func (m mortal[T]) Create(ctx context.Context, database, id string, v T) error {
	return act(m.l, func() error { return m.Records.Create(ctx, database, id, v) })
}

func (m mortal[T]) Get(ctx context.Context, database, id string) (T, error) {
	return peek(m.l, func() (T, error) { return m.Records.Get(ctx, database, id) })
}

func (m mortal[T]) Update(ctx context.Context, database, id string, change func(*T) error) (T, error) {
	return step(m.l, func() (T, error) { return m.Records.Update(ctx, database, id, change) })
}

type mortalOpen struct {
	backup.OpenJobs
	l life
}

func (m mortalOpen) Mark(ctx context.Context, j backup.OpenJob) error {
	return act(m.l, func() error { return m.OpenJobs.Mark(ctx, j) })
}

func (m mortalOpen) Clear(ctx context.Context, j backup.OpenJob) error {
	return act(m.l, func() error { return m.OpenJobs.Clear(ctx, j) })
}

func (m mortalOpen) List(ctx context.Context, database string) ([]backup.OpenJob, error) {
	return peek(m.l, func() ([]backup.OpenJob, error) { return m.OpenJobs.List(ctx, database) })
}

type mortalHoldings struct {
	backup.Holdings
	l life
}

func (m mortalHoldings) Put(ctx context.Context, h backup.Holding) error {
	return act(m.l, func() error { return m.Holdings.Put(ctx, h) })
}

func (m mortalHoldings) Get(ctx context.Context, database, restore string) (backup.Holding, error) {
	return peek(m.l, func() (backup.Holding, error) { return m.Holdings.Get(ctx, database, restore) })
}

func (m mortalHoldings) Remove(ctx context.Context, database, restore string) error {
	return act(m.l, func() error { return m.Holdings.Remove(ctx, database, restore) })
}

type mortalActivity struct {
	backup.ActivityLog
	l life
}

func (m mortalActivity) Append(ctx context.Context, e backup.Entry) error {
	return act(m.l, func() error { return m.ActivityLog.Append(ctx, e) })
}

// mortalEngine reaches the server until its process dies.
type mortalEngine struct {
	*engine
	l life
}

func (m mortalEngine) Recover(ctx context.Context, t backup.Target, a backup.Attempt) (*backup.Switched, error) {
	return step(m.l, func() (*backup.Switched, error) { return m.engine.Recover(ctx, t, a) })
}

func (m mortalEngine) Stage(ctx context.Context, t backup.Target, a backup.Attempt, need backup.Need) (backup.Staged, error) {
	s, err := step(m.l, func() (backup.Staged, error) { return m.engine.Stage(ctx, t, a, need) })
	return mortalStaged{s, m.l}, err
}

func (m mortalEngine) Resume(ctx context.Context, t backup.Target, a backup.Attempt, p backup.Parked) (backup.Staged, error) {
	s, err := step(m.l, func() (backup.Staged, error) { return m.engine.Resume(ctx, t, a, p) })
	return mortalStaged{s, m.l}, err
}

func (m mortalEngine) Undo(ctx context.Context, t backup.Target, a backup.Attempt, kept string, confirm func(context.Context) error) (backup.Switched, error) {
	return step(m.l, func() (backup.Switched, error) { return m.engine.Undo(ctx, t, a, kept, confirm) })
}

func (m mortalEngine) Drop(ctx context.Context, t backup.Target, a backup.Attempt, name string) error {
	return act(m.l, func() error { return m.engine.Drop(ctx, t, a, name) })
}

type mortalStaged struct {
	backup.Staged
	l life
}

func (m mortalStaged) Park(ctx context.Context) (backup.Parked, error) {
	return step(m.l, func() (backup.Parked, error) { return m.Staged.Park(ctx) })
}

func (m mortalStaged) Switch(ctx context.Context, confirm func(context.Context) error) (backup.Switched, error) {
	return step(m.l, func() (backup.Switched, error) { return m.Staged.Switch(ctx, confirm) })
}

func (m mortalStaged) Discard(ctx context.Context) error {
	return act(m.l, func() error { return m.Staged.Discard(ctx) })
}
