package preview_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
	"github.com/backup-restore/backup-restore/shared/internal/memory"
	"github.com/backup-restore/backup-restore/shared/internal/testenv"
	"github.com/backup-restore/backup-restore/shared/preview"
)

// part is a member of a table: the COPY that it has, and the rows.
type part struct {
	table dumpfile.Table
	head  string
	rows  []string // as they stand, without their line's end
}

// counted counts what is read of a file.
type counted struct {
	*memory.Files
	opened, read int64
}

func (c *counted) OpenRange(ctx context.Context, key, versionID string, offset, length int64) (io.ReadCloser, error) {
	r, err := c.Files.OpenRange(ctx, key, versionID, offset, length)
	if err != nil {
		return nil, err
	}
	c.opened++
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r, c), r}, nil
}

func (c *counted) Write(p []byte) (int, error) {
	c.read += int64(len(p))
	return len(p), nil
}

// write makes a file of parts. Parts of the same table are several members.
func write(t testing.TB, encoding string, parts ...part) (*counted, backup.Stored) {
	t.Helper()
	var out bytes.Buffer
	w := dumpfile.NewWriter(&out, dumpfile.Options{Head: dumpfile.Index{Engine: "postgres", Encoding: encoding}})
	member := func(kind dumpfile.Kind, table int, rows, size int64, text string) {
		m := w.Member(kind, table)
		if _, err := io.WriteString(m, text); err != nil {
			t.Fatal(err)
		}
		m.Rows(rows, size)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	member(dumpfile.Schema, -1, 0, 0, "-- schema\n")
	numbers := map[string]int{}
	for _, p := range parts {
		name := p.table.Schema + "." + p.table.Name
		if _, ok := numbers[name]; !ok {
			numbers[name] = w.AddTable(p.table)
		}
		text := ""
		if len(p.rows) > 0 {
			text = strings.Join(p.rows, "\n") + "\n"
		}
		member(dumpfile.Data, numbers[name], int64(len(p.rows)), int64(len(text)), "--\n-- Data for Name: it's;\n--\n\n"+p.head+" FROM stdin;\n"+text+"\\.\n\n\n")
	}
	member(dumpfile.Constraints, -1, 0, 0, "-- end\n")
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	files := &counted{Files: memory.NewFiles()}
	files.Put("key", "version", out.Bytes())
	return files, backup.Stored{Key: "key", VersionID: "version", Size: int64(out.Len())}
}

func column(name, kind string) dumpfile.Column { return dumpfile.Column{Name: name, Type: kind} }

func wantCode(t *testing.T, err error, code backup.Code) {
	t.Helper()
	var e *backup.Error
	if !errors.As(err, &e) || e.Code != code || e.Text == "" || e.Hint == "" {
		t.Errorf("error %v, want %s with text and hint", err, code)
	}
}

func rowsOf(t preview.Table) (out []string) {
	for _, r := range t.Rows {
		var texts []string
		for _, v := range r {
			switch {
			case v.Null:
				texts = append(texts, "null")
			case v.Cut:
				texts = append(texts, v.Text+"…")
			default:
				texts = append(texts, v.Text)
			}
		}
		out = append(out, strings.Join(texts, "|"))
	}
	return out
}

var (
	pupil = dumpfile.Table{Schema: "public", Name: "pupil", Key: []string{"id"},
		Columns: []dumpfile.Column{{Name: "id", Type: "integer", NotNull: true}, column("name", "character varying(80)"), column("odd\nname", "text")}}
	pupilCopy   = "COPY public.pupil (id, name, \"odd\nname\")"
	pupilRecord = backup.TableRows{Schema: "public", Table: "pupil", Rows: 3}
)

func TestRead_GivesColumnsAndFirstRows(t *testing.T) {
	t.Parallel()
	files, file := write(t, "UTF8",
		part{dumpfile.Table{Schema: "public", Name: "other", Columns: []dumpfile.Column{column("a", "")}}, "COPY public.other (a)", []string{"x"}},
		part{pupil, pupilCopy, []string{`1` + "\t" + `Ada\tL` + "\t" + `\N`, `2` + "\t" + `\\N` + "\t" + ``}},
		part{pupil, pupilCopy, []string{`3` + "\tB\u00e9a\tx"}})
	got, err := preview.Read(t.Context(), files, file, pupilRecord, 100)
	if err != nil {
		t.Fatal(err)
	}
	want := []preview.Column{{Name: "id", Type: "integer", NotNull: true, Key: true}, {Name: "name", Type: "character varying(80)"}, {Name: "odd\nname", Type: "text"}}
	if !cmp.Equal(got.Columns, want) || got.Encoding != "UTF8" {
		t.Errorf("columns %+v of %s", got.Columns, got.Encoding)
	}
	if rows := rowsOf(got); !cmp.Equal(rows, []string{"1|Ada\tL|null", `2|\N|`, "3|Béa|x"}) {
		t.Errorf("rows %q", rows)
	}
	for limit := 1; limit <= 3; limit++ {
		if got, err := preview.Read(t.Context(), files, file, pupilRecord, limit); err != nil || len(got.Rows) != limit {
			t.Errorf("%d rows of %d, %v", len(got.Rows), limit, err)
		}
	}
}

func TestRead_ReadsLittleMoreThanItShows(t *testing.T) {
	t.Parallel()
	row := func(i int) string {
		return fmt.Sprintf("%d\t%x\tx", i, sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	var rows []string
	for i := range 60_000 {
		rows = append(rows, row(i))
	}
	files, file := write(t, "UTF8", part{pupil, pupilCopy, rows}, part{pupil, pupilCopy, rows})
	got, err := preview.Read(t.Context(), files, file, pupilRecord, 100)
	if err != nil || len(got.Rows) != 100 {
		t.Fatalf("%d rows, %v", len(got.Rows), err)
	}
	if files.read > 1<<20 || files.opened > 3 || file.Size < 3<<20 {
		t.Errorf("%d bytes of %d were read, by %d calls", files.read, file.Size, files.opened)
	}
}

func TestRead_CutsLongValuesAtCharacters(t *testing.T) {
	t.Parallel()
	files, file := write(t, "UTF8", part{pupil, pupilCopy, []string{"1\t" + strings.Repeat("ä", 500) + "\t" + strings.Repeat("😀", 501)}})
	got, err := preview.Read(t.Context(), files, file, pupilRecord, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := "1|" + strings.Repeat("ä", 500) + "|" + strings.Repeat("😀", 500) + "…"; rowsOf(got)[0] != want {
		t.Errorf("row %q", rowsOf(got)[0])
	}
}

func TestRead_AGiantRowIsCutAndTheNextIsShown(t *testing.T) {
	t.Parallel()
	giant := "1\t" + strings.Repeat("a", 3<<20) + "\tbehind"
	files, file := write(t, "UTF8", part{pupil, pupilCopy, []string{giant, "2\tb\tc"}})
	got, err := preview.Read(t.Context(), files, file, pupilRecord, 10)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"1|" + strings.Repeat("a", 500) + "…", "2|b|c"}; !cmp.Equal(rowsOf(got), want) {
		t.Errorf("%.100q", rowsOf(got))
	}
	endless := strings.Repeat("a", 40<<20)
	files, file = write(t, "UTF8", part{pupil, pupilCopy, []string{"0\ta\tb", "1\t" + endless + "\tx", "2\tb\tc"}})
	if got, err = preview.Read(t.Context(), files, file, pupilRecord, 10); err != nil || len(got.Rows) != 2 {
		t.Errorf("%d rows were read behind %d MiB, %v", len(got.Rows), len(endless)>>20, err)
	}
}

func TestRead_TextOfOtherEncodings(t *testing.T) {
	t.Parallel()
	for encoding, want := range map[string]string{"LATIN1": "1|Bé|x", "WIN1251": "1|Bй|x", "UTF8": "1|B\ufffd|x", "SQL_ASCII": "1|B\ufffd|x", "EUC_JP": "1|B\ufffd|x", "": "1|B\ufffd|x"} {
		files, file := write(t, encoding, part{pupil, pupilCopy, []string{"1\tB\xe9\tx"}})
		got, err := preview.Read(t.Context(), files, file, pupilRecord, 1)
		if err != nil || rowsOf(got)[0] != want || !utf8.ValidString(rowsOf(got)[0]) {
			t.Errorf("%s: %q, %v", encoding, rowsOf(got), err)
		}
	}
	// A name that is no UTF-8 is in the record as JSON has it.
	odd := dumpfile.Table{Schema: "public", Name: "caf\xe9", Columns: []dumpfile.Column{column("\xe9", "text")}}
	files, file := write(t, "SQL_ASCII", part{odd, "COPY public.\"caf\xe9\" (\"\xe9\")", []string{"x"}})
	got, err := preview.Read(t.Context(), files, file, backup.TableRows{Schema: "public", Table: "caf\ufffd", Rows: 1}, 1)
	if err != nil || len(got.Rows) != 1 || got.Columns[0].Name != "\ufffd" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRead_TablesWithLittleInThem(t *testing.T) {
	t.Parallel()
	nothing := dumpfile.Table{Schema: "public", Name: "nothing"}
	unnamed := dumpfile.Table{Schema: "public", Name: "unnamed"} // of an index that was made anew
	files, file := write(t, "UTF8", part{nothing, "COPY public.nothing", []string{"", ""}}, part{pupil, pupilCopy, nil},
		part{unnamed, "COPY public.unnamed (a, \"B\")", []string{"1\t2"}})
	got, err := preview.Read(t.Context(), files, file, backup.TableRows{Schema: "public", Table: "nothing", Rows: 2}, 10)
	if err != nil || len(got.Columns) != 0 || !cmp.Equal(got.Rows, [][]preview.Value{{}, {}}) {
		t.Errorf("without columns: %+v, %v", got, err)
	}
	if got, err = preview.Read(t.Context(), files, file, pupilRecord, 10); err != nil || len(got.Columns) != 3 || len(got.Rows) != 0 {
		t.Errorf("without rows: %+v, %v", got, err)
	}
	got, err = preview.Read(t.Context(), files, file, backup.TableRows{Schema: "public", Table: "unnamed", Rows: 1}, 10)
	if want := []preview.Column{{Name: "a"}, {Name: "B"}}; err != nil || !cmp.Equal(got.Columns, want) || !cmp.Equal(rowsOf(got), []string{"1|2"}) {
		t.Errorf("of an index without columns: %+v, %v", got, err)
	}
	if got, err = preview.Read(t.Context(), files, file, backup.TableRows{Schema: "public", Table: "left_out"}, 10); err != nil || len(got.Columns)+len(got.Rows) != 0 {
		t.Errorf("not in the file: %+v, %v", got, err)
	}
	_, err = preview.Read(t.Context(), files, file, backup.TableRows{Schema: "public", Table: "left_out", Rows: 1}, 10)
	wantCode(t, err, "backup_damaged")
}

func TestRead_DamagedFileIsSaidToBe(t *testing.T) {
	t.Parallel()
	files, file := write(t, "UTF8", part{pupil, pupilCopy, []string{"1\ta\tb", "2\ta\tb", "3\ta\tb"}})
	r, err := files.Files.OpenRange(t.Context(), "key", "version", 0, file.Size)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	index, err := dumpfile.ReadIndex(func(o, n int64) (io.ReadCloser, error) {
		return files.Files.OpenRange(t.Context(), "key", "version", o, n)
	}, file.Size)
	if err != nil {
		t.Fatal(err)
	}
	data := index.Members[1]
	for name, change := range map[string]func([]byte) []byte{
		"cut":            func(b []byte) []byte { return b[:len(b)-1] },
		"no index":       func(b []byte) []byte { return b[:data.Offset+data.Length] },
		"member's head":  func(b []byte) []byte { b[data.Offset] ^= 1; return b },
		"member's text":  func(b []byte) []byte { clear(b[data.Offset+20 : data.Offset+data.Length]); return b },
		"index's middle": func(b []byte) []byte { b[len(b)-100] ^= 1; return b },
	} {
		content := change(bytes.Clone(whole))
		files.Put("key", name, content)
		_, err := preview.Read(t.Context(), files, backup.Stored{Key: "key", VersionID: name, Size: int64(len(content))}, pupilRecord, 10)
		var e *backup.Error
		if !errors.As(err, &e) || e.Code != "backup_damaged" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = preview.Read(t.Context(), files, backup.Stored{Key: "key", VersionID: "gone", Size: file.Size}, pupilRecord, 10)
	wantCode(t, err, backup.CodeFileChanged)
}

// failing is storage that gives out half-way.
type failing struct{ *memory.Files }

var errWire = errors.New("the wire")

func (f failing) OpenRange(ctx context.Context, key, versionID string, offset, length int64) (io.ReadCloser, error) {
	r, err := f.Files.OpenRange(ctx, key, versionID, offset, length)
	if err != nil || offset > 100 {
		return r, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(r, 10), broken{})), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errWire }

func TestRead_StorageThatFailsIsNotADamagedFile(t *testing.T) {
	t.Parallel()
	files, file := write(t, "UTF8", part{pupil, pupilCopy, []string{"1\ta\tb"}})
	_, err := preview.Read(t.Context(), failing{files.Files}, file, pupilRecord, 10)
	var e *backup.Error
	if !errors.Is(err, errWire) || errors.As(err, &e) {
		t.Errorf("error %v", err)
	}
}

// What the server shows of a row and what the preview shows of it in a dump are the same.
func TestRead_ShowsWhatTheServerShows(t *testing.T) {
	t.Parallel()
	conn, err := pgconn.Connect(t.Context(), testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	const query = `SELECT i, chr(i) || E'\\x\t\n' || i, CASE WHEN i % 3 > 0 THEN ARRAY[i::text, NULL] END FROM generate_series(1, 300) i`
	results, err := conn.Exec(t.Context(), query).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, row := range results[0].Rows {
		var texts []string
		for _, v := range row {
			if v == nil {
				v = []byte("null")
			}
			texts = append(texts, string(v))
		}
		want = append(want, strings.Join(texts, "|"))
	}
	var copied bytes.Buffer
	if _, err := conn.CopyTo(t.Context(), &copied, "COPY ("+query+") TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	files, file := write(t, "UTF8", part{pupil, pupilCopy, strings.Split(strings.TrimSuffix(copied.String(), "\n"), "\n")})
	got, err := preview.Read(t.Context(), files, file, pupilRecord, 500)
	if err != nil || !cmp.Equal(rowsOf(got), want) {
		t.Errorf("%v: %s", err, cmp.Diff(want, rowsOf(got)))
	}
}
