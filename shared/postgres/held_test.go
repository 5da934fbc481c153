package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// undo brings a kept database back.
func (w *world) undo(a backup.Attempt, kept string) backup.Switched {
	w.t.Helper()
	switched, err := w.engine.Undo(context.Background(), w.target, a, kept, yes)
	if err != nil {
		w.t.Fatalf("undo: %v", describe(err))
	}
	w.t.Cleanup(func() { w.drop(switched.Kept) })
	return switched
}

func TestEngine_UndoBringsTheReplacedDatabaseBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE BYPASSRLS"), named(`Schule "x" 'y' ü\`))
	w.school()
	db := ident(w.name())
	text, d := w.dump(attempt(1))
	w.exec(fmt.Sprintf(`GRANT CONNECT, TEMPORARY ON DATABASE %[1]s TO %[2]s WITH GRANT OPTION; REVOKE CONNECT ON DATABASE %[1]s FROM PUBLIC;
		ALTER DATABASE %[1]s CONNECTION LIMIT 50; COMMENT ON DATABASE %[1]s IS 'the "school''s" \ own'; ALTER DATABASE %[1]s SET statement_timeout TO '7min'`, db, ident(w.reader)))
	w.in(`TRUNCATE public.student CASCADE; CREATE TABLE public.added AS SELECT 1 AS one`)
	old, oldOID := w.state(w.name()), ask[uint32](w, `SELECT oid FROM pg_database WHERE datname = $1`, w.name())
	_, _, switched := w.restore(attempt(1), text, d.Tables)
	// What is done to the restored database stays with it.
	w.exec(fmt.Sprintf(`COMMENT ON DATABASE %[1]s IS 'restored'; ALTER DATABASE %[1]s CONNECTION LIMIT 7; ALTER DATABASE %[1]s SET statement_timeout TO '1min'`, db))
	restored, restoredOID := w.rows(w.name()), ask[uint32](w, `SELECT oid FROM pg_database WHERE datname = $1`, w.name())
	a := attempt(1)
	undone := w.undo(a, switched.Kept)
	same(t, "undone", w.state(w.name()), old)
	if oid := ask[uint32](w, `SELECT oid FROM pg_database WHERE datname = $1`, w.name()); oid != oldOID {
		t.Errorf("live has OID %d, and before the restore it was %d", oid, oldOID)
	}
	if undone.Kept != "br_"+a.Job+"_kept" || undone.KeptBytes <= 0 || undone.Downtime <= 0 {
		t.Errorf("undone: %+v", undone)
	}
	w.closed(undone.Kept)
	if ask[int](w, `SELECT count(*) FROM pg_database WHERE datname = $1`, switched.Kept) != 0 {
		t.Errorf("%s is still there", switched.Kept)
	}
	w.exec(fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true", ident(undone.Kept)))
	kept := w.rows(undone.Kept)
	for key, v := range restored {
		if key != "properties" && kept[key] != v {
			t.Errorf("kept: %s is %q, want %q", key, kept[key], v)
		}
	}
	if ask[uint32](w, `SELECT oid FROM pg_database WHERE datname = $1`, undone.Kept) != restoredOID {
		t.Error("what is kept is not what was live")
	}
	w.clean(a.Job)
}

func TestEngine_UndoGoesBackOneRestoreAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	want := w.rows(w.name())
	w.in("INSERT INTO public.two VALUES (3)")
	first := w.rows(w.name())
	_, _, one := w.restore(attempt(1), text, d.Tables)
	w.in("INSERT INTO public.two VALUES (4)")
	second := w.rows(w.name())
	_, _, two := w.restore(attempt(1), text, d.Tables)

	a := attempt(1)
	w.untouched("replaced since", a.Job, func() {
		_, err := w.engine.Undo(context.Background(), w.target, a, one.Kept, yes)
		failed(t, "replaced since", err, backup.CodeSwitchBlocked, "replaced since", "Undo the newer restore first")
	})
	same(t, "not undone", w.rows(w.name()), want)
	w.closed(one.Kept)
	w.undo(attempt(1), two.Kept)
	same(t, "the second undone", w.rows(w.name()), second)
	w.undo(attempt(1), one.Kept)
	same(t, "the first undone", w.rows(w.name()), first)
}

func TestEngine_UndoRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	_, _, switched := w.restore(attempt(1), text, d.Tables)
	comment := ask[string](w, `SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1`, switched.Kept)
	app, kept := ident(w.app), ident(switched.Kept)
	fake := "br_" + backup.NewID() + "_kept"
	cases := []struct {
		name, setup, kept string
		code              backup.Code
		says              string
		undo              string
	}{
		{"a kept one that is gone", "", fake, backup.CodeMissing, "not on the server any more", ""},
		{"live itself", "", w.name(), backup.CodeUnsupported, "does not say", ""},
		{"a stranger's comment", "COMMENT ON DATABASE " + kept + " IS 'mine'", switched.Kept, backup.CodeUnsupported, "does not say", "COMMENT ON DATABASE " + kept + " IS " + quote(comment)},
		{"another one's comment", "CREATE DATABASE " + ident(fake) + " OWNER " + app + "; COMMENT ON DATABASE " + ident(fake) + " IS " + quote(comment), fake, backup.CodeUnsupported, "does not say", "DROP DATABASE " + ident(fake)},
		{"a kept one of another owner", "ALTER DATABASE " + kept + " OWNER TO " + ident(w.reader), switched.Kept, backup.CodePermission, "GRANT " + ident(w.reader) + " TO " + app,
			"ALTER DATABASE " + kept + " OWNER TO " + app},
		{"no CREATEDB", "ALTER ROLE " + app + " NOCREATEDB", switched.Kept, backup.CodePermission, "CREATEDB", "ALTER ROLE " + app + " CREATEDB"},
	}
	for _, c := range cases {
		for _, sql := range splitStatements(c.setup) {
			w.exec(sql)
		}
		a := attempt(1)
		w.untouched(c.name, a.Job, func() {
			_, err := w.engine.Undo(context.Background(), w.target, a, c.kept, yes)
			failed(t, c.name, err, c.code, c.says)
		})
		for _, sql := range splitStatements(c.undo) {
			w.exec(sql)
		}
	}
	a := attempt(1)
	w.untouched("not confirmed", a.Job, func() {
		_, err := w.engine.Undo(context.Background(), w.target, a, switched.Kept, func(context.Context) error { return backup.ErrLeaseLost })
		if !errors.Is(err, backup.ErrLeaseLost) {
			t.Errorf("error is %v, want ErrLeaseLost", err)
		}
	})
	stays := w.connect(w.name())
	w.untouched("a superuser's session", a.Job, func() {
		_, err := w.engine.Undo(context.Background(), w.target, a, switched.Kept, yes)
		failed(t, "a superuser's session", err, backup.CodeSwitchBlocked, "postgres")
	})
	_ = stays.Close(context.Background())
	w.closed(switched.Kept)
	// Databases that change places between the look and the exchange.
	w.untouched("exchanged meanwhile", a.Job, func() {
		_, err := w.engine.Undo(context.Background(), w.target, a, switched.Kept, func(context.Context) error {
			w.exec(fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", kept, ident(fake)))
			w.exec(fmt.Sprintf("CREATE DATABASE %s OWNER %s", kept, app))
			return nil
		})
		failed(t, "exchanged meanwhile", err, backup.CodeSwitchBlocked, "somebody else")
		w.drop(switched.Kept)
		_, err = w.engine.Undo(context.Background(), w.target, a, switched.Kept, yes)
		failed(t, "renamed", err, backup.CodeMissing)
		w.exec(fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", ident(fake), kept))
	})
	w.undo(attempt(1), switched.Kept)
}

// splitStatements is for statements that can't be in one transaction.
func splitStatements(sql string) (out []string) {
	begin := 0
	for i := 0; i+1 < len(sql); i++ {
		if sql[i:i+2] == "; " {
			out, begin = append(out, sql[begin:i]), i+2
		}
	}
	if begin < len(sql) {
		out = append(out, sql[begin:])
	}
	return out
}

func TestEngine_RecoverAfterAKilledApplyOrUndo(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			text, d := w.small()
			file := t.TempDir() + "/dump.sql"
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			want := w.state(w.name())
			w.in("INSERT INTO public.two VALUES (3)")
			changed := w.state(w.name())
			a := attempt(1)
			p := w.park(a, text, d.Tables)
			recovered := func(at, job string, before, after map[string]string) *backup.Switched {
				t.Helper()
				switched, err := w.engine.Recover(ctx, w.target, backup.Attempt{Job: job, Number: 2})
				if err != nil {
					t.Fatalf("%s: recover: %v", at, describe(err))
				}
				w.clean(job)
				if (switched != nil) != (at == "switch") {
					t.Fatalf("%s: switched is %+v", at, switched)
				}
				if switched == nil {
					same(t, at, w.state(w.name()), before)
					return nil
				}
				t.Cleanup(func() { w.drop(switched.Kept) })
				same(t, at, w.state(w.name()), after)
				w.closed(switched.Kept)
				return switched
			}
			var switched *backup.Switched
			for _, at := range []string{"resume", "confirm", "switch"} {
				b := attempt(1)
				w.crash(childPlan{Attempt: b, Parked: &p, DieAt: at})
				switched = recovered(at, b.Job, changed, want)
				if at != "switch" {
					w.closed(p.Name)
				}
			}
			w.clean(a.Job)
			for _, at := range []string{"confirm", "switch"} {
				b := attempt(1)
				w.crash(childPlan{Attempt: b, Kept: switched.Kept, DieAt: at})
				recovered(at, b.Job, want, changed)
			}
		})
	}
}

func TestEngine_DropDropsWhatIsHeld(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			text, d := w.small()
			ctx := context.Background()
			a := attempt(1)
			p := w.park(a, text, d.Tables)
			w.exec(fmt.Sprintf("ALTER DATABASE %s IS_TEMPLATE true", ident(w.name()))) // and so is the kept one
			_, _, switched := w.restore(attempt(1), text, d.Tables)
			w.exec(fmt.Sprintf("ALTER DATABASE %s IS_TEMPLATE false", ident(w.name())))
			w.exec(fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true", ident(switched.Kept)))
			guest := w.connectAs(switched.Kept, "looks at what was")
			b := attempt(1)
			w.untouched("dropped", b.Job, func() {
				for range 2 { // one that is gone is no error
					for _, name := range []string{p.Name, switched.Kept} {
						if err := w.engine.Drop(ctx, w.target, b, name); err != nil {
							t.Errorf("drop %s: %v", name, describe(err))
						}
					}
				}
			})
			if err := guest.Ping(ctx); err == nil {
				t.Error("the guest's session goes on")
			}
			if n := ask[int](w, `SELECT count(*) FROM pg_database WHERE datname IN ($1, $2)`, p.Name, switched.Kept); n != 0 {
				t.Errorf("%d of two databases are left", n)
			}
			w.clean(a.Job)
		})
	}
}

func TestEngine_DropDropsTheLoginOfACopyThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	a := attempt(1)
	p := w.park(a, text, d.Tables)
	w.drop(p.Name)
	if err := w.engine.Drop(context.Background(), w.target, attempt(1), p.Name); err != nil {
		t.Error(describe(err))
	}
	w.clean(a.Job)
}

func TestEngine_DropRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	_, _, switched := w.restore(attempt(1), text, d.Tables)
	comment := ask[string](w, `SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1`, switched.Kept)
	b := attempt(1)
	before := w.rows(w.name())
	refused := func(name string) {
		t.Helper()
		failed(t, name, w.engine.Drop(context.Background(), w.target, b, name), backup.CodeUnsupported, "not made by a restore")
	}
	id := backup.NewID()
	for _, name := range []string{w.name(), "postgres", "template1", "template0", "", "br_x", "br_" + id, "br_" + id + "_", "br_" + id + "_0", "br_" + id + "_01", "br_" + id + "_-1",
		"br_" + id + "_kept2", "br_" + id + "_1_kept", id + "_kept", "br_br_" + id + "_1", "BR_" + id + "_1"} {
		refused(name)
	}
	// Under names that this tool could have made, but made by others.
	for name, says := range map[string]string{"br_" + backup.NewID() + "_kept": "", "br_" + backup.NewID() + "_1": "'somebody''s'", "br_" + backup.NewID() + "_2": quote(comment)} {
		w.exec(fmt.Sprintf("CREATE DATABASE %s OWNER %s", ident(name), ident(w.app)))
		t.Cleanup(func() { w.drop(name) })
		if says != "" {
			w.exec(fmt.Sprintf("COMMENT ON DATABASE %s IS %s", ident(name), says))
		}
		refused(name)
		if ask[int](w, `SELECT count(*) FROM pg_database WHERE datname = $1`, name) != 1 {
			t.Errorf("%s was dropped", name)
		}
	}
	// One that became live by hand.
	target := w.target
	target.Credentials.DBName = switched.Kept
	failed(t, "live", w.engine.Drop(context.Background(), target, b, switched.Kept), backup.CodeUnsupported, "not made by a restore")
	w.exec(fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", ident(switched.Kept), ident(w.reader)))
	failed(t, "another owner", w.engine.Drop(context.Background(), w.target, b, switched.Kept), backup.CodePermission, w.reader, "DROP DATABASE "+ident(switched.Kept))
	w.closed(switched.Kept)
	same(t, "not dropped", w.rows(w.name()), before)
	w.clean(b.Job)
}

func TestEngine_DropSaysWhatReplicationKeeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, d := w.small()
	name := "sub" + w.id
	w.in(fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)", name))
	_, _, switched := w.restore(attempt(1), text, d.Tables)
	b := attempt(1)
	failed(t, "subscription", w.engine.Drop(context.Background(), w.target, b, switched.Kept), backup.CodeUnsupported, name, "DROP SUBSCRIPTION "+ident(name))
	w.exec(fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true", ident(switched.Kept)))
	kept := w.connect(switched.Kept)
	for _, sql := range []string{"ALTER SUBSCRIPTION %s DISABLE", "ALTER SUBSCRIPTION %s SET (slot_name = NONE)", "DROP SUBSCRIPTION %s"} { // as it says
		if _, err := kept.Exec(context.Background(), fmt.Sprintf(sql, ident(name))); err != nil {
			t.Fatal(err)
		}
	}
	_ = kept.Close(context.Background())
	if err := w.engine.Drop(context.Background(), w.target, b, switched.Kept); err != nil {
		t.Error(describe(err))
	}
}
