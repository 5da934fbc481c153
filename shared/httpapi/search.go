package httpapi

import (
	"context"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// InPeriod is the query of a list for what belongs to a time. Lists are ordered by id, and an id begins with its time: what lies
// outside of the period is not read.
type InPeriod struct {
	From time.Time `query:"from" doc:"Only what is of this time or later. The time is that of the id: when it was asked for, and for backups by the schedule or the cron key the beginning of that minute." example:"2026-11-22T00:00:00Z"`
	To   time.Time `query:"to" doc:"Only what is of a time before this one." example:"2026-11-23T00:00:00Z"`
}

// Bounds of a search. What is wanted may be seldom, so a call ends after some records whatever it has found, and the cursor goes on
// from there.
const (
	maxSearched = 500
	searchStep  = 50 // records read at once, at least
)

const searchText = "Filters can be combined. A call reads a bounded number of records, so a filtered page may be shorter than its limit, even empty, before the last: " +
	"go on as long as there is next, with the same filters."

// query is a list as a caller wants it.
type query[T any] struct {
	InPage
	InPeriod
	list   func(context.Context, backup.Page) (items []T, next string, err error)
	id     func(T) string
	wanted func(T) bool // nil where all are
}

// page is the bounds of what is wanted.
func (q query[T]) page() (backup.Page, error) {
	p := backup.Page{After: q.Cursor, Limit: q.Limit}
	if err := checkCursor(q.Cursor); err != nil {
		return p, err
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return p, invalid(FieldError{Location: "query.from", Message: "expected a time before that of to"})
	}
	if !q.From.IsZero() {
		p.Oldest = backup.FirstID(q.From)
	}
	if !q.To.IsZero() {
		if end := backup.FirstID(q.To); p.After == "" || end < p.After {
			p.After = end
		}
	}
	return p, nil
}

// search reads a list until it has found as many as are wanted, and returns the cursor to go on with, "" at the end.
func search[T any](ctx context.Context, a *API, q query[T]) (found []T, next string, err error) {
	p, err := q.page()
	if err != nil {
		return nil, "", err
	}
	if q.wanted != nil {
		p.Limit = max(q.Limit, searchStep)
	}
	for searched := 0; searched < maxSearched; searched += p.Limit {
		items, next, err := q.list(ctx, p)
		if err := a.readable(ctx, err); err != nil {
			return nil, "", err
		}
		if q.wanted == nil {
			return items, next, nil
		}
		for i, item := range items {
			if !q.wanted(item) {
				continue
			}
			found = append(found, item)
			if len(found) == q.Limit && (i < len(items)-1 || next != "") {
				return found, q.id(item), nil
			}
		}
		if p.After = next; next == "" {
			break
		}
	}
	return found, p.After, nil
}
