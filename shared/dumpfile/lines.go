package dumpfile

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// indexTitle is the first line of the index, by which its member is known.
const indexTitle = "-- backup-restore index\n"

// Limits of an index, so that no file makes a reader take memory without end.
const (
	maxIndexText   = 64 << 20 // bytes of its lines
	maxIndexLength = 32 << 20 // bytes of its member
	maxIndexLine   = 4 << 20  // a table of 1,600 columns with the longest names takes half of it
	maxFileSize    = 1 << 52  // bytes; no sum of sizes below it overflows
	maxRatio       = 1032     // of deflate: text to compressed bytes
	maxMembers     = 1 << 20  // more than an index has room for
)

// What lines hold behind their first word, as JSON.
type (
	headLine struct {
		Version       int  `json:"version"`
		Engine        text `json:"engine,omitempty"`
		ServerVersion text `json:"serverVersion,omitempty"`
		ToolVersion   text `json:"toolVersion,omitempty"`
		Encoding      text `json:"encoding,omitempty"`
	}
	columnLine struct {
		Name    text `json:"name"`
		Type    text `json:"type,omitempty"`
		NotNull bool `json:"notNull,omitempty"`
	}
	tableLine struct {
		Schema    text         `json:"schema"`
		Name      text         `json:"name"`
		Columns   []columnLine `json:"columns,omitempty"`
		Key       []text       `json:"key,omitempty"`
		Extension text         `json:"extension,omitempty"`
		Rows      int64        `json:"rows"`
		Bytes     int64        `json:"bytes"`
	}
	endLine struct {
		Tables  int64 `json:"tables"`
		Members int64 `json:"members"`
		Rows    int64 `json:"rows"`
		Bytes   int64 `json:"bytes"`  // of text, of all members
		Lines   int64 `json:"lines"`  // of text, of all members
		Length  int64 `json:"length"` // of all members: where the index begins
	}
)

// writeIndex writes the text of an index: lines that are all comments, whatever names hold.
func writeIndex(w io.Writer, x *Index, length, lines int64) error {
	b := bufio.NewWriterSize(w, 32<<10)
	e := lineWriter{w: b}
	_, e.err = b.WriteString(indexTitle)
	e.line("head", headLine{x.Version, text(x.Engine), text(x.ServerVersion), text(x.ToolVersion), text(x.Encoding)})
	end := endLine{Tables: int64(len(x.Tables)), Members: int64(len(x.Members)), Lines: lines, Length: length}
	for _, t := range x.Tables {
		l := tableLine{Schema: text(t.Schema), Name: text(t.Name), Key: texts(t.Key), Extension: text(t.Extension), Rows: t.Rows, Bytes: t.Bytes}
		for _, c := range t.Columns {
			l.Columns = append(l.Columns, columnLine{text(c.Name), text(c.Type), c.NotNull})
		}
		e.line("table", l)
	}
	for _, m := range x.Members {
		e.line("member", m)
		end.Rows += m.Rows
		end.Bytes += m.Bytes
	}
	e.line("end", end)
	if e.err == nil && e.total > maxIndexText {
		e.err = fmt.Errorf("write the index: it has %d bytes, more than the %d that are read", e.total, maxIndexText)
	}
	if e.err != nil {
		return e.err
	}
	return b.Flush()
}

type lineWriter struct {
	w     *bufio.Writer
	total int64
	err   error
}

func (e *lineWriter) line(word string, v any) {
	if e.err != nil {
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		e.err = fmt.Errorf("write the index: %w", err)
		return
	}
	n, err := fmt.Fprintf(e.w, "-- %s %s\n", word, body)
	if err == nil && n > maxIndexLine {
		err = fmt.Errorf("write the index: a line has %d bytes, more than the %d that are read", n, maxIndexLine)
	}
	e.total += int64(n)
	e.err = err
}

// indexReader makes an index of its lines. Its errors say what is wrong.
type indexReader struct {
	x     Index
	end   endLine
	stage int // of the line read last: title, head, table, member, end
}

// The stages of an index, in their order.
const (
	atStart = iota
	atTitle
	atHead
	atTable
	atMember
	atEnd
)

// readIndex reads the text of an index whose member begins at offset, and how many lines of text are before it.
func readIndex(r io.Reader, offset int64) (x *Index, lines int64, err error) {
	var p indexReader
	b := bufio.NewReaderSize(r, 64<<10)
	var total int64
	for {
		line, err := readLine(b)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		if total += int64(len(line)); total > maxIndexText {
			return nil, 0, fmt.Errorf("the index has more than %d bytes", maxIndexText)
		}
		if err := p.line(line); err != nil {
			return nil, 0, err
		}
	}
	if p.stage != atEnd {
		return nil, 0, errors.New("the index has no end")
	}
	if err := check(&p.x, p.end, offset); err != nil {
		return nil, 0, err
	}
	return &p.x, p.end.Lines, nil
}

// readLine is the next line with its end. It is io.EOF with no bytes at the end, and with some an error of its own.
func readLine(b *bufio.Reader) ([]byte, error) {
	var long []byte
	for {
		part, err := b.ReadSlice('\n')
		if len(long)+len(part) > maxIndexLine {
			return nil, fmt.Errorf("a line of the index has more than %d bytes", maxIndexLine)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
			continue
		case errors.Is(err, io.EOF) && len(long)+len(part) > 0:
			return nil, errors.New("the last line of the index has no end")
		case err != nil:
			return nil, err
		case long == nil:
			return part, nil
		}
		return append(long, part...), nil
	}
}

// words are the first words of lines, and what stages may be before them.
var words = []struct {
	start string
	stage int
	after []int
}{
	{indexTitle, atTitle, []int{atStart}},
	{"-- head ", atHead, []int{atTitle}},
	{"-- table ", atTable, []int{atHead, atTable}},
	{"-- member ", atMember, []int{atHead, atTable, atMember}},
	{"-- end ", atEnd, []int{atHead, atTable, atMember}},
}

func (p *indexReader) line(line []byte) error {
	for _, w := range words {
		if len(line) < len(w.start) || string(line[:len(w.start)]) != w.start {
			continue
		}
		if !slices.Contains(w.after, p.stage) {
			return fmt.Errorf("a line %q of the index is out of its place", w.start)
		}
		p.stage = w.stage
		if err := p.take(line[len(w.start):]); err != nil {
			return fmt.Errorf("a line %q of the index: %w", w.start, err)
		}
		return nil
	}
	return errors.New("a line of the index is none that this version knows")
}

// take takes in the JSON of a line.
func (p *indexReader) take(body []byte) error {
	switch p.stage {
	case atHead:
		var h headLine
		err := json.Unmarshal(body, &h)
		if err == nil && (h.Version < 1 || h.Version > FormatVersion) {
			err = fmt.Errorf("version %d of the format is not known: this program reads up to version %d", h.Version, FormatVersion)
		}
		p.x = Index{Version: h.Version, Engine: string(h.Engine), ServerVersion: string(h.ServerVersion), ToolVersion: string(h.ToolVersion), Encoding: string(h.Encoding)}
		return err
	case atTable:
		var t tableLine
		if err := json.Unmarshal(body, &t); err != nil {
			return err
		}
		table := Table{Schema: string(t.Schema), Name: string(t.Name), Key: stringsOf(t.Key), Extension: string(t.Extension), Rows: t.Rows, Bytes: t.Bytes}
		for _, c := range t.Columns {
			table.Columns = append(table.Columns, Column{string(c.Name), string(c.Type), c.NotNull})
		}
		p.x.Tables = append(p.x.Tables, table)
	case atMember:
		m := Member{Table: -1}
		if err := json.Unmarshal(body, &m); err != nil {
			return err
		}
		p.x.Members = append(p.x.Members, m)
	case atEnd:
		return json.Unmarshal(body, &p.end)
	}
	return nil
}

// check makes sure that an index does not lie, as far as it can be known without the members: they fill the file up to the index at
// offset, come in the order of their kinds, and sum up. After it no sum of sizes overflows.
func check(x *Index, end endLine, offset int64) error {
	sum := endLine{Tables: int64(len(x.Tables)), Lines: end.Lines}
	type counted struct{ rows, bytes int64 }
	tables := make([]counted, len(x.Tables))
	rank, line := 0, int64(1)
	for i, m := range x.Members {
		r, known := ranks[m.Kind]
		switch {
		case !known || m.Kind == indexKind || r < rank || i > 0 && r == rank && m.Kind != Data && m.Kind != LargeObjects:
			return fmt.Errorf("member %d of the index is of the kind %.20q, which does not come there", i, string(m.Kind))
		case m.Offset != sum.Length || m.Length < minMember || m.Length > offset-m.Offset:
			return fmt.Errorf("member %d of the index is not where the one before it ends", i)
		case m.Bytes < 1 || m.Bytes/maxRatio > m.Length || m.Rows < 0 || m.Rows > m.Bytes:
			return fmt.Errorf("member %d of the index can't have its size", i)
		case (m.Kind == Data) != (m.Table >= 0) || m.Table < -1 || m.Table >= len(x.Tables) || m.Table < 0 && m.Rows > 0:
			return fmt.Errorf("member %d of the index is of a table that does not exist", i)
		case i == 0 && m.Line != 1 || i > 0 && (m.Line <= line || m.Line-line > x.Members[i-1].Bytes):
			return fmt.Errorf("member %d of the index can't begin in its line", i)
		}
		if m.Table >= 0 {
			tables[m.Table].rows += m.Rows
			tables[m.Table].bytes += m.Bytes
		}
		rank, line = r, m.Line
		sum.Members++
		sum.Rows += m.Rows
		sum.Bytes += m.Bytes
		sum.Length += m.Length
	}
	for i, t := range x.Tables {
		if t.Name == "" || t.Rows != tables[i].rows || t.Bytes < t.Rows || t.Bytes > tables[i].bytes {
			return fmt.Errorf("table %d of the index is not the sum of its members", i)
		}
	}
	if n := len(x.Members); n > 0 && (end.Lines < line || end.Lines-line >= x.Members[n-1].Bytes) || n == 0 && end.Lines != 0 {
		return errors.New("the index counts other lines than its members have")
	}
	if sum != end || sum.Length != offset {
		return errors.New("the counts of the index are not those of its lines")
	}
	return nil
}
