package sqltext

import "bytes"

// A lexer reads PostgreSQL's tokens, one function for each lexical context. It is shared by the Scanner, whose text
// arrives in pieces, and by Tokens, whose text is whole, so that the two can't disagree.
//
// Positions are indexes into buf. Whoever calls at, or a context that may reach the end of buf, must expect that more
// text was read and everything moved: only pos, tok and item move along, so nothing else may be kept across such a call.
type lexer struct {
	buf  []byte
	pos  int // next byte to read
	tok  int // where the token that was read last begins
	item int // where the statement begins whose bytes have to be kept; -1 outside one

	// more reads further text behind buf, and drops what is before item, or before pos outside an item. It reports false
	// when there is no more. It is nil where buf is the whole text.
	more func() bool

	comments bool // keep the bytes of comments outside statements, too

	escapes bool // a backslash in '…' escapes: standard_conforming_strings is off
	unsure  bool // psql and the server may differ about escapes here: see Scanner.setEscapes
}

// at returns the byte i places ahead, 0 at the end of the text.
func (l *lexer) at(i int) byte {
	for l.pos+i >= len(l.buf) {
		if !l.fill() {
			return 0
		}
	}
	return l.buf[l.pos+i]
}

// fill reports whether there is more text behind buf.
func (l *lexer) fill() bool { return l.more != nil && l.more() }

// problem is what can be wrong inside a token. It begins at tok.
type problem string

const (
	inString  problem = "a quoted string"
	inIdent   problem = "a quoted identifier"
	inDollar  problem = "a dollar-quoted string"
	inComment problem = "a comment"
	ambiguous problem = "a backslash in a string that psql and the server read differently"
	variable  problem = "a variable of psql right before a quote, which psql and the server read differently"
	longTag   problem = "a dollar quote's tag of more than 1024 bytes"
	noProblem problem = ""
)

// maxTag bounds what is looked through again at the seams of the buffer. Tags have a few letters.
const maxTag = 1024

// next reads one token and leaves pos behind it. Spaces are skipped, comments are tokens.
func (l *lexer) next() (TokenKind, problem) {
	if !l.space() {
		return tokenEnd, noProblem
	}
	c := l.buf[l.pos]
	l.tok = l.pos
	if (c == '-' || c == '/') && l.opensComment(c) {
		if l.comments && l.item < 0 {
			l.item = l.pos
		}
		if c == '-' {
			l.lineComment()
			return lineComment, noProblem
		}
		return blockComment, l.blockComment()
	}
	if l.item < 0 {
		l.item = l.pos
	}
	switch class[c] {
	case wordStart:
		if l.at(1) == '\'' || c|0x20 == 'u' && l.at(1) == '&' {
			return l.prefixed(c)
		}
		l.word()
		return Word, noProblem
	case digit:
		l.number()
		return Number, noProblem
	case operator:
		l.operator()
		return Operator, noProblem
	}
	l.pos++
	switch c {
	case '\'':
		return String, l.plain()
	case '"':
		return QuotedIdent, l.quotedIdent()
	case '$':
		return l.dollar()
	case '\\':
		return backslash, noProblem
	case ':':
		return l.colon()
	}
	return Punct, noProblem
}

// space skips spaces. It reports false at the end of the text.
func (l *lexer) space() bool {
	for {
		for l.pos < len(l.buf) {
			if class[l.buf[l.pos]] != space {
				return true
			}
			l.pos++
		}
		if !l.fill() {
			return false
		}
	}
}

// opensComment reports whether a comment begins here, with c.
func (l *lexer) opensComment(c byte) bool {
	if c == '-' {
		return l.at(1) == '-'
	}
	return c == '/' && l.at(1) == '*'
}

// lineComment reads "-- …" up to the end of its line. Both \n and \r end one.
func (l *lexer) lineComment() {
	for {
		rest := l.buf[l.pos:]
		n := bytes.IndexByte(rest, '\n')
		if n >= 0 {
			rest = rest[:n]
		}
		if r := bytes.IndexByte(rest, '\r'); r >= 0 {
			n = r
		}
		if n >= 0 {
			l.pos += n
			return
		}
		l.pos = len(l.buf)
		if !l.fill() {
			return
		}
	}
}

// blockComment reads "/* … */", in which comments nest.
func (l *lexer) blockComment() problem {
	l.pos += 2
	for depth := 1; depth > 0; {
		// Jump to the next byte that may be one half of a mark.
		i := bytes.IndexAny(l.buf[l.pos:], "*/")
		if i < 0 {
			l.pos = len(l.buf)
			if !l.fill() {
				return inComment
			}
			continue
		}
		l.pos += i
		switch c, d := l.buf[l.pos], l.at(1); {
		case c == '*' && d == '/':
			depth--
			l.pos += 2
		case c == '/' && d == '*':
			depth++
			l.pos += 2
		default:
			l.pos++
		}
	}
	return noProblem
}

// word reads an identifier or keyword. A $ may stand inside, so foo$bar$ opens no quote.
func (l *lexer) word() {
	for {
		for l.pos < len(l.buf) {
			if !wordPart[l.buf[l.pos]] {
				return
			}
			l.pos++
		}
		if !l.fill() {
			return
		}
	}
}

// prefixed reads what begins with a letter and a quote, such as E'…' or U&"…". Where the letter is no prefix it is a
// word of its own.
func (l *lexer) prefixed(c byte) (TokenKind, problem) {
	switch c | 0x20 {
	case 'e':
		l.pos += 2
		return String, l.quoted(true, true, false)
	case 'b', 'x':
		l.pos += 2
		return String, l.quoted(false, false, false)
	case 'n':
		l.pos += 2
		return String, l.plain()
	case 'u':
		if l.at(1) != '&' {
			break
		}
		switch l.at(2) {
		case '\'':
			l.pos += 3
			return String, l.quoted(false, true, false)
		case '"':
			l.pos += 3
			return QuotedIdent, l.quotedIdent()
		}
	}
	l.word()
	return Word, noProblem
}

// plain reads a '…' string from behind its opening quote.
func (l *lexer) plain() problem { return l.quoted(l.escapes, true, l.unsure) }

// quoted reads a string from behind its opening quote, with all parts of it: a string goes on after white space that
// holds a new line. In a doubled string, two quotes stand for one. Where it is unsure whether a backslash escapes, there
// must be none.
func (l *lexer) quoted(escapes, doubled, unsure bool) problem {
	for {
		if p := l.untilQuote(escapes, unsure); p != noProblem {
			return p
		}
		switch {
		case doubled && l.at(0) == '\'':
			l.pos++
		case l.continued():
			// psql works by lines and takes the continuation for a plain string, the server for one of the same kind.
			unsure = unsure || escapes != l.escapes
		default:
			return noProblem
		}
	}
}

// untilQuote reads up to and with the next quote that is not escaped.
func (l *lexer) untilQuote(escapes, unsure bool) problem {
	for {
		if !escapes && !unsure {
			if i := bytes.IndexByte(l.buf[l.pos:], '\''); i >= 0 {
				l.pos += i + 1
				return noProblem
			}
			l.pos = len(l.buf)
		}
		for l.pos < len(l.buf) {
			c := l.buf[l.pos]
			l.pos++
			if c == '\'' {
				return noProblem
			}
			if c != '\\' {
				continue
			}
			if unsure {
				return ambiguous
			}
			if l.at(0) == 0 {
				return inString
			}
			l.pos++
		}
		if !l.fill() {
			return inString
		}
	}
}

// continued looks behind a closing quote for white space with a new line in it and another quote, and if so moves behind
// that quote. Line comments count as white space, block comments do not.
func (l *lexer) continued() bool {
	newline := false
	for i := 0; ; i++ {
		switch c := l.at(i); {
		case c == '\n' || c == '\r':
			newline = true
		case c == '\'' && newline:
			l.pos += i + 1
			return true
		case c == '-' && l.at(i+1) == '-':
			for c := l.at(i); c != '\n' && c != '\r' && c != 0; c = l.at(i) {
				i++
			}
			i-- // the new line is for the next turn
		case c == 0 || class[c] != space:
			return false
		}
	}
}

// quotedIdent reads an identifier from behind its opening quote. Two quotes stand for one.
func (l *lexer) quotedIdent() problem {
	for {
		i := bytes.IndexByte(l.buf[l.pos:], '"')
		if i < 0 {
			l.pos = len(l.buf)
			if !l.fill() {
				return inIdent
			}
			continue
		}
		l.pos += i + 1
		if l.at(0) != '"' {
			return noProblem
		}
		l.pos++
	}
}

// dollar reads what begins with a $ that was just read: a parameter, a quote such as $tag$…$tag$, or the $ alone.
func (l *lexer) dollar() (TokenKind, problem) {
	if class[l.at(0)] == digit {
		for class[l.at(0)] == digit {
			l.pos++
		}
		if class[l.at(0)] == wordStart {
			l.word() // the server calls it trailing junk
		}
		return Param, noProblem
	}
	n := 0
	for c := l.at(0); c != '$'; c = l.at(n) {
		if class[c] != wordStart && class[c] != digit {
			return Punct, noProblem
		}
		if n++; n > maxTag {
			return Punct, longTag
		}
	}
	mark := append([]byte{'$'}, l.buf[l.pos:l.pos+n+1]...)
	l.pos += n + 1
	for {
		if i := bytes.Index(l.buf[l.pos:], mark); i >= 0 {
			l.pos += i + len(mark)
			return String, noProblem
		}
		// The mark may have begun at the end of what is here.
		l.pos = max(l.pos, len(l.buf)-len(mark)+1)
		if !l.fill() {
			l.pos = len(l.buf)
			return String, inDollar
		}
	}
}

// colon reads what begins with a : that was just read: "::", ":=", or the : alone. psql takes a name right behind it for
// a variable and ends it before a quote or $; to the server, these may belong to the name.
func (l *lexer) colon() (TokenKind, problem) {
	if c := l.at(0); c == ':' || c == '=' {
		l.pos++
		return Operator, noProblem
	}
	n := 0
	for c := l.at(0); class[c] == wordStart || class[c] == digit; c = l.at(n) {
		n++
	}
	c := l.at(n)
	prefix := n == 1 && (c == '\'' || c == '&' && (l.at(2) == '\'' || l.at(2) == '"'))
	if n > 0 && c == '$' || prefix {
		return Punct, variable
	}
	return Punct, noProblem
}

// number reads a number with whatever letters hang on it: 12, 1.5e-7, 0x1F, 1_000, and what the server calls trailing
// junk.
func (l *lexer) number() {
	l.digits()
	if l.at(0) == '.' && l.at(1) != '.' {
		l.pos++
		l.digits()
	}
	if class[l.at(0)] != wordStart {
		return
	}
	l.word()
	if c := l.at(0); l.buf[l.pos-1]|0x20 == 'e' && (c == '+' || c == '-') && class[l.at(1)] == digit {
		l.pos++
		l.digits()
	}
}

func (l *lexer) digits() {
	for class[l.at(0)] == digit {
		l.pos++
	}
}

// operator reads operator characters up to the next that is none or begins a comment.
func (l *lexer) operator() {
	for l.pos++; ; l.pos++ {
		c := l.at(0)
		if class[c] != operator || l.opensComment(c) {
			return
		}
	}
}

// The classes of a token's first byte.
const (
	other = iota
	space
	wordStart // letters, _ and every byte of a character beyond ASCII
	digit
	operator
)

var (
	class    [256]uint8
	wordPart [256]bool
)

func init() {
	for i := range class {
		c := byte(i)
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z' && c < 0x80, c == '_', c >= 0x80:
			class[i] = wordStart
		case c >= '0' && c <= '9':
			class[i] = digit
		case bytes.IndexByte([]byte(" \t\n\r\f\v"), c) >= 0:
			class[i] = space
		case bytes.IndexByte([]byte("~!@#^&|`?+-*/%<>="), c) >= 0:
			class[i] = operator
		}
		wordPart[i] = class[i] == wordStart || class[i] == digit || c == '$'
	}
}
