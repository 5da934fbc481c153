package inspection

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

const highBits = 0x8080808080808080

// invalidUTF8 is the place of the first byte that is no UTF-8, -1 where there is none. Dumps are ASCII for long stretches, which it
// passes eight bytes at a time; utf8.Valid does so only up to the first character that is not.
func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			for i+8 <= len(text) && binary.LittleEndian.Uint64(text[i:])&highBits == 0 {
				i += 8
			}
			for i < len(text) && text[i] < utf8.RuneSelf {
				i++
			}
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

var errNotUTF8 = errors.New("not UTF-8")

// utf8Sink checks what is written to it. A character may be cut by the seam of two writes.
type utf8Sink struct {
	part  [utf8.UTFMax]byte
	n     int   // bytes in part
	lines int64 // before the byte that is bad
	bad   bool
}

func (s *utf8Sink) Write(p []byte) (int, error) {
	text := p
	for s.n > 0 && len(text) > 0 {
		s.part[s.n] = text[0]
		s.n++
		text = text[1:]
		if utf8.FullRune(s.part[:s.n]) {
			if r, size := utf8.DecodeRune(s.part[:s.n]); r == utf8.RuneError && size == 1 {
				s.bad = true
				return 0, errNotUTF8
			}
			s.n = 0
		}
	}
	if i := invalidUTF8(text); i >= 0 {
		if len(text)-i >= utf8.UTFMax || utf8.FullRune(text[i:]) {
			s.lines += countLines(text[:i])
			s.bad = true
			return 0, errNotUTF8
		}
		s.n = copy(s.part[:], text[i:])
	}
	s.lines += countLines(p)
	return len(p), nil
}
