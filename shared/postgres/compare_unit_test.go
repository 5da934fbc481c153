package postgres

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestCanonical_TellsWhatMeansTheSameFromWhatDoesNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`CHECK (((a)::text = ANY ((ARRAY['x'::character varying, 'y,]('::character varying])::text[])))`, `CHECK (((a)::text = ANY (ARRAY[('x'::character varying)::text, ('y,]('::character varying)::text])))`, true},
		{`((a)::text = ANY ((ARRAY['x'::character varying(3)])::character varying(10)[]))`, `((a)::text = ANY (ARRAY[('x'::character varying(3))::character varying(10)]))`, true},
		{`(n = ANY ((ARRAY[1, f(2, 3)])::bigint[]))`, `(n = ANY (ARRAY[(1)::bigint, (f(2, 3))::bigint]))`, true},
		{`(n = ANY ((ARRAY[1, 2])::public."odd type"[]))`, `(n = ANY (ARRAY[(1)::public."odd type", (2)::public."odd type"]))`, true},
		{`(n = ANY ((ARRAY[1, 2])::bigint[]))`, `(n = ANY (ARRAY[(1)::bigint, (3)::bigint]))`, false},
		{`(n = ANY ((ARRAY[1, 2])::bigint[]))`, `(n = ANY (ARRAY[(1)::integer, (2)::integer]))`, false},
		{`CHECK ((((n >= 1) AND (n <= 5)) AND (m > 0)))`, `CHECK (((n >= 1) AND (n <= 5) AND (m > 0)))`, true},
		{`(((a OR b) OR c) OR d)`, `(a OR b OR c OR d)`, true},
		{`((a OR b) AND c)`, `(a OR b AND c)`, false},
		{`((a AND b) OR c)`, `(a AND b OR c)`, false},
		{`(a AND (b AND c))`, `(a AND b AND c)`, false},
		{`((a + b) + c)`, `(a + b + c)`, false},
		{`((a AND b))`, `(a AND b)`, false},
		{"SELECT a,\n    b\n   FROM t;", `SELECT a, b FROM t;`, true},
		{`SELECT 'a  b'`, `SELECT 'a b'`, false},
		{`SELECT E'a\'((b AND c) AND d)'`, `SELECT E'a\'(b AND c AND d)'`, false},
		{`SELECT "((b AND c) AND d)"`, `SELECT "(b AND c AND d)"`, false},
		{`AS $function$ ((b AND c) AND d) $function$`, `AS $function$ (b AND c AND d) $function$`, false},
		{`AS $function$ a  b $function$`, `AS $function$ a b $function$`, false},
		{`'it''s'`, `'its'`, false},
		{`a)`, `a(`, false},
		{`'unclosed`, `'unclosed'`, false},
	} {
		if got := canonical(c.a) == canonical(c.b); got != c.same {
			t.Errorf("the same is %v:\n  %s\n  %s\n  %s\n  %s", got, c.a, c.b, canonical(c.a), canonical(c.b))
		}
	}
}

// Definitions come from the server, but what is in them comes from whoever wrote the file.
func TestCanonical_EndsWhateverTheTextIs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "(", ")", "[]", "$", "$a", "$a$", "$$", "$a$ x $b$", "E'", `E'\`, `"`, "((ARRAY[", "(ARRAY[1])::", "(ARRAY[1])::[]", "(ARRAY[1])::text[", "\xff\xfe(",
		strings.Repeat("(", 1<<18), strings.Repeat(")", 1<<18), strings.Repeat("[(", 1<<18), strings.Repeat("(a AND ", 1<<16), strings.Repeat("(", 1<<13) + "a AND b" + strings.Repeat(" AND c)", 1<<13)} {
		if got := canonical(text); got != canonical(text) {
			t.Errorf("%.20q has two forms", text)
		}
	}
}

func TestDiffObjects_LeavesOutWhatOnlyRepeats(t *testing.T) {
	t.Parallel()
	table := func(name string) object { return object{kind: "table", name: name} }
	column := func(table, origin, definition string) object {
		return object{kind: "column", name: table + ".a", parent: "table " + table, origin: origin, definition: definition}
	}
	live := []object{table("p"), table("p1"), table("p2"), table("gone"), column("p", "", "int"), column("p1", "p.a", "int"), column("p2", "p1.a", "int"), column("gone", "", "int"),
		{kind: "foreign table", name: "f"}, {kind: "column", name: "f.a", parent: "foreign table f"}, {kind: "materialized view", name: "v"}, {kind: "index", name: "i", parent: "materialized view v"}}
	after := []object{table("p"), table("p1"), table("p2"), table("new"), column("p", "", "bigint"), column("p1", "p.a", "bigint"), column("p2", "p1.a", "bigint"), column("new", "", "int"),
		{kind: "view", name: "v"}}
	changes, n := diffObjects(live, after)
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%s %s %s", c.Change, c.Kind, c.Name))
	}
	want := "removed table gone, added table new, removed foreign table f, added view v, removed materialized view v, changed column p.a"
	if strings.Join(got, ", ") != want || n != 6 {
		t.Errorf("%d changes: %q", n, got)
	}
}

func TestDiffObjects_KeepsToTheSizeOfARecord(t *testing.T) {
	t.Parallel()
	var live, after []object
	for i := range 3 * maxObjects {
		text := strings.Repeat("ü", 4000)
		live = append(live, object{kind: "view", name: fmt.Sprintf("v%05d", i), definition: text + "1"})
		after = append(after, object{kind: "view", name: fmt.Sprintf("v%05d", i), definition: text + "2\xff"})
	}
	live = append(live, object{kind: "table", name: "z"})
	changes, n := diffObjects(live, after)
	if len(changes) != maxObjects || n != 3*maxObjects+1 || changes[0].Name != "z" {
		t.Errorf("%d changes of %d, first %+v", len(changes), n, changes[0].Name)
	}
	first, total := changes[1], 0
	if !strings.HasSuffix(first.Live, "ü1") || !strings.HasSuffix(first.After, "ü2?") || !strings.HasPrefix(first.Live, "… ü") {
		t.Errorf("the difference is not shown: %q, %q", first.Live, first.After)
	}
	for _, c := range changes {
		total += len(c.Live) + len(c.After)
		if !utf8.ValidString(c.Live + c.After) {
			t.Fatalf("%s is cut inside a character", c.Name)
		}
	}
	if total > maxDefinitions || changes[len(changes)-1].Live != "" && total < maxDefinitions/2 {
		t.Errorf("definitions have %d bytes", total)
	}
}

func TestClip_ShowsTheDifference(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 5000)
	for _, c := range []struct {
		text string
		from int
		want string
	}{
		{" short ", 3, "short"}, {long, 0, long[:maxDefinition] + " …"}, {long + "X" + long, 5000, "… " + (long + "X" + long)[4800:4800+maxDefinition] + " …"},
		{long, 5000, "… " + long[4800:]}, {long, 9000, "… " + "a"},
	} {
		if got := clip(c.text, c.from); got != c.want {
			t.Errorf("clip of %d bytes from %d: %d bytes, want %d", len(c.text), c.from, len(got), len(c.want))
		}
	}
}

func TestMoment_RanksByWhatANameSays(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{
		"created_at": 1, "created": 1, "createdAt": 1, "date_created": 1, "CREATION_DATE": 4, "inserted_at": 1, "create_date": 1, "date_joined": 1, "updated_at": 2, "last_modified": 2,
		"modified_on": 2, "write_date": 2, "at": 3, "ts": 3, "day": 3, "marked_at": 3, "occurred_at": 3, "paid_on": 3, "date_of_birth": 0, "born": 0, "birthday": 0, "expires_at": 0,
		"valid_until": 0, "due_date": 0, "deleted_at": 0, "starts_at": 0, "end_date": 0, "scheduled_at": 0, "whatever": 4,
	} {
		if got := (moment{column: name, kind: "timestamptz", notNull: true}).rank(); got != want {
			t.Errorf("%s ranks %d, want %d", name, got, want)
		}
	}
	if (moment{column: "whatever", kind: "date", notNull: true}).rank() != 0 || (moment{column: "whatever", kind: "date", notNull: true, indexed: true}).rank() != 4 {
		t.Error("a date without an index tells nothing")
	}
}

func TestCopySize_GoesByLiveWhereThatIsAlike(t *testing.T) {
	t.Parallel()
	need := func(text, rows int64) backup.Need {
		return backup.Need{SQLBytes: text, Tables: []backup.TableRows{{Rows: rows}}}
	}
	for _, c := range []struct {
		what                      string
		need                      backup.Need
		liveBytes, liveRows, want int64
	}{
		{"as many rows as live", need(100<<20, 1000000), 150 << 20, 1000000, 150 << 20},
		{"half of live's rows", need(100<<20, 1000000), 300 << 20, 2000000, 150 << 20},
		{"live is bloat", need(10<<20, 1000), 100 << 30, 1000, 2 * (10<<20 + 60*1000 + emptyDatabase)},
		{"live is empty", need(100<<20, 1000000), 8 << 20, 0, 100<<20 + 60*1000000 + emptyDatabase},
		{"an upload", backup.Need{Inspection: &backup.Inspection{SQLBytes: 1000, Tables: []backup.TableRows{{Rows: 10}}}}, 0, 0, 1000 + 600 + emptyDatabase},
		{"nothing is known", backup.Need{}, 50 << 20, 100, 50 << 20},
	} {
		if got := copySize(c.need, c.liveBytes, c.liveRows); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, backup.FormatBytes(got), backup.FormatBytes(c.want))
		}
	}
}

func TestMajorOf_ReadsAnyVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"15.18": 15, "9.6.24": 9, "15.18 (Debian 15.18-0+deb12u1)": 15, "PostgreSQL 17beta1": 17, "": 0, "devel": 0, "99999999999999999999": 0} {
		if got := majorOf(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}
