package postgres_test

import (
	"fmt"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// TestStaged_SettingsOfTheRoleAndTheDatabaseAreInNobodysWay: operators set limits for their application's sessions, on its role
// or its database, and a backup or restore logs in as that role.
func TestStaged_SettingsOfTheRoleAndTheDatabaseAreInNobodysWay(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			w.in("SET ROLE " + ident(w.app) + "; CREATE TABLE public.t (a int, b text[]); INSERT INTO public.t SELECT i, ARRAY[NULL, 'x'] FROM generate_series(1, 1000) i; CREATE VIEW public.v AS SELECT a FROM public.t")
			roles := []string{w.app}
			if user := w.target.Credentials.RestoreUsername; user != "" {
				roles = append(roles, user)
			}
			for _, setting := range []string{"statement_timeout = '2ms'", "lock_timeout = '1ms'", "idle_session_timeout = '500ms'",
				"idle_in_transaction_session_timeout = '3ms'", "default_transaction_read_only = on", "search_path = nowhere"} {
				for _, role := range roles {
					w.exec(fmt.Sprintf("ALTER ROLE %s SET %s", ident(role), setting))
				}
				w.exec(fmt.Sprintf("ALTER DATABASE %s SET %s", ident(w.name()), setting))
			}
			a := attempt(1)
			text, d := w.dump(a)
			s, _ := w.fill(a, text, d.Tables)
			w.exec("SELECT pg_sleep(1)") // the loader's session is idle while live is counted
			if err := s.Verify(t.Context(), backup.Want{Tables: d.Tables, Exact: true}, nil); err != nil {
				t.Errorf("the loader's session is gone: %v", describe(err))
			}
			compared, err := s.Compare(t.Context(), nil)
			changes := compared.Tables
			if err != nil || len(changes) != 1 || changes[0].Live != 1000 || changes[0].After != 1000 {
				t.Fatalf("compare: %+v, %v", changes, err)
			}
			switched, err := s.Switch(t.Context(), yes)
			if err != nil {
				t.Fatalf("switch: %v", describe(err))
			}
			t.Cleanup(func() { w.drop(switched.Kept) })
			if err := s.Discard(t.Context()); err != nil {
				t.Fatalf("discard: %v", describe(err))
			}
		})
	}
}
