package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestStaged_WhatOnlyASuperuserMayDoIsSkippedAndListed(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			text, d := w.small()
			cases := []struct{ statement, why string }{
				{"SET transaction_timeout_of_a_later_server = 0;", "does not know"},
				{"SET default_tablespace = 'fast';", "one tablespace"},
				{"CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION public.f();", "superuser"},
				{"ALTER EVENT TRIGGER e DISABLE;", "superuser"},
				{"COMMENT ON EVENT TRIGGER e IS 'x';", "skipped"},
				{"CREATE PUBLICATION p FOR ALL TABLES;", "superuser"},
				{"CREATE PUBLICATION q WITH (publish = 'insert');\nALTER PUBLICATION q ADD TABLES IN SCHEMA public;", "superuser"},
				{"CREATE SUBSCRIPTION s CONNECTION 'host=nowhere' PUBLICATION p;", "must not start"},
				{"SECURITY LABEL ON TABLE public.one IS 'x';", "label"},
				{"CREATE POLICY p ON public.one TO nobody_of_this_name;", "role"},
				{"ALTER TABLE public.two OWNER TO nobody_of_this_name;", `"nobody_of_this_name" does not exist`},
				{"ALTER TABLE public.two OWNER TO postgres;", "postgres"},
				{"GRANT SELECT ON TABLE public.two TO nobody_of_this_name;", "does not exist"},
				{"GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO PUBLIC;", "pg_reload_conf"},
				{"REVOKE ALL ON TABLE pg_catalog.pg_class FROM PUBLIC;", "pg_class"},
				{"ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO PUBLIC;", "postgres"},
				{"SET SESSION AUTHORIZATION postgres;\nGRANT SELECT ON TABLE public.two TO PUBLIC;\nRESET SESSION AUTHORIZATION;", "set role"},
				{"COMMENT ON EXTENSION plpgsql IS 'x';", "extension"},
				{"CREATE FUNCTION public.leaks() RETURNS int LANGUAGE sql LEAKPROOF AS 'SELECT 1';", "LEAKPROOF"},
			}
			var added strings.Builder
			for _, c := range cases {
				added.WriteString(c.statement + "\n")
			}
			// These run, and are not listed.
			added.WriteString("CREATE SCHEMA public;\nCREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog;\nCREATE PUBLICATION few FOR TABLE public.one;\n")
			added.WriteString("GRANT SELECT ON TABLE public.two TO " + ident(w.reader) + ";\n")
			text = bytes.Replace(text, []byte("--\n-- PostgreSQL database dump complete"), []byte(added.String()+"--\n-- PostgreSQL database dump complete"), 1)
			a := attempt(1)
			_, loaded, _ := w.restore(a, text, d.Tables)
			if len(loaded.Skipped) != len(cases) {
				t.Errorf("%d statements were skipped, want %d", len(loaded.Skipped), len(cases))
			}
			line := int64(bytes.Count(text[:bytes.Index(text, []byte(cases[0].statement))], []byte("\n"))) + 1
			if got := loaded.Skipped[0]; got.Line != line || got.Text != "SET transaction_timeout_of_a_later_server = 0" {
				t.Errorf("the first is %+v, want line %d", got, line)
			}
			for i, s := range loaded.Skipped {
				if i < len(cases) && !strings.Contains(s.Why+s.Text, cases[i].why) {
					t.Errorf("skipped %+v, want the reason to have %q", s, cases[i].why)
				}
			}
			var granted bool
			conn := w.connect(w.name())
			if err := conn.QueryRow(context.Background(), `SELECT has_table_privilege($1, 'public.two', 'SELECT')`, w.reader).Scan(&granted); err != nil || !granted {
				t.Errorf("the grant that is possible was not replayed: %v", err)
			}
			_ = conn.Close(context.Background())
			w.clean(a.Job)
		})
	}
}

func TestEngine_StageCreatesExtensionsThatTheLoaderMayNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, with("SUPERUSER"))
	w.in("CREATE SCHEMA tools; CREATE EXTENSION pageinspect SCHEMA tools; CREATE EXTENSION citext")
	w.in("SET ROLE " + ident(w.app) + "; CREATE TABLE public.t (a citext); INSERT INTO public.t VALUES ('x')")
	a := attempt(1)
	text, d := w.dump(a)
	before := w.rows(w.name())
	s, _, _ := w.restore(a, text, d.Tables)
	if s.Loader() != backup.LoaderThrowAway {
		t.Errorf("loaded by %s", s.Loader())
	}
	same(t, "restored", w.rows(w.name()), before)
	w.clean(a.Job)

	w.exec("ALTER ROLE " + ident(w.app) + " NOSUPERUSER")
	next := attempt(1)
	w.untouched("no superuser", next.Job, func() {
		_, err := w.engine.Stage(context.Background(), w.target, next, backup.Need{})
		failed(t, "no superuser", err, backup.CodePermission, "pageinspect", "DROP EXTENSION")
	})
}

func TestStaged_OtherEncodingsAndLocalesComeBack(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]string{
		"latin1":    "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
		"sql_ascii": "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
		"icu":       "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.drop(w.name())
			w.exec(fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE template0 %s", ident(w.name()), ident(w.app), settings))
			w.in("SET ROLE " + ident(w.app) + `; CREATE TABLE public."Größe" (name text); INSERT INTO public."Größe" VALUES ('Zoë'), ('Zürich'); CREATE INDEX ON public."Größe" (name)`)
			if name == "sql_ascii" {
				w.in(`INSERT INTO public."Größe" VALUES (E'\xff\xfe bytes')`)
			}
			a := attempt(1)
			text, d := w.dump(a)
			locale := func() (s string) {
				if err := w.super.QueryRow(context.Background(), `SELECT concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype, to_jsonb(d)->>'datlocprovider', to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale')
					FROM pg_database d WHERE datname = $1`, w.name()).Scan(&s); err != nil {
					t.Fatal(err)
				}
				return s
			}
			before, was := w.rows(w.name()), locale()
			w.restore(a, text, d.Tables)
			same(t, "restored", w.rows(w.name()), before)
			if is := locale(); is != was {
				t.Errorf("the locale is %s, was %s", is, was)
			}
		})
	}
}

func TestEngine_StageRefusesAForgottenPreparedTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gid := prepareTransaction(t, w)
	w.engine.SetPreparedAge(0)
	a := attempt(1)
	_, err := w.engine.Stage(context.Background(), w.target, a, backup.Need{})
	failed(t, "prepared", err, backup.CodeSwitchBlocked, gid, "COMMIT PREPARED")
	w.clean(a.Job)
}
