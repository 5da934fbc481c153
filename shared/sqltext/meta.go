package sqltext

import (
	"bytes"
	"io"
)

// MetaName is the name of a meta-command without its backslash, such as "restrict". Names are case-sensitive.
func MetaName(text []byte) string {
	name := bytes.TrimPrefix(text, []byte{'\\'})
	if i := bytes.IndexAny(name, " \t\r\n\f\v\\"); i >= 0 {
		name = name[:i]
	}
	return string(name)
}

// metaCommand makes an item of the meta-command whose backslash was just read. outside says that it stands between
// statements.
func (s *Scanner) metaCommand(outside bool) (Item, error) {
	item := Item{Kind: Meta, Line: s.lineAt(s.tok), Offset: s.base + int64(s.tok), Inside: !outside}
	n := s.command()
	if s.at(0) == 0 && s.ended != io.EOF { //nolint:errorlint // it is set to io.EOF itself
		return Item{}, s.ended
	}
	if n > s.max {
		return Item{}, s.tooLong()
	}
	item.Text = bytes.TrimRight(s.buf[s.tok:s.tok+n], " \t\r\n\f\v")
	s.marks.seen(item)
	if outside {
		s.item = -1
		return item, nil
	}
	s.inside = append(s.inside[:0], item.Text...)
	item.Text = s.inside
	for i := s.tok; i < s.pos; i++ {
		s.buf[i] = ' '
	}
	return item, nil
}

// command reads a meta-command from behind its backslash and returns its length in bytes, backslash included. It goes to
// the end of its line, or up to the next backslash that is not in quotes: two of them end a command, one begins another.
// psql throws the rest of the line away after a command that fails; taking it for SQL sees more, never less.
func (s *Scanner) command() int {
	if c := s.at(0); c == ';' || c == ':' {
		s.pos++
		return 2
	}
	for c := s.at(0); c != 0 && c != '\\' && class[c] != space; c = s.at(0) {
		s.pos++
	}
	if takesLine(s.buf[s.tok+1 : s.pos]) {
		for c := s.at(0); c != 0 && c != '\n'; c = s.at(0) {
			s.pos++
		}
		return s.pos - s.tok
	}
	s.arguments()
	n := s.pos - s.tok
	if s.at(0) == '\\' && s.at(1) == '\\' && n > 1 {
		s.pos += 2
	}
	return n
}

// takesLine reports whether all of its line is a command's argument, backslashes included.
func takesLine(name []byte) bool {
	switch string(name) {
	case "!", "copy", "ef", "ev", "sf", "sv", "h", "help":
		return true
	}
	return false
}

// arguments reads a meta-command's arguments. Quotes don't go beyond the line; a backslash escapes in '…' only.
func (s *Scanner) arguments() {
	for quote := byte(0); ; s.pos++ {
		c := s.at(0)
		switch {
		case c == 0 || c == '\n':
			return
		case quote == '\'' && c == '\\' && s.at(1) != '\n' && s.at(1) != 0:
			s.pos++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"' || c == '`':
			quote = c
		case c == '\\':
			return
		}
	}
}
