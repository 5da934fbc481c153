package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Rescue is what a restore of single tables is about.
type Rescue struct {
	Schema     string         `json:"schema" doc:"The new schema of the live database that the tables are put into. It is there, whole, once the restore is restored, and not before." example:"rescue_01kax5r9mv4e8c0d2n6h3tqz7w"`
	Comment    string         `json:"comment" doc:"What the schema bears as its comment: it names the file and the restore."`
	TableCount int            `json:"tableCount" doc:"How many tables are rescued."`
	Tables     []RescuedTable `json:"tables" doc:"The tables, in the order in which they were asked for. Lists have only the first three, without SQL."`
	Drop       string         `json:"drop,omitempty" doc:"SQL that removes the schema and all that is in it, for an administrator to run in the live database. Absent where it is not there."`
}

// RescuedTable is a table of a rescue.
type RescuedTable struct {
	Name      string `json:"name" doc:"The table, as the list of a backup's contents names it." example:"public.pupil"`
	Schema    string `json:"schema" doc:"The schema that it was in."`
	Table     string `json:"table" doc:"Its name there."`
	As        string `json:"as" doc:"Its name in the rescue's schema: its own, and with its schema before it where two tables of the rescue have the same." example:"pupil"`
	Rows      int64  `json:"rows" doc:"How many rows the backup has of it, and the rescued table."`
	Bytes     int64  `json:"bytes" doc:"Bytes of these as text."`
	BringBack string `json:"bringBack,omitempty" doc:"SQL that brings rows back that the live table lacks, for an administrator to look at and to run in the live database. Absent before it was verified, and where the answer would be too large."`
}

const (
	// rescuedInLists is how many tables of a rescue a list shows.
	rescuedInLists = 3
	// maxSQL is the room for the SQL of a rescue.
	maxSQL room = 1 << 20
)

// rescueView shows a rescue, nil where the restore is none.
func rescueView(r backup.Restore, whole bool) *Rescue {
	if r.Rescue == nil {
		return nil
	}
	all := r.Rescue.Tables
	v := &Rescue{Schema: r.Rescue.Schema, Comment: r.Rescue.Comment, TableCount: len(all), Tables: []RescuedTable{}}
	if r.State == backup.Restored {
		v.Drop = fmt.Sprintf("DROP SCHEMA %s CASCADE;", r.Rescue.Schema)
	}
	left := maxSQL
	for _, t := range all {
		if !whole && len(v.Tables) == rescuedInLists {
			break
		}
		out := RescuedTable{Name: tableName(backup.TableRows{Schema: t.Schema, Table: t.Table}), Schema: t.Schema, Table: t.Table, As: t.As, Rows: t.Rows, Bytes: t.Bytes}
		if n := room(weight([]byte(t.BringBack))); whole && n <= left {
			out.BringBack = t.BringBack
			left -= n
		}
		v.Tables = append(v.Tables, out)
	}
	return v
}

// tableNames are names of tables, nil only where the request says nothing of them. A null is an empty list, which is refused as one: whoever
// has chosen nothing does not want everything.
type tableNames []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *tableNames) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, (*[]string)(t)); err != nil {
		return err
	}
	if *t == nil {
		*t = tableNames{}
	}
	return nil
}

// tablesToRescue finds tables of a backup by their names in the list of its contents. A name that is given twice means one table.
func tablesToRescue(b backup.Backup, names []string) ([]backup.TableRows, error) {
	if err := b.CanRescue(); err != nil {
		return nil, err
	}
	known := make(map[string]backup.TableRows, len(b.Tables))
	for _, t := range b.Tables {
		known[tableName(t)] = t
	}
	var found []backup.TableRows
	var unknown []FieldError
	for i, name := range names {
		t, ok := known[name]
		switch {
		case !ok:
			unknown = append(unknown, FieldError{Location: fmt.Sprintf("body.tables[%d]", i), Message: "the backup has no table " + backup.Shorten(name, maxText)})
		case !slices.Contains(found, t):
			found = append(found, t)
		}
	}
	if len(unknown) > 0 {
		p := problem(http.StatusUnprocessableEntity, "table_not_in_backup", "The backup does not hold every table that is to be rescued.",
			"See the list of its contents for the names, and errors for those that it lacks.")
		p.Errors = unknown
		return nil, p
	}
	return found, nil
}

// errRescueOfUpload says that an upload has no tables to choose from.
func errRescueOfUpload() error {
	p := problem(http.StatusUnprocessableEntity, "rescue_of_upload", "Single tables can be rescued out of a backup only, and this is an upload.",
		"Choose a backup of the database, or restore the whole upload.")
	p.Errors = []FieldError{{Location: "body.tables", Message: "only with a backup"}}
	return p
}
