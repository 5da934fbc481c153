// Package access says who may do what: the permissions, the roles that grant them, and the operator that a token's claims
// describe.
//
// API Gateway's authorizer has checked a token before its claims arrive here: signature, issuer, audience, times. What is
// left is to read them: [NewOperator], then [Operator.Allows].
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Permission is the right to do one kind of thing. The texts are part of the API.
type Permission string

// The permissions.
const (
	BackupsRead       Permission = "backups:read" // also databases, restores and the masked cron key
	BackupsCreate     Permission = "backups:create"
	BackupsDownload   Permission = "backups:download"
	BackupsDelete     Permission = "backups:delete"
	RestoresRehearse  Permission = "restores:rehearse" // dry runs, and uploads
	RestoresRun       Permission = "restores:run"      // restores that replace the live database
	CronKeyReveal     Permission = "cron-key:reveal"
	CronKeyRegenerate Permission = "cron-key:regenerate"
	SchedulesWrite    Permission = "schedules:write"
	ActivityRead      Permission = "activity:read"
)

// All are all permissions, in the order in which they are shown.
func All() []Permission {
	return []Permission{BackupsRead, BackupsCreate, BackupsDownload, BackupsDelete, RestoresRehearse, RestoresRun,
		CronKeyReveal, CronKeyRegenerate, SchedulesWrite, ActivityRead}
}

// Role is a name, given by the identity provider, that grants permissions.
type Role string

// The roles.
const (
	SuperAdmin Role = "super-admin" // everything
	Staff      Role = "operator"    // backs up, downloads, rehearses; can't delete, replace live data or see the cron key
	Auditor    Role = "auditor"     // reads
)

// Roles are all roles.
func Roles() []Role { return []Role{SuperAdmin, Staff, Auditor} }

// Permissions are what r grants. A role that is not known grants nothing.
func (r Role) Permissions() []Permission {
	switch r {
	case SuperAdmin:
		return All()
	case Staff:
		return []Permission{BackupsRead, BackupsCreate, BackupsDownload, RestoresRehearse}
	case Auditor:
		return []Permission{BackupsRead, ActivityRead}
	}
	return nil
}

// Operator is a person who is signed in.
type Operator struct {
	Subject     string       // the identity provider's id
	Name        string       // for people to read
	Roles       []Role       // as the token says, also those that are not known
	Permissions []Permission // of all roles together, in the order of All
}

// Allows reports whether the operator has p.
func (o Operator) Allows(p Permission) bool { return slices.Contains(o.Permissions, p) }

// The reasons for which claims are refused.
var (
	ErrNoClaims = errors.New("the request carries no token")
	ErrNotUsed  = errors.New("the token is not an access token")
)

// NewOperator reads claims as API Gateway hands them over: every value as a string, a list as "[a b]". roleClaim names
// the claim that lists the roles.
//
// A list loses its quotes on that way, so a value with a space in it can't be told from two values: the claim that is
// configured must be one whose values have none, as the groups of Cognito.
func NewOperator(claims map[string]string, roleClaim string) (Operator, error) {
	if len(claims) == 0 {
		return Operator{}, ErrNoClaims
	}
	// Cognito signs id tokens with the same key and for the same issuer. They are meant for the page, and go to more hands.
	if use := claims["token_use"]; use != "" && use != "access" {
		return Operator{}, fmt.Errorf("token_use is %q: %w", use, ErrNotUsed)
	}
	o := Operator{Subject: claims["sub"]}
	if o.Subject == "" {
		return Operator{}, fmt.Errorf("the token has no sub: %w", ErrNoClaims)
	}
	for _, claim := range []string{"name", "preferred_username", "email", "username", "sub"} {
		if o.Name = claims[claim]; o.Name != "" {
			break
		}
	}
	for _, name := range list(claims[roleClaim]) {
		if r := Role(name); !slices.Contains(o.Roles, r) {
			o.Roles = append(o.Roles, r)
		}
	}
	for _, p := range All() {
		if slices.ContainsFunc(o.Roles, func(r Role) bool { return slices.Contains(r.Permissions(), p) }) {
			o.Permissions = append(o.Permissions, p)
		}
	}
	return o, nil
}

// list splits "[a b]", "a b" and "a,b"; the last two come from providers that write the claim as one text.
func list(s string) []string {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		s = strings.TrimSuffix(inner, "]")
	}
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
}

type claimsKey struct{}

// WithClaims returns a context that carries the claims of the request's token.
func WithClaims(ctx context.Context, claims map[string]string) context.Context {
	return context.WithValue(ctx, claimsKey{}, claims)
}

// Claims are the claims that ctx carries; nil where there was no token.
func Claims(ctx context.Context) map[string]string {
	claims, _ := ctx.Value(claimsKey{}).(map[string]string)
	return claims
}
