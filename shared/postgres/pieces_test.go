package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
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
	return nil, errors.New("the whole was read, and pieces were wanted")
}

func (p *pieces) Pieces() []backup.Piece { return p.list }

func (p *pieces) Piece(_ context.Context, i int) (io.ReadCloser, error) {
	var r io.Reader = bytes.NewReader(p.text[i])
	if p.open != nil {
		r = p.open(i, r)
	}
	return io.NopCloser(r), nil
}

func (p *pieces) add(table backup.TableRows, text []byte) {
	line := int64(1)
	if n := len(p.list); n > 0 {
		line = p.list[n-1].Line + int64(bytes.Count(p.text[n-1], []byte("\n")))
	}
	p.list = append(p.list, backup.Piece{Table: table, Line: line, Bytes: int64(len(text))})
	p.text = append(p.text, text)
}

// table finds the pieces of a table.
func (p *pieces) table(name string) (found []int) {
	for i, piece := range p.list {
		if piece.Table.Name() == name {
			found = append(found, i)
		}
	}
	return found
}

var dataBlock = regexp.MustCompile(`(?m)^--\n-- Data for Name: .*\n--\n\n(COPY .* FROM stdin;\n)`)

// split cuts a plain dump by pg_dump into pieces. Rows of tables with more bytes than chunk are cut into several, each with a COPY of its own.
func split(text []byte, chunk int) *pieces {
	p := &pieces{}
	for {
		at := dataBlock.FindSubmatchIndex(text)
		if at == nil {
			p.add(backup.TableRows{}, text)
			return p
		}
		if rest := bytes.TrimSpace(text[:at[0]]); len(rest) > 0 {
			p.add(backup.TableRows{}, text[:at[0]])
		}
		head, rows := text[at[0]:at[1]], text[at[1]:]
		end := bytes.Index(rows, []byte("\n\\.\n"))
		if bytes.HasPrefix(rows, []byte("\\.\n")) {
			end = -1
		}
		text, rows = rows[end+4:], rows[:end+1]
		schema, table, _, ok := sqltext.CopyTarget(text0(head, at))
		if !ok {
			panic(fmt.Sprintf("no COPY: %s", head))
		}
		for first := true; first || len(rows) > 0; first = false {
			n := len(rows)
			if chunk > 0 && n > chunk {
				n = chunk + bytes.IndexByte(rows[chunk:], '\n') + 1
			}
			piece := append(append([]byte{}, head...), rows[:n]...)
			piece = append(piece, "\\.\n\n\n"...)
			p.add(backup.TableRows{Schema: schema, Table: table, Rows: int64(bytes.Count(rows[:n], []byte("\n"))), Bytes: int64(n)}, piece)
			rows = rows[n:]
		}
		text = bytes.TrimPrefix(text, []byte("\n\n"))
	}
}

// text0 is the COPY at the end of a head.
func text0(head []byte, _ []int) []byte {
	return []byte(strings.TrimSuffix(string(head[bytes.Index(head, []byte("\nCOPY "))+1:]), ";\n"))
}
