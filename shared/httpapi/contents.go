package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/preview"
)

const (
	contentsPath = backupPath + "/contents"
	tablePath    = contentsPath + "/{table}"
)

// Selection says of which tables a backup has the rows.
type Selection struct {
	Include []string `json:"include,omitempty" maxItems:"100" maxLength:"200" doc:"Only the rows of these tables: patterns such as public.pupil or school.*, in which * stands for any letters. Absent for all." example:"[\"public.pupil\",\"school.*\"]"`
	Exclude []string `json:"exclude,omitempty" maxItems:"100" maxLength:"200" doc:"Without the rows of these tables." example:"[\"audit.log_*\"]"`
}

func selectionView(s *backup.Selection) *Selection {
	if s == nil || s.All() {
		return nil
	}
	return &Selection{Include: s.Include, Exclude: s.Exclude}
}

// Contents is a page of what a backup holds.
type Contents struct {
	Indexed    bool       `json:"indexed" doc:"Whether rows can be shown: the file has an index. Older backups have none."`
	Partial    *Selection `json:"partial,omitempty" doc:"Of which tables the rows are in the file. Absent where of all."`
	TableCount int        `json:"tableCount" doc:"Number of tables in the file, whatever is asked for here."`
	Rows       int64      `json:"rows" doc:"Rows in all tables."`
	Matching   int        `json:"matching" doc:"Number of tables that have what is looked for in their names."`
	Items      []Table    `json:"items" doc:"The tables whose rows are in the file, in the order of their names."`
	Next       string     `json:"next,omitempty" doc:"The cursor of the next page. Absent on the last one."`
}

// Preview is the beginning of a table.
type Preview struct {
	Table
	Columns  []ColumnOfTable `json:"columns" doc:"The columns of the rows, in their order."`
	First    []RowOfTable    `json:"first" doc:"The first rows. There are fewer than limit where the table has no more, or where the rows are so large that more of them do not fit an answer."`
	Encoding string          `json:"encoding,omitempty" doc:"The encoding of the file, as the server names it. Values are given in UTF-8; what can't be read in this encoding is U+FFFD." example:"UTF8"`
}

// ColumnOfTable is a column.
type ColumnOfTable struct {
	Name    string `json:"name" doc:"Its name." example:"birthday"`
	Type    string `json:"type,omitempty" doc:"Its type, as the server writes it. Absent where not known." example:"character varying(80)"`
	NotNull bool   `json:"notNull,omitempty" doc:"Whether it can't be null."`
	Key     bool   `json:"key,omitempty" doc:"Whether it is part of the primary key."`
}

// RowOfTable is a row.
type RowOfTable struct {
	Values []ValueOfRow `json:"values" doc:"In the order of the columns. Those at the end are missing where a row is larger than 1 MiB."`
}

// ValueOfRow is a value.
type ValueOfRow struct {
	Text string `json:"text" doc:"The value in the server's words: at most its first 500 characters." example:"2012-04-17"`
	Null bool   `json:"null,omitempty" doc:"Whether it is null; text is empty then."`
	Cut  bool   `json:"cut,omitempty" doc:"Whether there is more of it than text has."`
}

func (a *API) registerContents() {
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: contentsPath, Permission: access.BackupsRead}, id: "list-contents", tag: "Backups",
		summary: "List what a backup holds", text: "Its tables, with their rows. The answer comes from the record: the file is not read.",
		refusals: refusals{400: {"cursor_invalid"}, 404: {"backup_not_found", "not_found"}, 409: {"backup_not_created", "backup_deleting"}, 422: {"request_invalid"}},
	}, a.listContents)
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: tablePath, Permission: access.BackupsDownload}, id: "preview-table", tag: "Backups",
		summary: "Show the first rows of a table in a backup",
		text: "Reads them out of the file, and little more of the file than that. It is recorded who looked at which table. What is shown is no proof of the " +
			"file: a dry run is. The table's name goes into the path percent-encoded, best twice: API Gateway decodes paths before it looks at them, and " +
			"loses what follows a question mark or has control characters in it.",
		refusals: refusals{404: {"backup_not_found", "table_not_found", "not_found"}, 422: {"request_invalid"},
			409: {"backup_not_created", "backup_deleting", "backup_not_indexed", "backup_damaged", string(backup.CodeFileChanged), "table_ambiguous"}},
	}, a.previewTable)
}

type contentsInput struct {
	InRecord
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"How many tables, at most."`
	Cursor string `query:"cursor" doc:"Where to go on: next of the page before, with the same q."`
	Q      string `query:"q" maxLength:"200" doc:"Only tables whose schema.table has each of these words in it, in whichever case." example:"pupil"`
}

func (a *API) listContents(ctx context.Context, in *contentsInput) (*output[Contents], error) {
	b, err := a.usableBackup(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	found := findTables(inOrder(b.Tables), in.Q)
	// A created backup's tables do not change any more: a place in their order stays what it is.
	from := 0
	if in.Cursor != "" {
		if from, err = strconv.Atoi(in.Cursor); err != nil || from < 1 || from > len(found) {
			return nil, backup.ErrBadCursor
		}
	}
	out := Contents{Indexed: b.Indexed, Partial: selectionView(b.Selection), TableCount: len(b.Tables), Rows: b.Rows, Matching: len(found), Items: []Table{}}
	to := min(from+in.Limit, len(found))
	for _, t := range found[from:to] {
		out.Items = append(out.Items, tableView(t))
	}
	if to < len(found) {
		out.Next = strconv.Itoa(to)
	}
	return &output[Contents]{out}, nil
}

// usableBackup is a backup that has a file.
func (a *API) usableBackup(ctx context.Context, id string) (backup.Backup, error) {
	b, err := a.findBackup(ctx, id)
	if err != nil {
		return b, err
	}
	return b, b.Usable()
}

// inOrder are the tables in the order of their names.
func inOrder(tables []backup.TableRows) []backup.TableRows {
	return slices.SortedStableFunc(slices.Values(tables), func(x, y backup.TableRows) int {
		if c := strings.Compare(x.Schema, y.Schema); c != 0 {
			return c
		}
		return strings.Compare(x.Table, y.Table)
	})
}

// findTables are the tables whose names have every word in them.
func findTables(tables []backup.TableRows, q string) []backup.TableRows {
	words := strings.Fields(strings.ToLower(q))
	return slices.DeleteFunc(tables, func(t backup.TableRows) bool {
		name := strings.ToLower(t.Name())
		return slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(name, w) })
	})
}

type previewInput struct {
	InRecord
	Table string `path:"table" doc:"The table's name, as the list of the contents has it." example:"public.pupil"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"How many rows, at most."`
}

func (a *API) previewTable(ctx context.Context, in *previewInput) (*output[Preview], error) {
	b, err := a.usableBackup(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	t, err := tableNamed(b.Tables, in.Table)
	if err != nil {
		return nil, err
	}
	if !b.Indexed {
		return nil, problem(http.StatusConflict, "backup_not_indexed", "This backup's file has no index, so no single table can be read out of it.",
			"Backups that are created from now on have one. Download the file to look into it, or rehearse a restore of it.")
	}
	found, err := preview.Read(ctx, a.Files, *b.File, t, in.Limit)
	if err != nil {
		return nil, fmt.Errorf("preview %s of %s: %w", t.Name(), b.ID, err)
	}
	// As with a link to the file, rows are given only to somebody whose name is on record.
	if err := a.record(ctx, actor(ctx), "backup.preview", b.Database, b.ID, "accepted", tableName(t)); err != nil {
		return nil, err
	}
	return &output[Preview]{previewView(tableView(t), found)}, nil
}

func previewView(t Table, found preview.Table) Preview {
	room := maxView
	v := Preview{Table: t, Encoding: found.Encoding}
	v.Columns = fill(&room, found.Columns, len(found.Columns), func(c preview.Column) ColumnOfTable {
		return ColumnOfTable{Name: c.Name, Type: c.Type, NotNull: c.NotNull, Key: c.Key}
	})
	v.First = fill(&room, found.Rows, len(found.Rows), func(values []preview.Value) RowOfTable {
		row := RowOfTable{Values: make([]ValueOfRow, 0, len(values))}
		for _, value := range values {
			row.Values = append(row.Values, ValueOfRow{Text: value.Text, Null: value.Null, Cut: value.Cut})
		}
		return row
	})
	return v
}

// tableName names a table so that no other has that name: schema.table, and a part that has a dot or a quote in it as SQL quotes it.
func tableName(t backup.TableRows) string {
	if t.Schema == "" {
		return quoted(t.Table)
	}
	return quoted(t.Schema) + "." + quoted(t.Table)
}

func quoted(name string) string {
	if name != "" && !strings.ContainsAny(name, `."`) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// tableNamed finds the table that a path names. What was encoded once may have been decoded twice on the way here, and what was encoded
// twice only once; and whoever knows the names may not have quoted them. As long as one table is meant, all that is fine.
func tableNamed(tables []backup.TableRows, name string) (found backup.TableRows, err error) {
	plain := unescaped(name)
	n := 0
	for _, t := range tables {
		for _, own := range []string{tableName(t), t.Name()} {
			if own == name || own == plain || unescaped(own) == name {
				found = t
				n++
				break
			}
		}
	}
	switch n {
	case 1:
		return found, nil
	case 0:
		return found, notFound("table_not_found", "The backup has no table of that name.", "See the list of its contents for the names.")
	}
	return found, problem(http.StatusConflict, "table_ambiguous", "More than one table of the backup may be meant by that name.",
		"Use the name as the list of the contents has it. Where that does not help, download the file.")
}

func unescaped(name string) string {
	if plain, err := url.PathUnescape(name); err == nil {
		return plain
	}
	return name
}

// tableInPath makes the name of a table one segment of its path again: on the way here its slashes were decoded. A path of anything
// else stays as it is.
func tableInPath(r *http.Request) (*http.Request, bool) {
	parts := strings.SplitN(r.URL.Path, "/", 8)
	if len(parts) < 8 || parts[1] != "api" || parts[2] != "databases" || parts[4] != "backups" || parts[6] != "contents" {
		return r, false
	}
	if name := parts[7]; name == "" || name == "." || name == ".." || slices.Contains(parts[3:6], "") {
		return r, false
	}
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	u, out := *r.URL, *r
	u.RawPath, out.URL = strings.Join(parts, "/"), &u
	return &out, true
}
