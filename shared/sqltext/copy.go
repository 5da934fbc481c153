package sqltext

import (
	"bytes"
	"io"
)

// copying is the state of a COPY's data.
type copying struct {
	open      bool   // the data has begun and its end was not seen
	midLine   bool   // what comes next does not begin a line
	chunk     []byte // of buf: data that was found and not passed on yet
	rows      int64
	began     int64 // line of the COPY
	untouched bool  // the rest of the COPY's own line was not read yet
}

// beginCopy makes a Copy item of a statement that begins with COPY, where psql would read rows from the script.
func (s *Scanner) beginCopy(item *Item) error {
	c := parseCopy(item.Tokens())
	if !c.fromClient {
		return nil
	}
	if c.binary {
		return &SyntaxError{Line: item.Line, Began: item.Line, What: "binary COPY data can't stand in a script"}
	}
	item.Kind = Copy
	s.copying = copying{open: true, began: item.Line, untouched: true}
	return nil
}

// CopyData is the data of the COPY that Next returned last: its lines as they stand, each with its end, up to and without
// the line `\.`. Its io.EOF means that this line was seen; where the text ends without it, reading fails, and so does
// Next from then on. It also implements io.WriterTo, which passes on the scanner's own buffer without copying; no
// memory is allocated for rows.
func (s *Scanner) CopyData() io.Reader { return &copyReader{s} }

// CopyRows is the number of rows read so far from the COPY that Next returned last. It counts lines, which in the text
// format that dumps use are rows; CSV may have lines within a row.
func (s *Scanner) CopyRows() int64 { return s.copying.rows }

type copyReader struct{ s *Scanner }

func (r *copyReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	chunk, err := r.s.copyChunk()
	if err != nil {
		return 0, err
	}
	n := copy(p, chunk)
	r.s.passed(n)
	return n, nil
}

func (r *copyReader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		chunk, err := r.s.copyChunk()
		if err == io.EOF { //nolint:errorlint // copyChunk returns io.EOF itself
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(chunk)
		r.s.passed(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
		if n < len(chunk) {
			return total, io.ErrShortWrite
		}
	}
}

// passed counts n bytes of the chunk as read.
func (s *Scanner) passed(n int) {
	c := &s.copying
	n = min(n, len(c.chunk))
	rows := int64(bytes.Count(c.chunk[:n], newline))
	c.rows += rows
	s.line += rows // counted stands at pos all the time: see copyChunk
	c.chunk = c.chunk[n:]
	s.pos += n
	s.counted = s.pos
}

// copyChunk returns the next piece of COPY data, of which passed counts what was used. It is io.EOF behind the line `\.`.
func (s *Scanner) copyChunk() ([]byte, error) {
	c := &s.copying
	if s.err != nil {
		return nil, s.err
	}
	if c.untouched {
		if s.err = s.restOfCopyLine(); s.err != nil {
			return nil, s.err
		}
	}
	if !c.open {
		return nil, io.EOF
	}
	if len(c.chunk) > 0 {
		return c.chunk, nil
	}
	if !c.midLine && s.endMarker() {
		c.open = false
		return nil, io.EOF
	}
	if s.at(0) == 0 {
		s.err = s.ended
		if s.err == io.EOF { //nolint:errorlint // it is set to io.EOF itself
			s.err = &SyntaxError{Line: s.Line(), Began: c.began, Fault: Ended, Inside: "rows of COPY",
				What: `the text ends inside COPY data, without \. after its last row`}
		}
		return nil, s.err
	}
	c.chunk, c.midLine = s.dataLines(s.buf[s.pos:])
	return c.chunk, nil
}

// restOfCopyLine skips the rest of the line on which COPY … FROM stdin stands. psql would run SQL there after the data.
func (s *Scanner) restOfCopyLine() error {
	s.copying.untouched = false
	for c := s.at(0); class[c] == space && c != '\n'; c = s.at(0) {
		s.pos++
	}
	if s.at(0) == '-' && s.at(1) == '-' {
		for c := s.at(0); c != 0 && c != '\n'; c = s.at(0) {
			s.pos++
		}
	}
	switch s.at(0) {
	case '\n':
		s.pos++
	case 0: // copyChunk says how it ended
	default:
		return &SyntaxError{Line: s.Line(), Began: s.copying.began,
			What: "there is SQL behind COPY … FROM stdin on its line, where psql would run it after the data"}
	}
	s.lineAt(s.pos)
	return nil
}

// endMarker reads the line `\.` if it is next. Its end may be \n or \r\n, or the end of the text.
func (s *Scanner) endMarker() bool {
	if s.at(0) != '\\' || s.at(1) != '.' {
		return false
	}
	n := 2
	if s.at(n) == '\r' {
		n++
	}
	switch s.at(n) {
	case '\n':
		n++
	case 0:
		if n == 3 || s.ended != io.EOF { //nolint:errorlint // it is set to io.EOF itself
			return false
		}
	default:
		return false
	}
	s.pos += n
	s.lineAt(s.pos)
	return true
}

var maybeMarker = []byte("\n\\.")

// dataLines is the part of text, which may begin as the marker but is not it, that can't hold the marker. midLine says
// that what follows this part does not begin a line.
func (s *Scanner) dataLines(text []byte) (data []byte, midLine bool) {
	if i := bytes.Index(text, maybeMarker); i >= 0 {
		return text[:i+1], false
	}
	switch n := len(text); {
	case text[n-1] == '\n':
		return text, false
	case n > 1 && text[n-1] == '\\' && text[n-2] == '\n':
		return text[:n-1], false
	}
	return text, true
}

// PlainCopy reports whether every line behind a COPY becomes a row: the text format, and nothing that leaves rows out.
func (i Item) PlainCopy() bool {
	behind := false
	var last Token
	for t := range i.Tokens() {
		switch {
		case !behind:
			behind = last.Is("from") && (t.Is("stdin") || t.Is("stdout"))
		case t.Kind == Word && !plainOption(t):
			return false
		case t.Kind == QuotedIdent, t.Kind == String && last.Is("format"):
			return false
		}
		last = t
	}
	return true
}

func plainOption(t Token) bool {
	for _, k := range []string{"with", "freeze", "delimiter", "delimiters", "null", "as", "encoding", "format", "text", "true", "on", "utf8"} {
		if t.Is(k) {
			return true
		}
	}
	return false
}
