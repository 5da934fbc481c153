package inspection_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/oklog/ulid/v2"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/testenv"
)

// school is a database with everything that is awkward to dump, under a name that is awkward to connect to.
type school struct {
	t    testing.TB
	url  *url.URL
	name string
}

func newSchool(t testing.TB) *school {
	t.Helper()
	u, err := url.Parse(testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	id := strings.ToLower(ulid.Make().String())
	s := &school{t: t, url: u, name: `Schule's "DB" \ ` + id}
	database := pgx.Identifier{s.name}.Sanitize()
	roles := []string{"inspect_app_" + id, "inspect_other_" + id, "Inspect Leser " + id}
	for i, r := range roles {
		roles[i] = pgx.Identifier{r}.Sanitize()
		s.exec("postgres", "CREATE ROLE "+roles[i])
		t.Cleanup(func() { s.exec("postgres", "DROP ROLE "+roles[i]) })
	}
	s.exec("postgres", "CREATE DATABASE "+database+" OWNER "+roles[0]+" TEMPLATE template0 ENCODING 'UTF8'")
	t.Cleanup(func() { s.exec("postgres", "DROP DATABASE "+database+" WITH (FORCE)") })
	sql, err := os.ReadFile("../postgres/testdata/school.sql")
	if err != nil {
		t.Fatal(err)
	}
	s.exec("postgres", "GRANT "+roles[1]+" TO "+roles[0])
	s.exec(s.name, strings.NewReplacer("@app", roles[0], "@other", roles[1], "@reader", roles[2]).Replace(string(sql)))
	s.exec("postgres", fmt.Sprintf(`COMMENT ON DATABASE %[1]s IS 'it''s'; ALTER DATABASE %[1]s SET work_mem = '5MB'; ALTER DATABASE %[1]s CONNECTION LIMIT 50;
		ALTER ROLE %[2]s IN DATABASE %[1]s SET work_mem = '6MB'; GRANT CONNECT ON DATABASE %[1]s TO %[3]s; REVOKE TEMPORARY ON DATABASE %[1]s FROM PUBLIC`, database, roles[0], roles[2]))
	return s
}

func (s *school) exec(database, sql string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgconn.ParseConfig(s.url.String())
	if err != nil {
		s.t.Fatal(err)
	}
	c.Database = database
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
		s.t.Fatalf("%.300s: %v", sql, err)
	}
}

// dump runs the newest program of that name with the environment of a connection.
func (s *school) dump(program string, flags ...string) []byte {
	s.t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err != nil || len(found) == 0 {
		s.t.Skipf("needs %s under /usr/lib/postgresql", program)
	}
	slices.Sort(found)
	cmd := exec.Command(found[len(found)-1], flags...)
	password, _ := s.url.User.Password()
	cmd.Env = []string{"PGHOST=" + s.url.Hostname(), "PGPORT=" + s.url.Port(), "PGUSER=" + s.url.User.Username(), "PGPASSWORD=" + password, "PGDATABASE=" + s.name}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s %q: %v: %s", program, flags, err, stderr.Bytes())
	}
	return out
}

func rowsOf(f backup.Inspection) (rows []string) {
	for _, r := range f.Tables {
		rows = append(rows, fmt.Sprintf("%s %d", r.Name(), r.Rows))
	}
	slices.Sort(rows)
	return rows
}

// What pg_dump writes is never a hazard, whatever its options. Its rows are the same by COPY and by INSERT.
func TestInspect_AcceptsEveryDumpByPgDump(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	want, err := inspect(bytes.NewReader(s.dump("pg_dump")))
	if err != nil {
		t.Fatal(err)
	}
	if total := backup.TotalRows(want.Inspection.Tables); total < 2900 || want.Inspection.Tables == nil {
		t.Fatalf("%d rows: %v", total, rowsOf(want.Inspection))
	}
	for _, c := range []struct {
		flags string
		other bool // than the rows of a whole dump
		named bool // it connects to its database
	}{
		{"", false, false}, {"--inserts", false, false}, {"--column-inserts", false, false}, {"--inserts --rows-per-insert=7", false, false},
		{"--column-inserts --rows-per-insert=1000", false, false}, {"--inserts --on-conflict-do-nothing", false, false},
		{"--create", false, true}, {"--clean", false, false}, {"--clean --if-exists", false, false}, {"--create --clean", false, true}, {"--create --clean --if-exists", false, true},
		{"--no-owner", false, false}, {"--no-privileges", false, false}, {"--use-set-session-authorization", false, false},
		{"--disable-triggers", false, false}, {"--disable-triggers --data-only", false, false}, {"--disable-dollar-quoting", false, false},
		{"--quote-all-identifiers", false, false}, {"--quote-all-identifiers --create --clean --inserts", false, true},
		{"--encoding=SQL_ASCII", false, false}, {"--encoding=UTF8", false, false}, {"--schema-only", true, false}, {"--data-only", false, false},
		{"--section=pre-data", true, false}, {"--section=data", false, false}, {"--section=post-data", true, false}, {"--section=pre-data --section=data", false, false},
		{"-t public.student -t public.room", true, false}, {"-n public", true, false}, {"--no-blobs", false, false}, {"--blobs", false, false},
		{"--no-comments --no-publications --no-security-labels --no-subscriptions --no-tablespaces --no-toast-compression --no-unlogged-table-data", true, false},
		{"--load-via-partition-root", true, false}, {"--serializable-deferrable", false, false}, {"--verbose", false, false}, {"--snapshot", false, false},
		{"--no-sync --enable-row-security --extra-float-digits=0 --lock-wait-timeout=10s --strict-names", false, false},
	} {
		if c.flags == "--snapshot" {
			continue
		}
		t.Run(c.flags, func(t *testing.T) {
			t.Parallel()
			text := s.dump("pg_dump", strings.Fields(c.flags)...)
			for _, r := range []io.Reader{bytes.NewReader(text), bytes.NewReader(zip(t, string(text)))} {
				found, err := inspect(r)
				f := found.Inspection
				if err != nil || f.HazardCount > 0 || f.Completeness != backup.Proven || f.Engine != backup.Postgres {
					t.Fatalf("%v: %+v", err, f)
				}
				if !c.other && !slices.Equal(rowsOf(f), rowsOf(want.Inspection)) && !strings.Contains(c.flags, "data") {
					t.Errorf("rows %v\nwant %v", rowsOf(f), rowsOf(want.Inspection))
				}
				if !c.other && backup.TotalRows(f.Tables) != backup.TotalRows(want.Inspection.Tables) {
					t.Errorf("%d rows", backup.TotalRows(f.Tables))
				}
				exact := !strings.Contains(c.flags, "partition-root") && !strings.Contains(c.flags, "conflict")
				if (f.RowsInexact == 0) != exact {
					t.Errorf("inexact from line %d", f.RowsInexact)
				}
				if named := f.Database == s.name; named != c.named || !c.named && f.Database != "" {
					t.Errorf("database %q", f.Database)
				}
			}
		})
	}
	t.Run("dump of the whole server", func(t *testing.T) {
		found, err := inspect(bytes.NewReader(s.dump("pg_dumpall", "--globals-only")))
		if code(err) != backup.CodeDangerous || !strings.Contains(err.Error(), "pg_dumpall") || found.Inspection.Tool != "pg_dumpall" {
			t.Errorf("%v: %+v", err, found.Inspection)
		}
	})
	t.Run("archives say how to make them plain", func(t *testing.T) {
		for _, format := range []string{"-Fc", "-Ft"} {
			if _, err := inspect(bytes.NewReader(s.dump("pg_dump", format))); code(err) != backup.CodeNotSQL || !strings.Contains(err.Error(), "pg_dump") && !strings.Contains(err.Error(), "tar") {
				t.Errorf("%s: %v", format, err)
			}
		}
	})
}

// The versions of pg_dump write their heads differently.
func TestInspect_AcceptsEveryVersionsHead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"9.2": "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\nSET check_function_bodies = false;\nSET client_min_messages = warning;\n\n" +
			"--\n-- Name: plpgsql; Type: EXTENSION; Schema: -; Owner: \n--\n\nCREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog;\nCOMMENT ON EXTENSION plpgsql IS 'x';\nSET search_path = public, pg_catalog;\n" +
			"SET default_tablespace = '';\nSET default_with_oids = false;\nCREATE TABLE t (a integer);\nCOPY t (a) FROM stdin;\n1\n\\.\n\nREVOKE ALL ON SCHEMA public FROM PUBLIC;\n",
		"13": "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 13.4\n-- Dumped by pg_dump version 13.4\n\nSET statement_timeout = 0;\nSET row_security = off;\nSET default_table_access_method = heap;\n" +
			"CREATE TABLE public.t (a integer);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n",
		"17": "--\n-- PostgreSQL database dump\n--\n\n\\restrict GbYr0AWLhAdnRbdT8gCc3Zb1p3gYrLkV\n\n-- Dumped from database version 17.6\n-- Dumped by pg_dump version 17.6\n\nSET statement_timeout = 0;\nSET transaction_timeout = 0;\n" +
			"CREATE TABLE public.t (a integer);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n",
		"18": "--\n-- PostgreSQL database dump\n--\n\n\\restrict GbYr0AWLhAdnRbdT8gCc3Zb1p3gYrLkV\n\n-- Dumped from database version 18.1\n-- Dumped by pg_dump version 18.1\n\nSET transaction_timeout = 0;\n" +
			"CREATE TABLE public.t (a integer CONSTRAINT n NOT NULL);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n\nSELECT * FROM pg_catalog.pg_restore_relation_stats('version', '180001'::integer, 'schemaname', 'public', 'relname', 't', 'relpages', '1'::integer);\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text += "\n--\n-- PostgreSQL database dump complete\n--\n\n"
			if strings.Contains(text, `\restrict`) {
				text += "\\unrestrict GbYr0AWLhAdnRbdT8gCc3Zb1p3gYrLkV\n\n"
			}
			found, err := inspect(strings.NewReader(text))
			if err != nil || found.Inspection.Completeness != backup.Proven || fmt.Sprint(rowsOf(found.Inspection)) != "[public.t 1]" || found.Inspection.RowsInexact != 0 {
				t.Errorf("%v: %+v", err, found.Inspection)
			}
		})
	}
}

// A good dump that is cut at a thousand places, and of which one byte is flipped at a thousand, plain and compressed, never passes as
// another complete one.
func TestInspect_NoCutAndNoFlipPasses(t *testing.T) {
	t.Parallel()
	text := sweepDump(t)
	zipped := zip(t, string(text))
	good, err := inspect(bytes.NewReader(text))
	if err != nil || good.Inspection.Completeness != backup.Proven {
		t.Fatalf("%v: %+v", err, good.Inspection)
	}
	const places = 1000
	mark := bytes.Index(text, []byte("-- PostgreSQL database dump complete")) + len("-- PostgreSQL database dump complete")
	var proven, refused, hashed, same int
	for i := range places {
		cut := i * len(text) / places
		if found, err := inspect(bytes.NewReader(text[:cut])); err == nil && cut < mark {
			t.Fatalf("plain, cut at %d: %+v", cut, found.Inspection)
		} else if found.Inspection.Completeness == backup.Proven && cut < mark {
			proven++
		}
		cut = i * len(zipped) / places
		if found, err := inspect(bytes.NewReader(zipped[:cut])); err == nil {
			t.Fatalf("compressed, cut at %d: %+v", cut, found.Inspection)
		}
		at := i * len(text) / places
		flipped := bytes.Clone(text)
		flipped[at] ^= 1 << (i % 8)
		switch found, err := inspect(bytes.NewReader(flipped)); {
		case err != nil:
			refused++
		case found.SHA256 == good.SHA256 || found.SHA256 == "":
			t.Fatalf("plain, flipped at %d: the same hash %q", at, found.SHA256)
		default:
			hashed++ // another text, which whoever announced the hash refuses
		}
		at = i * len(zipped) / places
		flipped = bytes.Clone(zipped)
		flipped[at] ^= 1 << (i % 8)
		if _, err := inspect(bytes.NewReader(flipped)); err == nil {
			if !bytes.Equal(unzip(t, flipped), text) {
				t.Fatalf("compressed, flipped at %d: another text passes", at)
			}
			same++
		}
	}
	if proven > 0 {
		t.Errorf("%d cut files bear the end mark", proven)
	}
	t.Logf("%d bytes, %d compressed: of %d flips in the text %d were refused, %d changed the hash; %d flips in the compressed file did not change the text",
		len(text), len(zipped), places, refused, hashed, same)
}

var key = regexp.MustCompile(`\\(un)?restrict \S+`)

// sweepDump is a dump of some 100 KB by the real pg_dump.
func sweepDump(t *testing.T) []byte {
	s := newSchool(t)
	s.exec(s.name, "CREATE TABLE public.letters AS SELECT i AS id, md5(i::text) AS a, E'it''s\\t\\\\\\n;' AS b FROM generate_series(1, 1500) i")
	text := s.dump("pg_dump", "-t", "public.letters", "-t", "public.room", "-t", "public.teacher", "-t", "public.attendance*", "-t", "public.person", "-t", "public.pupil", "-t", "public.no_columns")
	text = key.ReplaceAll(text, []byte(`\${1}restrict abc`))
	if len(text) < 80_000 || len(text) > 400_000 {
		t.Fatalf("the dump has %d bytes", len(text))
	}
	return text
}

// A well-known script by hand, with the beginning that it has where it is published: it creates and connects to its own database.
func TestInspect_AcceptsChinook(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../infra/local/e2e/testdata/chinook.sql")
	if err != nil {
		t.Fatal(err)
	}
	found, err := inspect(bytes.NewReader(text))
	f := found.Inspection
	if err != nil || f.Completeness != backup.Unproven || f.Database != "chinook" || f.IgnoredCount != 3 || f.RowsInexact != 0 {
		t.Fatalf("%v: %+v", err, f)
	}
	if rows := rowsOf(f); len(rows) != 11 || !slices.Contains(rows, "public.playlist_track 8715") || !slices.Contains(rows, "public.track 3503") {
		t.Errorf("rows %v", rows)
	}
}
