package access

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
)

// The table of the documentation, written out: a change of a role has to be made twice.
func TestRoles_Grant(t *testing.T) {
	t.Parallel()
	table := map[Permission][]Role{
		BackupsRead:       {SuperAdmin, Staff, Auditor},
		BackupsCreate:     {SuperAdmin, Staff},
		BackupsDownload:   {SuperAdmin, Staff},
		BackupsDelete:     {SuperAdmin},
		RestoresRehearse:  {SuperAdmin, Staff},
		RestoresRun:       {SuperAdmin},
		CronKeyReveal:     {SuperAdmin},
		CronKeyRegenerate: {SuperAdmin},
		SchedulesWrite:    {SuperAdmin},
		ActivityRead:      {SuperAdmin, Auditor},
	}
	if len(table) != len(All()) {
		t.Errorf("the table has %d permissions, All has %d", len(table), len(All()))
	}
	for _, role := range Roles() {
		o, err := NewOperator(map[string]string{"sub": "1", "groups": "[" + string(role) + "]"}, "groups")
		if err != nil {
			t.Fatal(err)
		}
		for p, roles := range table {
			if got, want := o.Allows(p), slices.Contains(roles, role); got != want {
				t.Errorf("%s allows %s: %t, want %t", role, p, got, want)
			}
		}
	}
}

func TestNewOperator(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		claims map[string]string
		want   Operator
		err    error
	}{
		{name: "no claims", err: ErrNoClaims},
		{name: "no subject", claims: map[string]string{"name": "Ada"}, err: ErrNoClaims},
		{name: "id token", claims: map[string]string{"sub": "1", "token_use": "id", "cognito:groups": "[super-admin]"}, err: ErrNotUsed},
		{name: "refresh token", claims: map[string]string{"sub": "1", "token_use": "refresh"}, err: ErrNotUsed},
		{name: "access token of Cognito",
			claims: map[string]string{"sub": "1", "token_use": "access", "username": "ada", "cognito:groups": "[auditor]"},
			want:   Operator{Subject: "1", Name: "ada", Roles: []Role{Auditor}, Permissions: []Permission{BackupsRead, ActivityRead}}},
		{name: "no token_use, as other providers", claims: map[string]string{"sub": "1", "name": "Ada Lovelace", "cognito:groups": "auditor"},
			want: Operator{Subject: "1", Name: "Ada Lovelace", Roles: []Role{Auditor}, Permissions: []Permission{BackupsRead, ActivityRead}}},
		{name: "two roles add up", claims: map[string]string{"sub": "1", "cognito:groups": "[operator auditor operator]"},
			want: Operator{Subject: "1", Name: "1", Roles: []Role{Staff, Auditor},
				Permissions: []Permission{BackupsRead, BackupsCreate, BackupsDownload, RestoresRehearse, ActivityRead}}},
		{name: "unknown roles grant nothing", claims: map[string]string{"sub": "1", "cognito:groups": "[Super-Admin root super-admins]"},
			want: Operator{Subject: "1", Name: "1", Roles: []Role{"Super-Admin", "root", "super-admins"}}},
		{name: "no roles", claims: map[string]string{"sub": "1", "cognito:groups": "[]"}, want: Operator{Subject: "1", Name: "1"}},
		{name: "roles in another claim than the configured", claims: map[string]string{"sub": "1", "groups": "[super-admin]"},
			want: Operator{Subject: "1", Name: "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := NewOperator(tt.claims, "cognito:groups")
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestClaims_AreWhatTheContextCarries(t *testing.T) {
	t.Parallel()
	if c := Claims(context.Background()); c != nil {
		t.Errorf("Claims of an empty context are %v", c)
	}
	if c := Claims(WithClaims(context.Background(), map[string]string{"sub": "1"})); c["sub"] != "1" {
		t.Errorf("Claims are %v", c)
	}
}
