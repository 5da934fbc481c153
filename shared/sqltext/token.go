package sqltext

import (
	"bytes"
	"iter"
)

// TokenKind is the kind of a token.
type TokenKind int

// The kinds of tokens.
const (
	tokenEnd     TokenKind = iota
	Word                   // an identifier or keyword without quotes
	QuotedIdent            // "…" or U&"…"
	String                 // '…' with or without a prefix and its continuations, or a dollar-quoted string
	Number                 // begins with a digit
	Param                  // $1
	Operator               // a run of operator characters: may be several of the server's operators
	Punct                  // any other single byte, such as ( ) , . ; : [ ]
	lineComment            // -- …
	blockComment           // /* … */
	backslash              // where psql would take a meta-command
)

// Token is a token of a statement. Text is a part of the statement's text, with its quotes.
type Token struct {
	Kind   TokenKind
	Text   []byte
	Offset int // in bytes from the beginning of the statement's text
}

// Tokens gives the tokens of a statement's text without comments and white space. It takes standard_conforming_strings
// to be on: for a statement of a dump, [Item.Tokens] knows. A text that ends inside a quote yields its rest as one token.
func Tokens(text []byte) iter.Seq[Token] { return tokens(text, false) }

func tokens(text []byte, escapes bool) iter.Seq[Token] {
	return func(yield func(Token) bool) {
		l := lexer{buf: text, escapes: escapes}
		for {
			kind, _ := l.next()
			switch kind {
			case tokenEnd:
				return
			case lineComment, blockComment:
				continue
			case backslash:
				kind = Punct
			}
			if !yield(Token{Kind: kind, Text: text[l.tok:l.pos], Offset: l.tok}) {
				return
			}
		}
	}
}

// Ident is the name that a Word or QuotedIdent stands for, as the server understands it: a word in lower case (ASCII
// only, as the server folds in UTF-8), a quoted identifier without its quotes. The escapes of U&"…" are left as they are.
// It is "" for every other token.
func (t Token) Ident() string {
	switch t.Kind {
	case Word:
		return string(fold(t.Text))
	case QuotedIdent:
		text := t.Text[bytes.IndexByte(t.Text, '"')+1:]
		text = bytes.TrimSuffix(text, []byte{'"'})
		return string(bytes.ReplaceAll(text, []byte(`""`), []byte(`"`)))
	}
	return ""
}

// Name is Ident cut to the length that a name has on the server, 63 bytes.
func (t Token) Name() string { return Truncate(t.Ident()) }

// Truncate cuts a name as the server does, to 63 bytes of whole characters.
func Truncate(name string) string {
	const limit = 63
	if len(name) <= limit {
		return name
	}
	n := limit
	for n > 0 && name[n]&0xc0 == 0x80 {
		n--
	}
	return name[:n]
}

// Is reports whether t is the keyword, which is written in lower case. A quoted identifier is no keyword.
func (t Token) Is(keyword string) bool { return t.Kind == Word && same(t.Text, keyword) }

// IsPunct reports whether t is the punctuation c.
func (t Token) IsPunct(c byte) bool { return t.Kind == Punct && t.Text[0] == c }

// Literal is the value of a string without escapes and continuations. The second result is false for all others.
func (t Token) Literal() (string, bool) {
	text := t.Text
	if t.Kind != String || len(text) < 2 {
		return "", false
	}
	switch text[0] {
	case 'e', 'E', 'n', 'N':
		text = text[1:]
	case '$':
		mark := text[:bytes.IndexByte(text[1:], '$')+2]
		return string(bytes.TrimSuffix(text[len(mark):], mark)), true
	}
	if len(text) < 2 || text[0] != '\'' || text[len(text)-1] != '\'' || bytes.IndexByte(text, '\\') >= 0 {
		return "", false
	}
	inner := bytes.ReplaceAll(text[1:len(text)-1], []byte("''"), []byte{0})
	if bytes.IndexByte(inner, '\'') >= 0 {
		return "", false
	}
	return string(bytes.ReplaceAll(inner, []byte{0}, []byte{'\''})), true
}

// fold returns text with ASCII letters in lower case.
func fold(text []byte) []byte {
	out := make([]byte, len(text))
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		out[i] = c
	}
	return out
}

// same reports whether text is the keyword, whatever its case.
func same(text []byte, keyword string) bool {
	if len(text) != len(keyword) {
		return false
	}
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != keyword[i] {
			return false
		}
	}
	return true
}
