package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/cronkey"
)

const cronKeyHeader = "X-Cron-Key"

type cronInput struct {
	Key  string       `header:"X-Cron-Key" doc:"The cron key."`
	Body *CronRequest `required:"false"`
}

// CronRequest says which databases to back up.
type CronRequest struct {
	Databases []string `json:"databases,omitempty" maxItems:"500" doc:"Names of databases; without any, all are backed up." example:"[\"school\"]"`
}

// CronStarted is what a call of the cron route did.
type CronStarted struct {
	Items []CronBackup `json:"items" doc:"One backup for each database."`
}

// CronBackup is a backup that the cron key started.
type CronBackup struct {
	Database string       `json:"database" doc:"The database's name." example:"school"`
	Backup   string       `json:"backup" doc:"The backup's id." example:"01kax5r9mv4e8c0d2n6h3tqz7w"`
	State    backup.State `json:"state" enum:"queued,running,created,failed" doc:"Where it stands."`
	Started  bool         `json:"started" doc:"Whether this call started it. False where a call in the same minute had done so."`
}

func (a *API) registerCron() {
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: "/cron/backups", Open: true}, id: "cron-backups", tag: "Cron key", cronKey: true,
		summary: "Start backups with the cron key",
		text: "For an outside scheduler. Starts a backup of each database, once a minute however often it is called. " +
			"Where a backup can't be started, the answer is why; those of the other databases are started nevertheless, and calling again " +
			"in the same minute starts none twice.",
		status: http.StatusAccepted, refusals: withBody(refusals{401: {"cron_key_refused"}, 404: {"database_not_found"}, 409: {string(backup.CodeBadSecret)}, 503: {string(backup.CodeNoRegistry)}}),
	}, a.cronBackups)
}

func (a *API) cronBackups(ctx context.Context, in *cronInput) (*output[CronStarted], error) {
	ok, err := a.CronKey.Check(ctx, in.Key)
	if err != nil {
		return nil, fmt.Errorf("check the cron key: %w", err)
	}
	if !ok {
		// In the log only: whoever is outside must not be able to fill the activity log.
		a.log.WarnContext(ctx, "cron key refused", "given", in.Key != "")
		return nil, problem(http.StatusUnauthorized, "cron_key_refused", "The cron key is missing, or is not the current one.",
			"Send it as "+cronKeyHeader+". If it was rotated, an administrator can reveal the new one.").with("WWW-Authenticate", cronKeyHeader)
	}
	var names []string
	if in.Body != nil {
		names = in.Body.Databases
	}
	// The subject tells this call's backups from those of another in the same minute, also of one at the same moment.
	by := backup.Actor{Kind: backup.ByCronKey, Name: "cron key", Subject: requestID(ctx)}
	backups, err := a.Periodic.Start(ctx, "cron", names, a.Now().UTC(), by)
	a.noteUse(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	out := CronStarted{Items: []CronBackup{}}
	for _, b := range backups {
		out.Items = append(out.Items, CronBackup{Database: b.Database, Backup: b.ID, State: b.State, Started: b.RequestedBy.Subject == by.Subject})
	}
	return &output[CronStarted]{out}, nil
}

// usePatience bounds what is waited for the last use of the cron key, to be written or read: nothing depends on it.
const usePatience = 2 * time.Second

// noteUse writes that the cron key was used now. Where that fails, the backups are started nevertheless.
func (a *API) noteUse(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(ctx, usePatience)
	defer cancel()
	if err := a.KeyUses.Note(ctx, cronkey.Fingerprint(backup.Sensitive(key)), a.Now().UTC()); err != nil {
		a.logger(ctx).WarnContext(ctx, "use of the cron key not noted", "error", err)
	}
}

// lastUse is when the key of a fingerprint was last used. It is left out where it can't be read.
func (a *API) lastUse(ctx context.Context, fingerprint string) time.Time {
	ctx, cancel := context.WithTimeout(ctx, usePatience)
	defer cancel()
	at, err := a.KeyUses.Last(ctx, fingerprint)
	if err != nil {
		a.logger(ctx).WarnContext(ctx, "use of the cron key not read", "error", err)
	}
	return at
}
