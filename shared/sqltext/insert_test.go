package sqltext

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// slowly is what an INSERT does, read token by token from its text, without the scanner's short cuts.
func slowly(item Item) inserting {
	st := statement{insert: inserting{is: true}}
	for t := range item.Tokens() {
		switch t.Kind {
		case Word:
			st.insertWord(t.Text)
			continue
		case QuotedIdent:
			st.insert.word = true
			st.insert.named = st.insert.named || t.Text[0] != '"' || mayReach(t.Text[1:])
			continue
		case Punct:
			st.insertPunct(t.Text[0])
			switch t.Text[0] {
			case '(':
				st.parens++
			case ')':
				st.parens = max(st.parens-1, 0)
			}
		}
		st.insert.word = false
	}
	return st.insert
}

// checkInserts scans text in pieces and holds every INSERT against what is read slowly.
func checkInserts(t *testing.T, text string, size int) (n int) {
	t.Helper()
	s := NewScanner(inPieces(text, size), Options{})
	for inside := false; ; {
		item, err := s.Next()
		if err != nil {
			return n
		}
		if item.Kind == Meta {
			inside = inside || item.Inside
			continue
		}
		if item.insert.is && !inside {
			got, want := item.insert, slowly(item)
			got.word, got.deflt = want.word, want.deflt // of the last token: no matter any more
			if got != want {
				t.Fatalf("%q in pieces of %d: %q: %+v, want %+v", text, size, item.Text, got, want)
			}
			n++
		}
		inside = false
		if item.Kind == Copy {
			if _, err := io.Copy(io.Discard, s.CopyData()); err != nil {
				return n
			}
		}
	}
}

var insertPieces = []string{
	"INSERT INTO t VALUES (", "INSERT INTO t VALUES (", "INSERT INTO t (a, b) VALUES\n(", "INSERT INTO s.\"T\" (a['x']) VALUES (", "insert into t as x values(", "INSERT INTO t DEFAULT VALUES", "INSERT INTO a.b.c ",
	"1", "-1.5", " -", "--", "-- )\n", "1e-5", "0x1F", "NULL", "true", "DEFAULT", "a", "f(", "\"f\"(", "U&\"f\"(", "pg_read_file(", "pg_ls", "é", "x'1f'", "E'\\''", "'a'", "''", "'it''s'", "'a'\n'b'", "'a", "'", "\\'", "$$;$$", "$1", "a$b$",
	", ", ",", " ", "\n", "(", ")", "(1)", "), (", "),\n(", ")", ");\n", ");\nINSERT INTO t VALUES (", ";", " ON CONFLICT DO NOTHING", " RETURNING a", " UNION ", "SELECT ", "::text", ":a", "[1]", "/* ) */", "{", "@-1", "- 1",
	"SET standard_conforming_strings = off;\n", "SET standard_conforming_strings = on;\n", "COPY t FROM stdin;\n(\n\\.\n", "\\echo a\n",
}

// The scanner's short cuts through INSERTs find what reading them token by token finds.
func TestScanner_ShortCutsThroughInserts(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 3))
	n := 0
	for range 8_000 {
		var b strings.Builder
		b.WriteString(insertPieces[rnd.IntN(5)])
		for range 3 + rnd.IntN(25) {
			b.WriteString(insertPieces[rnd.IntN(len(insertPieces))])
		}
		b.WriteString(");\n")
		n += checkInserts(t, b.String(), rnd.IntN(20))
	}
	if n < 1_500 {
		t.Errorf("only %d INSERTs were read to their end", n)
	}
}

func FuzzInsert(f *testing.F) {
	for i, p := range insertPieces {
		f.Add(fmt.Sprintf("INSERT INTO t VALUES (1, 'a');\nINSERT INTO t VALUES (%s);\nINSERT INTO t VALUES (2)", p)+";", byte(i))
	}
	f.Fuzz(func(t *testing.T, text string, size byte) { checkInserts(t, text, int(size)) })
}

// An INSERT's table is found whatever its name looks like.
func TestInsertTarget(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"INSERT INTO t VALUES (1)":                        "|t|13|true",
		"insert/**/into \"S.\" . \"T\"\"\"(a) VALUES (1)": "S.|T\"|27|true",
		"INSERT INTO T":                                   "|t|13|true",
		"INSERT INTO a.b.c VALUES (1)":                    "b|c|17|true",
		"INSERT INTO `t` VALUES (1)":                      "||0|false",
		"INSERT INTO a. VALUES":                           "a|values|21|true",
		"INSERT INTO a.":                                  "|a|13|false",
		"INSERT IGNORE INTO t":                            "||0|false",
		"INSERT INTO":                                     "||0|false",
		"SELECT 1":                                        "||0|false",
	} {
		schema, table, end, ok := InsertTarget([]byte(text))
		if got := fmt.Sprintf("%s|%s|%d|%v", schema, table, end, ok); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// What is known of an INSERT's head holds only as long as strings are read in the same way.
func TestScanner_ForgetsTheHeadWithTheSetting(t *testing.T) {
	t.Parallel()
	const text = "INSERT INTO t (a['\\']) VALUES ('x');\nSET standard_conforming_strings = off;\nINSERT INTO t (a['\\']) VALUES (') VALUES (1), (2);\n"
	for size := range 200 {
		if n := checkInserts(t, text, size); n != 2 {
			t.Fatalf("in pieces of %d: %d INSERTs", size, n)
		}
	}
}

// A head that is too long to be kept is not taken for the last one that was.
func TestScanner_LongHeads(t *testing.T) {
	t.Parallel()
	long := "INSERT INTO t (" + strings.Repeat("a, ", maxInsertHead/3) + "pg_read_file, a) VALUES (1), (2);\n"
	text := strings.Repeat("INSERT INTO t VALUES (1);\n"+long, 3)
	if n := checkInserts(t, text, 0); n != 6 {
		t.Fatalf("%d INSERTs", n)
	}
}
