package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// piece is what one COPY reads: a table, or a range of its pages.
type piece struct {
	table    *relation
	number   int   // of the table in the file
	from, to int64 // pages; to is -1 for the end, and both are 0 and -1 for the whole table
	ranged   bool
	weight   int64 // about how many bytes of text
}

// rangeBytes is about how much text a range of pages has: enough that its beginning costs nothing, and little enough that all sessions end at
// about the same time.
const rangeBytes = 64 << 20

// cut makes pieces of a table. Ranges cost the server 4 to 5 % more than the whole, so only what would keep one session busy
// while others have nothing left to do is cut.
func cut(r *relation, number int, total int64, sessions int, rangeBytes int64) []piece {
	whole := piece{table: r, number: number, to: -1, weight: r.bytes()}
	n := whole.weight / rangeBytes
	if sessions == 1 || !r.Heap || r.Condition != "" || len(r.columns) == 0 || n < 2 || whole.weight < total/int64(4*sessions) {
		return []piece{whole}
	}
	n = min(n, r.Pages)
	out := make([]piece, 0, n)
	for i := range n {
		p := piece{table: r, number: number, from: r.Pages * i / n, to: r.Pages * (i + 1) / n, ranged: true, weight: whole.weight / n}
		if i == n-1 {
			p.to = -1
		}
		out = append(out, p)
	}
	return out
}

// statement is the COPY that reads the piece.
func (p piece) statement() string {
	r := p.table
	columns := strings.Join(r.quoted, ", ")
	switch {
	case !p.ranged && r.Condition == "":
		return fmt.Sprintf("COPY %s %sTO STDOUT", r.Quoted, r.list())
	case r.Condition != "":
		return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s %s) TO STDOUT", columns, r.Quoted, r.Condition)
	}
	bounds := fmt.Sprintf("ctid >= '(%d,0)'", p.from)
	if p.to >= 0 {
		bounds += fmt.Sprintf(" AND ctid < '(%d,0)'", p.to)
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s WHERE %s) TO STDOUT", columns, r.Quoted, bounds)
}

// list are the columns of a COPY, with brackets and a space behind; nothing for a table that has none.
func (r *relation) list() string {
	if len(r.quoted) == 0 {
		return ""
	}
	return "(" + strings.Join(r.quoted, ", ") + ") "
}

// head is the text before the rows, as pg_dump writes it, and behindRows what comes behind them.
func (r *relation) head() string {
	return fmt.Sprintf("--\n-- Data for Name: %s; Type: TABLE DATA; Schema: %s; Owner: %s\n--\n\nCOPY %s %sFROM stdin;\n",
		comment(r.Name), comment(r.Schema), comment(r.Owner), r.Quoted, r.list())
}

const behindRows = "\\.\n\n\n"

// plan gives out the pieces, the heaviest first.
type plan struct {
	mu     sync.Mutex
	change sync.Cond
	pieces []piece
	held   []piece // for the session that holds the locks
	busy   int     // sessions without the locks that read a piece
	over   bool
}

func newPlan(pieces []piece) *plan {
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(b.weight, a.weight) })
	p := &plan{pieces: pieces}
	p.change.L = &p.mu
	return p
}

// take is the next piece for a session; false where there is none left for it. first says that it is the one that holds the locks: it stays
// until all others are done, as these may leave a piece to it.
func (p *plan) take(first bool) (piece, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.over:
			return piece{}, false
		case first && len(p.held) > 0:
			next := p.held[0]
			p.held = p.held[1:]
			return next, true
		case len(p.pieces) > 0:
			next := p.pieces[0]
			p.pieces = p.pieces[1:]
			if !first {
				p.busy++
			}
			return next, true
		case !first || p.busy == 0:
			return piece{}, false
		}
		p.change.Wait()
	}
}

// done says that a session without the locks has read its piece.
func (p *plan) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.change.Broadcast()
}

// leave leaves a piece to the session that holds the locks.
func (p *plan) leave(left piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = append(p.held, left)
}

// stop lets nobody take more.
func (p *plan) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.change.Broadcast()
}
