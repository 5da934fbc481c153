package postgres

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// canonical is a definition in a form that stays the same when the definition is dumped and restored. The server writes
// expressions out from their parse trees, and what it reads back can make another tree that means the same:
//
//   - x IN ('a', 'b') on a varchar is first (x)::text = ANY ((ARRAY['a'::character varying, …])::text[]), and, once that has been read,
//     ANY (ARRAY[('a'::character varying)::text, …]).
//   - x BETWEEN 1 AND 2 AND y is first ((x >= 1) AND (x <= 2)) AND y, and then one AND of three.
//
// Without this every such constraint, index or view would be reported as changed by any restore. The body of a function is in dollar
// quotes, which are left as they are; one in the standard's form is a parse tree too.
func canonical(definition string) string {
	p := &deparsed{rest: definition}
	return write(p.group("", 0))
}

// node is a word, literal or sign, or a group in brackets.
type node struct {
	text string // of a group: the opening bracket
	kids []node
}

func (n node) isGroup(open string) bool { return n.text == open && (open == "(" || open == "[") }

// deparsed is an expression as the server writes it.
type deparsed struct{ rest string }

// maxNesting bounds the recursion: the server's own, by its stack, is of that order.
const maxNesting = 10000

// group reads up to the closing bracket.
func (p *deparsed) group(open string, depth int) []node {
	var kids []node
	for {
		t := p.token()
		switch {
		case t == "" || t == ")" || t == "]":
			if t != "" && open == "" { // not the server's: take it for a word
				kids = append(kids, node{text: t})
				continue
			}
			kids = spread(kids)
			if open == "(" {
				kids = flatten(kids)
			}
			return kids
		case (t == "(" || t == "[") && depth < maxNesting:
			kids = append(kids, node{text: t, kids: p.group(t, depth+1)})
		default:
			kids = append(kids, node{text: t})
		}
	}
}

// token is the next word, literal or sign; "" at the end.
func (p *deparsed) token() string {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	if p.rest == "" {
		return ""
	}
	var n int
	switch c := p.rest[0]; {
	case c == '\'', c == '"':
		n = quoted(p.rest, false)
	case (c == 'E' || c == 'e') && strings.HasPrefix(p.rest[1:], "'"):
		n = 1 + quoted(p.rest[1:], true)
	case c == '$':
		n = dollarQuoted(p.rest)
	default:
		n = strings.IndexFunc(p.rest, func(r rune) bool { return r != '_' && r != '$' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if n < 0 {
			n = len(p.rest)
		}
	}
	if n == 0 {
		_, n = utf8.DecodeRuneInString(p.rest)
	}
	t := p.rest[:n]
	p.rest = p.rest[n:]
	return t
}

// quoted is the length of the quoted text that s begins with. A doubled quote is two texts side by side here, which comes to the
// same.
func quoted(s string, backslashes bool) int {
	for i := 1; i < len(s); i++ {
		if backslashes && s[i] == '\\' {
			i++
			continue
		}
		if s[i] == s[0] {
			return i + 1
		}
	}
	return len(s)
}

// dollarQuoted is the length of the dollar quote that s begins with; 0 if it is none.
func dollarQuoted(s string) int {
	end := strings.IndexByte(s[1:], '$')
	if end < 0 {
		return 0
	}
	tag := s[:end+2]
	if strings.ContainsFunc(tag[1:len(tag)-1], func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return 0
	}
	closing := strings.Index(s[len(tag):], tag)
	if closing < 0 {
		return 0
	}
	return 2*len(tag) + closing
}

// flatten makes ((a AND b) AND c) of a group into (a AND b AND c), and so for OR.
func flatten(kids []node) []node {
	for len(kids) > 2 && kids[0].isGroup("(") {
		word := kids[1].text
		if word != "AND" && word != "OR" || !only(kids, word) || !only(kids[0].kids, word) || !contains(kids[0].kids, word) {
			break
		}
		kids = append(kids[0].kids, kids[1:]...) // which nobody else has: many levels must not copy each other's
	}
	return kids
}

// only reports that no other connective than word stands between kids.
func only(kids []node, word string) bool {
	other := "AND"
	if word == "AND" {
		other = "OR"
	}
	return !contains(kids, other)
}

func contains(kids []node, word string) bool {
	for _, k := range kids {
		if k.text == word {
			return true
		}
	}
	return false
}

// spread makes (ARRAY[a, b])::type[] into ARRAY[(a)::type, (b)::type].
func spread(kids []node) []node {
	for i := 0; i+3 < len(kids); i++ {
		g := kids[i]
		if !g.isGroup("(") || len(g.kids) != 2 || g.kids[0].text != "ARRAY" || !g.kids[1].isGroup("[") || kids[i+1].text != ":" || kids[i+2].text != ":" {
			continue
		}
		end := i + 3
		for end < len(kids) && (isWord(kids[end].text) || kids[end].text == "." || kids[end].isGroup("(")) {
			end++
		}
		if end == i+3 || end >= len(kids) || !kids[end].isGroup("[") || len(kids[end].kids) > 0 {
			continue
		}
		cast := kids[i+1 : end]
		var cells []node
		for n, cell := range split(g.kids[1].kids) {
			if n > 0 {
				cells = append(cells, node{text: ","})
			}
			cells = append(append(cells, node{text: "(", kids: cell}), cast...)
		}
		out := append(append([]node(nil), kids[:i]...), node{text: "ARRAY"}, node{text: "[", kids: cells})
		kids = append(out, kids[end+1:]...)
	}
	return kids
}

func isWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '"' || r == '_' || unicode.IsLetter(r)
}

// split cuts a list at its commas.
func split(kids []node) (cells [][]node) {
	var cell []node
	for _, k := range kids {
		if k.text == "," {
			cells, cell = append(cells, cell), nil
			continue
		}
		cell = append(cell, k)
	}
	return append(cells, cell)
}

// write puts one space between what belongs to a definition, so that line breaks and indents do not matter.
func write(kids []node) string {
	var b strings.Builder
	writeTo(&b, kids)
	return b.String()
}

func writeTo(b *strings.Builder, kids []node) {
	for _, k := range kids {
		b.WriteString(k.text)
		b.WriteByte(' ')
		if k.isGroup("(") || k.isGroup("[") {
			writeTo(b, k.kids)
			b.WriteString(") ")
		}
	}
}
