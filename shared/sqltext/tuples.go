package sqltext

import "bytes"

// Dumps with one INSERT a row are lexed at the speed of their punctuation. Two short cuts help; both give up, and leave it to the lexer,
// whenever they see something that is not as simple as what dumps write.

// insertHead is the text of the last INSERT up to the parenthesis that opens its first tuple, and what was known there. Another INSERT
// that begins with the same bytes is known as far without reading them: what stands before a parenthesis does not depend on what follows.
type insertHead struct {
	text  []byte
	known statement
}

const maxInsertHead = 16 << 10

// keepHead remembers the head that has just been read.
func (s *Scanner) keepHead() {
	head := s.buf[s.item:s.pos]
	if len(head) > maxInsertHead {
		return
	}
	s.head.text = append(s.head.text[:0], head...)
	s.head.known = s.statement
	s.head.known.parens = 1
}

// knownHead moves behind the head of an INSERT that begins here, where it is the last one's.
func (s *Scanner) knownHead() bool {
	h := &s.head
	if len(h.text) == 0 || !bytes.HasPrefix(s.buf[s.pos:], h.text) {
		return false
	}
	line, offset := s.statement.line, s.statement.offset
	s.statement = h.known
	s.statement.line, s.statement.offset = line, offset
	s.item = s.pos
	s.pos += len(h.text)
	return true
}

// tuples reads on in the values of an INSERT as far as they are numbers, words, plain strings and punctuation, and are in the buffer. It
// stops before whatever else, always between two tokens.
func (s *Scanner) tuples() {
	st, in := &s.statement, &s.statement.insert
	buf, pos := s.buf, s.pos
	for pos < len(buf) {
		next := pos + 1
		switch c := buf[pos]; tuple[c] {
		case tupleSpace:
			pos = next
			continue
		case tupleComma:
			if st.parens == 0 {
				in.state = beforeTuple
			}
			in.word = false
		case tupleOpen:
			if st.parens == 0 {
				if in.state != beforeTuple || in.rows == 0 { // the first one ends the head: see keepHead
					s.pos = pos
					return
				}
				in.rows++
				in.state = insideTuple
			} else if in.word {
				in.calls = true
			}
			st.parens++
			in.word = false
		case tupleClose:
			if st.parens == 0 {
				s.pos = pos
				return
			}
			st.parens--
			in.word = false
		case tupleDigit:
			next = plainNumber(buf, pos)
			in.word = false
		case tupleWord:
			if st.parens == 0 {
				next = 0
				break
			}
			if next = plainWord(buf, pos); next > 0 {
				in.named = in.named || mayReach(buf[pos:next])
				in.word = true
			}
		case tupleQuote:
			if next = 0; !s.escapes && !s.unsure {
				next = plainString(buf, pos)
			}
			in.word = false
		default:
			s.pos = pos
			return
		}
		if next == 0 {
			break
		}
		pos = next
	}
	s.pos = pos
}

// plainNumber is the place behind the number at i, with its sign; 0 where the lexer has to tell.
func plainNumber(buf []byte, i int) int {
	if buf[i] == '-' {
		if i++; i == len(buf) || class[buf[i]] != digit {
			return 0
		}
	}
	for ; i < len(buf); i++ {
		switch c := buf[i]; {
		case class[c] == digit || c == '.':
		case c == ',' || c == ')' || c == ' ':
			return i
		default:
			return 0
		}
	}
	return 0
}

// plainWord is the place behind the word at i; 0 where the lexer has to tell.
func plainWord(buf []byte, i int) int {
	for ; i < len(buf); i++ {
		switch c := buf[i]; {
		case c < 0x80 && wordPart[c] && c != '$':
		case c == ',' || c == ')' || c == '(' || c == ' ':
			return i
		default:
			return 0
		}
	}
	return 0
}

// plainString is the place behind the string at i; 0 where the lexer has to tell, as where it may go on further down.
func plainString(buf []byte, i int) int {
	for i++; ; i += 2 {
		n := bytes.IndexByte(buf[i:], '\'')
		if n < 0 || i+n+1 == len(buf) {
			return 0
		}
		i += n
		switch buf[i+1] {
		case ',', ')':
			return i + 1
		case '\'':
		default:
			return 0
		}
	}
}

// The classes of bytes in the values of an INSERT.
const (
	tupleOther = iota
	tupleSpace
	tupleComma
	tupleOpen
	tupleClose
	tupleDigit
	tupleWord
	tupleQuote
)

var tuple [256]uint8

func init() {
	for i := range tuple {
		switch c := byte(i); {
		case class[c] == space:
			tuple[i] = tupleSpace
		case class[c] == wordStart && c < 0x80:
			tuple[i] = tupleWord
		case class[c] == digit:
			tuple[i] = tupleDigit
		}
	}
	tuple['-'] = tupleDigit
	tuple[','], tuple['('], tuple[')'], tuple['\''] = tupleComma, tupleOpen, tupleClose, tupleQuote
}
