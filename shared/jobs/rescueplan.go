package jobs

import (
	"context"
	"fmt"
	"io"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// rescuePlan reads in the index of the file what the wanted tables look like and where their rows are.
func (r *restoreRun) rescuePlan(ctx context.Context) (backup.RescuePlan, error) {
	src, err := r.source(ctx)
	if err != nil {
		return backup.RescuePlan{}, err
	}
	t, err := openText(ctx, r.Files, src)
	if err != nil {
		return backup.RescuePlan{}, err
	}
	index := t.index
	plan := backup.RescuePlan{Rescue: *r.restore.Rescue, Encoding: index.Encoding}
	at := map[int]int{} // number in the index → in the plan
	for i, table := range plan.Tables {
		number, err := findTable(index, table)
		if err != nil {
			return backup.RescuePlan{}, src.what.unreadable(err)
		}
		at[number] = i
		plan.Sources = append(plan.Sources, tableSource(index.Tables[number]))
	}
	pieces := make([][]int, len(plan.Tables)) // of each table, as numbers in the text
	for n, m := range index.Members {
		if i, ok := at[m.Table]; ok && m.Kind == dumpfile.Data {
			pieces[i] = append(pieces[i], n)
		}
	}
	for i := range plan.Sources {
		plan.Sources[i].Pieces = len(pieces[i])
		plan.Sources[i].Piece = func(ctx context.Context, n int) (io.ReadCloser, error) { return t.Piece(ctx, pieces[i][n]) }
	}
	return plan, nil
}

// findTable is the number of a table in the index, which has the rows that the record says.
func findTable(index *dumpfile.Index, t backup.RescuedTable) (int, error) {
	found := -1
	for i, other := range index.Tables {
		if inRecord(other.Schema) != t.Schema || inRecord(other.Name) != t.Table {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("the index has more than one table that may be %s", t.Name())
		}
		found = i
	}
	if found < 0 {
		return 0, fmt.Errorf("the index has no table %s", t.Name())
	}
	if n := index.Tables[found].Rows; n != t.Rows {
		return 0, fmt.Errorf("the index has %d rows of %s, and the record %d", n, t.Name(), t.Rows)
	}
	return found, nil
}

// inRecord is a name as records have it: they are JSON, so a byte that is no UTF-8 became U+FFFD.
func inRecord(name string) string { return string([]rune(name)) }

func tableSource(t dumpfile.Table) backup.TableSource {
	s := backup.TableSource{Key: t.Key}
	for _, c := range t.Columns {
		s.Columns = append(s.Columns, backup.Column{Name: c.Name, Type: c.Type, NotNull: c.NotNull})
	}
	return s
}
