package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
)

type (
	operatorKey struct{}
	databaseKey struct{}
)

// operator is who is asking. Behind the guard of a route that is not open there always is one.
func operator(ctx context.Context) access.Operator {
	o, _ := ctx.Value(operatorKey{}).(access.Operator)
	return o
}

// actor is the operator as records name people.
func actor(ctx context.Context) backup.Actor {
	o := operator(ctx)
	return backup.Actor{Kind: backup.ByOperator, Subject: o.Subject, Name: o.Name}
}

// database is the one that the path names. Behind the guard of a route with {database} there always is one.
func database(ctx context.Context) backup.Database {
	d, _ := ctx.Value(databaseKey{}).(backup.Database)
	return d
}

func (r Route) namesDatabase() bool { return strings.Contains(r.Path, "{database}") }

// guard stands before every operation: is somebody signed in, may they do this, can the path name what it names, and is
// there such a database. Only then is the request read further.
func (a *API) guard(r Route) func(huma.Context, func(huma.Context)) {
	return func(hctx huma.Context, next func(huma.Context)) {
		ctx, err := a.admit(hctx, r)
		if err != nil {
			p := problemOf(err)
			a.logRefusal(hctx.Context(), hctx.Operation().OperationID, p, err)
			request, w := humago.Unwrap(hctx)
			writeProblem(w, request, p)
			return
		}
		next(huma.WithContext(hctx, ctx))
	}
}

func (a *API) admit(hctx huma.Context, r Route) (context.Context, error) {
	ctx := hctx.Context()
	if !r.Open {
		o, err := access.NewOperator(access.Claims(ctx), a.RoleClaim)
		if err != nil {
			a.log.InfoContext(ctx, "token refused", "error", err)
			return nil, problem(http.StatusUnauthorized, "token_missing", "This needs a valid access token.",
				"Sign in, and send the access token as Authorization: Bearer.").with("WWW-Authenticate", "Bearer")
		}
		if r.Permission != "" && !o.Allows(r.Permission) {
			return nil, notAllowed(r.Permission)
		}
		ctx = context.WithValue(ctx, operatorKey{}, o)
	}
	if strings.Contains(r.Path, "{id}") && !backup.ValidID(hctx.Param("id")) {
		return nil, backup.ErrNotFound
	}
	if r.namesDatabase() {
		d, err := a.findDatabase(ctx, hctx.Param("database"))
		if err != nil {
			return nil, err
		}
		ctx = context.WithValue(ctx, databaseKey{}, d)
	}
	return ctx, nil
}

func (a *API) findDatabase(ctx context.Context, name string) (backup.Database, error) {
	unknown := notFound("database_not_found", "There is no database with that name.", "See the list of databases.")
	if !backup.ValidDatabaseName(name) {
		return backup.Database{}, unknown
	}
	d, err := a.Databases.Get(ctx, name)
	if errors.Is(err, backup.ErrNotFound) {
		return backup.Database{}, unknown
	}
	return d, err
}
