package postgres_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// extensions are what serverWithExtensions has besides its own: one whose author wants some of its rows in dumps, as PostGIS does with spatial
// reference systems, and one that brings a foreign data wrapper which nobody can read from.
var extensions = map[string]string{
	"marks.control": "default_version = '1'\nsuperuser = false\n",
	"marks--1.sql": `CREATE TABLE public.mark (id int PRIMARY KEY, name text NOT NULL, built_in boolean NOT NULL DEFAULT false);
INSERT INTO public.mark VALUES (1, 'very good', true), (2, 'good', true);
SELECT pg_catalog.pg_extension_config_dump('public.mark', 'WHERE NOT built_in');
CREATE TABLE public.scale (name text PRIMARY KEY);
SELECT pg_catalog.pg_extension_config_dump('public.scale', '');
CREATE SEQUENCE public.mark_number START 100;
SELECT pg_catalog.pg_extension_config_dump('public.mark_number', '');
CREATE TABLE public.mark_cache (name text);
INSERT INTO public.mark_cache VALUES ('of the extension');
`,
	"nowhere.control": "default_version = '1'\ntrusted = true\n",
	"nowhere--1.sql":  "CREATE FOREIGN DATA WRAPPER nowhere; GRANT USAGE ON FOREIGN DATA WRAPPER nowhere TO PUBLIC;\n",
}

// serverWithExtensions starts a server that has these extensions. A server looks for them in the folder that lies to its programs as it did when
// it was built, so it is moved: its programs are copied, and all else are links.
func serverWithExtensions(t *testing.T) string {
	t.Helper()
	home := filepath.Dir(filepath.Dir(pgDump(t))) // /usr/lib/postgresql/15
	version := filepath.Base(home)
	share := filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(home))), "share", "postgresql", version)
	if !strings.HasSuffix(filepath.Dir(home), filepath.Join("lib", "postgresql")) {
		t.Skipf("needs PostgreSQL in Debian's folders, and it is in %s", home)
	}
	dir := serverDir(t)
	movedHome, movedShare := filepath.Join(dir, "lib", "postgresql", version), filepath.Join(dir, "share", "postgresql", version)
	bin := filepath.Join(movedHome, "bin")
	for _, d := range []string{bin, filepath.Join(movedShare, "extension")} {
		if err := os.MkdirAll(d, 0o755); err != nil { // the server's user is another
			t.Fatal(err)
		}
	}
	for _, program := range []string{"postgres", "initdb", "pg_ctl"} {
		copyProgram(t, filepath.Join(home, "bin", program), filepath.Join(bin, program))
	}
	links(t, home, movedHome)
	links(t, share, movedShare)
	links(t, filepath.Join(share, "extension"), filepath.Join(movedShare, "extension"))
	for name, text := range extensions {
		if err := os.WriteFile(filepath.Join(movedShare, "extension", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	server, _ := startServer(t, dir, bin)
	return server
}

// links makes links to what is in a folder and not in the other.
func links(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
}

func TestEngine_CarriesRowsOfExtensionsAndNoneOfForeignTables(t *testing.T) {
	t.Parallel()
	w := newWorldOn(t, serverWithExtensions(t))
	w.in("SET ROLE " + ident(w.app) + `; CREATE EXTENSION marks; CREATE EXTENSION nowhere;
		INSERT INTO public.mark VALUES (3, 'of this school', false), (4, 'and this', false);
		INSERT INTO public.scale SELECT 'points ' || i FROM generate_series(1, 20000) i;
		SELECT nextval('public.mark_number'), nextval('public.mark_number');
		CREATE SERVER away FOREIGN DATA WRAPPER nowhere OPTIONS (host 'unreachable');
		CREATE FOREIGN TABLE public.elsewhere (id int, name text) SERVER away;
		CREATE TABLE public.part (id int, region int) PARTITION BY LIST (region);
		CREATE TABLE public.part_here PARTITION OF public.part FOR VALUES IN (1);
		CREATE TABLE public.part_mixed PARTITION OF public.part FOR VALUES IN (3, 4) PARTITION BY LIST (region);
		CREATE TABLE public.part_3 PARTITION OF public.part_mixed FOR VALUES IN (3);
		CREATE FOREIGN TABLE public.part_4 PARTITION OF public.part_mixed FOR VALUES IN (4) SERVER away;
		CREATE TABLE public.part_near PARTITION OF public.part FOR VALUES IN (5) PARTITION BY LIST (region);
		CREATE TABLE public.part_5 PARTITION OF public.part_near FOR VALUES IN (5);
		INSERT INTO public.part SELECT i, unnest('{1,3,5}'::int[]) FROM generate_series(1, 10) i`)
	before := w.state(w.name())
	p, d := w.backup()
	var tables []string
	for _, table := range d.Tables {
		tables = append(tables, table.Name())
	}
	if want := []string{"public.mark", "public.part_3", "public.part_5", "public.part_here", "public.scale"}; !slices.Equal(tables, want) {
		t.Errorf("the backup holds rows of %q, want %q", tables, want)
	}
	if n := p.list[p.of(t, "public.mark")].Table.Rows; n != 2 {
		t.Errorf("it holds %d marks, want the two that the extension did not bring", n)
	}
	for name, text := range map[string]backup.Text{"in pieces": p, "as a whole": whole(p)} {
		a := attempt(1)
		s, _, err := w.loadText(t.Context(), a, backup.Need{}, text, d.Tables)
		if err != nil {
			t.Fatalf("%s: %v", name, describe(err))
		}
		conn := w.connect("br_" + a.Job + "_1")
		var collected []string
		err = conn.QueryRow(t.Context(), "SELECT array_agg(DISTINCT starelid::regclass::text ORDER BY starelid::regclass::text) FROM pg_statistic WHERE starelid >= 16384").Scan(&collected)
		if closed := conn.Close(t.Context()); err != nil || closed != nil {
			t.Fatal(err, closed)
		}
		if want := []string{"mark", "mark_cache", "part_3", "part_5", "part_here", "part_near", "scale"}; !slices.Equal(collected, want) {
			t.Errorf("%s: there are statistics of %q, want %q", name, collected, want)
		}
		if said := strings.Join(s.Warnings(), "\n"); !strings.Contains(said, `ANALYZE "public"."part" `) || !strings.Contains(said, `ANALYZE "public"."part_mixed" `) {
			t.Errorf("%s: the warnings are %q", name, said)
		}
		w.switchIn(s)
		same(t, "restored "+name, w.state(w.name()), before)
	}
}
