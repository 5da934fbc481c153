package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
)

// Activity is a line of the activity log.
type Activity struct {
	ID       string    `json:"id" doc:"A ULID in lower case."`
	At       time.Time `json:"at" doc:"When."`
	Actor    Actor     `json:"actor" doc:"Who."`
	Action   string    `json:"action" doc:"What." example:"backup.create"`
	Database string    `json:"database,omitempty" doc:"The database's name, where it is about one."`
	Target   string    `json:"target,omitempty" doc:"The id of the backup, upload or restore, where it is about one."`
	Result   string    `json:"result" doc:"How it ended: accepted where that is not known yet, else the state." example:"accepted"`
	Detail   string    `json:"detail,omitempty" doc:"More, for people: a filename, or why it failed."`
}

// ActivityList is a page of the activity log.
type ActivityList struct {
	Items []Activity `json:"items" doc:"Newest first."`
	Next  string     `json:"next,omitempty" doc:"The cursor of the next page. Absent on the last one. A page may be shorter than its limit, or empty, before the last."`
}

type activityInput struct {
	InPage
	Database string `query:"database" maxLength:"63" doc:"Only what is about this database." example:"school"`
}

// maxActivityPages is how many pages of the log one call reads in search of a database's lines. The log has one order
// for all databases, so a search may find little; the cursor goes on from there.
const maxActivityPages = 5

func (a *API) registerActivity() {
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: "/api/activity", Permission: access.ActivityRead}, id: "list-activity", tag: "Activity",
		summary: "List who did what", refusals: refusals{400: {"cursor_invalid"}, 422: {"request_invalid"}},
	}, a.listActivity)
}

func (a *API) listActivity(ctx context.Context, in *activityInput) (*output[ActivityList], error) {
	if err := checkCursor(in.Cursor); err != nil {
		return nil, err
	}
	list := ActivityList{Items: []Activity{}, Next: in.Cursor}
	for range maxActivityPages {
		// What is left is asked for, so that a page never ends behind a line that the next one would skip.
		entries, next, err := a.Activity.List(ctx, list.Next, in.Limit-len(list.Items))
		if err := a.readable(ctx, err); err != nil {
			return nil, fmt.Errorf("list activity: %w", err)
		}
		for _, e := range entries {
			if in.Database == "" || e.Database == in.Database {
				list.Items = append(list.Items, activityView(e))
			}
		}
		list.Next = next
		if next == "" || in.Database == "" || len(list.Items) == in.Limit {
			break
		}
	}
	return &output[ActivityList]{list}, nil
}

func activityView(e backup.Entry) Activity {
	return Activity{ID: e.ID, At: e.At.UTC(), Actor: actorView(e.Actor), Action: e.Action, Database: e.Database, Target: e.Target, Result: e.Result, Detail: e.Detail}
}
