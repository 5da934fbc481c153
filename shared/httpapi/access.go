package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
)

// Database is a registered database.
type Database struct {
	Name   string            `json:"name" doc:"Its short name, which paths use." example:"school"`
	Engine backup.EngineKind `json:"engine" enum:"postgres,mysql" doc:"The kind of database server."`
	Held   *HeldRoom         `json:"held,omitempty" doc:"What restores keep on its server besides it. Absent where they keep nothing."`
}

// HeldRoom is what restores keep on a server.
type HeldRoom struct {
	Databases int   `json:"databases" doc:"How many databases: rehearsed copies, and databases that were replaced." example:"1"`
	Bytes     int64 `json:"bytes" doc:"What they take of the server's disk, as far as that is known."`
}

// DatabaseList is all databases.
type DatabaseList struct {
	Items    []Database         `json:"items" doc:"In the order of their names."`
	Unusable []UnusableDatabase `json:"unusable,omitempty" doc:"Registrations that make no sense. Those databases are not backed up."`
}

// UnusableDatabase is a registration that makes no sense.
type UnusableDatabase struct {
	Name   string `json:"name" doc:"What the secret's tag says." example:"School North"`
	Reason string `json:"reason" doc:"What is wrong with it, for people."`
	Hint   string `json:"hint,omitempty" doc:"What to do."`
}

// Operator is who is signed in.
type Operator struct {
	Subject     string              `json:"subject" doc:"The identity provider's id of the operator."`
	Name        string              `json:"name" doc:"For people to read."`
	Roles       []access.Role       `json:"roles" doc:"As the token says. Roles that are not known grant nothing." example:"[\"operator\"]"`
	Permissions []access.Permission `json:"permissions" doc:"What the operator may do."`
}

type output[T any] struct{ Body T }

func (a *API) registerAccess() {
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: "/api/me"}, id: "get-me", tag: "Access",
		summary: "Who am I, and what may I do",
	}, func(ctx context.Context, _ *struct{}) (*output[Operator], error) {
		o := operator(ctx)
		me := Operator{Subject: o.Subject, Name: o.Name, Roles: []access.Role{}, Permissions: []access.Permission{}}
		me.Roles, me.Permissions = append(me.Roles, o.Roles...), append(me.Permissions, o.Permissions...)
		return &output[Operator]{me}, nil
	})
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: "/api/databases", Permission: access.BackupsRead}, id: "list-databases", tag: "Access",
		summary: "List the databases", text: "A database is registered by tagging its secret in Secrets Manager with backup-restore:database.",
	}, func(ctx context.Context, _ *struct{}) (*output[DatabaseList], error) {
		list := DatabaseList{Items: []Database{}}
		all, err := a.Databases.List(ctx)
		if bad := (*backup.UnusableError)(nil); errors.As(err, &bad) {
			a.logger(ctx).ErrorContext(ctx, "databases unusable", "error", err)
			for _, d := range bad.Databases {
				list.Unusable = append(list.Unusable, UnusableDatabase{Name: d.Name, Reason: d.Why.Text, Hint: d.Why.Hint})
			}
		} else if err != nil {
			return nil, err
		}
		kept := a.heldRooms(ctx)
		for _, d := range all {
			list.Items = append(list.Items, Database{Name: d.Name, Engine: d.Engine, Held: kept[d.Name]})
		}
		return &output[DatabaseList]{list}, nil
	})
}
