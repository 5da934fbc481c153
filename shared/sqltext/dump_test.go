package sqltext

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/oklog/ulid/v2"

	"github.com/backup-restore/backup-restore/shared/internal/testenv"
)

// A dump by the real pg_dump of a database with everything that is hard to split, run statement by statement in a second
// database, gives the same dump again. Rows go in by COPY and, with --inserts, by statements.
func TestScanner_RoundTripsNastyDatabase(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	source := newDatabase(t, server)
	run(t, source, strings.NewReader(nastyDatabase))
	for _, c := range []struct {
		name  string
		flags []string
	}{
		{"copy", nil},
		{"inserts", []string{"--inserts"}},
		{"inserts of many rows", []string{"--column-inserts", "--rows-per-insert=3"}},
		{"dollar quotes disabled", []string{"--disable-dollar-quoting"}},
		{"clean", []string{"--clean", "--if-exists"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dumped := dump(t, source, c.flags...)
			target := newDatabase(t, server)
			s := run(t, target, bytes.NewReader(dumped))
			if _, ok := s.EndMark(); !ok {
				t.Error("the end mark was not seen")
			}
			if h := s.Header(); !h.Known || h.ServerVersion == "" || h.ToolVersion == "" {
				t.Errorf("header %+v", h)
			}
			want, got := withoutKey(dump(t, source)), withoutKey(dump(t, target))
			if !bytes.Equal(want, got) {
				t.Errorf("the copy differs: %s", firstDifference(want, got))
			}
		})
	}
}

// A dump that is cut anywhere is never taken for a whole one.
func TestScanner_CutDumpHasNoEndMark(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	source := newDatabase(t, server)
	run(t, source, strings.NewReader(nastyDatabase))
	dumped := dump(t, source)
	mark := bytes.Index(dumped, []byte(endDatabase)) + len(endDatabase)
	if mark < 10_000 {
		t.Fatalf("the dump is too short: %d bytes", mark)
	}
	for cut := 0; cut < mark; cut += mark / 1000 {
		s := NewScanner(bytes.NewReader(dumped[:cut]), Options{})
		var err error
		for err == nil {
			_, err = s.Next()
		}
		if _, ok := s.EndMark(); ok && err == io.EOF {
			t.Fatalf("cut after %d bytes of %d, it looks whole", cut, len(dumped))
		}
	}
}

// nastyDatabase makes a database whose dump is hard to split.
const nastyDatabase = `
CREATE SCHEMA "odd; schema";
CREATE TABLE "odd; schema"."a ""table"" -- it's" ("select" int PRIMARY KEY, "tab	new
line" text DEFAULT E'it''s; \\ \n', "$$" text, "ünï" bytea);
INSERT INTO "odd; schema"."a ""table"" -- it's" VALUES
 (1, E'a\tb\nc\\.\\d', '\.', '\x005c2e0a'), (2, E'\\.\n\\.', E'\r\n', ''), (3, NULL, '\N', NULL),
 (4, '; -- /* '' " $$ $a$', E'\restrict x', '\xff'), (5, E'\\! touch /tmp/never', '\connect x', '\x27'),
 (6, repeat('long; ''', 100000), '', NULL);
CREATE TABLE "copy" ("from" text, "stdin" text);
INSERT INTO "copy" VALUES ('COPY copy FROM stdin;', E'\\.\n');
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE empty (a int);
CREATE SEQUENCE "s'q" START 42;
SELECT nextval('"s''q"');
CREATE FUNCTION dollars() RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
  -- it's; $$ $_$ $1
  RETURN $x$ ; '" $x$ || '$_$' || E'\'';
END $body$;
CREATE FUNCTION sum_of(a int, b int) RETURNS int RETURN (CASE WHEN a > 0 THEN a + b ELSE b END);
CREATE FUNCTION begin() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS begin; SELECT CASE WHEN true THEN (CASE 1 WHEN 1 THEN 2 END) END; END;
CREATE PROCEDURE "end"(x text) LANGUAGE sql BEGIN ATOMIC INSERT INTO "copy" VALUES (x, ';'); DELETE FROM "copy" WHERE "from" = 'case'; END;
CREATE RULE r AS ON UPDATE TO empty DO ALSO (INSERT INTO empty VALUES (1); INSERT INTO empty VALUES (2));
CREATE VIEW v AS SELECT 1 AS "case", '/* ' AS b, 2 AS "end", (ARRAY[1, 2, 3])[1:2] AS c, '{"a": ";"}'::jsonb #>> '{a}' AS d;
COMMENT ON VIEW v IS 'it''s; a
\! comment /* -- ';
COMMENT ON FUNCTION begin() IS E'\\; \\';
CREATE TYPE mood AS ENUM ('it''s', ';', '\');
CREATE DOMAIN odd AS text CHECK (VALUE ~ '^[^;'']+\\?$' AND VALUE <> '--');
CREATE OPERATOR @-@ (LEFTARG = int, RIGHTARG = int, FUNCTION = sum_of);
SELECT lo_from_bytea(4711, '\x5c2e0a3b27');
CREATE TABLE csv (a text);
COPY csv FROM stdin (FORMAT csv);
"a;b"
c
\.
`

// newDatabase makes an empty database for a test, and returns its URL.
func newDatabase(t *testing.T, server string) string {
	t.Helper()
	name := "sqltext_" + strings.ToLower(ulid.Make().String())
	execute := func(ctx context.Context, sql string) error {
		conn, err := pgconn.Connect(ctx, server)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		return conn.Exec(ctx, sql).Close()
	}
	if err := execute(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'"); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := execute(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// run runs SQL text by the simple query protocol, and returns its scanner.
func run(t *testing.T, database string, text io.Reader) *Scanner {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	s := NewScanner(text, Options{})
	for {
		item, err := s.Next()
		if err == io.EOF {
			return s
		}
		if err != nil {
			t.Fatal(err)
		}
		switch item.Kind {
		case Statement:
			err = conn.Exec(t.Context(), string(item.Text)).Close()
		case Copy:
			var tag pgconn.CommandTag
			sql := string(item.Text)
			tag, err = conn.CopyFrom(t.Context(), s.CopyData(), sql)
			if err == nil && tag.RowsAffected() != s.CopyRows() {
				err = fmt.Errorf("%d rows were copied of %d", tag.RowsAffected(), s.CopyRows())
			}
		case Meta:
			if name := MetaName(item.Text); name != "restrict" && name != "unrestrict" {
				err = fmt.Errorf("meta-command %s", item.Text)
			}
		}
		if err != nil {
			t.Fatalf("line %d: %.200s: %v", item.Line, item.Text, err)
		}
		if on := conn.ParameterStatus("standard_conforming_strings") == "on"; on != s.StandardConformingStrings() {
			t.Fatalf("line %d: the scanner and the server disagree about standard_conforming_strings", item.Line)
		}
	}
}

// dump is what pg_dump writes of a database.
func dump(t *testing.T, database string, flags ...string) []byte {
	t.Helper()
	cmd := exec.Command(filepath.Join(filepath.Dir(newest(t, "psql")), "pg_dump"), append(flags, database)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run pg_dump: %v: %s", err, stderr.Bytes())
	}
	return out
}

// withoutKey is a dump without the \restrict lines, whose key is another in each.
func withoutKey(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(`\restrict `)) && !bytes.HasPrefix(line, []byte(`\unrestrict `)) {
			out = append(out, line...)
		}
	}
	return out
}

func firstDifference(a, b []byte) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("%.300q, %.300q", a[max(0, i-50):], b[max(0, i-50):])
}
