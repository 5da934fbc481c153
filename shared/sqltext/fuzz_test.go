package sqltext

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"
)

// Whatever the text: it comes out the same in pieces of any size; each item stands where it says; between items there is
// nothing but white space, comments and semicolons; and a statement that is scanned alone comes out as it was.
// The seeds under testdata are named for their lexical class.
func FuzzScanner(f *testing.F) {
	for _, script := range lexicalScripts {
		f.Add([]byte(script), byte(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, size byte) {
		const limit = 1 << 10
		want, wantErr := split(string(text), 0, Options{MaxStatement: limit})
		got, gotErr := split(string(text), int(size), Options{MaxStatement: limit})
		// A statement that is too long may also have something else wrong further on.
		same := slices.Equal(got, want) && fmt.Sprint(gotErr) == fmt.Sprint(wantErr)
		if !same && (len(text) <= limit || gotErr == nil || wantErr == nil) {
			t.Fatalf("in pieces of %d: %q, %v\nat once: %q, %v", size, got, gotErr, want, wantErr)
		}
		checkExtents(t, text)
	})
}

// checkExtents scans text and holds every item against the place where it says it stands.
func checkExtents(t *testing.T, text []byte) {
	t.Helper()
	s := NewScanner(bytes.NewReader(text), Options{})
	var behind int64 // the last item
	inside := false  // a meta-command was cut out of the statement that comes next
	for {
		item, err := s.Next()
		if err == io.EOF {
			checkGap(t, text[behind:])
			return
		}
		if err != nil {
			return
		}
		if item.Line != 1+int64(bytes.Count(text[:item.Offset], newline)) {
			t.Fatalf("item %q says line %d of offset %d", item.Text, item.Line, item.Offset)
		}
		stands := text[item.Offset : item.Offset+int64(len(item.Text))]
		if !inside && !bytes.Equal(stands, item.Text) {
			t.Fatalf("item %q is not at offset %d: there is %q", item.Text, item.Offset, stands)
		}
		if item.Inside {
			inside = true
			continue
		}
		checkGap(t, text[behind:item.Offset])
		behind = item.Offset + int64(len(item.Text))
		if item.Kind != Meta {
			if !inside {
				checkAlone(t, item)
			}
			inside = false
		}
		if item.Kind == Copy {
			rows, err := io.ReadAll(s.CopyData())
			if err != nil {
				return
			}
			at := behind + int64(bytes.IndexByte(text[behind:], '\n')) + 1
			if !bytes.HasPrefix(text[at:], rows) {
				t.Fatalf("rows %q are not at %d", rows, at)
			}
			if s.CopyRows() != int64(bytes.Count(rows, newline)) {
				t.Fatalf("%d rows in %q", s.CopyRows(), rows)
			}
			behind = s.Offset()
		}
	}
}

// checkGap requires that nothing of meaning is lost between items.
func checkGap(t *testing.T, gap []byte) {
	t.Helper()
	gap = bytes.TrimPrefix(gap, byteOrderMark)
	for token := range Tokens(gap) {
		if text := string(token.Text); text != ";" && text != `\` {
			t.Fatalf("%q in %q belongs to no item", text, gap)
		}
	}
}

// checkAlone requires that a statement by itself is the same statement.
func checkAlone(t *testing.T, item Item) {
	t.Helper()
	text := "SELECT 0;\n"
	if item.escapes {
		text = "SET standard_conforming_strings = off;\n"
	}
	s := NewScanner(bytes.NewReader(slices.Concat([]byte(text), item.Text, []byte(";\n\\.\n"))), Options{})
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	alone, err := s.Next()
	if err != nil || alone.Kind != item.Kind || !bytes.Equal(alone.Text, item.Text) {
		t.Fatalf("alone, %q is %q, %v", item.Text, alone.Text, err)
	}
}

// Tokens follow one another, none is empty, and what is left out between them would be left out by itself.
func FuzzTokens(f *testing.F) {
	for _, script := range lexicalScripts {
		f.Add([]byte(script))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		at := 0
		for token := range Tokens(text) {
			if len(token.Text) == 0 || token.Offset < at || !bytes.Equal(text[token.Offset:token.Offset+len(token.Text)], token.Text) {
				t.Fatalf("token %q at %d after %d", token.Text, token.Offset, at)
			}
			for inner := range Tokens(text[at:token.Offset]) {
				t.Fatalf("%q was left out", inner.Text)
			}
			_ = token.Ident()
			_, _ = token.Literal()
			at = token.Offset + len(token.Text)
		}
		_, _, _, _ = CopyTarget(text)
		_ = Verb(text)
		_ = MetaName(text)
	})
}
