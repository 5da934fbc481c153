package backup

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

// Rescue is what a restore of single tables is about. They are put into a new schema of the live database, beside what is there: nothing
// is replaced, so there is nothing to apply or to undo.
type Rescue struct {
	// Schema is new: rescue_ and the restore's id. It is there once the restore is restored, whole, and never before.
	Schema  string         `json:"schema"`
	Comment string         `json:"comment"` // that the schema bears: it names the file and the restore
	Tables  []RescuedTable `json:"tables"`  // in the order in which they were asked for
}

// RescuedTable is a table of a rescue.
type RescuedTable struct {
	Schema string `json:"schema"` // where it was when it was backed up
	Table  string `json:"table"`
	As     string `json:"as"`    // its name in the rescue's schema
	Rows   int64  `json:"rows"`  // of the backup, and of the rescued table: the restore fails where they differ
	Bytes  int64  `json:"bytes"` // of rows as text
	// BringBack is SQL that brings rows back which live lacks, for people to look at and to run; "" until it was tried what is there.
	BringBack string `json:"bringBack,omitempty"`
}

// Name is where the table was, for people to read.
func (t RescuedTable) Name() string { return TableRows{Schema: t.Schema, Table: t.Table}.Name() }

// NewRescue is what the restore of that id is to rescue out of a backup: tables that the backup's record lists.
func NewRescue(id string, b Backup, tables []TableRows) *Rescue {
	r := &Rescue{Schema: "rescue_" + id, Comment: fmt.Sprintf("Tables of %s, a backup of %s, put here by restore %s. Nothing uses them: drop the schema when it is not needed any more.",
		b.Filename, IDTime(b.ID).Format(time.RFC3339), id)}
	names := map[string]int{}
	for _, t := range tables {
		names[t.Table]++
	}
	taken := map[string]bool{}
	for _, t := range tables {
		as := t.Table
		if names[as] > 1 {
			as = t.Schema + "_" + t.Table
		}
		as = free(as, func(name string) bool { return taken[name] || name != t.Table && names[name] > 0 })
		taken[as] = true
		r.Tables = append(r.Tables, RescuedTable{Schema: t.Schema, Table: t.Table, As: as, Rows: t.Rows, Bytes: t.Bytes})
	}
	return r
}

// longestName is how long a name may be, in bytes: servers cut longer ones, or refuse them.
const longestName = 63

// free is the name, cut to what a name may have and numbered where it is taken.
func free(name string, taken func(string) bool) string {
	out := cut(name, longestName)
	for n := 2; taken(out); n++ {
		end := fmt.Sprintf("_%d", n)
		out = cut(name, longestName-len(end)) + end
	}
	return out
}

// cut is the beginning of a name, of n bytes at most and of whole characters.
func cut(name string, n int) string {
	if len(name) <= n {
		return name
	}
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n]
}

// CanRescue is nil where single tables can be rescued out of the backup, else an *Error.
func (b *Backup) CanRescue() error {
	if err := b.Usable(); err != nil {
		return err
	}
	if !b.Indexed {
		return &Error{Code: "backup_not_indexed", Text: "This backup's file has no index, so no single table can be read out of it.",
			Hint: "Backups that are created from now on have one. Restore the whole of this one, or choose another."}
	}
	return nil
}

// Rescued ends a rescue, run as attempt: as rehearsed where nothing was to stay. tables are those of the record, with what was found out
// of each. The report is nil where an earlier attempt had put them there and died before it could tell.
func (r *Restore) Rescued(attempt int, tables []RescuedTable, report *Report, now time.Time) error {
	if r.Rescue == nil {
		return fmt.Errorf("restore %s rescues no tables", r.ID)
	}
	state := Restored
	if r.DryRun {
		state = Rehearsed
	}
	if err := r.end(state, attempt, now); err != nil {
		return err
	}
	r.Rescue.Tables = tables
	if report != nil {
		r.Report = report
	}
	return nil
}

// errRescue is why a rescue can't be followed by anything.
func (r *Restore) errRescue(code Code) error {
	if r.Rescue == nil {
		return nil
	}
	e := &Error{Code: code, Text: "Single tables were rescued into a schema of their own: nothing was replaced, and no copy is kept.",
		Hint: "To keep the tables, start it as a real run."}
	if !r.DryRun {
		e.Hint = "To undo it, drop the schema: the restore shows the SQL."
	}
	return e
}

// RescuePlan is all that an engine has to know to rescue tables.
type RescuePlan struct {
	Rescue
	Encoding string        // of the names and the rows, as the server names it
	Sources  []TableSource // of Tables, in their order
}

// TableSource is where the rows of a table come from, and what they look like.
type TableSource struct {
	Columns []Column // that the rows have, in their order
	Key     []string // the columns of its primary key
	Pieces  int
	// Piece streams the text of one of them: comments, and one statement that loads rows, which follow it. It ends with io.EOF only
	// where it was what was written.
	Piece func(ctx context.Context, i int) (io.ReadCloser, error)
}

// Column is a column of a table's rows.
type Column struct {
	Name    string
	Type    string // as the server wrote it, such as "character varying(80)"
	NotNull bool
}

// KeyAmong reports whether the rows have all columns of the key.
func (s TableSource) KeyAmong() bool {
	return len(s.Key) > 0 && !slices.ContainsFunc(s.Key, func(name string) bool {
		return !slices.ContainsFunc(s.Columns, func(c Column) bool { return c.Name == name })
	})
}

// Rescuing is a rescue under way. Its methods are called in their order here, by one goroutine. Until Commit has returned without error
// nothing of it can be seen by anybody else; an error of Commit leaves it so too, unless the server's answer was lost.
type Rescuing interface {
	// Warnings are what an operator should know that does not keep the rescue from going on.
	Warnings() []string
	// Load makes the tables and loads their rows. What the server confirms, the text and the plan must agree.
	Load(ctx context.Context, report func(Progress)) error
	// Verify counts every table, which must have the rows of the plan, and says what was found out of each.
	Verify(ctx context.Context, report func(Progress)) ([]RescuedTable, error)
	// Commit lets the schema be seen. confirm is called right before; its error stops it.
	Commit(ctx context.Context, confirm func(context.Context) error) error
	// Discard ends it: what was not committed is gone. It works when the other calls' context has ended.
	Discard(ctx context.Context)
}
