package postgres_test

import (
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
)

const dated = `
CREATE TABLE public.made (id int, updated_at timestamptz NOT NULL, created_at timestamptz);
INSERT INTO public.made SELECT i, '2030-01-01', timestamptz '2026-01-01 00:00:00.000001+05' + i * interval '1 min' FROM generate_series(1, 100) i;
CREATE TABLE public.made_later (day date PRIMARY KEY, born date NOT NULL, "the ""odd' one" timestamp NOT NULL DEFAULT '2026-02-03 04:05:06');
INSERT INTO public.made_later SELECT date '2026-01-01' + i, '2000-01-01' FROM generate_series(1, 10) i;
CREATE TABLE public.odd ("the ""odd' \ one" timestamp NOT NULL DEFAULT '2026-02-03 04:05:06.5');
INSERT INTO public.odd DEFAULT VALUES;
CREATE TABLE public.born (id int, born date NOT NULL, expires_at timestamptz NOT NULL, valid_until timestamptz NOT NULL);
INSERT INTO public.born VALUES (1, '2000-01-01', '2040-01-01', '2040-01-01');
CREATE TABLE public.infinite (created_at date);
INSERT INTO public.infinite VALUES ('infinity'), ('-infinity'), (NULL);
CREATE TABLE public.ancient (created_at date);
INSERT INTO public.ancient VALUES ('0044-03-15 BC'), ('infinity');
CREATE TABLE public.empty (created_at timestamptz);
CREATE TABLE public.other_type (created_at date);
INSERT INTO public.other_type VALUES ('2026-01-01');
CREATE TABLE public.will_be_back (created_at date);
INSERT INTO public.will_be_back VALUES ('2026-01-01');
CREATE TABLE public.large (id int, created_at timestamptz, changed timestamptz);
CREATE INDEX large_changed ON public.large (changed);
CREATE INDEX large_created ON public.large (created_at) WHERE id > 5;
INSERT INTO public.large SELECT i, timestamptz '2026-01-01', timestamptz '2026-01-01 UTC' + i * interval '1 min' FROM generate_series(1, 1000) i;
CREATE TABLE public.large_unindexed (id int PRIMARY KEY, created_at timestamptz);
INSERT INTO public.large_unindexed SELECT i, timestamptz '2026-01-01' FROM generate_series(1, 1000) i;
CREATE TABLE public.unreadable (created_at date);
INSERT INTO public.unreadable VALUES ('2026-01-01');
CREATE TABLE public.hidden (created_at date);
INSERT INTO public.hidden VALUES ('2026-01-01');
`

const lived = `
INSERT INTO public.made SELECT i, '2030-01-01', timestamptz '2026-01-01 00:00:00.000001+05' + i * interval '1 min' FROM generate_series(101, 512) i;
INSERT INTO public.made VALUES (513, '2030-01-01', NULL), (514, '2030-01-01', 'infinity');
DELETE FROM public.made_later WHERE day > '2026-01-05';
INSERT INTO public.infinite VALUES ('2026-05-05');
INSERT INTO public.ancient VALUES ('0043-03-15 BC'), ('2026-01-01'), ('infinity');
INSERT INTO public.empty VALUES ('2026-01-01 UTC'), ('2026-01-02 UTC'), (NULL);
ALTER TABLE public.other_type ALTER created_at TYPE timestamptz;
DROP TABLE public.will_be_back;
CREATE TABLE public.will_be_gone (created_at date);
INSERT INTO public.will_be_gone VALUES ('2026-01-01'), ('2026-01-02');
INSERT INTO public.large SELECT i, timestamptz '2026-01-01', timestamptz '2026-01-01 UTC' + i * interval '1 min' FROM generate_series(1001, 1007) i;
`

func TestStaged_NewestRowsAreTold(t *testing.T) {
	t.Parallel()
	for _, l := range loaders {
		t.Run(string(l.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, l.options...)
			w.in("SET ROLE " + ident(w.app) + ";" + dated)
			text, d := w.dump(attempt(1))
			w.in("SET ROLE " + ident(w.app) + ";" + lived + `RESET ROLE;
				ALTER TABLE public.unreadable OWNER TO postgres; ALTER TABLE public.hidden OWNER TO postgres; GRANT SELECT ON public.hidden TO ` + ident(w.app) + `;
				ALTER TABLE public.hidden ENABLE ROW LEVEL SECURITY`)
			w.engine.SetLargeTable(41 << 10) // large and large_unindexed have more
			_, c := w.compared(attempt(1), text, d.Tables)
			row := func(table string, live, after int64, column, newestLive, newestAfter string, newer int64) backup.TableChange {
				return backup.TableChange{Schema: "public", Table: table, Live: live, After: after, Column: column, NewestLive: newestLive, NewestAfter: newestAfter, NewerInLive: newer}
			}
			want := map[string]backup.TableChange{}
			for _, r := range []backup.TableChange{
				row("made", 514, 100, "created_at", "2026-01-01 03:32:00.000001+00", "2025-12-31 20:40:00.000001+00", 412),
				row("made_later", 4, 10, "day", "2026-01-05", "2026-01-11", 0),
				row("odd", 1, 1, `the "odd' \ one`, "2026-02-03 04:05:06.5", "2026-02-03 04:05:06.5", 0),
				row("born", 1, 1, "", "", "", 0),
				row("infinite", 4, 3, "created_at", "2026-05-05", "", 1),
				row("ancient", 5, 2, "created_at", "2026-01-01", "0044-03-15 BC", 2),
				row("empty", 3, 0, "created_at", "2026-01-02 00:00:00+00", "", 2),
				row("other_type", 1, 1, "", "", "", 0),
				row("will_be_back", -1, 1, "created_at", "", "2026-01-01", 0),
				row("will_be_gone", 2, -1, "created_at", "2026-01-02", "", 0),
				row("large", 1007, 1000, "changed", "2026-01-01 16:47:00+00", "2026-01-01 16:40:00+00", 7),
				row("large_unindexed", 1000, 1000, "", "", "", 0),
				row("unreadable", -1, 1, "", "", "", 0),
				row("hidden", -1, 1, "", "", "", 0),
			} {
				want[r.Table] = r
			}
			if len(c.Tables) != len(want) {
				t.Errorf("%d tables, want %d", len(c.Tables), len(want))
			}
			for _, got := range c.Tables {
				if got != want[got.Table] {
					t.Errorf("got  %+v\nwant %+v", got, want[got.Table])
				}
			}
		})
	}
}

// A report is not worth a wait for somebody's lock.
func TestStaged_ATableThatIsLockedDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in("SET ROLE " + ident(w.app) + "; CREATE TABLE public.a (created_at date); CREATE TABLE public.b (created_at date); INSERT INTO public.b VALUES ('2026-01-01')")
	text, d := w.dump(attempt(1))
	conn := w.connect(w.name())
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE public.a IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	_, c := w.compared(attempt(1), text, d.Tables)
	if len(c.Tables) != 2 || c.Tables[0].Live != -1 || c.Tables[1].Live != 1 || c.Tables[1].NewestLive != "2026-01-01" {
		t.Errorf("tables: %+v", c.Tables)
	}
}
