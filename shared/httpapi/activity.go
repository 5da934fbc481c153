package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
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
	InPeriod
	Database string `query:"database" maxLength:"63" doc:"Only what is about this database." example:"school"`
	Actor    string `query:"actor" maxLength:"200" doc:"Only what somebody did whose name has this in it, in whichever case." example:"ada"`
	Action   string `query:"action" maxLength:"50" doc:"Only this action; with a dot at its end, all that begin so." example:"restore."`
	Result   string `query:"result" maxLength:"50" doc:"Only what ended so." example:"failed"`
}

func (a *API) registerActivity() {
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: "/api/activity", Permission: access.ActivityRead}, id: "list-activity", tag: "Activity",
		summary: "List who did what", text: searchText, refusals: refusals{400: {"cursor_invalid"}, 422: {"request_invalid"}},
	}, a.listActivity)
}

func (a *API) listActivity(ctx context.Context, in *activityInput) (*output[ActivityList], error) {
	q := query[backup.Entry]{InPage: in.InPage, InPeriod: in.InPeriod, list: a.Activity.List, id: func(e backup.Entry) string { return e.ID }}
	if in.Database+in.Actor+in.Action+in.Result != "" {
		q.wanted = in.wants
	}
	entries, next, err := search(ctx, a, q)
	if err != nil {
		return nil, fmt.Errorf("list activity: %w", err)
	}
	list := ActivityList{Items: []Activity{}, Next: next}
	for _, e := range entries {
		list.Items = append(list.Items, activityView(e))
	}
	return &output[ActivityList]{list}, nil
}

// wants reports whether an entry passes the filters. The log has one order for all databases.
func (in *activityInput) wants(e backup.Entry) bool {
	action := e.Action == in.Action || strings.HasSuffix(in.Action, ".") && strings.HasPrefix(e.Action, in.Action)
	return (in.Database == "" || e.Database == in.Database) &&
		(in.Actor == "" || strings.Contains(strings.ToLower(e.Actor.Name), strings.ToLower(in.Actor))) &&
		(in.Action == "" || action) &&
		(in.Result == "" || e.Result == in.Result)
}

func activityView(e backup.Entry) Activity {
	return Activity{ID: e.ID, At: e.At.UTC(), Actor: actorView(e.Actor), Action: e.Action, Database: e.Database, Target: e.Target, Result: e.Result, Detail: e.Detail}
}
