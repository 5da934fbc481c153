package postgres_test

import (
	"bytes"
	"context"
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
