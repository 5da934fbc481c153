package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// pieces is a text that can be read in parts.
type pieces struct {
	list []backup.Piece
	text [][]byte
	// open takes the place of a piece's reader, where it is not nil.
	open func(i int, r io.Reader) io.Reader
}

var _ backup.Text = (*pieces)(nil)

func (p *pieces) All(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(p.whole())), nil
}

func (p *pieces) Pieces() []backup.Piece { return p.list }

func (p *pieces) Piece(_ context.Context, i int) (io.ReadCloser, error) {
	var r io.Reader = bytes.NewReader(p.text[i])
	if p.open != nil {
		r = p.open(i, r)
	}
	if c, ok := r.(io.ReadCloser); ok {
		return c, nil
	}
	return io.NopCloser(r), nil
}

func (p *pieces) whole() []byte { return bytes.Join(p.text, nil) }

// changed is a copy with another text in a piece, whose lines may be more or fewer.
func (p *pieces) changed(i int, old, replacement string) *pieces {
	out := &pieces{open: p.open}
	for n, text := range p.text {
		if n == i {
			if !bytes.Contains(text, []byte(old)) {
				panic("the piece does not have what is to be changed: " + old)
			}
			text = bytes.Replace(text, []byte(old), []byte(replacement), 1)
		}
		out.add(p.list[n].Table, text)
	}
	return out
}

// recounted says other rows of a piece than it has.
func (p *pieces) recounted(i int, more int64) *pieces {
	out := &pieces{list: append([]backup.Piece(nil), p.list...), text: p.text}
	out.list[i].Table.Rows += more
	return out
}

func (p *pieces) add(table backup.TableRows, text []byte) {
	line := int64(1)
	if n := len(p.list); n > 0 {
		line = p.list[n-1].Line + int64(bytes.Count(p.text[n-1], []byte("\n")))
	}
	p.list = append(p.list, backup.Piece{Table: table, Line: line, Bytes: int64(len(text))})
	p.text = append(p.text, text)
}

// cut makes two pieces of each that has more rows than that.
func (p *pieces) cut(rows int64) *pieces {
	out := &pieces{open: p.open}
	for i, piece := range p.list {
		text, table := p.text[i], piece.Table
		for table.Rows > rows {
			head := bytes.Index(text, []byte(" FROM stdin;\n")) + len(" FROM stdin;\n")
			end := head
			for range rows {
				end += bytes.IndexByte(text[end:], '\n') + 1
			}
			first := append(append([]byte{}, text[:end]...), "\\.\n\n"...)
			out.add(backup.TableRows{Schema: table.Schema, Table: table.Table, Rows: rows}, first)
			text = append(append([]byte{}, text[:head]...), text[end:]...)
			table.Rows -= rows
		}
		out.add(table, text)
	}
	return out
}

// of is the first piece of a table, and that behind all rows where the name is "".
func (p *pieces) of(t *testing.T, name string) int {
	t.Helper()
	for i, piece := range p.list {
		if name != "" && piece.Table.Name() == name {
			return i
		}
	}
	if name != "" {
		t.Fatalf("no piece has rows of %s", name)
	}
	return len(p.list) - 1
}

// backup makes a backup and returns its text in pieces.
func (w *world) backup() (*pieces, backup.Dumped) {
	w.t.Helper()
	file, d := w.file(backup.Selection{})
	index, err := dumpfile.ReadIndex(func(offset, length int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(file[offset : offset+length])), nil
	}, int64(len(file)))
	if err != nil {
		w.t.Fatal(err)
	}
	p := &pieces{}
	for _, m := range index.Members {
		text, err := io.ReadAll(m.Open(bytes.NewReader(file[m.Offset : m.Offset+m.Length])))
		if err != nil {
			w.t.Fatal(err)
		}
		var table backup.TableRows
		if m.Table >= 0 {
			table = backup.TableRows{Schema: index.Tables[m.Table].Schema, Table: index.Tables[m.Table].Name, Rows: m.Rows}
		}
		p.add(table, text)
		if n := len(p.list); p.list[n-1].Line != m.Line {
			w.t.Fatalf("member %d begins at line %d, and the index says %d", n, p.list[n-1].Line, m.Line)
		}
	}
	return p, d
}

// whole is a text of which nobody wants pieces.
func whole(p *pieces) backup.Text { return plainText{bytes.NewReader(p.whole())} }

// stage stages a copy and discards it with the test.
func (w *world) stage(a backup.Attempt, need backup.Need) backup.Staged {
	w.t.Helper()
	s, err := w.engine.Stage(w.t.Context(), w.target, a, need)
	if err != nil {
		w.t.Fatalf("stage: %v", describe(err))
	}
	w.t.Cleanup(func() { _ = s.Discard(context.Background()) })
	return s
}

// loadText stages, loads and verifies a text. The error is that of Load or Verify.
func (w *world) loadText(ctx context.Context, a backup.Attempt, need backup.Need, text backup.Text, want []backup.TableRows) (backup.Staged, backup.Loaded, error) {
	w.t.Helper()
	s := w.stage(a, need)
	loaded, err := s.Load(ctx, text, nil)
	if err == nil {
		err = s.Verify(ctx, backup.Want{Tables: want, Exact: true}, nil)
	}
	return s, loaded, err
}

// switchIn switches a copy in.
func (w *world) switchIn(s backup.Staged) {
	w.t.Helper()
	switched, err := s.Switch(w.t.Context(), yes)
	if err != nil {
		w.t.Fatalf("switch: %v", describe(err))
	}
	w.t.Cleanup(func() { w.drop(switched.Kept) })
	if err := s.Discard(w.t.Context()); err != nil {
		w.t.Fatalf("discard: %v", describe(err))
	}
}

// ownDump is what an inspection says of a file of ours.
func ownDump(d backup.Dumped) backup.Need {
	return backup.Need{Inspection: &backup.Inspection{Engine: "postgres", Completeness: backup.Proven, Extensions: []string{"hstore"}}, Tables: d.Tables}
}

// mesh is a schema in which much can be done at the same time, and much can't.
const mesh = `SET ROLE %s;
CREATE EXTENSION btree_gist SCHEMA public;
CREATE TABLE public.big (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a int, b text, twice int GENERATED ALWAYS AS (a * 2) STORED, during int4range);
INSERT INTO public.big (a, b, during) SELECT i %% 97, md5(i::text), int4range(i, i + 1) FROM generate_series(1, 20000) i;
CREATE INDEX big_a ON public.big (a);
CREATE INDEX big_b ON public.big (b) INCLUDE (a) WHERE a > 3;
CREATE INDEX big_sum ON public.big ((a + 1), lower(b));
ALTER INDEX public.big_sum ALTER COLUMN 1 SET STATISTICS 300;
ALTER TABLE public.big ADD CONSTRAINT big_apart EXCLUDE USING gist (during WITH &&);
ALTER TABLE public.big CLUSTER ON big_a;
COMMENT ON INDEX public.big_a IS 'an "index"';
COMMENT ON CONSTRAINT big_apart ON public.big IS 'never two';
CREATE UNLOGGED TABLE public.passing (id int, t timestamptz DEFAULT '2026-01-02 03:04:05+00');
INSERT INTO public.passing SELECT i FROM generate_series(1, 20000) i;
CREATE UNIQUE INDEX passing_id ON public.passing (id);
ALTER TABLE public.passing ALTER id SET NOT NULL;
ALTER TABLE public.passing REPLICA IDENTITY USING INDEX passing_id;
CREATE TABLE public.nothing ();
INSERT INTO public.nothing DEFAULT VALUES;
CREATE TABLE public.watched (a int UNIQUE, seen int DEFAULT 0);
INSERT INTO public.watched SELECT i FROM generate_series(1, 30) i;
CREATE TABLE public.log (what text);
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.log VALUES (TG_TABLE_NAME); RETURN NEW; END $$;
CREATE TRIGGER note AFTER INSERT OR DELETE OR TRUNCATE ON public.watched FOR EACH STATEMENT EXECUTE FUNCTION public.note();
CREATE RULE ruled AS ON DELETE TO public.passing DO ALSO INSERT INTO public.log VALUES ('rule');
CREATE TABLE public.people (id int PRIMARY KEY, boss int REFERENCES public.people, big bigint REFERENCES public.big);
INSERT INTO public.people SELECT i, CASE WHEN i > 1 THEN i / 2 END, i FROM generate_series(1, 3000) i;
CREATE TABLE public.parted (region int, day date, who int REFERENCES public.people, val text, PRIMARY KEY (region, day, who)) PARTITION BY LIST (region);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES IN (1);
CREATE TABLE public.parted_2 PARTITION OF public.parted FOR VALUES IN (2) PARTITION BY RANGE (day);
CREATE TABLE public.parted_2_old PARTITION OF public.parted_2 FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE public.parted_2_new PARTITION OF public.parted_2 FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
INSERT INTO public.parted SELECT 1 + i %% 2, date '2025-12-01' + i %% 60, 1 + i %% 3000, 'v' || i FROM generate_series(1, 6000) i ON CONFLICT DO NOTHING;
CREATE INDEX parted_val ON public.parted (val);
CREATE INDEX only_1 ON public.parted_1 (day);
CREATE TABLE public.points (region int, day date, who int, n int, FOREIGN KEY (region, day, who) REFERENCES public.parted) PARTITION BY HASH (n);
CREATE TABLE public.points_0 PARTITION OF public.points FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.points_1 PARTITION OF public.points FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO public.points SELECT region, day, who, row_number() OVER () FROM public.parted LIMIT 500;
CREATE TABLE public.parent (id int PRIMARY KEY, name text);
CREATE TABLE public.child (more text) INHERITS (public.parent);
INSERT INTO public.parent VALUES (1, 'one');
INSERT INTO public.child VALUES (2, 'two', 'more');
CREATE INDEX child_id ON public.child (id);
CREATE TABLE public.entries (id int PRIMARY KEY, who int CONSTRAINT entries_who REFERENCES public.people DEFERRABLE INITIALLY DEFERRED, big bigint CONSTRAINT entries_big REFERENCES public.big ON DELETE CASCADE,
	before int CONSTRAINT entries_before REFERENCES public.entries, text text) WITH (fillfactor = 90);
ALTER TABLE public.entries ADD CONSTRAINT entries_later FOREIGN KEY (id) REFERENCES public.big NOT VALID;
COMMENT ON CONSTRAINT entries_who ON public.entries IS 'checked late';
INSERT INTO public.entries SELECT i, 1 + i %% 3000, 1 + i %% 20000, nullif(i / 2, 0), md5(i::text) FROM generate_series(1, 20000) i;
ALTER TABLE public.passing SET (autovacuum_enabled = on, fillfactor = 95);
CREATE STATISTICS public.correlated ON a, b FROM public.big;
CREATE MATERIALIZED VIEW public.sums AS SELECT a, count(*) FROM public.big GROUP BY a;
CREATE UNIQUE INDEX sums_a ON public.sums (a);
`

func (w *world) mesh() { w.in(fmt.Sprintf(mesh, ident(w.app))) }
