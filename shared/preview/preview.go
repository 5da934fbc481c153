// Package preview shows what a table of a backup holds, without restoring it: [Read] reads the first rows of one table out of a dump file
// that has an index, and little more of the file than that.
//
// What is shown is no proof: only the part of a member that was needed is read, so its checksum is not looked at.
package preview

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// Files is the part of backup.Files that is used here.
type Files interface {
	OpenRange(ctx context.Context, key, versionID string, offset, length int64) (io.ReadCloser, error)
}

// Table is the beginning of a table.
type Table struct {
	Columns []Column // none for a table without columns, and for one that is not in the file
	// Rows are the first rows. There are fewer than were asked for where the table has no more, or where they are so large that reading
	// on would take too long.
	Rows     [][]Value
	Encoding string // of the script, as the server names it; "" where not known
}

// Column is a column of the rows.
type Column struct {
	Name    string
	Type    string // as the server writes it; "" where not known
	NotNull bool
	Key     bool // a part of the primary key
}

// Value is a value in the server's own words, in valid UTF-8: what can't be read as text of the script's encoding is U+FFFD.
type Value struct {
	Text string
	Null bool
	Cut  bool // Text is the beginning of it only
}

const (
	// MaxValue is how much of a value is shown, in characters.
	MaxValue = 500
	// maxRow is how much of a row is read, in bytes of text.
	maxRow = 1 << 20
	// maxText bounds the text that is unpacked for one preview, in bytes. That of a table with ordinary rows is below 1 MiB.
	maxText = 32 << 20
)

// Read reads the first rows of a table, at most limit. The table's names are those of the backup's record. Its errors are *backup.Error
// where the file is damaged or gone.
//
// The index is read anew each time: that is two calls of S3 and some milliseconds for an index of thousands of members, and people look
// at a handful of tables.
func Read(ctx context.Context, files Files, file backup.Stored, table backup.TableRows, limit int) (Table, error) {
	f := &stored{ctx: ctx, files: files, file: file}
	index, err := dumpfile.ReadIndex(f.open, file.Size)
	if err != nil {
		return Table{}, f.fault(err)
	}
	number := slices.IndexFunc(index.Tables, func(t dumpfile.Table) bool {
		return shown(t.Schema) == table.Schema && shown(t.Name) == table.Table
	})
	if number < 0 {
		if table.Rows > 0 {
			return Table{}, f.fault(fmt.Errorf("the index does not know the table %s", table.Name()))
		}
		return Table{Encoding: index.Encoding}, nil
	}
	p := &reading{limit: limit, left: maxText, text: decoder(index.Encoding)}
	p.Encoding = index.Encoding
	p.describe(index.Tables[number])
	for _, m := range index.Members {
		if m.Kind != dumpfile.Data || m.Table != number {
			continue
		}
		if p.full() {
			break
		}
		if err := p.member(f, m); err != nil {
			return Table{}, f.fault(err)
		}
	}
	return p.Table, nil
}

// shown is a name as records have it: they are JSON, so a byte that is no UTF-8 became U+FFFD.
func shown(name string) string { return string([]rune(name)) }

// stored is the file. It remembers why it could not be read, which a damaged member may only be the consequence of.
type stored struct {
	ctx   context.Context
	files Files
	file  backup.Stored
	err   error
}

// open implements dumpfile.Ranger.
func (f *stored) open(offset, length int64) (io.ReadCloser, error) {
	r, err := f.files.OpenRange(f.ctx, f.file.Key, f.file.VersionID, offset, length)
	if err != nil {
		f.err = err
		return nil, err
	}
	return &watched{r, f}, nil
}

type watched struct {
	io.ReadCloser
	f *stored
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.f.err = err
	}
	return n, err
}

// fault says what is wrong with the file, where it is the file.
func (f *stored) fault(err error) error {
	switch {
	case errors.Is(f.err, backup.ErrNotFound):
		return &backup.Error{Code: backup.CodeFileChanged, Text: "The backup's file is not in the storage (S3) any more.",
			Hint: "Choose another backup, and find out who removed the file.", Cause: err}
	case f.err != nil:
		return fmt.Errorf("read %s: %w", f.file.Key, f.err)
	}
	return &backup.Error{Code: "backup_damaged", Text: "The backup's file is damaged: it could not be read as it was written.",
		Hint: "Choose another backup. A dry run of a restore reads the whole file and tells what can be relied on.", Cause: fmt.Errorf("read %s: %w", f.file.Key, err)}
}

// reading is a preview that is being made.
type reading struct {
	Table
	limit int
	left  int64 // bytes of text that may be unpacked yet
	text  func([]byte) string
}

func (p *reading) full() bool { return len(p.Rows) >= p.limit || p.left <= 0 }

func (p *reading) describe(t dumpfile.Table) {
	for _, c := range t.Columns {
		p.Columns = append(p.Columns, Column{Name: p.text([]byte(c.Name)), Type: p.text([]byte(c.Type)), NotNull: c.NotNull, Key: slices.Contains(t.Key, c.Name)})
	}
}

// member reads rows of one member, until there are enough.
func (p *reading) member(f *stored, m dumpfile.Member) (err error) {
	r, err := f.open(m.Offset, m.Length)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	text := m.Open(r)
	defer func() { _ = text.Close() }()
	bounded := &io.LimitedReader{R: text, N: p.left}
	defer func() { p.left = bounded.N }()
	rows, err := p.rows(bounded)
	for err == nil && len(p.Rows) < p.limit {
		var values []sqltext.Value
		if values, err = rows.Next(); err == nil {
			p.Rows = append(p.Rows, p.row(values))
		}
	}
	if errors.Is(err, io.EOF) || bounded.N == 0 && f.err == nil {
		return nil // the member's end, or that of our patience
	}
	return err
}

// rows finds the rows of a member's text.
func (p *reading) rows(text io.Reader) (*sqltext.Rows, error) {
	s := sqltext.NewScanner(text, sqltext.Options{MaxStatement: maxRow})
	for {
		item, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, errors.New("a member of a table has no COPY")
		case err != nil:
			return nil, err
		case item.Kind != sqltext.Copy:
			continue
		}
		_, _, columns, _ := sqltext.CopyTarget(item.Text)
		if len(p.Columns) != len(columns) { // the index does not tell, as where it was made anew
			p.Columns = nil
			for _, name := range columns {
				p.Columns = append(p.Columns, Column{Name: p.text([]byte(name))})
			}
		}
		// A character has four bytes at most, and one more than is shown tells that it is cut.
		return sqltext.NewRows(s.CopyData(), sqltext.RowLimits{Value: 4 * (MaxValue + 1), Row: maxRow}), nil
	}
}

func (p *reading) row(values []sqltext.Value) []Value {
	if len(p.Columns) == 0 { // an empty line stands for a row of a table without columns
		return []Value{}
	}
	row := make([]Value, 0, len(values))
	for _, v := range values {
		text, cut := first(p.text(v.Text), MaxValue)
		row = append(row, Value{Text: text, Null: v.Null, Cut: v.Cut || cut})
	}
	return row
}

// first is the first n characters of a text, and whether there are more.
func first(text string, n int) (string, bool) {
	for i := range text {
		if n == 0 {
			return strings.Clone(text[:i]), true
		}
		n--
	}
	return text, false
}
