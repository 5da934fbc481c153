package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// freezeFrom is how many bytes of text a table must have for its rows to be written frozen: the new file that this takes costs more than
// it saves with fewer.
const freezeFrom = 256 << 10

// runPieces runs a text that can be read in pieces: rows of tables that come one behind the other are loaded beside each other, all else
// in its turn.
func (l *loading) runPieces(ctx context.Context, pieces []backup.Piece) error {
	for i := 0; i < len(pieces); {
		end := i + 1
		if nameOf(pieces[i].Table) != (tableName{}) {
			for end < len(pieces) && nameOf(pieces[end].Table) != (tableName{}) {
				end++
			}
			if err := l.loadRows(ctx, pieces, i, end); err != nil {
				return err
			}
		} else {
			r, err := l.text.Piece(ctx, i)
			if err != nil {
				return fmt.Errorf("open the file at line %d: %w", pieces[i].Line, err)
			}
			if err := l.part(ctx, r, pieces[i].Line); err != nil {
				return err
			}
		}
		i = end
	}
	return nil
}

// cargo are pieces of one table that one session loads.
type cargo struct {
	table  tableName
	pieces []int
	bytes  int64
	part   bool // others have more of the table
	freeze bool // its rows are written frozen
}

// hauling is the loading of the rows of some tables.
type hauling struct {
	*loading
	pieces    []backup.Piece
	cargoes   []cargo
	delivered []delivery // by piece
	again     []atomic.Bool
	escapes   bool
	rows      atomic.Int64
	tables    atomic.Int64
}

// loadRows loads the pieces from i up to end, a table by one session as a rule. The largest go first, so that the last to end is not a large one
// that began late.
func (l *loading) loadRows(ctx context.Context, pieces []backup.Piece, i, end int) error {
	if err := l.settle(); err != nil {
		return err
	}
	if l.script != nil {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	l.complete = false
	h := &hauling{loading: l, pieces: pieces, delivered: make([]delivery, len(pieces)), escapes: l.scanner != nil && !l.scanner.StandardConformingStrings()}
	h.sort(i, end)
	crew, err := h.plan(ctx)
	if err != nil {
		return err
	}
	h.again = make([]atomic.Bool, len(h.cargoes))
	h.rows.Store(l.file.tables.total)
	if err := share(ctx, crew, len(h.cargoes), h.haul); err != nil {
		return err
	}
	for n := range h.cargoes {
		if h.again[n].Load() {
			if err := h.haulAll(ctx, l.conn, h.cargoes[n]); err != nil {
				return err
			}
		}
	}
	for n := i; n < end; n++ {
		l.arrived(h.delivered[n])
	}
	l.progress.note(func(p *backup.Progress) {
		p.TablesDone, p.Rows, p.Table = len(l.file.tables.list), l.file.tables.total, ""
	})
	l.tables = nil // they are larger now
	return nil
}

// sort makes cargoes of pieces.
func (h *hauling) sort(i, end int) {
	at := map[tableName]int{}
	for n := i; n < end; n++ {
		name := nameOf(h.pieces[n].Table)
		k, ok := at[name]
		if !ok {
			k = len(h.cargoes)
			at[name] = k
			h.cargoes = append(h.cargoes, cargo{table: name})
		}
		c := &h.cargoes[k]
		c.pieces, c.bytes = append(c.pieces, n), c.bytes+h.pieces[n].Bytes
	}
}

// plan chooses who loads what, and how.
func (h *hauling) plan(ctx context.Context) (crew []*session, err error) {
	crew = []*session{h.conn}
	if h.known, err = h.readLoadTables(ctx, nil); err != nil {
		return nil, err
	}
	if h.conn.TxStatus() != 'I' {
		return crew, nil // what it has done is not to be seen by others yet
	}
	if h.script != nil {
		if free, err := h.orderFree(ctx); err != nil || !free {
			return crew, err
		}
	}
	if h.beside {
		if crew, err = h.crew(ctx, h.e.connections(h.t)); err != nil {
			return nil, err
		}
		if err := h.follow(ctx, crew); err != nil {
			return nil, err
		}
	}
	if err := h.pauseAutovacuum(ctx); err != nil {
		return nil, err
	}
	if len(crew) > 1 {
		h.unpack(len(crew))
		slices.SortStableFunc(h.cargoes, func(a, b cargo) int { return cmp.Compare(b.bytes, a.bytes) })
	}
	for n := range h.cargoes {
		c := &h.cargoes[n]
		t := h.known.named[c.table]
		c.freeze = !c.part && t != nil && t.ordinary && t.untouched && c.bytes >= freezeFrom
	}
	return crew, nil
}

// unpack makes cargoes of their own of the pieces of a table that is so large that the others would be done long before it. Its rows are not
// written frozen then, as that takes one transaction for all.
//
// Measured with a table of 178 MB of text among 205, two cores and two sessions, three times each in turn: median of load and verification
// 15.6 s with the table as a whole, and 14.1 s with its pieces; the server's CPU was the same.
func (h *hauling) unpack(sessions int) {
	var total int64
	for _, c := range h.cargoes {
		total += c.bytes
	}
	large := total / int64(sessions) * 6 / 5
	var out []cargo
	for _, c := range h.cargoes {
		if c.bytes <= large || len(c.pieces) == 1 {
			out = append(out, c)
			continue
		}
		for _, i := range c.pieces {
			out = append(out, cargo{table: c.table, pieces: []int{i}, bytes: h.pieces[i].Bytes, part: true})
		}
	}
	h.cargoes = out
}

// orderFree reports whether an upload has nothing that is run when rows come in, so that their order can't matter. A dump makes its
// triggers behind the rows.
func (l *loading) orderFree(ctx context.Context) (bool, error) {
	found, err := l.query(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal)
		OR EXISTS (SELECT FROM pg_catalog.pg_event_trigger)
		OR EXISTS (SELECT FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.ev_class
			WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,f}'::pg_catalog."char"[]))`)
	if err != nil {
		return false, serverFailure(ctx, err, "look for triggers and rules in the copy")
	}
	return found[0][0] == "f", nil
}

// What the server says where a CHECK of a table looks at rows of another one that are not there yet. pg_dump does not know of it either,
// but such a database may have been restored in its order for years: the table is tried again behind all others.
const (
	checkViolated = "23514"
	raised        = "P0001"
)

// haul loads a table beside others.
func (h *hauling) haul(ctx context.Context, c *session, n int) error {
	err := h.haulAll(ctx, c, h.cargoes[n])
	if state := sqlState(err); err == nil || len(h.others) == 0 || state != checkViolated && state != raised && state != deadlock {
		return err
	}
	if c.TxStatus() != 'I' {
		if err := c.exec(ctx, "ROLLBACK"); err != nil {
			return serverFailure(ctx, err, "take back the rows of "+h.cargoes[n].table.String())
		}
	}
	h.again[n].Store(true)
	return nil
}

// haulAll loads a table: all of it or nothing.
func (h *hauling) haulAll(ctx context.Context, c *session, k cargo) error {
	line := h.pieces[k.pieces[0]].Line
	began := c.TxStatus() == 'I' && (k.freeze || len(k.pieces) > 1)
	if began {
		begin := "BEGIN"
		if k.freeze {
			// Rows can be written frozen into a file that this transaction has made. It saves whoever reads the table first from writing
			// all of it again.
			begin += "; TRUNCATE ONLY " + k.table.quoted()
		}
		if err := c.exec(ctx, begin); err != nil {
			return loadFailure(ctx, err, line, begin)
		}
	}
	for _, i := range k.pieces {
		if err := h.haulPiece(ctx, c, i, k.freeze); err != nil {
			return err
		}
	}
	if began {
		if err := c.exec(ctx, "COMMIT"); err != nil {
			return loadFailure(ctx, err, line, "COMMIT")
		}
	}
	h.tables.Add(1)
	return nil
}

// haulPiece loads a piece, which must hold rows of its table and nothing else.
func (h *hauling) haulPiece(ctx context.Context, c *session, i int, freeze bool) error {
	piece := h.pieces[i]
	r, err := h.text.Piece(ctx, i)
	if err != nil {
		return fmt.Errorf("open the file at line %d: %w", piece.Line, err)
	}
	defer func() { _ = r.Close() }()
	scanner := sqltext.NewScanner(&counted{r, &h.read}, sqltext.Options{MaxStatement: maxStatement, Line: piece.Line, Escapes: h.escapes})
	item, err := scanner.Next()
	switch {
	case errors.Is(err, io.EOF):
		return h.otherPiece(piece, 0)
	case err != nil:
		return h.unreadable(ctx, err)
	}
	into, sql, err := h.admit(item, piece, freeze)
	if err != nil {
		return err
	}
	name, last := piece.Table.Name(), int64(0)
	d, err := h.deliver(ctx, c, scanner, item, sql, func(rows int64) {
		h.progress.note(func(p *backup.Progress) {
			p.Table, p.Bytes, p.Rows, p.TablesDone = name, h.loading.read.Load(), h.rows.Add(rows-last), len(h.file.tables.list)+int(h.tables.Load())
		})
		last = rows
	})
	if err != nil {
		return err
	}
	if d.text != piece.Table.Rows {
		return h.otherPiece(piece, d.text)
	}
	d.filled = into
	h.delivered[i] = d
	switch item, err := scanner.Next(); {
	case err == nil:
		return h.refused(item.Line, string(item.Text))
	case !errors.Is(err, io.EOF):
		return h.unreadable(ctx, err)
	}
	return nil
}

// admit judges the statement of a piece, and returns where its rows go and what is to be run.
func (h *hauling) admit(item sqltext.Item, piece backup.Piece, freeze bool) (into target, sql string, err error) {
	line, text := item.Line, string(item.Text)
	schema, table, _, ok := sqltext.CopyTarget(item.Text)
	if item.Kind != sqltext.Copy || !ok || !plainCopy(parse(item)) || (tableName{schema, table}) != nameOf(piece.Table) {
		return into, "", h.refused(line, text)
	}
	if h.script != nil {
		if hazard := sqltext.NewJudge().Rule(item).Hazard; hazard != nil {
			return into, "", dangerous(hazard)
		}
		t := h.known.named[nameOf(piece.Table)]
		if t == nil || t.kind != "r" {
			return into, "", h.refused(line, text)
		}
		into = target{oid: t.oid, schema: schema, table: table, kind: t.kind}
	}
	if freeze {
		text += "\n WITH (FREEZE)" // on a line of its own: the statement may end in a comment
	}
	return into, text, nil
}

// plainCopy reports whether a statement is COPY schema.table [(columns)] FROM stdin without any option.
func plainCopy(p phrase) bool {
	return p.begins("copy") && len(p) >= 6 && p[2].IsPunct('.') && p.ends("from", "stdin") && p.count("from") == 1 && p.count("with") == 0
}

// otherPiece is the refusal of a file whose text does not have the rows that its index says.
func (s *staged) otherPiece(p backup.Piece, rows int64) error {
	return &backup.Error{Code: backup.CodeVerifyMismatch, Hint: "Nothing was changed. The file is damaged: " + s.another(),
		Text: fmt.Sprintf("From line %d on the file has %d rows of the table %s, and its index says %d.", p.Line, rows, p.Table.Name(), p.Table.Rows)}
}
