package dumpfile

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text is a string of the index. Strings there are JSON of ASCII characters alone, so that the index is the same in a script of whatever
// encoding. A byte that is not part of valid UTF-8, as names in a database without an encoding have it, is written as a low surrogate by
// itself, \udc80 to \udcff: no text has those, and it is how Python names such bytes ("surrogateescape").
type text string

const loneByte = 0xdc00 // and the byte

// MarshalJSON implements json.Marshaler.
func (t text) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, len(t)+2)
	out = append(out, '"')
	for rest := string(t); rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\u%04x`, loneByte+int(rest[0]))
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r >= ' ' && r < 0x7f:
			out = append(out, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		rest = rest[n:]
	}
	return append(out, '"'), nil
}

// UnmarshalJSON implements json.Unmarshaler. What it is given is valid JSON.
func (t *text) UnmarshalJSON(in []byte) error {
	if len(in) < 2 || in[0] != '"' {
		return errors.New("read a name: it is no string")
	}
	in = in[1 : len(in)-1]
	out := make([]byte, 0, len(in))
	for len(in) > 0 {
		if in[0] != '\\' {
			out, in = append(out, in[0]), in[1:]
			continue
		}
		if in[1] != 'u' {
			out, in = append(out, unescaped(in[1])), in[2:]
			continue
		}
		r, n, err := unicodeEscape(in)
		if err != nil {
			return err
		}
		if r >= loneByte+0x80 && r <= loneByte+0xff {
			out = append(out, byte(r-loneByte))
		} else {
			out = utf8.AppendRune(out, r)
		}
		in = in[n:]
	}
	*t = text(out)
	return nil
}

// unicodeEscape is what an escape at the beginning of in stands for, or a pair of them, and its length. A low surrogate by itself that is
// a byte is given as it is.
func unicodeEscape(in []byte) (rune, int, error) {
	r, err := hexRune(in)
	if err != nil || !utf16.IsSurrogate(r) {
		return r, len(`\u0000`), err
	}
	if r >= loneByte+0x80 && r <= loneByte+0xff {
		return r, len(`\u0000`), nil
	}
	if low, err := hexRune(in[len(`\u0000`):]); err == nil {
		if r := utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, 2 * len(`\u0000`), nil
		}
	}
	return 0, 0, errors.New("read a name: a half of a surrogate pair is missing")
}

func hexRune(in []byte) (rune, error) {
	if len(in) < len(`\u0000`) || in[0] != '\\' || in[1] != 'u' {
		return 0, errors.New("read a name: an escape is cut")
	}
	n, err := strconv.ParseUint(string(in[2:len(`\u0000`)]), 16, 16)
	return rune(n), err
}

// unescaped is the character of an escape of one letter.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

func texts(in []string) []text {
	out := make([]text, len(in))
	for i, s := range in {
		out[i] = text(s)
	}
	return out
}

func stringsOf(in []text) []string {
	if len(in) == 0 {
		return nil
	}
	out := make([]string, len(in))
	for i, t := range in {
		out[i] = string(t)
	}
	return out
}
