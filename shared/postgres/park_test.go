package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/postgres"
)

// park rehearses a restore and returns the copy that waits.
func (w *world) park(a backup.Attempt, text []byte, want []backup.TableRows) backup.Parked {
	w.t.Helper()
	ctx := context.Background()
	s, _ := w.fill(a, text, want)
	if _, err := s.Compare(ctx, nil); err != nil {
		w.t.Fatalf("compare: %v", describe(err))
	}
	p, err := s.Park(ctx)
	if err != nil {
		w.t.Fatalf("park: %v", describe(err))
	}
	w.t.Cleanup(func() {
		w.drop(p.Name)
		w.exec("DROP ROLE IF EXISTS " + ident(p.Name))
	})
	if err := s.Discard(ctx); err != nil {
		w.t.Fatalf("discard: %v", describe(err))
	}
	return p
}

// resume takes a parked copy up as another process would.
func (w *world) resume(a backup.Attempt, p backup.Parked) backup.Staged {
	w.t.Helper()
	engine := postgres.New(postgres.Options{Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil))})
	s, err := engine.Resume(context.Background(), w.target, a, p)
	if err != nil {
		w.t.Fatalf("resume: %v", describe(err))
	}
	return s
}

// apply switches a parked copy in.
func (w *world) apply(a backup.Attempt, p backup.Parked) backup.Switched {
	w.t.Helper()
	s := w.resume(a, p)
	switched, err := s.Switch(context.Background(), yes)
	if err != nil {
		w.t.Fatalf("switch: %v", describe(err))
	}
	w.t.Cleanup(func() { w.drop(switched.Kept) })
	if err := s.Discard(context.Background()); err != nil {
		w.t.Fatalf("discard: %v", describe(err))
	}
	return switched
}

// ask returns the one value of a query in the server's maintenance database.
func ask[T any](w *world, sql string, args ...any) (v T) {
	w.t.Helper()
	if err := w.super.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// closed checks that a database is there and lets nobody in, and that nobody is in it.
func (w *world) closed(name string) {
	w.t.Helper()
	if !ask[bool](w, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND NOT datallowconn)`, name) {
		w.t.Errorf("the database %s is not there, or open", name)
	}
	// A session that was ended takes a moment to go, and autovacuum comes to every database.
	const inside = `SELECT coalesce(string_agg(application_name, ', '), '') FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`
	who := ask[string](w, inside, name)
	for deadline := time.Now().Add(5 * time.Second); who != "" && time.Now().Before(deadline); who = ask[string](w, inside, name) {
		runtime.Gosched()
	}
	if who != "" {
		w.t.Errorf("in the database %s are %s", name, who)
	}
}

func TestStaged_ParkedCopyIsSwitchedInLater(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, append(l.options, with("BYPASSRLS"), named(`Schule "x" 'y' ü\`))...)
			w.school()
			db, app := ident(w.name()), ident(w.app)
			w.exec(fmt.Sprintf("COMMENT ON DATABASE %s IS 'the old one'; ALTER DATABASE %[1]s SET statement_timeout TO '7min'", db))
			a := attempt(1)
			text, d := w.dump(a)
			want := w.state(w.name())
			w.in(`TRUNCATE public.student CASCADE; DROP TABLE public.no_rows; CREATE TABLE public.added AS SELECT 1 AS one`)
			p := w.park(a, text, d.Tables)
			w.closed(p.Name)
			if p.Bytes <= 0 {
				t.Error("the parked copy has no size")
			}
			if strings.Contains(string(p.Memo), appPassword) || strings.Contains(string(p.Memo), "loads") || !json.Valid(p.Memo) {
				t.Errorf("memo: %s", p.Memo)
			}
			if l.kind == backup.LoaderThrowAway && ask[bool](w, `SELECT rolcanlogin FROM pg_roles WHERE rolname = $1`, p.Name) {
				t.Error("the login of the parked copy can log in")
			}
			// What live is given after the rehearsal is carried over too.
			w.exec(fmt.Sprintf(`COMMENT ON DATABASE %[1]s IS 'the "school''s" \ own'; ALTER DATABASE %[1]s SET statement_timeout TO '8min'; GRANT CONNECT ON DATABASE %[1]s TO %[3]s;
				REVOKE CONNECT ON DATABASE %[1]s FROM PUBLIC; ALTER DATABASE %[1]s CONNECTION LIMIT 50; ALTER ROLE %[2]s IN DATABASE %[1]s SET work_mem TO '8MB'`, db, app, ident(w.reader)))
			before := w.rows(w.name())
			oid := ask[uint32](w, `SELECT oid FROM pg_database WHERE datname = $1`, p.Name)

			b := attempt(1)
			s := w.resume(b, p)
			w.closed(p.Name)
			if s.Loader() != l.kind || len(s.ByHand()) != 1 { // GRANT pg_signal_backend
				t.Errorf("resumed: loader %s, by hand %q", s.Loader(), s.ByHand())
			}
			switched, err := s.Switch(context.Background(), yes)
			if err != nil {
				t.Fatal(describe(err))
			}
			t.Cleanup(func() { w.drop(switched.Kept) })
			if err := s.Discard(context.Background()); err != nil {
				t.Error(describe(err))
			}
			if ask[uint32](w, `SELECT oid FROM pg_database WHERE datname = $1`, w.name()) != oid || switched.Kept != "br_"+b.Job+"_kept" || switched.KeptBytes <= 0 {
				t.Errorf("live is not the rehearsed copy: %+v", switched)
			}
			want["schema"] = strings.ReplaceAll(want["schema"], " LEAKPROOF", "") // which only a superuser may promise
			want["properties"] = before["properties"]
			same(t, "applied", w.state(w.name()), want)
			w.exec(fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true", ident(switched.Kept)))
			kept := w.rows(switched.Kept)
			for key, v := range before {
				if key != "properties" && kept[key] != v {
					t.Errorf("kept: %s is %q, want %q", key, kept[key], v)
				}
			}
			for _, job := range []string{a.Job, b.Job} {
				w.clean(job)
			}
		})
	}
}

func TestStaged_ApplyThatFailedCanBeRepeated(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			_, _ = w.small()
			// The hand-over gives something to everybody who can be given something.
			w.in(fmt.Sprintf(`SET ROLE %s; GRANT CREATE ON SCHEMA public TO %s; CREATE TABLE public.theirs (a int); ALTER TABLE public.theirs OWNER TO %[2]s; GRANT SELECT ON public.one TO %[3]s;
				ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO %[3]s`, ident(w.app), ident(w.other), ident(w.reader)))
			w.exec(fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT 40", ident(w.name())))
			text, d := w.dump(attempt(1))
			want := w.state(w.name())
			w.in("INSERT INTO public.two VALUES (3)")
			changed := w.rows(w.name())
			a := attempt(1)
			p := w.park(a, text, d.Tables)
			w.exec(fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT 0", ident(w.name()))) // keeps the secret's role out of what has it
			stays := w.connect(w.name())                                                 // a superuser's session
			for try := range 2 {
				b := attempt(1)
				s := w.resume(b, p)
				if try == 0 { // the copy is handed over, and the exchange does not begin
					_, err := s.Switch(context.Background(), func(context.Context) error { return backup.ErrLeaseLost })
					if !errors.Is(err, backup.ErrLeaseLost) {
						t.Errorf("error is %v, want ErrLeaseLost", err)
					}
				} else { // the exchange is rolled back; and a worker that is killed discards nothing
					_, err := s.Switch(context.Background(), yes)
					failed(t, "blocked", err, backup.CodeSwitchBlocked, "postgres")
				}
				if try == 0 {
					if err := s.Discard(context.Background()); err != nil {
						t.Fatal(describe(err))
					}
					w.clean(b.Job)
				}
				if switched, err := w.engine.Recover(context.Background(), w.target, backup.Attempt{Job: b.Job, Number: 2}); switched != nil || err != nil {
					t.Errorf("recover says %+v, %v", switched, err)
				}
				w.closed(p.Name)
			}
			w.exec(fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT 40", ident(w.name())))
			same(t, "blocked", w.rows(w.name()), changed)
			_ = stays.Close(context.Background())
			b := attempt(1)
			w.apply(b, p)
			same(t, "applied", w.state(w.name()), want)
			w.clean(a.Job)
			w.clean(b.Job)
		})
	}
}

func TestEngine_ResumeRefusesWhatIsNotAsItWasRehearsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	p := w.park(attempt(1), text, d.Tables)
	refused := func(name string, p backup.Parked, code backup.Code, says ...string) {
		t.Helper()
		before := w.rows(w.name())
		b := attempt(1)
		s, err := w.engine.Resume(context.Background(), w.target, b, p)
		failed(t, name, err, code, append(says, "Rehearse the restore again")...)
		if s != nil {
			t.Errorf("%s: there is a copy", name)
		}
		same(t, name, w.rows(w.name()), before)
		w.clean(b.Job)
	}
	refused("no memo", backup.Parked{Name: p.Name}, backup.CodeUnsupported)
	refused("memo of another kind", backup.Parked{Name: p.Name, Memo: []byte(`{"copy":"x"}`)}, backup.CodeUnsupported)
	refused("another name", backup.Parked{Name: w.name(), Memo: p.Memo}, backup.CodeUnsupported)
	refused("a kept one's name", backup.Parked{Name: "br_" + backup.NewID() + "_kept", Memo: p.Memo}, backup.CodeUnsupported)
	refused("a copy that is gone", backup.Parked{Name: "br_" + backup.NewID() + "_1", Memo: p.Memo}, backup.CodeMissing, "not on the server")

	w.exec(fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", ident(w.name()), ident(w.other)))
	refused("another owner", p, backup.CodeSwitchBlocked, w.other, w.app)
	w.exec(fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", ident(w.name()), ident(w.app)))

	other := w.park(attempt(1), text, d.Tables)
	w.restore(attempt(1), text, d.Tables)
	refused("live was replaced", p, backup.CodeSwitchBlocked, w.name(), "replaced since the rehearsal")
	w.closed(p.Name)

	w.drop(other.Name)
	w.exec(fmt.Sprintf("CREATE DATABASE %s OWNER %s", ident(other.Name), ident(w.app)))
	refused("another database under its name", other, backup.CodeSwitchBlocked, other.Name)
}

// hostile is a backup whose code gives the copy properties while it is loaded, and again when its rows are looked at.
func (w *world) hostile() ([]byte, backup.Dumped) {
	w.t.Helper()
	w.in(fmt.Sprintf(`SET ROLE %s; CREATE FUNCTION public.f(int) RETURNS boolean LANGUAGE plpgsql AS $f$
		DECLARE db text := quote_ident(current_database());
		BEGIN
			IF current_database() !~ '^br_' THEN RETURN true; END IF;
			EXECUTE 'ALTER DATABASE ' || db || ' SET role TO ' || quote_ident(current_user);
			EXECUTE 'ALTER DATABASE ' || db || ' SET default_tablespace TO pg_default';
			EXECUTE 'ALTER ROLE ' || quote_ident(current_user) || ' IN DATABASE ' || db || ' SET work_mem TO ''1MB''';
			EXECUTE 'ALTER DATABASE ' || db || ' CONNECTION LIMIT 0';
			EXECUTE 'ALTER DATABASE ' || db || ' IS_TEMPLATE true';
			EXECUTE 'COMMENT ON DATABASE ' || db || ' IS ''{"job":"x"}''';
			EXECUTE 'GRANT ALL ON DATABASE ' || db || ' TO PUBLIC';
			EXECUTE 'GRANT ALL ON DATABASE ' || db || ' TO %s WITH GRANT OPTION';
			EXECUTE 'REVOKE ALL ON DATABASE ' || db || ' FROM ' || quote_ident(current_user);
			RETURN true;
		END $f$;
		CREATE TABLE public.bait (a int CHECK (public.f(a))); INSERT INTO public.bait VALUES (1); CREATE INDEX ON public.bait ((1)) WHERE a IS NOT NULL`,
		ident(w.app), strings.ReplaceAll(ident(w.reader), "'", "''")))
	w.exec(fmt.Sprintf("COMMENT ON DATABASE %s IS 'ours'", ident(w.name())))
	return w.dump(attempt(1))
}

func TestStaged_PropertiesThatTheFileGaveAreForgotten(t *testing.T) {
	t.Parallel()
	for _, l := range loaders[1:] { // the owner's own backups may do what they like
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			text, d := w.hostile()
			want := w.state(w.name())
			a := attempt(1)
			p := w.park(a, text, d.Tables)
			w.closed(p.Name)
			settings := ask[int](w, `SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = $1)`, p.Name)
			limit := ask[int](w, `SELECT datconnlimit FROM pg_database WHERE datname = $1`, p.Name)
			grants := ask[int](w, `SELECT count(*) FROM pg_database, aclexplode(datacl) a WHERE datname = $1 AND a.grantee <> datdba`, p.Name)
			if settings != 0 || limit != -1 || grants != 0 {
				t.Errorf("parked with %d settings, a limit of %d and %d foreign rights", settings, limit, grants)
			}
			b := attempt(1)
			w.apply(b, p)
			same(t, "applied", w.state(w.name()), want)
			c := attempt(1)
			w.restore(c, text, d.Tables)
			same(t, "restored", w.state(w.name()), want)
			for _, job := range []string{a.Job, b.Job, c.Job} {
				w.clean(job)
			}
		})
	}
}

func TestStaged_ParkedCopyLeavesThePreparedLoginFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prepared())
	text, d := w.small()
	p := w.park(attempt(1), text, d.Tables)
	second := "second" + w.id
	w.exec(fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE template0", ident(second), ident(w.app)))
	t.Cleanup(func() { w.drop(second) })
	target := w.target
	target.Credentials.DBName = second
	ctx, a := context.Background(), attempt(1)
	staged, err := w.engine.Stage(ctx, target, a, backup.Need{})
	if err != nil {
		t.Fatal(describe(err))
	}
	t.Cleanup(func() { _ = staged.Discard(ctx) })
	// That one has the login now: handing over the parked copy would take its database from it.
	b := attempt(1)
	s := w.resume(b, p)
	before := w.rows(w.name())
	_, err = s.Switch(ctx, yes)
	failed(t, "shared login", err, backup.CodeUnsupported, "restoreUsername", a.Job)
	if err := s.Discard(ctx); err != nil {
		t.Fatal(describe(err))
	}
	same(t, "shared login", w.rows(w.name()), before)
	w.closed(p.Name)
	end := "SELECT 1;\n--\n-- PostgreSQL database dump complete\n--\n\n"
	if _, err := staged.Load(ctx, plainText{strings.NewReader("CREATE TABLE public.t ();\n" + end)}, nil); err != nil {
		t.Errorf("the other restore was harmed: %v", describe(err))
	}
	if err := staged.Discard(ctx); err != nil {
		t.Fatal(describe(err))
	}
	c := attempt(1)
	w.apply(c, p)
	for _, job := range []string{a.Job, b.Job, c.Job} {
		w.clean(job)
	}
}

func TestEngine_RecoverLeavesAParkedCopyToItsOwnJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("CREATEROLE"))
	text, d := w.small()
	a := attempt(1)
	p := w.park(a, text, d.Tables)
	ctx := context.Background()
	if _, err := w.engine.Recover(ctx, w.target, backup.Attempt{Job: backup.NewID(), Number: 2}); err != nil {
		t.Fatal(describe(err))
	}
	w.closed(p.Name)
	// The rehearsal itself begins again where its worker died before it could say that it had parked.
	if _, err := w.engine.Recover(ctx, w.target, backup.Attempt{Job: a.Job, Number: 2}); err != nil {
		t.Fatal(describe(err))
	}
	w.clean(a.Job)
}

func TestStaged_ParkEndsWhoeverIsInTheCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, d := w.small()
	a := attempt(1)
	s, _ := w.fill(a, text, d.Tables)
	guest := w.connectAs("br_"+a.Job+"_1", "guest")
	p, err := s.Park(context.Background())
	if err != nil {
		t.Fatal(describe(err))
	}
	t.Cleanup(func() { w.drop(p.Name) })
	if err := guest.Ping(context.Background()); err == nil {
		t.Error("the guest's session goes on")
	}
	config, err := pgx.ParseConfig(w.url.String())
	if err != nil {
		t.Fatal(err)
	}
	config.Database = p.Name
	if conn, err := pgx.ConnectConfig(context.Background(), config); err == nil {
		_ = conn.Close(context.Background())
		t.Error("a superuser could enter the parked copy")
	}
}
