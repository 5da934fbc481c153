package sqltext

import "strings"

// A setting that a statement changes, as far as the scanner can see it from outside.
type setting struct {
	name, value string // both in lower case; value "" is the default
	local       bool   // to the end of the transaction only
}

// settings follows a statement that may change how strings are read.
func (s *Scanner) settings(item Item) error {
	for _, set := range settingsOf(item) {
		switch set.name {
		case "standard_conforming_strings":
			if err := s.setEscapes(item, set); err != nil {
				return err
			}
		case "client_encoding":
			s.encoding = encodingName(set.value)
			if UnsafeEncoding(set.value) {
				return &SyntaxError{Line: item.Line, Began: item.Line, What: "the client encoding " + set.value +
					" has characters that contain the bytes of quotes and backslashes; convert the file to UTF-8"}
			}
		}
	}
	return nil
}

// ClientEncoding is the encoding that the text says it is in, as PostgreSQL names it, such as LATIN1; UTF8 where it says none.
func (s *Scanner) ClientEncoding() string {
	if s.encoding == "" {
		return "UTF8"
	}
	return s.encoding
}

// encodingName is an encoding's name as PostgreSQL shows it. It knows the other spellings of those that matter here.
func encodingName(value string) string {
	name := strings.ToUpper(value)
	switch plain := strings.NewReplacer("-", "", "_", "", " ", "").Replace(name); plain {
	case "UTF8", "UNICODE":
		return "UTF8"
	case "SQLASCII":
		return "SQL_ASCII"
	case "ISO88591":
		return "LATIN1"
	case "WINDOWS1252":
		return "WIN1252"
	}
	return Truncate(name)
}

// setEscapes follows a change of standard_conforming_strings.
func (s *Scanner) setEscapes(item Item, set setting) error {
	on, ok := boolean(set.value)
	if !ok {
		return nil // the server refuses it
	}
	if on == !s.escapes {
		return nil
	}
	if set.local {
		return &SyntaxError{Line: item.Line, Began: item.Line,
			What: "standard_conforming_strings is changed for one transaction only, which can't be followed"}
	}
	s.escapes = !on
	s.head.text = s.head.text[:0] // it was read under the other setting
	// psql looks the setting up once a line, the server with every statement.
	s.unsure, s.unsureLine = true, s.Line()
	return nil
}

// settingsOf are the settings that a SET, RESET, DISCARD or a call of set_config changes.
func settingsOf(item Item) []setting {
	var t []Token
	for token := range item.Tokens() {
		t = append(t, token)
		if len(t) == 4096 { // a statement that sets something is short
			break
		}
	}
	switch {
	case len(t) == 0:
		return nil
	case t[0].Is("set"):
		return setCommand(t[1:])
	case t[0].Is("reset"), t[0].Is("discard"):
		if len(t) > 1 && !t[1].Is("all") {
			return []setting{{name: strings.ToLower(t[1].Ident())}}
		}
		return []setting{{name: "standard_conforming_strings"}, {name: "client_encoding"}}
	}
	return setConfigCalls(t)
}

// setCommand reads what stands behind SET.
func setCommand(t []Token) []setting {
	set := setting{}
	for len(t) > 1 && (t[0].Is("session") || t[0].Is("local")) {
		set.local = t[0].Is("local")
		t = t[1:]
	}
	switch {
	case len(t) == 2 && t[0].Is("names"):
		set.name, set.value = "client_encoding", value(t[1])
	case len(t) == 3 && (t[1].Is("to") || t[1].Kind == Operator && string(t[1].Text) == "="):
		set.name, set.value = strings.ToLower(t[0].Ident()), value(t[2])
	}
	return []setting{set}
}

// setConfigCalls finds set_config('name', 'value', local) with literals.
func setConfigCalls(t []Token) (found []setting) {
	for i := 0; i+6 < len(t); i++ {
		if t[i].Ident() != "set_config" || !t[i+1].IsPunct('(') || !t[i+3].IsPunct(',') || !t[i+5].IsPunct(',') {
			continue
		}
		name, ok := t[i+2].Literal()
		if !ok {
			continue
		}
		found = append(found, setting{name: strings.ToLower(name), value: value(t[i+4]), local: !t[i+6].Is("false")})
	}
	return found
}

// value is a setting's value, "" for DEFAULT.
func value(t Token) string {
	if t.Is("default") {
		return ""
	}
	if v, ok := t.Literal(); ok {
		return strings.ToLower(v)
	}
	if v := t.Ident(); v != "" {
		return strings.ToLower(v)
	}
	return string(t.Text)
}

// boolean reads a setting's value as the server does, which takes every unambiguous beginning of a word. The default of
// standard_conforming_strings has been on since 9.1.
func boolean(v string) (on, ok bool) {
	switch {
	case v == "" || v == "1" || v == "on" || strings.HasPrefix("true", v) || strings.HasPrefix("yes", v):
		return true, true
	case v == "0" || len(v) > 1 && strings.HasPrefix("off", v) || strings.HasPrefix("false", v) || strings.HasPrefix("no", v):
		return false, true
	}
	return false, false
}

// UnsafeEncoding reports whether a client encoding uses ASCII bytes inside of longer characters. The server compares
// encodings' names by their letters and digits.
func UnsafeEncoding(name string) bool {
	name = strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r |= 0x20
		}
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, name)
	switch name {
	case "sjis", "shiftjis", "mskanji", "win932", "windows932", "big5", "win950", "windows950", "gbk", "win936", "windows936",
		"uhc", "win949", "windows949", "gb18030", "johab", "shiftjis2004":
		return true
	}
	return false
}
