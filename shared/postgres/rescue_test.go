package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// rescue runs a rescue up to its end, which is left to the caller.
func (w *world) rescue(a backup.Attempt, p backup.RescuePlan) (backup.Rescuing, []backup.RescuedTable, error) {
	w.t.Helper()
	ctx := context.Background()
	r, err := w.engine.Rescue(ctx, w.target, a, p)
	if err != nil {
		return nil, nil, err
	}
	w.t.Cleanup(func() { r.Discard(ctx) })
	if err := r.Load(ctx, nil); err != nil {
		r.Discard(ctx)
		return r, nil, err
	}
	tables, err := r.Verify(ctx, nil)
	return r, tables, err
}

// rescued commits a rescue, too.
func (w *world) rescued(a backup.Attempt, p backup.RescuePlan) []backup.RescuedTable {
	w.t.Helper()
	r, tables, err := w.rescue(a, p)
	if err == nil {
		err = r.Commit(context.Background(), yes)
	}
	if err != nil {
		w.t.Fatalf("rescue: %v", describe(err))
	}
	r.Discard(context.Background())
	return tables
}

// without leaves out of a state what belongs to a schema, and the text of the schema as a whole.
func without(state map[string]string, schema string) map[string]string {
	out := map[string]string{}
	for key, v := range state {
		if key != "schema" && !strings.Contains(key, " "+schema+".") {
			out[key] = v
		}
	}
	return out
}

func TestRescue_EveryTableComesBackBesideTheLiveOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("BYPASSRLS"))
	w.school()
	f := w.archive()
	before := w.state(w.name())
	a := attempt(1)
	p := f.plan(a.Job, all)
	tables := w.rescued(a, p)
	after := w.state(w.name())
	same(t, "live", without(after, p.Schema), without(before, p.Schema))
	conn := w.connect(w.name())
	for i, r := range tables {
		var names []string
		for _, c := range p.Sources[i].Columns {
			names = append(names, ident(c.Name))
		}
		hash := func(schema, name string) (text string) {
			query := fmt.Sprintf("SELECT concat(count(*), ' ', md5(string_agg(t::text, '|' ORDER BY t::text))) FROM (SELECT %s FROM ONLY %s) t", strings.Join(names, ", "), ident(schema, name))
			if err := conn.QueryRow(context.Background(), query).Scan(&text); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			return text
		}
		if got, want := hash(p.Schema, r.As), hash(r.Schema, r.Table); got != want {
			t.Errorf("%s is %s, want %s", r.Name(), got, want)
		}
		var columns, key string
		const shape = `SELECT coalesce(string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attidentity, atthasdef), ',' ORDER BY attnum), ''),
			coalesce((SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'p'), '')
			FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped`
		if err := conn.QueryRow(context.Background(), shape, ident(p.Schema, r.As)).Scan(&columns, &key); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(columns, " t,") && strings.HasSuffix(columns, " t t") || (key == "") != (len(p.Sources[i].Key) == 0) {
			t.Errorf("%s has the columns %s and the key %q", r.Name(), columns, key)
		}
	}
	if len(tables) < 15 {
		t.Errorf("only %d tables were rescued", len(tables))
	}
	// What goes away again leaves the database as it was.
	w.in("DROP SCHEMA " + ident(p.Schema) + " CASCADE")
	same(t, "after the schema was dropped", w.state(w.name()), before)
	w.clean(a.Job)
}

func TestRescue_NothingIsSeenBeforeTheCommitOrAfterADiscard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.small()
	a, p := w.planned(all)
	w.untouched("discarded", a.Job, func() {
		r, tables, err := w.rescue(a, p)
		if err != nil || len(tables) != 2 || tables[0].Rows != 50000 {
			t.Fatalf("%+v, %v", tables, describe(err))
		}
		if n := w.schemas(); n != 0 {
			t.Errorf("%d schemas can be seen before the commit", n)
		}
		// Live is read and written meanwhile, as if nothing were: our locks would stay until the discard. Autovacuum's give way in a second.
		w.in("SET lock_timeout = '10s'; UPDATE public.two SET a = a; ALTER TABLE public.one ADD more int; ALTER TABLE public.one DROP more")
		r.Discard(context.Background())
	})
	if n := w.schemas(); n != 0 {
		t.Errorf("%d schemas are left", n)
	}
	if _, found, err := w.engine.FindRescue(context.Background(), w.target, backup.Attempt{Job: a.Job, Number: 2}, p.Rescue); found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

// schemas is how many of rescues there are.
func (w *world) schemas() (n int) {
	w.t.Helper()
	if err := w.connect(w.name()).QueryRow(context.Background(), "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^rescue_'").Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestRescue_TheSQLBringsBackWhatIsMissingAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("BYPASSRLS"))
	w.school()
	w.in("ALTER TABLE public.student DROP CONSTRAINT old_rows") // it is not valid: what is there could not come back
	f := w.archive()
	before := w.rows(w.name())
	w.in(`DELETE FROM public.attendance WHERE present; SET session_replication_role = replica; DELETE FROM public.student WHERE id % 2 = 0;
		DELETE FROM public."Tabelle mit
Zeile und ""Anführung""" WHERE "select" IS NULL; TRUNCATE public.no_columns; TRUNCATE "Größe".hidden; DROP TABLE reports.yearly`)
	a := attempt(1)
	p := f.plan(a.Job, table("public.student", "public.attendance_2025", "public.attendance_2026_0", "public.attendance_2026_1", "public.attendance_rest",
		"public.Tabelle mit\nZeile und \"Anführung\"", "public.no_columns", "Größe.hidden", "reports.yearly"))
	tables := w.rescued(a, p)
	for _, r := range tables {
		w.in("SET session_replication_role = replica; " + r.BringBack)
	}
	w.in("DROP SCHEMA IF EXISTS " + ident(p.Schema) + " CASCADE")
	same(t, "brought back", w.rows(w.name()), before)
}

func TestRescue_AKeyedTableIsNotDoubled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.small()
	f := w.archive()
	before := w.rows(w.name())
	a := attempt(1)
	for _, r := range w.rescued(a, f.plan(a.Job, table("public.one"))) {
		if !strings.Contains(r.BringBack, "WHERE NOT EXISTS (SELECT FROM public.one l WHERE l.id = r.id)") {
			t.Errorf("SQL: %s", r.BringBack)
		}
		w.in(r.BringBack)
	}
	same(t, "live", without(w.rows(w.name()), "rescue_"+a.Job), before)
}

func TestRescue_TablesOfTheSameNameAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(fmt.Sprintf(`SET ROLE %s; CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (id int PRIMARY KEY); CREATE TABLE b.t (id int PRIMARY KEY); CREATE TABLE b.a_t (id int PRIMARY KEY);
		CREATE TABLE a.a_t_pkey (id int); INSERT INTO a.t VALUES (1); INSERT INTO b.t VALUES (2); INSERT INTO b.a_t VALUES (3)`, ident(w.app)))
	a, p := w.planned(all)
	var got []string
	for _, r := range w.rescued(a, p) {
		got = append(got, r.Schema+"."+r.Table+">"+r.As)
	}
	if want := "a.a_t_pkey>a_t_pkey a.t>a_t_2 b.a_t>a_t b.t>b_t"; strings.Join(got, " ") != want {
		t.Errorf("names are %q, want %q", strings.Join(got, " "), want)
	}
}

func TestRescue_OnlyTheSecretsRoleMaySeeTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(fmt.Sprintf(`ALTER DEFAULT PRIVILEGES FOR ROLE %[1]s GRANT ALL ON SCHEMAS TO PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE %[1]s GRANT ALL ON SCHEMAS TO %[2]s;
		ALTER DEFAULT PRIVILEGES FOR ROLE %[1]s GRANT SELECT ON TABLES TO %[2]s`, ident(w.app), ident(w.reader)))
	w.small()
	a, p := w.planned(all)
	w.rescued(a, p)
	var reader, public bool
	if err := w.connect(w.name()).QueryRow(context.Background(), `SELECT has_schema_privilege($1, $2, 'USAGE'), has_schema_privilege('public', $2, 'USAGE')`, w.reader, p.Schema).
		Scan(&reader, &public); err != nil || reader || public {
		t.Errorf("others may see it: %v, %v, %v", reader, public, err)
	}
}

func TestRescue_RefusedBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.school()
	w.in("ALTER TABLE \"Größe\".hidden DISABLE ROW LEVEL SECURITY")
	f := w.archive()
	students := func(p *backup.RescuePlan) *backup.TableSource { return &p.Sources[0] }
	for name, tt := range map[string]struct {
		before, after string
		change        func(*backup.RescuePlan)
		code          backup.Code
		says          []string
	}{
		"no right to create": {before: "ALTER DATABASE @db OWNER TO postgres", after: "ALTER DATABASE @db OWNER TO @app", code: backup.CodePermission,
			says: []string{"GRANT CREATE ON DATABASE " + ident(w.name()) + " TO " + ident(w.app) + ";"}},
		"a type is gone": {change: func(p *backup.RescuePlan) { students(p).Columns[3].Type = "public.gone(3)[]" }, code: backup.CodeUnsupported,
			says: []string{"public.gone(3)[]", `"day"`, "public.student"}},
		"a schema of that name": {before: "CREATE SCHEMA @schema", after: "DROP SCHEMA @schema", code: backup.CodeUnsupported, says: []string{"rescue_"}},
		"another encoding":      {change: func(p *backup.RescuePlan) { p.Encoding = "SJIS" }, code: backup.CodeUnsupported, says: []string{"SJIS"}},
		"no room":               {change: func(p *backup.RescuePlan) { p.Tables[0].Bytes = 1 << 50 }, code: backup.CodeDiskFull, says: []string{"the rescue needs"}},
	} {
		a := attempt(1)
		p := f.plan(a.Job, table("public.student"))
		if tt.change != nil {
			tt.change(&p)
		}
		sql := strings.NewReplacer("@db", ident(w.name()), "@app", ident(w.app), "@schema", ident(p.Schema))
		w.in(sql.Replace(tt.before))
		target := w.target
		target.Credentials.StorageBytes = 1 << 40
		w.untouched(name, a.Job, func() {
			_, err := w.engine.Rescue(context.Background(), target, a, p)
			failed(t, name, err, tt.code, tt.says...)
		})
		w.in(sql.Replace(tt.after))
	}
}

func TestRescue_ASessionThatIsKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.small()
	a, p := w.planned(table("public.one"))
	real := p.Sources[0].Piece
	p.Sources[0].Piece = func(ctx context.Context, n int) (io.ReadCloser, error) {
		text, err := real(ctx, n)
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(text, 200_000), killer{w, a.Job}, text), text}, err
	}
	w.untouched("killed", a.Job, func() {
		_, _, err := w.rescue(a, p)
		failed(t, "killed", err, backup.CodeUnreachable)
	})
	if n := w.schemas(); n != 0 {
		t.Errorf("%d schemas are left", n)
	}
}

// killer ends a job's sessions when it is read.
type killer struct {
	w   *world
	job string
}

func (k killer) Read([]byte) (int, error) {
	k.w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '" + k.job + "'")
	return 0, io.EOF
}

func TestRescue_ACancelledOneLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.small()
	a, p := w.planned(table("public.one"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	real := p.Sources[0].Piece
	p.Sources[0].Piece = func(ctx context.Context, n int) (io.ReadCloser, error) {
		cancel()
		return real(ctx, n)
	}
	w.untouched("cancelled", a.Job, func() {
		r, err := w.engine.Rescue(ctx, w.target, a, p)
		if err != nil {
			t.Fatal(describe(err))
		}
		if err := r.Load(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
		r.Discard(ctx)
	})
}

func TestRescue_ThatIsNotConfirmedIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.small()
	a, p := w.planned(all)
	w.untouched("not confirmed", a.Job, func() {
		r, _, err := w.rescue(a, p)
		if err != nil {
			t.Fatal(describe(err))
		}
		if err := r.Commit(context.Background(), func(context.Context) error { return backup.ErrLeaseLost }); !errors.Is(err, backup.ErrLeaseLost) {
			t.Errorf("error is %v", err)
		}
		r.Discard(context.Background())
	})
}

func TestRescue_TheCommitsAnswerIsLost(t *testing.T) {
	t.Parallel()
	for name, deliver := range map[string]bool{"and it was committed": true, "and it was not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.small()
			f := w.archive()
			(&proxy{deliver: deliver, cut: "COMMIT"}).listen(w)
			a := attempt(1)
			p := f.plan(a.Job, all)
			r, tables, err := w.rescue(a, p)
			if err != nil {
				t.Fatal(describe(err))
			}
			err = r.Commit(context.Background(), yes)
			if (err == nil) != deliver {
				t.Errorf("error is %v", describe(err))
			}
			r.Discard(context.Background())
			found, there, err := w.engine.FindRescue(context.Background(), w.target, backup.Attempt{Job: a.Job, Number: 2}, p.Rescue)
			if err != nil || there != deliver {
				t.Fatalf("found is %v, %v", there, describe(err))
			}
			if deliver && (len(found) != len(tables) || found[0] != tables[0]) {
				t.Errorf("found %+v, was %+v", found, tables)
			}
			w.clean(a.Job)
		})
	}
}

func TestFindRescue_EndsWhatAnEarlierAttemptLeftRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.small()
	a, p := w.planned(all)
	r, _, err := w.rescue(a, p)
	if err != nil {
		t.Fatal(describe(err))
	}
	if _, found, err := w.engine.FindRescue(context.Background(), w.target, backup.Attempt{Job: a.Job, Number: 2}, p.Rescue); found || err != nil {
		t.Errorf("found is %v, %v", found, describe(err))
	}
	if err := r.Commit(context.Background(), yes); err == nil {
		t.Error("an attempt that was ended has committed")
	}
	if n := w.schemas(); n != 0 {
		t.Errorf("%d schemas are left", n)
	}
}

func TestFindRescue_ASchemaOfSomebodyElseIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.small()
	a, p := w.planned(all)
	w.in("CREATE SCHEMA " + pgx.Identifier{p.Schema}.Sanitize())
	if _, found, err := w.engine.FindRescue(context.Background(), w.target, a, p.Rescue); found || err != nil {
		t.Errorf("found is %v, %v", found, describe(err))
	}
}

func TestRescue_WarnsWhereEveryTableIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.small()
	f := w.archive()
	w.in("CREATE PUBLICATION everything FOR ALL TABLES")
	a := attempt(1)
	r, _, err := w.rescue(a, f.plan(a.Job, all))
	if err != nil {
		t.Fatal(describe(err))
	}
	if text := strings.Join(r.Warnings(), "\n"); !strings.Contains(text, "everything") {
		t.Errorf("warnings: %s", text)
	}
}

func TestRescue_OfAnotherEncodingIsWhatWasThere(t *testing.T) {
	t.Parallel()
	for encoding, value := range map[string]string{"LATIN1": "'Größe ' || chr(233)", "SQL_ASCII": `E'\xff\xfe raw \x80'`} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.drop(w.name())
			w.exec("CREATE DATABASE " + ident(w.name()) + " OWNER " + ident(w.app) + " TEMPLATE template0 ENCODING '" + encoding + "' LC_COLLATE 'C' LC_CTYPE 'C'")
			client := map[bool]string{true: "SQL_ASCII", false: "UTF8"}[encoding == "SQL_ASCII"]
			w.in("SET client_encoding = " + client + "; SET ROLE " + ident(w.app) + `; CREATE TABLE public."tä" ("wört" text); INSERT INTO public."tä" VALUES (` + value + ")")
			a, p := w.planned(all)
			tables := w.rescued(a, p)
			hex := func(schema string) (out string) {
				if err := w.connect(w.name()).QueryRow(context.Background(), `SELECT encode(textsend("wört"), 'hex') FROM `+ident(schema, "tä")).Scan(&out); err != nil {
					t.Fatal(err)
				}
				return out
			}
			if got, want := hex(p.Schema), hex("public"); got != want {
				t.Errorf("the value is %s, was %s", got, want)
			}
			if !strings.Contains(tables[0].BringBack, "INSERT INTO public.") {
				t.Errorf("SQL: %s", tables[0].BringBack)
			}
		})
	}
}
