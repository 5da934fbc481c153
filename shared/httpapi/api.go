// Package httpapi is the HTTP API: its routes, what each needs, and what it answers. It is an ordinary http.Handler;
// package gateway puts it behind API Gateway.
//
// [New] takes the ports that it works on. The OpenAPI document is generated from the Go types of the requests and answers
// in this package, and so is the page at /docs. Who a caller is comes from access.Claims of the request's context: whatever
// stands in front has checked the token.
package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/cronkey"
)

// Databases is the part of backup.Databases that is used here: the content of secrets is none of the API's business.
type Databases interface {
	List(ctx context.Context) ([]backup.Database, error)
	Get(ctx context.Context, name string) (backup.Database, error)
}

// Locks is the part of backup.Locks that is used here.
type Locks interface {
	Read(ctx context.Context, database string) (h backup.Holder, live bool, err error)
}

// Files is the part of backup.Files that is used here.
type Files interface {
	Delete(ctx context.Context, key, versionID string) error
	OpenRange(ctx context.Context, key, versionID string, offset, length int64) (io.ReadCloser, error)
	PresignDownload(ctx context.Context, key, versionID, filename string, lifetime time.Duration) (url string, expires time.Time, err error)
}

// Dropbox is the part of backup.Dropbox that is used here.
type Dropbox interface {
	PresignPost(ctx context.Context, key string, size int64, lifetime time.Duration) (backup.PostForm, error)
	PresignParts(ctx context.Context, key, partsID string, size int64, lifetime time.Duration) (backup.PartLinks, error)
}

// Holdings is the part of backup.Holdings that is used here.
type Holdings interface {
	List(ctx context.Context, database string) ([]backup.Holding, error)
}

// Desk starts jobs. Calls with an id return the job of that id as it stands where there is one already; id "" is a new one.
type Desk interface {
	StartBackup(ctx context.Context, database backup.Database, id string, s backup.Selection, by backup.Actor) (backup.Backup, error)
	StartRestore(ctx context.Context, source backup.RestoreSource, id string, o backup.RestoreOptions, by backup.Actor) (backup.Restore, error)
	Announce(ctx context.Context, database backup.Database, id string, file backup.UploadFile, by backup.Actor) (backup.Upload, error)
	Receive(ctx context.Context, u backup.Upload) (backup.Upload, error)
	Apply(ctx context.Context, database, restore, id string, by backup.Actor) (backup.Restore, error)
	Undo(ctx context.Context, database, restore, id string, by backup.Actor) (backup.Restore, error)
	Cancel(ctx context.Context, database, restore, job string, by backup.Actor) (backup.Restore, error)
}

// Periodic starts the backups of many databases (all where names is empty), each once in a minute.
type Periodic interface {
	Start(ctx context.Context, source string, names []string, at time.Time, by backup.Actor) ([]backup.Backup, error)
}

// CronKey is the cron key's store.
type CronKey interface {
	Masked(ctx context.Context) (cronkey.Masked, error)
	Reveal(ctx context.Context) (cronkey.Key, error)
	Regenerate(ctx context.Context, by backup.Actor) (cronkey.Key, error)
	Check(ctx context.Context, key string) (bool, error)
}

// Options are what the API works on. All are needed but Console and Now.
type Options struct {
	Databases Databases
	Backups   backup.Records[backup.Backup]
	Restores  backup.Records[backup.Restore]
	Uploads   backup.Records[backup.Upload]
	Holdings  Holdings
	Activity  backup.ActivityLog
	Open      backup.OpenJobs
	Locks     Locks
	Files     Files
	Dropbox   Dropbox
	Keys      backup.IdempotencyKeys
	Desk      Desk
	Periodic  Periodic
	CronKey   CronKey
	KeyUses   backup.KeyUses

	Bucket    string // where files lie, for those who fetch them without us
	RoleClaim string // the token's claim that lists roles
	Issuer    string // for /config.json: where the page signs in
	ClientID  string // for /config.json
	// Console is the built page, as console.Page has it. Where it is nil or has no index.html, a page says that it was not built.
	Console fs.FS
	// Origins are those that the page fetches from beside its own: of the identity provider and of the links to files.
	Origins []string
	Version string // of the build
	Log     *slog.Logger
	Now     func() time.Time // nil is time.Now
}

// API answers requests. It is safe for concurrent use.
type API struct {
	Options
	log    *slog.Logger
	mux    *http.ServeMux
	huma   huma.API
	routes []Route
	spec   []byte
}

// Route is one operation of the API.
type Route struct {
	Method, Path string
	// Permission is what a caller needs; "" for any signed-in operator, and for a route that is open.
	Permission access.Permission
	// Open routes take no token.
	Open bool
}

// New builds the API.
func New(o Options) (*API, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &API{Options: o, log: o.Log, mux: http.NewServeMux()}
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	a.huma = humago.New(a.mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Backup & Restore", Version: apiVersion, Description: about},
			Tags:    tags,
			Components: &huma.Components{Schemas: registry, SecuritySchemes: map[string]*huma.SecurityScheme{
				"token": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token of the identity provider that /config.json names."},
				"cronKey": {Type: "apiKey", In: "header", Name: cronKeyHeader,
					Description: "The cron key, which starts backups and can do nothing else."},
			}},
		},
		// "json" is what huma looks up for application/problem+json.
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		Transformers:                 []huma.Transformer{a.finish},
		RejectUnknownQueryParameters: true,
	})
	a.registerAccess()
	a.registerBackups()
	a.registerContents()
	a.registerUploads()
	a.registerRestores()
	a.registerFollowUps()
	a.registerCronKey()
	a.registerActivity()
	a.registerCron()
	a.registerHealth()
	// huma has its own model of errors in the document; ours takes its place.
	delete(registry.Map(), "ErrorModel")
	delete(registry.Map(), "ErrorDetail")
	forbidNullLists(registry)
	spec, err := json.MarshalIndent(a.huma.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	a.spec = append(spec, '\n')
	if err := a.registerPages(); err != nil {
		return nil, err
	}
	return a, nil
}

// forbidNullLists says that a list which is there is a list: huma takes every Go slice for one that may be null. Ours are empty or
// left out, and whoever generates types from the document need not ask.
func forbidNullLists(registry huma.Registry) {
	for _, schema := range registry.Map() {
		for _, property := range schema.Properties {
			if property.Type == huma.TypeArray {
				property.Nullable = false
			}
		}
	}
}

// Routes are the operations, in the order of the document, for tests that go through them all.
func (a *API) Routes() []Route { return a.routes }

// OpenAPI is the document that /openapi.json serves.
func (a *API) OpenAPI() []byte { return a.spec }

// apiVersion is that of the interface, not of the build.
const apiVersion = "1.0.0"

const about = "Backs up databases to S3 and restores them. Times are UTC in RFC 3339, sizes are bytes, ids are ULIDs in lower case. " +
	"Lists are newest first and paged by cursor. Long work answers 202 with the record, which is then polled. " +
	"Calls that create or start something take an Idempotency-Key, so that they can be repeated. Every error is a problem of RFC 9457, but for those that API Gateway answers " +
	"before it asks us (no valid token: 401, no such address: 404, more than 10 MB: 413, too many calls: 429): their body is {\"message\": …}."

var tags = []*huma.Tag{
	{Name: "Access", Description: "Who am I, what may I do, on which databases."},
	{Name: "Backups", Description: "A backup is queued, running, created or failed. Only created backups can be downloaded, restored or deleted."},
	{Name: "Uploads", Description: "An upload is a file of yours to restore: announce it, send it to the bucket, complete it. It is pending until then, received while it is inspected, and then accepted or rejected. Nothing of it is run before a restore. The file is kept for a week."},
	{Name: "Restores", Description: "A restore is built beside the live database, verified and compared with it. A dry run stops there and reports, and its copy can be applied as it stands for a while; a real run replaces the live database in one step. The replaced database is kept for an undo. Until when is said in held.until. A restore of a database drops the copy of an earlier rehearsal of it."},
	{Name: "Cron key", Description: "The secret with which an outside scheduler starts backups."},
	{Name: "Activity", Description: "Who did what to which, and how it ended."},
	{Name: "Health", Description: "For load balancers and deployments."},
}

// route is an operation as it is declared beside its handler.
type route struct {
	Route
	id, tag, summary, text string
	status                 int      // of success; 0 is 200
	refusals               refusals // beside those that follow from the route itself
	// permissionWhen are permissions that depend on the request: by what stands in it. The handler checks them.
	permissionWhen map[string]access.Permission
	cronKey        bool   // takes the cron key instead of a token
	sample         string // lines for a shell, where a single call does not tell how it is used
}

// codeSample is how many tools that read OpenAPI documents take lines to copy.
type codeSample struct {
	Lang   string `json:"lang"`
	Source string `json:"source"`
}

// refusals are the codes of the problems that a route answers with, by their status.
type refusals map[int][]string

// withBody adds what may be wrong with a request's body.
func withBody(r refusals) refusals {
	return r.with(refusals{400: {"json_invalid"}, 413: {"body_too_large"}, 415: {"media_type_unsupported"}, 422: {"request_invalid"}})
}

func (r refusals) with(more refusals) refusals {
	out := refusals{}
	for _, from := range []refusals{more, r} {
		for status, codes := range from {
			out[status] = append(out[status], codes...)
		}
	}
	return out
}

// register adds an operation: its place in the document, what it needs, and its handler.
func register[I, O any](a *API, r route, handle func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		OperationID: r.id, Method: r.Method, Path: r.Path, Tags: []string{r.tag}, Summary: r.summary, Description: r.text,
		DefaultStatus: r.status, MaxBodyBytes: maxBody, Middlewares: huma.Middlewares{a.guard(r.Route)},
		Extensions: map[string]any{}, Responses: a.errorResponses(r),
	}
	switch {
	case !r.Open:
		op.Security = []map[string][]string{{"token": {}}}
	case r.cronKey:
		op.Security = []map[string][]string{{"cronKey": {}}}
	}
	if r.Permission != "" {
		op.Extensions["x-permission"] = r.Permission
	}
	if len(r.permissionWhen) > 0 {
		op.Extensions["x-permission-when"] = r.permissionWhen
	}
	if r.sample != "" {
		op.Extensions["x-codeSamples"] = []codeSample{{Lang: "Shell", Source: r.sample}}
	}
	a.routes = append(a.routes, r.Route)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err == nil {
			return out, nil
		}
		p := problemOf(err)
		a.logRefusal(ctx, op.OperationID, p, err)
		return nil, p
	})
}

func (a *API) logRefusal(ctx context.Context, operation string, p *Problem, err error) {
	level := slog.LevelInfo
	if p.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	a.logger(ctx).Log(ctx, level, "request refused", "operation", operation, "code", p.Code, "error", err)
}

// errorResponses describes the errors of a route, with the codes that they can have.
func (a *API) errorResponses(r route) map[string]*huma.Response {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	all := refusals{500: {"internal_error"}, 503: {"temporarily_unavailable", string(backup.CodeStorage)}}
	if !r.Open {
		all = all.with(refusals{401: {"token_missing"}})
	}
	if r.Permission != "" {
		all = all.with(refusals{403: {"permission_missing"}})
	}
	if r.namesDatabase() {
		all = all.with(refusals{404: {"database_not_found"}, 409: {string(backup.CodeBadSecret)}, 503: {string(backup.CodeNoRegistry)}})
	}
	out := map[string]*huma.Response{}
	for status, codes := range r.refusals.with(all) {
		out[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status) + ": " + strings.Join(codes, ", "), Content: map[string]*huma.MediaType{problemType: {Schema: schema}},
		}
	}
	return out
}

// finish is the last step of every answer: errors that huma found itself become ours, and every problem gets the
// request's id.
func (a *API) finish(ctx huma.Context, _ string, v any) (any, error) {
	var p Problem
	switch e := v.(type) {
	case *huma.ErrorModel:
		p = *problemOfHuma(e)
		a.logger(ctx.Context()).InfoContext(ctx.Context(), "request refused", "operation", ctx.Operation().OperationID, "code", p.Code)
	case *Problem:
		p = *e
	default:
		return v, nil
	}
	p.RequestID = requestID(ctx.Context())
	return &p, nil
}

// Unusable answers every request with 503: for a function whose settings are missing or wrong, so that its health check
// says so. The reason belongs in the log.
func Unusable(log *slog.Logger, reason error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.ErrorContext(r.Context(), "function unusable", "error", reason)
		secure(w.Header(), r)
		writeProblem(w, r, problem(http.StatusServiceUnavailable, "not_configured", "The server's settings are missing or wrong.",
			"See the log of the api function: it names the setting."))
	})
}
