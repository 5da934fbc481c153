package sqltext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Kind is the kind of an item.
type Kind int

// The kinds of items.
const (
	Statement Kind = iota + 1
	Copy           // a COPY … FROM stdin, whose rows are to be read from CopyData
	Meta           // a meta-command of psql, such as \restrict
	Comment        // a comment outside statements; only with Options.Comments
)

// Item is a part of the text.
type Item struct {
	Kind   Kind
	Line   int64 // where it begins: its first byte that is neither space nor comment; lines count from 1
	Offset int64 // the same in bytes, from 0
	// Text is the statement without its semicolon, or the meta-command from its backslash without the spaces at its end.
	// It is valid until the next call of the scanner.
	Text []byte
	// Inside marks a meta-command that stands inside a statement that is not finished. The statement follows as an item of
	// its own, with spaces in the command's place. Some commands send the statement as it is so far (\g, \gexec) or change
	// it (\i, \r): whoever does not know the command must not go on.
	Inside bool

	escapes bool
	insert  inserting
}

// Tokens gives the tokens of a statement, read under the standard_conforming_strings that holds for it.
func (i Item) Tokens() iter.Seq[Token] { return tokens(i.Text, i.escapes) }

// Options are a scanner's options. The zero value is ready to use.
type Options struct {
	// MaxStatement is the longest statement in bytes, 64 MiB where it is 0. It bounds the scanner's memory to about twice of
	// it. The server takes up to 1 GiB in one message, but dumps hold no such statements: pg_dump's longest are functions,
	// views and large objects in pieces of 16 KiB, and only with --inserts a row of the table's width. Rows of COPY don't
	// count.
	MaxStatement int
	// Comments makes comments outside statements items of their own.
	Comments bool
	// Line is the line of a whole in which this part of it begins, 1 where it is 0. A part begins between two items.
	Line int64
	// Escapes says that standard_conforming_strings is off where the text begins.
	Escapes bool
}

const (
	defaultMaxStatement = 64 << 20
	bufferSize          = 256 << 10 // large enough for few reads, small enough for the CPU's second cache
)

// SyntaxError says that the text can't be split any further, and where.
type SyntaxError struct {
	Line   int64  // where it was noticed
	What   string // such as "the text ends inside a comment"
	Began  int64  // line where the statement, quote, comment or COPY data began that it is about
	Fault  Fault
	Inside string // what the text ends inside, such as "a comment"; "" for other faults
}

// Fault is the kind of a SyntaxError.
type Fault int

// The kinds of faults.
const (
	Unclear Fault = iota // psql and the server would read it differently, or it can't be in a script
	Ended                // the text ends too early
	TooLong              // a statement is longer than is taken
	NotText              // a byte that no text has
)

func (e *SyntaxError) Error() string {
	if e.Began == e.Line {
		return fmt.Sprintf("line %d: %s", e.Line, e.What)
	}
	return fmt.Sprintf("line %d: %s (it began at line %d)", e.Line, e.What, e.Began)
}

// Scanner splits SQL text into items. It is not safe for concurrent use.
type Scanner struct {
	lexer
	r   io.Reader
	max int

	base    int64 // offset in the text of buf[0]
	line    int64 // of buf[counted]
	counted int
	ended   error // why there is no more text; io.EOF or an error of r or of ours
	err     error // sticky

	// unsureLine is the line that changed standard_conforming_strings: psql reads the rest of it under the old setting.
	unsureLine int64

	statement statement
	copying   copying
	marks     marks
	inside    []byte // text of a meta-command inside a statement
	head      insertHead
	encoding  string // client_encoding as the text sets it; "" for the default
}

// statement is what the scanner knows of the statement it is in.
type statement struct {
	line, offset int64
	parens       int
	body         int     // depth in BEGIN ATOMIC … END and CASE … END
	begin        bool    // the last token was BEGIN, where a body may open
	words        int     // words so far, of which the first four are looked at
	head         [4]byte // of the first four words the letters of CREATE [OR REPLACE] FUNCTION | PROCEDURE
	first        string  // first word, if it is one of those that matter here
	setConfig    bool    // it calls set_config
	insert       inserting
}

// NewScanner returns a scanner of r, whose text is uncompressed.
func NewScanner(r io.Reader, o Options) *Scanner {
	s := &Scanner{r: r, max: o.MaxStatement, line: max(o.Line, 1)}
	if s.max <= 0 {
		s.max = defaultMaxStatement
	}
	s.lexer = lexer{item: -1, comments: o.Comments, escapes: o.Escapes, buf: make([]byte, 0, bufferSize), more: s.read}
	return s
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// Next returns the next item, and io.EOF at an end between two items. Any other end is an error, a *SyntaxError where the
// text is at fault; errors of the reader come back in the chain. After an error every call returns it again. COPY data
// that was not read to its end is skipped.
func (s *Scanner) Next() (Item, error) {
	if s.err != nil {
		return Item{}, s.err
	}
	if s.copying.open {
		if _, err := io.Copy(io.Discard, s.CopyData()); err != nil {
			return Item{}, err
		}
	}
	if s.base+int64(s.pos) == 0 && s.at(2) != 0 && bytes.HasPrefix(s.buf, byteOrderMark) {
		s.pos = len(byteOrderMark)
	}
	item, err := s.scan()
	if err != nil {
		s.err = err
		return Item{}, err
	}
	return item, nil
}

// scan reads tokens up to the end of an item.
func (s *Scanner) scan() (Item, error) {
	for {
		outside := s.item < 0
		if outside {
			s.space()
			s.statement = statement{line: s.lineAt(s.pos), offset: s.base + int64(s.pos)}
			s.unsure = s.unsure && s.statement.line == s.unsureLine
			s.note()
			outside = !s.knownHead()
		}
		if st := s.statement.insert.state; st == beforeTuple || st == insideTuple {
			s.tuples()
		}
		kind, p := s.next()
		if p != noProblem {
			return Item{}, s.broken(p)
		}
		switch kind {
		case tokenEnd:
			return Item{}, s.end()
		case lineComment, blockComment:
			if outside && s.comments {
				return s.comment()
			}
			continue
		case backslash:
			return s.metaCommand(outside)
		case Word:
			s.word()
			continue
		case QuotedIdent:
			s.quotedName()
			s.statement.begin = false
			continue
		case Punct:
			if s.statement.insert.is {
				if s.statement.insertPunct(s.buf[s.tok]) {
					s.keepHead()
				}
			}
			if s.semicolon() {
				if s.tok > s.item {
					return s.finish()
				}
				s.item = -1
			}
		}
		s.statement.begin, s.statement.insert.word = false, false
	}
}

// quotedName looks at a quoted identifier, which may be a function's name too.
func (s *Scanner) quotedName() {
	st, text := &s.statement, s.buf[s.tok:s.pos]
	st.setConfig = st.setConfig || string(text) == `"set_config"`
	if st.insert.is {
		st.insert.word = true
		st.insert.named = st.insert.named || text[0] != '"' || mayReach(text[1:])
	}
}

// comment makes an item of the comment that was read.
func (s *Scanner) comment() (Item, error) {
	item := Item{Kind: Comment, Line: s.statement.line, Offset: s.statement.offset, Text: s.buf[s.tok:s.pos]}
	s.item = -1
	if len(item.Text) > s.max {
		return Item{}, s.tooLong()
	}
	return item, nil
}

// semicolon counts parentheses, and reports whether the token is a semicolon that ends the statement.
func (s *Scanner) semicolon() bool {
	st := &s.statement
	switch s.buf[s.tok] {
	case '(':
		st.parens++
	case ')':
		st.parens = max(st.parens-1, 0)
	case ';':
		return st.parens == 0 && st.body == 0
	}
	return false
}

// word follows the words of a statement as far as they matter for its end: psql looks for CREATE [OR REPLACE] FUNCTION or
// PROCEDURE as the first words, and then for BEGIN ATOMIC, CASE and END outside parentheses.
func (s *Scanner) word() {
	st, w := &s.statement, s.buf[s.tok:s.pos]
	st.words++
	if len(w) == len("set_config") && same(w, "set_config") {
		st.setConfig = true
	}
	if st.words == 1 {
		st.first = first(w)
		st.insert.is = same(w, "insert")
	}
	if st.insert.is {
		st.insertWord(w)
		return
	}
	if st.words <= len(st.head) {
		st.head[st.words-1] = headLetter(w)
	}
	if !st.routine() {
		return
	}
	if st.parens > 0 {
		return
	}
	began := st.begin
	st.begin = false
	switch {
	case st.body == 0:
		st.begin = same(w, "begin")
		if began && same(w, "atomic") {
			st.body = 1
		}
	case same(w, "case"):
		st.body++
	case same(w, "end"):
		st.body--
	}
}

// routine reports whether the statement begins with CREATE [OR REPLACE] FUNCTION | PROCEDURE.
func (st *statement) routine() bool {
	h := st.head
	if h[0] == 'c' && h[1] == 'o' && h[2] == 'r' {
		h[1] = h[3]
	}
	return h[0] == 'c' && (h[1] == 'f' || h[1] == 'p')
}

// headLetter is the letter by which a word of CREATE [OR REPLACE] FUNCTION | PROCEDURE is remembered, else 0.
func headLetter(w []byte) byte {
	for _, k := range [...]string{"create", "or", "replace", "function", "procedure"} {
		if same(w, k) {
			return k[0]
		}
	}
	return 0
}

// first is the first word of a statement, if it is one that the scanner has to understand.
func first(w []byte) string {
	for _, k := range [...]string{"copy", "set", "reset", "discard"} {
		if same(w, k) {
			return k
		}
	}
	return ""
}

// finish makes an item of the statement that ended at tok.
func (s *Scanner) finish() (Item, error) {
	text := s.buf[s.item:s.tok]
	if len(text) > s.max {
		return Item{}, s.tooLong()
	}
	st := s.statement
	item := Item{Kind: Statement, Line: st.line, Offset: st.offset, Text: text, escapes: s.escapes, insert: st.insert}
	s.marks.seen(item)
	switch {
	case st.first == "copy":
		if err := s.beginCopy(&item); err != nil {
			return Item{}, err
		}
	case st.first != "" || st.setConfig:
		if err := s.settings(item); err != nil {
			return Item{}, err
		}
	}
	s.item = -1
	return item, nil
}

// end is what the end of the text means here.
func (s *Scanner) end() error {
	if s.ended != io.EOF { //nolint:errorlint // it is set to io.EOF itself
		return s.ended
	}
	if s.item >= 0 {
		return endsInside("a statement", s.Line(), s.statement.line)
	}
	return io.EOF
}

// broken is the error for a token that is not right. Where the text ended, the reason for its end comes first.
func (s *Scanner) broken(p problem) error {
	switch p {
	case ambiguous, variable, longTag:
		return &SyntaxError{Line: s.lineAt(s.pos), What: string(p), Began: s.lineAt(s.tok)}
	}
	if s.ended != io.EOF { //nolint:errorlint // as above
		return s.ended
	}
	began := s.statement.line // of the comment, where it stands outside a statement
	if s.item >= 0 {
		began = s.lineAt(s.tok)
	}
	return endsInside(string(p), s.Line(), began)
}

func endsInside(what string, line, began int64) *SyntaxError {
	return &SyntaxError{Line: line, What: "the text ends inside " + what, Began: began, Fault: Ended, Inside: what}
}

func (s *Scanner) tooLong() error {
	return &SyntaxError{Line: s.statement.line, Began: s.statement.line, Fault: TooLong,
		What: fmt.Sprintf("a statement is longer than %d bytes", s.max)}
}

// Line is the line that the scanner has reached, from 1.
func (s *Scanner) Line() int64 { return s.lineAt(s.pos) }

// Offset is how far the scanner has come in the text, in bytes.
func (s *Scanner) Offset() int64 { return s.base + int64(s.pos) }

// StandardConformingStrings is the setting as the scanner understands it: on, until the text sets it off. What SQL does
// in the dark, inside a DO block or a function, it can't see: whoever runs the statements compares with what the server
// reports, and stops where the two differ.
func (s *Scanner) StandardConformingStrings() bool { return !s.escapes }

// lineAt is the line of buf[i], which must not be before what was asked for last, unless it is inside the statement.
func (s *Scanner) lineAt(i int) int64 {
	if i < s.counted {
		return s.line - int64(bytes.Count(s.buf[i:s.counted], newline))
	}
	s.line += int64(bytes.Count(s.buf[s.counted:i], newline))
	s.counted = i
	return s.line
}

var newline = []byte{'\n'}

// read is the lexer's more.
func (s *Scanner) read() bool {
	if s.ended != nil {
		return false
	}
	low := s.pos
	if s.item >= 0 {
		low = s.item
		if len(s.buf)-low > s.max {
			s.ended = s.tooLong()
			return false
		}
	}
	s.drop(low)
	if len(s.buf) == cap(s.buf) {
		grown := make([]byte, len(s.buf), min(2*cap(s.buf), max(s.max+bufferSize, cap(s.buf)+bufferSize)))
		copy(grown, s.buf)
		s.buf = grown
	}
	n, err := s.fillOnce(s.buf[len(s.buf):cap(s.buf)])
	fresh := s.buf[len(s.buf) : len(s.buf)+n]
	if i := bytes.IndexByte(fresh, 0); i >= 0 {
		s.buf = s.buf[:len(s.buf)+i]
		at := s.line + int64(bytes.Count(s.buf[s.counted:], newline))
		s.ended = &SyntaxError{Line: at, Began: at, Fault: NotText, What: "there is a NUL byte: this is no SQL text, or it is in another encoding"}
		return i > 0
	}
	s.buf = s.buf[:len(s.buf)+n]
	if err != nil {
		s.ended = err
	}
	return n > 0
}

// fillOnce reads at least one byte into p, or says why not.
func (s *Scanner) fillOnce(p []byte) (int, error) {
	for range 100 {
		n, err := s.r.Read(p)
		switch {
		case errors.Is(err, io.EOF) && err != io.EOF: //nolint:errorlint // a wrapped io.EOF is an error, not the end
			err = fmt.Errorf("read SQL text: %v", err)
		case err != nil && err != io.EOF: //nolint:errorlint // as above
			err = fmt.Errorf("read SQL text: %w", err)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, fmt.Errorf("read SQL text: %w", io.ErrNoProgress)
}

// drop forgets the first n bytes of buf.
func (s *Scanner) drop(n int) {
	if n == 0 {
		return
	}
	if s.counted < n {
		s.lineAt(n)
	}
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	s.base += int64(n)
	s.pos -= n
	s.counted -= n
	s.tok = max(s.tok-n, 0)
	if s.item >= 0 {
		s.item -= n
	}
}
