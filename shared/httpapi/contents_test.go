package httpapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
	"github.com/backup-restore/backup-restore/shared/httpapi"
	"github.com/backup-restore/backup-restore/shared/httpapi/gateway"
)

// oddNames are tables that paths have trouble with. Each has one row, which is its number.
var oddNames = []backup.TableRows{
	{Schema: "public", Table: "pupil"}, {Schema: "public", Table: "a/b"}, {Schema: "public", Table: "what?"}, {Schema: "public", Table: "100%"},
	{Schema: "public", Table: "a b"}, {Schema: "public", Table: "a#b"}, {Schema: "public", Table: "schüler"}, {Schema: "public", Table: `qu"ote`},
	{Schema: "public", Table: "../../x"}, {Schema: "public", Table: "//"}, {Schema: "public", Table: "."}, {Schema: "public", Table: "a+b&c=d;e"},
	{Schema: "a.b", Table: "c"}, {Schema: "a", Table: "b.c"}, {Schema: "public", Table: "a%41b"}, {Schema: "public", Table: "x\ny"}, {Schema: "public", Table: "%"},
}

// indexed puts a created backup of these tables into the records, and its file into the bucket.
func (w *world) indexed(tables []backup.TableRows, columns int, rows func(table, row int) string) backup.Backup {
	w.t.Helper()
	var out bytes.Buffer
	f := dumpfile.NewWriter(&out, dumpfile.Options{Head: dumpfile.Index{Engine: "postgres", Encoding: "UTF8"}})
	member := func(kind dumpfile.Kind, table int, n int64, text string) {
		m := f.Member(kind, table)
		_, err := io.WriteString(m, text)
		m.Rows(n, int64(len(text)))
		if err := errors.Join(err, m.Close()); err != nil {
			w.t.Fatal(err)
		}
	}
	member(dumpfile.Schema, -1, 0, "-- schema\n")
	var names []string
	var described []dumpfile.Column
	for i := range columns {
		names = append(names, fmt.Sprintf("c%d", i))
		described = append(described, dumpfile.Column{Name: names[i], Type: "text", NotNull: i == 0})
	}
	ident := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	for i, t := range tables {
		number := f.AddTable(dumpfile.Table{Schema: t.Schema, Name: t.Table, Columns: described, Key: names[:1]})
		text := "COPY " + ident(t.Schema) + "." + ident(t.Table) + " (" + strings.Join(names, ", ") + ") FROM stdin;\n"
		for row := range t.Rows {
			text += rows(i, int(row)) + "\n"
		}
		member(dumpfile.Data, number, t.Rows, text+"\\.\n")
	}
	member(dumpfile.Constraints, -1, 0, "-- end\n")
	if _, err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	b := w.created("school")
	w.set(b, func(b *backup.Backup) {
		b.Tables, b.Rows, b.Indexed, b.File.Size = tables, backup.TotalRows(tables), true, int64(out.Len())
		b.SnapshotHeld, b.Connections = 4200*time.Millisecond, 2
	})
	w.files.Put(b.File.Key, b.File.VersionID, out.Bytes())
	b, err := w.backups.Get(w.t.Context(), "school", b.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) odd() backup.Backup {
	tables := slices.Clone(oddNames)
	for i := range tables {
		tables[i].Rows, tables[i].Bytes = 1, 10
	}
	return w.indexed(tables, 1, func(table, _ int) string { return fmt.Sprint(table) })
}

func contentsOf(b backup.Backup) string { return "/api/databases/school/backups/" + b.ID + "/contents" }

func TestContents_AreListedByNamePageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var tables []backup.TableRows
	for i := range 250 {
		tables = append(tables, backup.TableRows{Schema: []string{"school", "audit"}[i%2], Table: fmt.Sprintf("t%03d", 249-i), Rows: int64(i), Bytes: int64(10 * i)})
	}
	b := w.created("school")
	w.set(b, func(b *backup.Backup) { b.Tables, b.Rows = tables, 31_125 })
	var names []string
	for path := contentsOf(b) + "?limit=100"; ; {
		page := into[httpapi.Contents](w.do(call{method: "GET", path: path, role: access.Auditor}).want(200))
		if page.TableCount != 250 || page.Matching != 250 || page.Rows != 31_125 || page.Indexed || page.Partial != nil {
			t.Errorf("%+v", page)
		}
		for _, item := range page.Items {
			names = append(names, item.Name)
		}
		if page.Next == "" {
			break
		}
		path = contentsOf(b) + "?limit=100&cursor=" + page.Next
	}
	if len(names) != 250 || !slices.IsSorted(names) || names[0] != "audit.t000" {
		t.Errorf("%d names, from %s", len(names), names[0])
	}
	page := into[httpapi.Contents](w.do(call{method: "GET", path: contentsOf(b) + "?q=AUDIT+t01", role: access.Auditor}).want(200))
	if page.Matching != 5 || page.TableCount != 250 || len(page.Items) != 5 || page.Items[0] != (httpapi.Table{Schema: "audit", Table: "t010", Name: "audit.t010", Rows: 239, Bytes: 2390}) {
		t.Errorf("%+v", page)
	}
	for _, cursor := range []string{"0", "-1", "251", "x", "1e2", strings.Repeat("9", 40)} {
		w.do(call{method: "GET", path: contentsOf(b) + "?cursor=" + cursor, role: access.Auditor}).want(400, "cursor_invalid")
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "q=" + strings.Repeat("a", 201)} {
		w.do(call{method: "GET", path: contentsOf(b) + "?" + query, role: access.Auditor}).want(422, "request_invalid")
	}
	w.do(call{method: "GET", path: contentsOf(b), role: "none"}).want(403, "permission_missing")
	if len(w.entries()) != 0 {
		t.Errorf("a look at the list is recorded: %q", w.entries())
	}
}

func TestContents_OfAPartialBackupSayOfWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.indexed([]backup.TableRows{{Schema: "public", Table: "pupil", Rows: 1}}, 1, func(int, int) string { return "x" })
	w.set(b, func(b *backup.Backup) { b.Selection = &backup.Selection{Exclude: []string{"public.lo*"}} })
	page := into[httpapi.Contents](w.do(call{method: "GET", path: contentsOf(b), role: access.Auditor}).want(200))
	if !page.Indexed || !cmp.Equal(page.Partial, &httpapi.Selection{Exclude: []string{"public.lo*"}}) || len(page.Items) != 1 {
		t.Errorf("%+v", page)
	}
	d := into[httpapi.BackupDetail](w.do(call{method: "GET", path: strings.TrimSuffix(contentsOf(b), "/contents"), role: access.Auditor}).want(200))
	if d.Partial == nil || !d.Indexed || d.SnapshotSeconds != 4.2 || d.Connections != 2 {
		t.Errorf("%+v", d)
	}
}

func TestContents_OfABackupThatIsNotCreatedAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.odd()
	for code, change := range map[string]func(*backup.Backup){
		"backup_not_created": func(b *backup.Backup) { b.State = backup.Running },
		"backup_deleting":    func(b *backup.Backup) { b.Deleting = true },
	} {
		w.set(b, change)
		w.do(call{method: "GET", path: contentsOf(b), role: access.Staff}).want(409, code)
		w.do(call{method: "GET", path: contentsOf(b) + "/public.pupil", role: access.Staff}).want(409, code)
		w.set(b, func(b *backup.Backup) { b.State = backup.Created })
	}
	none := strings.Replace(contentsOf(b), b.ID, backup.NewID(), 1)
	w.do(call{method: "GET", path: none, role: access.Staff}).want(404, "backup_not_found")
	w.do(call{method: "GET", path: none + "/public.pupil", role: access.Staff}).want(404, "backup_not_found")
}

func TestPreview_ShowsRowsToWhoMayDownloadAndRecordsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.indexed([]backup.TableRows{{Schema: "public", Table: "pupil", Rows: 7, Bytes: 70}}, 2, func(_, row int) string {
		return fmt.Sprintf("%d\t%s", row, []string{`\N`, `N\\A`, strings.Repeat("ä", 501), "<b>&\\t\x7f", "", "\xff\xfe", "x"}[row])
	})
	path := contentsOf(b) + "/public.pupil"
	w.do(call{method: "GET", path: path, role: access.Auditor}).want(403, "permission_missing").has("backups:download").lacks("ä")
	w.do(call{method: "GET", path: path}).want(401)
	if len(w.entries()) != 0 {
		t.Errorf("what was refused is recorded: %q", w.entries())
	}
	p := into[httpapi.Preview](w.do(call{method: "GET", path: path + "?limit=6", role: access.Staff}).want(200))
	if p.Name != "public.pupil" || p.Rows != 7 || p.Encoding != "UTF8" || len(p.First) != 6 {
		t.Errorf("%+v", p)
	}
	if want := []httpapi.ColumnOfTable{{Name: "c0", Type: "text", NotNull: true, Key: true}, {Name: "c1", Type: "text"}}; !cmp.Equal(p.Columns, want) {
		t.Errorf("columns %+v", p.Columns)
	}
	want := []httpapi.ValueOfRow{{Null: true}, {Text: `N\A`}, {Text: strings.Repeat("ä", 500), Cut: true}, {Text: "<b>&\t\x7f"}, {}, {Text: "\ufffd"}}
	for i, row := range p.First {
		if !cmp.Equal(row.Values, []httpapi.ValueOfRow{{Text: fmt.Sprint(i)}, want[i]}) {
			t.Errorf("row %d: %+v", i, row.Values)
		}
	}
	entries, _, err := w.activity.List(t.Context(), backup.Page{Limit: 10})
	if err != nil || len(entries) != 1 || entries[0].Action != "backup.preview" || entries[0].Detail != "public.pupil" || entries[0].Target != b.ID || entries[0].Actor.Subject != "subject-of-operator" {
		t.Errorf("activity %+v, %v", entries, err)
	}
	for _, limit := range []string{"0", "501", "x"} {
		w.do(call{method: "GET", path: path + "?limit=" + limit, role: access.Staff}).want(422, "request_invalid")
	}
}

// What a caller sends arrives as API Gateway hands it on, which decodes a path and cuts it at what looks like a query.
func (w *world) throughGateway(path string) (status int, body string) {
	w.t.Helper()
	raw, err := url.PathUnescape(path)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, _, _ = strings.Cut(raw, "?")
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "ANY /api/{proxy+}", RawPath: raw, Headers: map[string]string{"host": "api.example"}}
	e.RequestContext.DomainName, e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path = "api.example", http.MethodGet, raw
	e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{
		Claims: map[string]string{"sub": "1", "name": "Ada", "token_use": "access", "cognito:groups": "[operator]"}}}
	out, err := gateway.Handler(w.api)(w.t.Context(), e)
	if err != nil {
		w.t.Fatal(err)
	}
	return out.StatusCode, out.Body
}

func TestPreview_FindsTablesOfAnyName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.odd()
	list := into[httpapi.Contents](w.do(call{method: "GET", path: contentsOf(b), role: access.Staff}).want(200))
	if len(list.Items) != len(oddNames) {
		t.Fatalf("%d tables", len(list.Items))
	}
	for _, item := range list.Items {
		number := slices.IndexFunc(oddNames, func(o backup.TableRows) bool { return o.Schema == item.Schema && o.Table == item.Table })
		want := fmt.Sprintf(`"text":"%d"`, number)
		once, twice := url.PathEscape(item.Name), url.PathEscape(url.PathEscape(item.Name))
		w.do(call{method: "GET", path: contentsOf(b) + "/" + once, role: access.Staff}).want(200).has(want)
		w.do(call{method: "GET", path: contentsOf(b) + "/" + twice, role: access.Staff}).want(200).has(want)
		if status, body := w.throughGateway(contentsOf(b) + "/" + twice); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%q, encoded twice, through the gateway: %d %s", item.Name, status, body)
		}
		if strings.ContainsAny(item.Name, "?\n") {
			continue // lost on the way, as the document says
		}
		if status, body := w.throughGateway(contentsOf(b) + "/" + once); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%q, encoded once, through the gateway: %d %s", item.Name, status, body)
		}
	}
	for _, name := range []string{"public.none", "pupil", "none.pupil", "public.Pupil", "%22public%22.pupil", ".", "..", "%2e%2e", "public", "public.pupil%00"} {
		if a := w.do(call{method: "GET", path: contentsOf(b) + "/" + name, role: access.Staff}).want(404); a.problem().Code != "table_not_found" && a.problem().Code != "route_not_found" {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	// Whoever does not quote means one of two here.
	w.do(call{method: "GET", path: contentsOf(b) + "/a.b.c", role: access.Staff}).want(409, "table_ambiguous")
}

func TestPreview_IsNeverLargerThanAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.indexed([]backup.TableRows{{Schema: "public", Table: "wide", Rows: 100}}, 100, func(_, row int) string {
		value := strings.Repeat([]string{"<", `\\`, "ä", "\x01"}[row%4], 600)
		return strings.TrimSuffix(strings.Repeat(value+"\t", 100), "\t")
	})
	a := w.do(call{method: "GET", path: contentsOf(b) + "/public.wide?limit=500", role: access.Staff}).want(200)
	encoded, err := json.Marshal(a.body)
	if err != nil || len(encoded) > 6_000_000 {
		t.Errorf("the answer has %d bytes, %v", len(encoded), err)
	}
	if p := into[httpapi.Preview](a); len(p.First) == 0 || len(p.First) == 100 || p.Rows != 100 {
		t.Errorf("%d rows of %d", len(p.First), p.Rows)
	}
}

func TestPreview_SaysWhyRowsCanNotBeShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.odd()
	path := contentsOf(b) + "/public.pupil"
	content := func(change func([]byte)) {
		t.Helper()
		r, err := w.files.OpenRange(t.Context(), b.File.Key, b.File.VersionID, 0, b.File.Size)
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		change(all)
		w.files.Put(b.File.Key, "version-2", all)
		w.set(b, func(b *backup.Backup) { b.File.VersionID = "version-2" })
	}
	content(func(all []byte) { clear(all[60:200]) })
	w.do(call{method: "GET", path: path, role: access.Staff}).want(409, "backup_damaged")
	content(func(all []byte) { clear(all[len(all)-40:]) })
	w.do(call{method: "GET", path: path, role: access.Staff}).want(409, "backup_damaged")
	w.set(b, func(b *backup.Backup) { b.File.VersionID = "version-3" })
	w.do(call{method: "GET", path: path, role: access.Staff}).want(409, "file_changed")
	w.set(b, func(b *backup.Backup) { b.Indexed = false })
	w.do(call{method: "GET", path: path, role: access.Staff}).want(409, "backup_not_indexed").has("from now on")
	if got := w.entries(); len(got) != 0 {
		t.Errorf("rows were not shown, and this is recorded: %q", got)
	}
}

func TestCreateBackup_OfSomeTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := func(body, key string) answer {
		c := call{method: "POST", path: "/api/databases/school/backups", role: access.Staff, body: body}
		if key != "" {
			c.header = map[string]string{"Idempotency-Key": key}
		}
		return w.do(c)
	}
	v := into[httpapi.Backup](create(`{"include":["public.pupil","school.*"],"exclude":["school.log_*"]}`, "k").want(202))
	want := httpapi.Selection{Include: []string{"public.pupil", "school.*"}, Exclude: []string{"school.log_*"}}
	if v.Partial == nil || !cmp.Equal(*v.Partial, want) || !strings.HasSuffix(v.Filename, "-partial.sql.gz") {
		t.Errorf("%+v", v)
	}
	if b, err := w.backups.Get(t.Context(), "school", v.ID); err != nil || !b.Partial() || !b.Selection.Wants("school.grade") || b.Selection.Wants("school.log_1") {
		t.Errorf("%+v, %v", b.Selection, err)
	}
	if again := into[httpapi.Backup](create(`{"include":["public.pupil","school.*"],"exclude":["school.log_*"]}`, "k").want(202)); again.ID != v.ID {
		t.Error("the same key made another backup")
	}
	create(`{"include":["public.pupil"]}`, "k").want(422, "idempotency_key_reused")
	create("", "k").want(422, "idempotency_key_reused")
	whole := into[httpapi.Backup](create("", "whole").want(202))
	if same := into[httpapi.Backup](create(`{}`, "whole").want(202)); same.ID != whole.ID || same.Partial != nil || strings.Contains(same.Filename, "partial") {
		t.Errorf("%+v", same)
	}
	if v := into[httpapi.Backup](create(`{"include":[],"exclude":[]}`, "").want(202)); v.Partial != nil {
		t.Errorf("%+v", v)
	}
	create(`{"include":["pupil"]}`, "").want(422, "selection_invalid").has("pupil")
	create(`{"exclude":["public."]}`, "").want(422, "selection_invalid")
	create(`{"include":["`+strings.Repeat("a", 201)+`.b"]}`, "").want(422, "request_invalid")
	create(`{"include":[`+strings.Repeat(`"a.b",`, 100)+`"a.b"]}`, "").want(422, "request_invalid")
	create(`{"tables":["a.b"]}`, "").want(422, "request_invalid")
	create(`{"include":"a.b"}`, "").want(422, "request_invalid")
}

func TestCreateRestore_OfAPartialBackupNeedsToBeAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created("school")
	w.set(b, func(b *backup.Backup) { b.Selection = &backup.Selection{Include: []string{"public.pupil"}} })
	start := func(more string) answer {
		return w.do(call{method: "POST", path: schoolRestores, role: access.SuperAdmin, body: `{"source":{"backup":"` + b.ID + `"}` + more + `}`})
	}
	start(`,"dryRun":false,"confirm":"school"`).want(422, "backup_partial").has("public.pupil", "acknowledge")
	start(`,"dryRun":false,"confirm":"school","acceptUnproven":true`).want(422, "backup_partial")
	r := into[httpapi.Restore](start(`,"dryRun":false,"confirm":"school","acceptPartial":true`).want(202))
	if !r.AcceptPartial || r.Partial == nil || r.DryRun {
		t.Errorf("%+v", r)
	}
	dry := into[httpapi.Restore](start("").want(202))
	if dry.AcceptPartial || !cmp.Equal(dry.Partial, &httpapi.Selection{Include: []string{"public.pupil"}}) {
		t.Errorf("%+v", dry)
	}
	if _, err := w.restores.Update(t.Context(), "school", dry.ID, func(r *backup.Restore) error {
		r.State, r.Held = backup.Rehearsed, &backup.Held{Name: "br_x", Until: time.Now().Add(time.Hour)}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	apply := call{method: "POST", path: schoolRestores + "/" + dry.ID + "/apply", role: access.SuperAdmin, body: confirmSchool}
	w.do(apply).want(422, "backup_partial")
	d := into[httpapi.RestoreDetail](w.do(call{method: "GET", path: schoolRestores + "/" + dry.ID, role: access.SuperAdmin}).want(200))
	if d.Can.Apply.Allowed || !strings.Contains(d.Can.Apply.Reason, "partial") {
		t.Errorf("%+v", d.Can.Apply)
	}
	if _, err := w.restores.Update(t.Context(), "school", dry.ID, func(r *backup.Restore) error { r.AcceptPartial = true; return nil }); err != nil {
		t.Fatal(err)
	}
	w.do(apply).want(202)
}
