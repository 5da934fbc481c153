package dumpfile

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"
)

// castagnoli is the polynomial of the CRCs of compressed bytes.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Options are the settings of a Writer. The zero value of a field means its default.
type Options struct {
	// Head is what the index says of the whole. Its Tables may grow by AddTable; its Version and Members are the Writer's to say.
	Head Index
	// Level is the level of compression.
	Level Level
	// Memory bounds the compressed bytes that are kept of members which can't be written yet, in bytes. Default: 32 MiB. Members stay
	// beside each other without waiting as long as there is room for one of each goroutine; encoders come on top, 3.5 MiB for each that is open at the same time.
	Memory int64
}

// Writer writes a file. Its methods may be called by several goroutines. Its errors stick, and are those of all its members.
type Writer struct {
	out   io.Writer
	level Level

	mu      sync.Mutex
	changed sync.Cond // blocks came back, the output is free, a member ended, or an error
	err     error
	blocks  blocks
	holder  *MemberWriter // whose bytes go to out now; only its goroutine, or the one that drains, writes there
	waiting []*MemberWriter
	open    [lastRank + 1]int // members that have begun and not ended, by rank
	begun   [lastRank + 1]int
	rank    int // of the last member in the file
	offset  int64
	lines   int64
	index   Index
	idle    []*encoder
	closed  bool
}

// ranks are the places of kinds in a file.
var ranks = map[Kind]int{Schema: 0, Data: 1, LargeObjects: 1, Sequences: 2, Constraints: 3, indexKind: lastRank}

const (
	indexKind Kind = "index" // the Writer's own: no member that the index tells of
	lastRank  int  = 4
)

// NewWriter begins a file. Nothing is written yet.
func NewWriter(out io.Writer, o Options) *Writer {
	w := &Writer{out: out, level: o.Level, blocks: newBlocks(o.Memory), index: o.Head}
	w.changed.L = &w.mu
	w.index.Version = FormatVersion
	w.index.Tables = slices.Clone(o.Head.Tables)
	w.index.Members = nil
	for i := range w.index.Tables {
		w.index.Tables[i].Rows, w.index.Tables[i].Bytes = 0, 0
	}
	return w
}

// AddTable makes a table known and returns its number, for Member. Its rows and bytes are counted by the members.
func (w *Writer) AddTable(t Table) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Rows, t.Bytes = 0, 0
	w.index.Tables = append(w.index.Tables, t)
	return len(w.index.Tables) - 1
}

// Member begins a member. Members of one kind appear in the file in the order in which they are closed, each whole: its bytes are kept
// until then. One that outgrows the memory there is writes on to the file at once, and the others wait for it when theirs is used up.
// table is the number of a Data member's table, and -1 for other kinds.
//
// A member is written after those of earlier kinds that have begun before it ends. One that begins when a later kind is in the file
// already is an error, and so is a second schema, a second member of sequences or of constraints.
func (w *Writer) Member(kind Kind, table int) *MemberWriter {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := &MemberWriter{w: w, member: Member{Kind: kind, Table: table}}
	rank, known := ranks[kind]
	switch {
	case w.err != nil:
	case !known || kind == indexKind:
		w.fail(fmt.Errorf("begin a member: %q is no kind of member", string(kind)))
	case (kind == Data) != (table >= 0) || table >= len(w.index.Tables):
		w.fail(fmt.Errorf("begin a member of kind %s: %d is no number of a table for it", kind, table))
	case w.closed:
		w.fail(errors.New("begin a member: the file has ended"))
	case w.begun[rank] > 0 && kind != Data && kind != LargeObjects:
		w.fail(fmt.Errorf("begin a member of kind %s: there is one", kind))
	case rank < w.rank:
		w.fail(fmt.Errorf("begin a member of kind %s: the file is past its place", kind))
	}
	w.begin(m, rank)
	return m
}

// begin counts a member in. The lock is held.
func (w *Writer) begin(m *MemberWriter, rank int) {
	m.rank = rank
	w.open[rank]++
	w.begun[rank]++
}

// Close writes the index and the trailer, after all members are closed, and returns the index. It does not close what is below.
func (w *Writer) Close() (*Index, error) {
	m, err := w.end()
	if err != nil {
		return nil, err
	}
	if err := writeIndex(m, &w.index, w.offset, w.lines); err != nil {
		m.Discard()
		return nil, err
	}
	if err := m.Close(); err != nil {
		return nil, err
	}
	t := trailer(m.member.Offset, m.member.Length, m.member.CRC) // nobody else uses the output any more
	if err := w.output(t[:]); err != nil {
		w.spoil(err)
		return nil, err
	}
	return &w.index, nil
}

// end makes sure that all members are in the file and begins the index's.
func (w *Writer) end() (*MemberWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && w.holder != nil && w.holder.ended {
		w.changed.Wait() // another goroutine brings it to the file
	}
	for _, n := range w.open {
		if n > 0 && w.err == nil {
			w.fail(errors.New("end the file: a member is open"))
		}
	}
	if w.closed && w.err == nil {
		w.fail(errors.New("end the file: it has ended already"))
	}
	if w.err != nil {
		return nil, w.err
	}
	w.closed = true
	m := &MemberWriter{w: w, member: Member{Kind: indexKind, Table: -1}}
	w.begin(m, lastRank)
	return m, nil
}

// fail makes an error that of the Writer. The lock is held.
func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
	w.changed.Broadcast()
}

// output writes to the file. Whoever calls it holds the output.
func (w *Writer) output(p []byte) error {
	n, err := w.out.Write(p)
	if err == nil && n != len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write the dump file: %w", err)
	}
	return nil
}

// encoder is an encoder that is not in use, or a new one.
func (w *Writer) encoder() *encoder {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.idle); n > 0 {
		e := w.idle[n-1]
		w.idle = w.idle[:n-1]
		return e
	}
	return newEncoder(w.level)
}
