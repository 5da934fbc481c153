package dumpfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// Rebuild makes the index of a file anew from what it holds, for one that has lost its index or whose end is damaged: the error is nil
// where the file is whole but for that, and a *CorruptError where the script itself is cut or damaged. With such an error comes the index
// of the members before the damage.
//
// What the text of PostgreSQL's dumps does not tell is lost: the types of columns, keys, extensions, and tables of which the file has no
// member. Names are the bytes of the text, in its encoding. Tables are numbered in the order in which the file has them.
func Rebuild(r io.Reader) (*Index, error) {
	b := rebuilding{script: script{text: newGunzip(r)}, numbers: make(map[[2]string]int)}
	b.scanner = sqltext.NewScanner(&b.script, sqltext.Options{})
	err := b.items()
	return b.index(err)
}

// script is the text of a file's members up to the index, and what is known of them.
type script struct {
	text    *gunzip
	members []part
	total   int64 // bytes of text before the member that is read
	lines   int64
	head    []byte // text of the member that is read already
	open    bool
	ended   bool
	lost    error // what is wrong with the member in the index's place
}

// part is a member of a script.
type part struct {
	Member
	end        int64 // of its text in the whole; -1 before it was read
	copies     int
	setvals    int
	objects    int // statements that write large objects
	statements int // others
	rowBytes   int64
	table      [2]string
	columns    []string
}

// Read implements io.Reader for the whole text.
func (s *script) Read(p []byte) (int, error) {
	for {
		if len(s.head) > 0 {
			n := copy(p, s.head)
			s.head = s.head[n:]
			s.lines += int64(bytes.Count(p[:n], newline))
			return n, nil
		}
		if s.open {
			n, err := s.text.Read(p)
			s.lines += int64(bytes.Count(p[:n], newline))
			if errors.Is(err, io.EOF) {
				s.close()
				err = nil
			}
			if n > 0 || err != nil {
				return n, err
			}
			continue
		}
		if s.ended {
			return 0, io.EOF
		}
		if err := s.next(); err != nil {
			return 0, err
		}
	}
}

// next begins the next member, or ends the script where the index begins or has begun.
func (s *script) next() error {
	err := s.text.next()
	if errors.Is(err, io.EOF) || errors.Is(err, errTrailer) {
		s.ended = true
		return nil
	}
	head := make([]byte, len(indexTitle))
	n := 0
	if err == nil {
		n, err = io.ReadFull(s.text, head)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil // a short text
		}
	}
	head = head[:n]
	if err != nil && s.text.src.failure == nil && bytes.HasPrefix([]byte(indexTitle), head) {
		s.ended, s.lost = true, err // may be the index: the end mark tells
		return nil
	}
	switch {
	case err != nil:
		return err
	case string(head) == indexTitle:
		s.ended = true
		return nil
	case len(s.members) == maxMembers:
		return s.text.damaged("there are more than %d members before it", maxMembers)
	}
	s.head, s.open = head, true
	s.members = append(s.members, part{Member: Member{Offset: s.text.start, Line: s.lines + 1, Table: -1}, end: -1})
	return nil
}

// close ends a member whose checksum was right.
func (s *script) close() {
	m := &s.members[len(s.members)-1]
	m.Length = s.text.src.offset() - m.Offset
	m.CRC = s.text.src.crc()
	m.Bytes = s.text.sum.length
	s.total += m.Bytes
	m.end = s.total
	s.open = false
}

// at is the number of the member that has the text's byte at offset, and the number of members where none has it yet.
func (s *script) at(offset int64) int {
	return sort.Search(len(s.members), func(i int) bool { return s.members[i].end < 0 || s.members[i].end > offset })
}

// rebuilding is an index that is made anew.
type rebuilding struct {
	script  script
	scanner *sqltext.Scanner
	numbers map[[2]string]int
	x       Index
}

// items reads the script and counts what its members have.
func (b *rebuilding) items() error {
	for {
		item, err := b.scanner.Next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		k := b.script.at(item.Offset)
		if item.Kind == sqltext.Copy {
			err = b.copy(k, item)
		} else {
			b.script.members[k].count(item)
		}
		if err != nil {
			return err
		}
	}
}

// count takes in an item that is no COPY.
func (m *part) count(item sqltext.Item) {
	functions, others := 0, 0
	setval, object := false, false
	for _, name := range item.Calls() {
		switch name {
		case "setval":
			setval = true
		case "lo_open", "lowrite", "lo_close":
			object = true
		default:
			others++
		}
		functions++
	}
	verb := sqltext.Verb(item.Text)
	switch {
	case item.Kind != sqltext.Statement:
		m.statements++
	case verb == "SELECT" && functions == 1 && setval:
		m.setvals++
	case verb == "SELECT" && functions > 0 && others == 0 && object, verb == "BEGIN", verb == "COMMIT":
		m.objects++
	default:
		m.statements++
	}
}

// copy takes in a COPY and its rows. Where they are not in one member, it is no member of rows.
func (b *rebuilding) copy(k int, item sqltext.Item) error {
	schema, table, columns, ok := sqltext.CopyTarget(item.Text)
	bytes, err := io.Copy(io.Discard, b.scanner.CopyData())
	if err != nil {
		return err
	}
	rows := b.scanner.CopyRows()
	m := &b.script.members[k]
	if !ok || b.script.at(b.scanner.Offset()-1) != k {
		m.statements++
		return nil
	}
	m.copies++
	m.Rows, m.rowBytes = rows, bytes
	m.table, m.columns = [2]string{schema, table}, columns
	return nil
}

// index is the index of the members that are known, up to an error.
func (b *rebuilding) index(err error) (*Index, error) {
	if f := b.script.text.src.failure; f != nil {
		return nil, fmt.Errorf("read the dump file: %w", f)
	}
	members := b.script.members
	_, marked := b.scanner.EndMark()
	switch {
	case err != nil:
		members = members[:b.script.at(b.scanner.Offset())]
		err = b.corrupt(err)
	case !marked && b.script.lost != nil:
		err = b.corrupt(b.script.lost)
	case !marked:
		err = &CorruptError{Offset: b.script.text.start, What: "the script ends before it without the mark of a complete dump"}
	}
	h := b.scanner.Header()
	b.x = Index{Version: FormatVersion, Engine: "postgres", ServerVersion: h.ServerVersion, ToolVersion: h.ToolVersion, Encoding: b.scanner.ClientEncoding()}
	for i := range members {
		b.member(i, &members[i])
	}
	return &b.x, err
}

// corrupt says where an error of the script is.
func (b *rebuilding) corrupt(err error) error {
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		return corrupt
	}
	at := int64(0)
	if k := b.script.at(b.scanner.Offset()); k < len(b.script.members) {
		at = b.script.members[k].Offset
	}
	return &CorruptError{Offset: at, What: err.Error()}
}

// member takes a member into the index.
func (b *rebuilding) member(i int, m *part) {
	m.Kind = b.kind(i, m)
	if m.Kind != Data {
		m.Rows = 0
		b.x.Members = append(b.x.Members, m.Member)
		return
	}
	n, known := b.numbers[m.table]
	if !known {
		n = len(b.x.Tables)
		b.numbers[m.table] = n
		t := Table{Schema: m.table[0], Name: m.table[1]}
		for _, c := range m.columns {
			t.Columns = append(t.Columns, Column{Name: c})
		}
		b.x.Tables = append(b.x.Tables, t)
	}
	m.Table = n
	b.x.Tables[n].Rows += m.Rows
	b.x.Tables[n].Bytes += m.rowBytes
	b.x.Members = append(b.x.Members, m.Member)
}

// kind is what a member holds, by its statements and the members before it.
func (b *rebuilding) kind(i int, m *part) Kind {
	switch {
	case m.copies == 1 && m.statements+m.setvals+m.objects == 0:
		return Data
	case i == 0:
		return Schema
	case m.copies+m.statements == 0 && m.setvals > 0 && m.objects == 0:
		return Sequences
	case m.copies+m.statements+m.setvals == 0 && m.objects > 0:
		return LargeObjects
	case m.copies+m.statements+m.setvals+m.objects == 0 && b.x.Members[i-1].Kind == LargeObjects && i < len(b.script.members)-1:
		return LargeObjects // a statement that began in the member before
	}
	return Constraints
}
