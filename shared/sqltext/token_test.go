package sqltext

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	names := map[TokenKind]string{Word: "w", QuotedIdent: "i", String: "s", Number: "n", Param: "$", Operator: "o", Punct: "p"}
	cases := []struct{ name, text, want string }{
		{"nothing", " -- x\n/* y */", ""},
		{"words and names", `SELECT a$1, é."B""c", U&"d"`, `w:SELECT w:a$1 p:, w:é p:. i:"B""c" p:, i:U&"d"`},
		{"strings", `'a''b' E'\'' b'1' X'f' n'x' U&'\' $$a$$ $t$ $$ $t$`, `s:'a''b' s:E'\'' s:b'1' s:X'f' s:n'x' s:U&'\' s:$$a$$ s:$t$ $$ $t$`},
		{"a string in parts is one", "'a'\n -- x\n'b' 'c'", "s:'a'\n -- x\n'b' s:'c'"},
		{"numbers", "1 1.5 .5 1e10 1.5E-7 0x1F 1_000 1..2 1.", "n:1 n:1.5 p:. n:5 n:1e10 n:1.5E-7 n:0x1F n:1_000 n:1 p:. p:. n:2 n:1."},
		{"parameters", "$1+$22", "$:$1 o:+ $:$22"},
		{"operators", "a<=b @> c::d := -1 *--x\n*/**/2", "w:a o:<= w:b o:@> w:c o::: w:d o::= o:- n:1 o:* o:* n:2"},
		{"punctuation", "f(a[1:2]);", "w:f p:( w:a p:[ n:1 p:: n:2 p:] p:) p:;"},
		{"an open quote is a token", "SELECT 'a", "w:SELECT s:'a"},
		{"a backslash is a token", `a\b`, `w:a p:\ w:b`},
		{"NUL bytes go through", "a\x00'\x00'", "w:a p:\x00 s:'\x00'"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for token := range Tokens([]byte(c.text)) {
				got = append(got, names[token.Kind]+":"+string(token.Text))
				if string(token.Text) != c.text[token.Offset:token.Offset+len(token.Text)] {
					t.Errorf("%q is not at %d", token.Text, token.Offset)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got  %q\nwant %q", strings.Join(got, " "), c.want)
			}
		})
	}
}

func TestTokens_StopsWhenAsked(t *testing.T) {
	t.Parallel()
	n := 0
	for range Tokens([]byte("a b c")) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("got %d tokens", n)
	}
}

func TestToken_Ident(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"Name": "name", "ÄB": "Äb", `"Na""me"`: `Na"me`, `U&"x"`: "x", `""`: "", "1": "", "'a'": "", "(": ""} {
		for token := range Tokens([]byte(text)) {
			if got := token.Ident(); got != want {
				t.Errorf("%s: got %q, want %q", text, got, want)
			}
			break
		}
	}
}

func TestItem_TokensFollowTheSetting(t *testing.T) {
	t.Parallel()
	s := NewScanner(strings.NewReader("SET standard_conforming_strings = off;\nSELECT '\\'', 1;"), Options{})
	var got []string
	for range 2 {
		item, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for token := range item.Tokens() {
			got = append(got, string(token.Text))
		}
	}
	if want := []string{"SELECT", `'\''`, ",", "1"}; !slices.Equal(got, want) || s.StandardConformingStrings() {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVerb(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                   "",
		"'x'":                                "",
		"select 1":                           "SELECT",
		"((SELECT 1))":                       "SELECT",
		"WITH a AS (SELECT 1) SELECT 2":      "WITH",
		"INSERT INTO t VALUES (1)":           "INSERT",
		"COPY t FROM stdin":                  "COPY",
		"GRANT ALL ON TABLE t TO a":          "GRANT",
		"DO $$ BEGIN END $$":                 "DO",
		"VACUUM":                             "VACUUM",
		"CREATE TABLE public.t ()":           "CREATE TABLE",
		"CREATE UNLOGGED TABLE t ()":         "CREATE TABLE",
		"CREATE GLOBAL TEMPORARY TABLE t ()": "CREATE TABLE",
		"create or replace function f()":     "CREATE FUNCTION",
		"CREATE OR REPLACE RECURSIVE VIEW v": "CREATE VIEW",
		"CREATE UNIQUE INDEX i ON t":         "CREATE UNIQUE INDEX",
		"CREATE INDEX CONCURRENTLY i ON t":   "CREATE INDEX",
		"CREATE /* x */ EVENT\n-- y\nTRIGGER e ON ddl_command_end": "CREATE EVENT TRIGGER",
		"CREATE TRIGGER t":                                     "CREATE TRIGGER",
		"CREATE CONSTRAINT TRIGGER t":                          "CREATE CONSTRAINT TRIGGER",
		"CREATE TRUSTED PROCEDURAL LANGUAGE l":                 "CREATE LANGUAGE",
		"CREATE DEFAULT CONVERSION c":                          "CREATE CONVERSION",
		"CREATE FOREIGN DATA WRAPPER w":                        "CREATE FOREIGN DATA WRAPPER",
		"CREATE FOREIGN TABLE t":                               "CREATE FOREIGN TABLE",
		"CREATE MATERIALIZED VIEW v":                           "CREATE MATERIALIZED VIEW",
		"CREATE TEXT SEARCH DICTIONARY d":                      "CREATE TEXT SEARCH DICTIONARY",
		"CREATE USER u":                                        "CREATE USER",
		"CREATE USER MAPPING FOR u":                            "CREATE USER MAPPING",
		"CREATE OPERATOR CLASS c":                              "CREATE OPERATOR CLASS",
		"CREATE OPERATOR public.+ (":                           "CREATE OPERATOR",
		"ALTER TABLE ONLY t OWNER TO a":                        "ALTER TABLE",
		"ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT ALL":        "ALTER DEFAULT PRIVILEGES",
		"ALTER SYSTEM SET a = 1":                               "ALTER SYSTEM",
		"ALTER LARGE OBJECT 1 OWNER TO a":                      "ALTER LARGE OBJECT",
		"DROP DATABASE a":                                      "DROP DATABASE",
		"DROP OWNED BY a":                                      "DROP OWNED",
		"DROP":                                                 "DROP",
		"COMMENT ON EXTENSION a IS 'x'":                        "COMMENT ON EXTENSION",
		"COMMENT ON COLUMN a.b IS 'x'":                         "COMMENT ON COLUMN",
		`COMMENT ON "x"`:                                       "COMMENT ON",
		"SECURITY LABEL ON TABLE t IS 'x'":                     "SECURITY LABEL ON TABLE",
		"SECURITY LABEL FOR a ON MATERIALIZED VIEW t IS 'x'":   "SECURITY LABEL ON MATERIALIZED VIEW",
		"SECURITY LABEL FOR 'a' ON TABLE t IS 'x'":             "SECURITY LABEL ON TABLE",
		`SECURITY LABEL FOR "a" ON TABLE t IS 'x'`:             "SECURITY LABEL ON TABLE",
		"SET search_path = a":                                  "SET",
		"SET SESSION search_path = a":                          "SET",
		"SET ROLE a":                                           "SET ROLE",
		"SET LOCAL ROLE a":                                     "SET ROLE",
		`SET "role" = 'a'`:                                     "SET ROLE",
		"SET SESSION AUTHORIZATION a":                          "SET SESSION AUTHORIZATION",
		"SET SESSION SESSION AUTHORIZATION a":                  "SET SESSION AUTHORIZATION",
		"SET LOCAL SESSION AUTHORIZATION a":                    "SET SESSION AUTHORIZATION",
		"SET session_authorization TO a":                       "SET SESSION AUTHORIZATION",
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": "SET SESSION CHARACTERISTICS",
		"SET TRANSACTION READ ONLY":                            "SET TRANSACTION",
		"SET CONSTRAINTS ALL DEFERRED":                         "SET CONSTRAINTS",
		"RESET SESSION AUTHORIZATION":                          "RESET SESSION AUTHORIZATION",
		"RESET ALL":                                            "RESET",
		"REFRESH MATERIALIZED VIEW v":                          "REFRESH MATERIALIZED VIEW",
		"REASSIGN OWNED BY a TO b":                             "REASSIGN OWNED",
		"START TRANSACTION":                                    "START TRANSACTION",
	} {
		if got := Verb([]byte(text)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestCopyTarget(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"COPY t FROM stdin":                           "|t|[] true",
		"COPY public.t (a, \"B c\") FROM stdin;":      "public|t|[a B c] true",
		`copy "S.1"."T""2" ( "a""b" ) TO STDOUT`:      `S.1|T"2|[a"b] true`,
		"COPY db.s.t FROM stdin":                      "s|t|[] true",
		"COPY BINARY t FROM stdin":                    "|t|[] true",
		"COPY t () FROM stdin":                        "|t|[] true",
		"COPY t WITH OIDS FROM stdin":                 "|t|[] true",
		"COPY/*x*/t--y\nFROM stdin WITH (FORMAT csv)": "|t|[] true",
		"COPY (SELECT 1) TO STDOUT":                   "||[] false",
		"COPY":                                        "||[] false",
		"COPY t.":                                     "||[] false",
		"SELECT 1":                                    "||[] false",
		"":                                            "||[] false",
	} {
		schema, table, columns, ok := CopyTarget([]byte(text))
		if got := fmt.Sprintf("%s|%s|%v %v", schema, table, columns, ok); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestScanner_HeaderAndEndMark(t *testing.T) {
	t.Parallel()
	const head = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped from database version 15.18 (Debian)\n-- Dumped by pg_dump version 17.1\n\n"
	const end = "--\n-- PostgreSQL database dump complete\n--\n\n"
	const cluster = "--\n-- PostgreSQL database cluster dump\n--\n\n"
	const clusterEnd = "--\n-- PostgreSQL database cluster dump complete\n--\n"
	known := Header{Known: true, ServerVersion: "15.18 (Debian)", ToolVersion: "17.1"}
	cases := []struct {
		name, text string
		header     Header
		line       int64
	}{
		{"whole", head + "SELECT 1;\n" + end, known, 12},
		{"crlf", strings.ReplaceAll(head+"SELECT 1;\n"+end, "\n", "\r\n"), known, 12},
		{"unrestrict after the mark", head + "SELECT 1;\n" + end + "\\unrestrict abc\n\n", known, 12},
		{"comments after the mark", head + "SELECT 1;\n" + end + "/* x */ -- y", known, 12},
		{"no new line after the mark", head + "SELECT 1;\n-- PostgreSQL database dump complete", known, 11},
		{"a statement after the mark", head + end + "SELECT 1;\n", known, 0},
		{"COPY after the mark", head + end + "COPY t FROM stdin;\n\\.\n", known, 0},
		{"a meta-command after the mark", head + end + "\\connect a\n", known, 0},
		{"a second mark", head + end + "SELECT 1;\n" + end, known, 16},
		{"cut in the mark", head + "-- PostgreSQL database dump comp", known, 0},
		{"longer than the mark", head + "-- PostgreSQL database dump completed\n", known, 0},
		{"mark in a string", head + "SELECT '\n-- PostgreSQL database dump complete\n';", known, 0},
		{"mark in a block comment", head + "/*\n-- PostgreSQL database dump complete\n*/", known, 0},
		{"mark in COPY data", head + "COPY t FROM stdin;\n-- PostgreSQL database dump complete\n\\.\n", known, 0},
		{"versions after the first statement", "SELECT 1;\n" + head, Header{}, 0},
		{"not a dump", "SELECT 1;\n", Header{}, 0},
		{"a very long comment", "-- " + strings.Repeat("x", 2000) + "\n" + head + end, known, 12},
		{"cluster", cluster + head + "SELECT 1;\n" + end + clusterEnd, Header{true, true, known.ServerVersion, known.ToolVersion}, 20},
		{"cluster, cut after its last database", cluster + head + "SELECT 1;\n" + end, Header{true, true, known.ServerVersion, known.ToolVersion}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, comments := range []bool{false, true} {
				for size := range 50 {
					s := NewScanner(inPieces(c.text, size), Options{Comments: comments})
					var err error
					for err == nil {
						_, err = s.Next()
					}
					line, ok := s.EndMark()
					if line != c.line || ok != (c.line > 0) || s.Header() != c.header {
						t.Fatalf("in pieces of %d: mark in line %d (%v), header %+v; want line %d, %+v", size, line, ok, s.Header(), c.line, c.header)
					}
				}
			}
		})
	}
}

func TestMetaName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`\restrict abc`: "restrict", `\!`: "!", `\`: "", `\ x`: "", "\\a\tb": "a", `\a\b`: "a"} {
		if got := MetaName([]byte(text)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
