package httpapi

import (
	"context"
	"sync"

	"github.com/backup-restore/backup-restore/shared/backup"
)

const (
	// maxHoldings is how many restores are asked what they keep. Each keeps one database for a day or so, and no server has room for
	// as many.
	maxHoldings = 200
	readers     = 8 // at a time
)

// heldRooms is what restores keep on the servers, by database. It is no reason to fail: what can't be read is left out.
func (a *API) heldRooms(ctx context.Context) map[string]*HeldRoom {
	holdings, err := a.Holdings.List(ctx, "")
	if err != nil {
		a.logger(ctx).WarnContext(ctx, "holdings not listed", "error", err)
		return nil
	}
	if len(holdings) > maxHoldings {
		a.logger(ctx).WarnContext(ctx, "holdings left out", "holdings", len(holdings), "read", maxHoldings)
		holdings = holdings[:maxHoldings]
	}
	// A holding says that a restore may keep something; its record says what.
	kept := make([]*backup.Held, len(holdings))
	var wg sync.WaitGroup
	slots := make(chan struct{}, readers)
	for i, h := range holdings {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r, err := a.Restores.Get(ctx, h.Database, h.Restore)
			if err != nil && !isNotFound(err) {
				a.logger(ctx).WarnContext(ctx, "restore of a holding not read", "database", h.Database, "restore", h.Restore, "error", err)
			}
			kept[i] = r.Held
		})
	}
	wg.Wait()
	rooms := map[string]*HeldRoom{}
	for i, h := range holdings {
		if kept[i] == nil {
			continue
		}
		if rooms[h.Database] == nil {
			rooms[h.Database] = &HeldRoom{}
		}
		rooms[h.Database].Databases++
		rooms[h.Database].Bytes += kept[i].Bytes
	}
	return rooms
}
