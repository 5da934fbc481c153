package sqltext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// split scans text in pieces of size bytes (0: at once) and writes down all that came out: each item as its kind's letter,
// place and text, COPY data as "=", and the error.
func split(text string, size int, o Options) (out []string, err error) {
	s := NewScanner(inPieces(text, size), o)
	for {
		item, err := s.Next()
		if err != nil {
			if again, err2 := s.Next(); again.Kind != 0 || !errors.Is(err2, err) {
				panic("an error must stay")
			}
			if err == io.EOF {
				return out, nil
			}
			return out, err
		}
		kind := string(" SCM-"[item.Kind])
		if item.Inside {
			kind += "!"
		}
		out = append(out, fmt.Sprintf("%s %d:%d %s", kind, item.Line, item.Offset, item.Text))
		if item.Kind != Copy {
			continue
		}
		data, err := io.ReadAll(s.CopyData())
		out = append(out, fmt.Sprintf("= %d %s", s.CopyRows(), data))
		if err != nil {
			return out, err
		}
	}
}

// inPieces reads text, size bytes at a time; all at once where size is 0.
func inPieces(text string, size int) io.Reader {
	r := strings.NewReader(text)
	switch size {
	case 0:
		return r
	case 1:
		return iotest.OneByteReader(r)
	}
	return &pieces{r, size}
}

type pieces struct {
	r    io.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.size)]) }

// splitAll scans text in pieces of every size up to its own and requires that all agree.
func splitAll(t *testing.T, text string, o Options) ([]string, error) {
	t.Helper()
	want, wantErr := split(text, 0, o)
	for size := 1; size <= min(len(text), 300); size++ {
		got, err := split(text, size, o)
		if !slices.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("in pieces of %d bytes: %q, %v\nat once: %q, %v", size, got, err, want, wantErr)
		}
	}
	return want, wantErr
}

type splitCase struct {
	name string
	text string
	want []string // items as split writes them
	err  string   // the error, "" for none
}

func runSplit(t *testing.T, o Options, cases []splitCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := splitAll(t, c.text, o)
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestScanner_Places(t *testing.T) {
	t.Parallel()
	runSplit(t, Options{}, []splitCase{
		{"nothing", "", nil, ""},
		{"only space", " \n\t\r\n", nil, ""},
		{"only comments", "-- a\n/* b */", nil, ""},
		{"one", "SELECT 1;", []string{"S 1:0 SELECT 1"}, ""},
		{"two on a line", "SELECT 1;SELECT 2;", []string{"S 1:0 SELECT 1", "S 1:9 SELECT 2"}, ""},
		{"after space and comments", "\n -- x\n/* y\n */ SELECT 1;", []string{"S 4:16 SELECT 1"}, ""},
		{"comments inside belong to it", "SELECT -- ;\n/* ; */ 1 ;", []string{"S 1:0 SELECT -- ;\n/* ; */ 1 "}, ""},
		{"lines end by crlf", "SELECT 1;\r\nSELECT\r\n2;\r\n", []string{"S 1:0 SELECT 1", "S 2:11 SELECT\r\n2"}, ""},
		{"a line comment ends at a lone cr", "-- x\rSELECT 1;", []string{"S 1:5 SELECT 1"}, ""},
		{"byte order mark", "\xef\xbb\xbfSELECT 1;", []string{"S 1:3 SELECT 1"}, ""},
		{"byte order mark at the beginning only", "\xef\xbb\xbf\xef\xbb\xbfSELECT 1;", []string{"S 1:3 \xef\xbb\xbfSELECT 1"}, ""},
		{"empty statements are dropped", ";; ;/**/;SELECT 1;;", []string{"S 1:9 SELECT 1"}, ""},
		{"parentheses", "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);SELECT 3;",
			[]string{"S 1:0 CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "S 1:56 SELECT 3"}, ""},
		{"closing parentheses too many", "SELECT 1)); SELECT 2;", []string{"S 1:0 SELECT 1))", "S 1:12 SELECT 2"}, ""},
		{"brackets don't count", "SELECT a[1;SELECT 2;", []string{"S 1:0 SELECT a[1", "S 1:11 SELECT 2"}, ""},
		{"psql's variables are left alone", "SELECT :'a', :\"b\", x[1:n];", []string{`S 1:0 SELECT :'a', :"b", x[1:n]`}, ""},
	})
}

func TestScanner_Strings(t *testing.T) {
	t.Parallel()
	runSplit(t, Options{}, []splitCase{
		{"semicolon", "SELECT ';';", []string{"S 1:0 SELECT ';'"}, ""},
		{"doubled quote", "SELECT 'a'';';", []string{"S 1:0 SELECT 'a'';'"}, ""},
		{"comment marks", "SELECT '--', '/*';", []string{"S 1:0 SELECT '--', '/*'"}, ""},
		{"backslash is a character", `SELECT '\'; SELECT '\\';`, []string{`S 1:0 SELECT '\'`, `S 1:12 SELECT '\\'`}, ""},
		{"lines", "SELECT 'a\n;\n'; SELECT 2;", []string{"S 1:0 SELECT 'a\n;\n'", "S 3:15 SELECT 2"}, ""},
		{"E", `SELECT E'\';', e'\\';`, []string{`S 1:0 SELECT E'\';', e'\\'`}, ""},
		{"E, doubled quote keeps the escapes", `SELECT E'a''\';';`, []string{`S 1:0 SELECT E'a''\';'`}, ""},
		{"E, escaped new line", "SELECT E'\\\n';", []string{"S 1:0 SELECT E'\\\n'"}, ""},
		{"E is the end of a name", `SELECT name'\'; SELECT 2;`, []string{`S 1:0 SELECT name'\'`, `S 1:16 SELECT 2`}, ""},
		{"E after a quote", `SELECT 'a'E'\';';`, []string{`S 1:0 SELECT 'a'E'\';'`}, ""},
		{"E, a space before the quote", `SELECT E '\';`, []string{`S 1:0 SELECT E '\'`}, ""},
		{"U&", `SELECT U&'\';SELECT u&'d\0061;';`, []string{`S 1:0 SELECT U&'\'`, `S 1:13 SELECT u&'d\0061;'`}, ""},
		{"U&, doubled quote", `SELECT U&'a'';';`, []string{`S 1:0 SELECT U&'a'';'`}, ""},
		{"U & apart", `SELECT U & 'a;'; SELECT U&1;`, []string{`S 1:0 SELECT U & 'a;'`, `S 1:17 SELECT U&1`}, ""},
		{"B, X, N", `SELECT B'1;', x'\', N'\', n'a''b';`, []string{`S 1:0 SELECT B'1;', x'\', N'\', n'a''b'`}, ""},
		{"continued", "SELECT 'a'\n  ';' ;", []string{"S 1:0 SELECT 'a'\n  ';' "}, ""},
		{"E, continued without backslash", "SELECT E'a\\''\n'b;' ;", []string{"S 1:0 SELECT E'a\\''\n'b;' "}, ""},
		{"E, next string is no continuation", `SELECT E'a' '\';`, []string{`S 1:0 SELECT E'a' '\'`}, ""},
		{"E, block comments do not continue", "SELECT E'a' /*\n*/ '\\';", []string{"S 1:0 SELECT E'a' /*\n*/ '\\'"}, ""},
		{"E, continued with backslash", "SELECT\nE'a' -- x\n\n '\\'' ;", nil,
			"line 4: a backslash in a string that psql and the server read differently (it began at line 2)"},
		{"behind a variable of psql", "SELECT\n:e'\\'';", nil, "line 2: a variable of psql right before a quote, which psql and the server read differently"},
		{"dollars behind a variable of psql", "SELECT :a$b$;", nil, "line 1: a variable of psql right before a quote, which psql and the server read differently"},
		{"variables elsewhere", `SELECT :'\', a[1:bb], :u & 'x', ::e'\'', :=E'\'';`,
			[]string{`S 1:0 SELECT :'\', a[1:bb], :u & 'x', ::e'\'', :=E'\''`}, ""},
		{"minus behind a string", "SELECT 'a'\n- '\\';", []string{"S 1:0 SELECT 'a'\n- '\\'"}, ""},
		{"open", "SELECT 1;\nSELECT\n'a;\n", []string{"S 1:0 SELECT 1"}, "line 4: the text ends inside a quoted string (it began at line 3)"},
		{"open behind an escape", `SELECT E'\'`, nil, "line 1: the text ends inside a quoted string"},
		{"open at a backslash", `SELECT E'\`, nil, "line 1: the text ends inside a quoted string"},
	})
}

func TestScanner_Identifiers(t *testing.T) {
	t.Parallel()
	runSplit(t, Options{}, []splitCase{
		{"semicolon", `SELECT ";";`, []string{`S 1:0 SELECT ";"`}, ""},
		{"doubled quote", `SELECT "a"";";`, []string{`S 1:0 SELECT "a"";"`}, ""},
		{"backslash", `SELECT "\"; SELECT 2;`, []string{`S 1:0 SELECT "\"`, `S 1:12 SELECT 2`}, ""},
		{"single quote", `SELECT "'"; SELECT 2;`, []string{`S 1:0 SELECT "'"`, `S 1:12 SELECT 2`}, ""},
		{"U&", `SELECT U&";\"; SELECT u&"a""b;";`, []string{`S 1:0 SELECT U&";\"`, `S 1:15 SELECT u&"a""b;"`}, ""},
		{"dollars open no quote", "SELECT a$b$; SELECT é$$; SELECT _$a$;", []string{"S 1:0 SELECT a$b$", "S 1:13 SELECT é$$", "S 1:26 SELECT _$a$"}, ""},
		{"open", `SELECT "a;`, nil, "line 1: the text ends inside a quoted identifier"},
	})
}

func TestScanner_DollarQuotes(t *testing.T) {
	t.Parallel()
	runSplit(t, Options{}, []splitCase{
		{"no tag", "SELECT $$;'$$;", []string{"S 1:0 SELECT $$;'$$"}, ""},
		{"tag", "SELECT $a$;$$;$b$;$a$;", []string{"S 1:0 SELECT $a$;$$;$b$;$a$"}, ""},
		{"tag is case-sensitive", "SELECT $a$;$A$;$a$;", []string{"S 1:0 SELECT $a$;$A$;$a$"}, ""},
		{"tag beyond ASCII", "SELECT $é_1$;$é$;$é_1$;", []string{"S 1:0 SELECT $é_1$;$é$;$é_1$"}, ""},
		{"end in a run of dollars", "SELECT $a$ $$a$;", []string{"S 1:0 SELECT $a$ $$a$"}, ""},
		{"end behind a longer tag", "SELECT $a$ $b$a$;", []string{"S 1:0 SELECT $a$ $b$a$"}, ""},
		{"meta-command inside", "SELECT $$\n\\! ls\n$$;", []string{"S 1:0 SELECT $$\n\\! ls\n$$"}, ""},
		{"parameters", "SELECT $1; SELECT $12$; $;", []string{"S 1:0 SELECT $1", "S 1:11 SELECT $12$", "S 1:24 $"}, ""},
		{"a tag does not begin with a digit", "SELECT $1a$; SELECT 2;", []string{"S 1:0 SELECT $1a$", "S 1:13 SELECT 2"}, ""},
		{"behind a number", "SELECT 1$$;$$;", []string{"S 1:0 SELECT 1$$;$$"}, ""},
		{"no closing dollar", "SELECT $a ; SELECT $a+$;", []string{"S 1:0 SELECT $a ", "S 1:12 SELECT $a+$"}, ""},
		{"open", "SELECT\n$a$;$$", nil, "line 2: the text ends inside a dollar-quoted string"},
		{"tag too long", "SELECT $" + strings.Repeat("a", 1025) + "$", nil, "line 1: a dollar quote's tag of more than 1024 bytes"},
		{"open in the mark", "SELECT $abc$;$ab", nil, "line 1: the text ends inside a dollar-quoted string"},
	})
}

func TestScanner_CommentsAndOperators(t *testing.T) {
	t.Parallel()
	runSplit(t, Options{}, []splitCase{
		{"quotes in comments", "-- it's\n/* it's \" $$ */SELECT 1;", []string{"S 2:23 SELECT 1"}, ""},
		{"nested", "/* /* */ ; */ SELECT 1;", []string{"S 1:14 SELECT 1"}, ""},
		{"nested, close together", "/*/**/*/SELECT 1;", []string{"S 1:8 SELECT 1"}, ""},
		{"slash behind the mark does not close", "/*/;*/SELECT 1;", []string{"S 1:6 SELECT 1"}, ""},
		{"stars", "/***;***/SELECT 1;", []string{"S 1:9 SELECT 1"}, ""},
		{"line comment in a block", "/* -- */SELECT 1;", []string{"S 1:8 SELECT 1"}, ""},
		{"block mark in a line", "-- /*\nSELECT 1;", []string{"S 2:6 SELECT 1"}, ""},
		{"in an operator", "SELECT 1 +/* ; */ 1, 2 *-- ;\n 2;", []string{"S 1:0 SELECT 1 +/* ; */ 1, 2 *-- ;\n 2"}, ""},
		{"minus alone", "SELECT 1 - 1, 1 - -1;", []string{"S 1:0 SELECT 1 - 1, 1 - -1"}, ""},
		{"operators", "SELECT a @> b #>> '{;}' || c::text <-> d/2 */* ; */ 1;",
			[]string{"S 1:0 SELECT a @> b #>> '{;}' || c::text <-> d/2 */* ; */ 1"}, ""},
		{"open", "SELECT 1;\n/* /* */\n", []string{"S 1:0 SELECT 1"}, "line 3: the text ends inside a comment (it began at line 2)"},
		{"open in a statement", "SELECT\n1 /* ", nil, "line 2: the text ends inside a comment"},
		{"unclosed line comment is the end", "SELECT 1;-- x", []string{"S 1:0 SELECT 1"}, ""},
	})
	runSplit(t, Options{Comments: true}, []splitCase{
		{"as items", " -- a\r\n/* b\n*/ SELECT -- c\n1; -- d",
			[]string{"- 1:1 -- a", "- 2:7 /* b\n*/", "S 3:15 SELECT -- c\n1", "- 4:30 -- d"}, ""},
		{"as items, open", "SELECT 1;\n\n/* ", []string{"S 1:0 SELECT 1"}, "line 3: the text ends inside a comment"},
	})
}

func TestScanner_FunctionBodies(t *testing.T) {
	t.Parallel()
	const f = "CREATE FUNCTION f() RETURNS int "
	runSplit(t, Options{}, []splitCase{
		{"atomic", f + "BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3;",
			[]string{"S 1:0 " + f + "BEGIN ATOMIC SELECT 1; SELECT 2; END", "S 1:70 SELECT 3"}, ""},
		{"case", f + "BEGIN/**/atomic SELECT CASE WHEN true THEN 1 END; SELECT (CASE 1 WHEN 1 THEN 2 END); end; SELECT 3;",
			[]string{"S 1:0 " + f + "BEGIN/**/atomic SELECT CASE WHEN true THEN 1 END; SELECT (CASE 1 WHEN 1 THEN 2 END); end", "S 1:122 SELECT 3"}, ""},
		{"or replace procedure", "create or replace procedure p() begin atomic select 1; end; SELECT 1;",
			[]string{"S 1:0 create or replace procedure p() begin atomic select 1; end", "S 1:60 SELECT 1"}, ""},
		{"names in quotes don't count", f + `BEGIN ATOMIC SELECT 1 AS "case"; END; SELECT 2;`,
			[]string{"S 1:0 " + f + `BEGIN ATOMIC SELECT 1 AS "case"; END`, "S 1:70 SELECT 2"}, ""},
		{"a column begin in it", f + "BEGIN ATOMIC SELECT begin FROM t; END; SELECT 2;",
			[]string{"S 1:0 " + f + "BEGIN ATOMIC SELECT begin FROM t; END", "S 1:71 SELECT 2"}, ""},
		{"a function begin", "CREATE FUNCTION begin() RETURNS int AS 'x'; SELECT 2;",
			[]string{"S 1:0 CREATE FUNCTION begin() RETURNS int AS 'x'", "S 1:44 SELECT 2"}, ""},
		{"a type begin", "CREATE FUNCTION f() RETURNS begin AS 'x'; SELECT 2;",
			[]string{"S 1:0 CREATE FUNCTION f() RETURNS begin AS 'x'", "S 1:42 SELECT 2"}, ""},
		{"a schema begin", "CREATE FUNCTION begin.atomic() RETURNS int AS 'x'; SELECT 2;",
			[]string{"S 1:0 CREATE FUNCTION begin.atomic() RETURNS int AS 'x'", "S 1:51 SELECT 2"}, ""},
		{"a column end in parentheses", f + "BEGIN ATOMIC SELECT (t.end) FROM t; END; SELECT 2;",
			[]string{"S 1:0 " + f + "BEGIN ATOMIC SELECT (t.end) FROM t; END", "S 1:73 SELECT 2"}, ""},
		{"not in other statements", "CREATE VIEW function AS SELECT begin atomic; BEGIN ATOMIC; END;",
			[]string{"S 1:0 CREATE VIEW function AS SELECT begin atomic", "S 1:45 BEGIN ATOMIC", "S 1:59 END"}, ""},
		{"transactions", "BEGIN; SELECT 1; END;", []string{"S 1:0 BEGIN", "S 1:7 SELECT 1", "S 1:17 END"}, ""},
		{"open", f + "BEGIN ATOMIC SELECT 1;\n", nil, "line 2: the text ends inside a statement (it began at line 1)"},
	})
}

func TestScanner_CopyData(t *testing.T) {
	t.Parallel()
	runSplit(t, Options{}, []splitCase{
		{"rows", "COPY t (a, b) FROM stdin;\n1\t;\n\\N\t'\n\\.\nSELECT 1;",
			[]string{"C 1:0 COPY t (a, b) FROM stdin", "= 2 1\t;\n\\N\t'\n", "S 5:38 SELECT 1"}, ""},
		{"no rows", "COPY t FROM stdin;\n\\.\n", []string{"C 1:0 COPY t FROM stdin", "= 0 "}, ""},
		{"crlf", "COPY t FROM stdin;\r\n1\r\n\\.\r\nSELECT 1;", []string{"C 1:0 COPY t FROM stdin", "= 1 1\r\n", "S 4:27 SELECT 1"}, ""},
		{"mark at the end of the text", "COPY t FROM stdin;\n1\n\\.", []string{"C 1:0 COPY t FROM stdin", "= 1 1\n"}, ""},
		{"lines that only look like the mark", "COPY t FROM stdin;\n\\.x\n \\.\n\\\\.\nx\\.\n\\..\n\\.\r\r\n\\\n.\n\\.\n",
			[]string{"C 1:0 COPY t FROM stdin", "= 8 \\.x\n \\.\n\\\\.\nx\\.\n\\..\n\\.\r\r\n\\\n.\n"}, ""},
		{"meta-commands and quotes are data", "COPY t FROM stdin;\n\\! ls\n\restrict\n'\n/*\n$$\n\\.\nSELECT 1;",
			[]string{"C 1:0 COPY t FROM stdin", "= 5 \\! ls\n\restrict\n'\n/*\n$$\n", "S 8:45 SELECT 1"}, ""},
		{"a comment behind it", "COPY t FROM stdin; -- x ;\n1\n\\.\n", []string{"C 1:0 COPY t FROM stdin", "= 1 1\n"}, ""},
		{"empty lines are rows", "COPY t FROM stdin;\n\n\n\\.\n", []string{"C 1:0 COPY t FROM stdin", "= 2 \n\n"}, ""},
		{"written in any way", "copy/**/\"from\".\"St\"\"din\"(\"a;\") -- x\nFrom StdIn With (format csv, header);\n1\n\\.\n",
			[]string{"C 1:0 copy/**/\"from\".\"St\"\"din\"(\"a;\") -- x\nFrom StdIn With (format csv, header)", "= 1 1\n"}, ""},
		{"from stdout is the same to the server", "COPY t FROM stdout;\n1\n\\.\n", []string{"C 1:0 COPY t FROM stdout", "= 1 1\n"}, ""},
		{"others have no data", "COPY t TO stdout; COPY t FROM 'stdin'; COPY t FROM PROGRAM 'x'; COPY (SELECT 1 FROM stdin) TO stdout; COPY t FROM \"stdin\";",
			[]string{"S 1:0 COPY t TO stdout", "S 1:18 COPY t FROM 'stdin'", "S 1:39 COPY t FROM PROGRAM 'x'",
				"S 1:64 COPY (SELECT 1 FROM stdin) TO stdout", "S 1:102 COPY t FROM \"stdin\""}, ""},
		{"a table called stdin", "COPY stdin TO stdout; COPY stdin FROM stdin;\n\\.\n",
			[]string{"S 1:0 COPY stdin TO stdout", "C 1:22 COPY stdin FROM stdin", "= 0 "}, ""},
		{"cut in a row", "SELECT 1;\nCOPY t FROM stdin;\n1\n2", []string{"S 1:0 SELECT 1", "C 2:10 COPY t FROM stdin", "= 1 1\n2"},
			`line 4: the text ends inside COPY data, without \. after its last row (it began at line 2)`},
		{"cut between rows", "COPY t FROM stdin;\n1\n", []string{"C 1:0 COPY t FROM stdin", "= 1 1\n"},
			`line 3: the text ends inside COPY data, without \. after its last row (it began at line 1)`},
		{"cut before the data", "COPY t FROM stdin;", []string{"C 1:0 COPY t FROM stdin", "= 0 "},
			`line 1: the text ends inside COPY data, without \. after its last row`},
		{"cut in the mark", "COPY t FROM stdin;\n\\", []string{"C 1:0 COPY t FROM stdin", "= 0 \\"},
			`line 2: the text ends inside COPY data, without \. after its last row (it began at line 1)`},
		{"cut in the end of the mark", "COPY t FROM stdin;\n\\.\r", []string{"C 1:0 COPY t FROM stdin", "= 0 \\.\r"},
			`line 2: the text ends inside COPY data, without \. after its last row (it began at line 1)`},
		{"with oids", "COPY t WITH OIDS FROM stdin;\n\\.\n", []string{"C 1:0 COPY t WITH OIDS FROM stdin", "= 0 "}, ""},
		{"sql behind it", "COPY t FROM stdin; SELECT 1;\n\\.\n", []string{"C 1:0 COPY t FROM stdin", "= 0 "},
			"line 1: there is SQL behind COPY … FROM stdin on its line, where psql would run it after the data"},
		{"binary", "COPY t FROM stdin (FORMAT 'Binary');", nil, "line 1: binary COPY data can't stand in a script"},
		{"binary, old", "COPY BINARY t FROM stdin;", nil, "line 1: binary COPY data can't stand in a script"},
	})
}

func TestScanner_MetaCommands(t *testing.T) {
	t.Parallel()
	runSplit(t, Options{}, []splitCase{
		{"a line of its own", "\\restrict abc \nSELECT 1;\n\\unrestrict abc\n", []string{"M 1:0 \\restrict abc", "S 2:15 SELECT 1", "M 3:25 \\unrestrict abc"}, ""},
		{"behind a statement", "SELECT 1; \\! ls ; x\nSELECT 2;", []string{"S 1:0 SELECT 1", "M 1:10 \\! ls ; x", "S 2:20 SELECT 2"}, ""},
		{"at the end of the text", "\\q", []string{"M 1:0 \\q"}, ""},
		{"crlf", "\\connect a\r\nSELECT 1;", []string{"M 1:0 \\connect a", "S 2:12 SELECT 1"}, ""},
		{"in a statement", "SELECT 1\n  \\gexec\n+ 1;", []string{"M! 2:11 \\gexec", "S 1:0 SELECT 1\n        \n+ 1"}, ""},
		{"lines go on behind one in a statement", "\n\nSELECT 1\n\\a\n\n\\b\n+ 1;\nSELECT 2;",
			[]string{"M! 4:11 \\a", "M! 6:15 \\b", "S 3:2 SELECT 1\n  \n\n  \n+ 1", "S 8:23 SELECT 2"}, ""},
		{"in parentheses", "SELECT (\\! ls\n1;2);", []string{"M! 1:8 \\! ls", "S 1:0 SELECT (     \n1;2)"}, ""},
		{"behind a string", `SELECT ''\! ls`, []string{`M! 1:9 \! ls`}, "line 1: the text ends inside a statement"},
		{"two backslashes go back to SQL", `\echo a \\ SELECT 1; \echo b \\SELECT 2;`,
			[]string{`M 1:0 \echo a`, "S 1:11 SELECT 1", `M 1:21 \echo b`, "S 1:31 SELECT 2"}, ""},
		{"one begins the next", `\a\t off\! ls`, []string{`M 1:0 \a`, `M 1:2 \t off`, `M 1:8 \! ls`}, ""},
		{"quotes in arguments", `\echo '\\ \'' "\\" ` + "`\\\\`" + ` \\ SELECT 1;`, []string{`M 1:0 \echo '\\ \'' "\\" ` + "`\\\\`", "S 1:27 SELECT 1"}, ""},
		{"a quote ends with its line", "\\echo 'a\nSELECT 1;", []string{"M 1:0 \\echo 'a", "S 2:9 SELECT 1"}, ""},
		{"the shell takes its whole line", "\\! a \\\\ b\nSELECT 1;", []string{`M 1:0 \! a \\ b`, "S 2:10 SELECT 1"}, ""},
		{"a joined statement is no end", `SELECT 1\; SELECT 2;`, []string{`M! 1:8 \;`, "S 1:0 SELECT 1   SELECT 2"}, ""},
		{"backslash alone", "\\\n\\ x\nSELECT 1;", []string{`M 1:0 \`, `M 2:2 \ x`, "S 3:6 SELECT 1"}, ""},
		{"the mark of COPY out of place", "\\.\nSELECT 1;", []string{`M 1:0 \.`, "S 2:3 SELECT 1"}, ""},
	})
}

func TestScanner_StandardConformingStrings(t *testing.T) {
	t.Parallel()
	ambiguous := func(line, began int) string {
		s := fmt.Sprintf("line %d: a backslash in a string that psql and the server read differently", line)
		if began != line {
			s += fmt.Sprintf(" (it began at line %d)", began)
		}
		return s
	}
	var cases []splitCase
	for _, off := range []string{"SET standard_conforming_strings = off", "set session STANDARD_CONFORMING_STRINGS to 'OFF'",
		`SET "standard_conforming_strings" = 0`, "SET standard_conforming_strings TO f", "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false)",
		"SELECT 1, set_config ( 'Standard_Conforming_Strings' , 'no', false), 2"} {
		cases = append(cases, splitCase{off, off + ";\n" + `SELECT '\';', N'\';';`,
			[]string{"S 1:0 " + off, fmt.Sprintf(`S 2:%d SELECT '\';', N'\';'`, len(off)+2)}, ""})
	}
	for _, on := range []string{"SET standard_conforming_strings = on", "SET standard_conforming_strings TO DEFAULT", "RESET standard_conforming_strings",
		"RESET ALL", "DISCARD ALL", "SELECT set_config('standard_conforming_strings','tr',false)"} {
		text := "SET standard_conforming_strings = off;\n" + on + ";\n"
		cases = append(cases, splitCase{on, text + `SELECT '\';`,
			[]string{"S 1:0 SET standard_conforming_strings = off", "S 2:39 " + on, fmt.Sprintf(`S 3:%d SELECT '\'`, len(text))}, ""})
	}
	for _, none := range []string{"CREATE FUNCTION f() SET standard_conforming_strings = off AS 'x'", "ALTER ROLE a SET standard_conforming_strings = off",
		"SELECT 'SET standard_conforming_strings = off'", "SET standard_conforming_strings = nonsense", "RESET work_mem"} {
		cases = append(cases, splitCase{none, none + ";\n" + `SELECT '\';`,
			[]string{"S 1:0 " + none, fmt.Sprintf(`S 2:%d SELECT '\'`, len(none)+2)}, ""})
	}
	cases = append(cases,
		splitCase{"used on the same line", "SET standard_conforming_strings = off; SELECT '\\n';", []string{"S 1:0 SET standard_conforming_strings = off"}, ambiguous(1, 1)},
		splitCase{"used on the same line without backslash", "SET standard_conforming_strings = off; SELECT 'n', E'\\'';\nSELECT '\\'';",
			[]string{"S 1:0 SET standard_conforming_strings = off", "S 1:39 SELECT 'n', E'\\''", "S 2:58 SELECT '\\''"}, ""},
		splitCase{"for a transaction", "SET LOCAL standard_conforming_strings = off;", nil,
			"line 1: standard_conforming_strings is changed for one transaction only, which can't be followed"},
		splitCase{"for a transaction, as it was", "SET LOCAL standard_conforming_strings = on;", []string{"S 1:0 SET LOCAL standard_conforming_strings = on"}, ""},
		splitCase{"for a transaction, by set_config", "SELECT set_config('standard_conforming_strings', 'off', true);", nil,
			"line 1: standard_conforming_strings is changed for one transaction only, which can't be followed"},
		splitCase{"off, but not for U& and X", "SET standard_conforming_strings = off;\nSELECT U&'\\', X'\\', B'0''\\';';",
			[]string{"S 1:0 SET standard_conforming_strings = off", "S 2:39 SELECT U&'\\', X'\\', B'0''\\';'"}, ""},
		splitCase{"unsafe encoding", "SET client_encoding = 'SJIS';", nil,
			"line 1: the client encoding sjis has characters that contain the bytes of quotes and backslashes; convert the file to UTF-8"},
		splitCase{"unsafe names", "SET NAMES 'gb-18030';", nil,
			"line 1: the client encoding gb-18030 has characters that contain the bytes of quotes and backslashes; convert the file to UTF-8"},
		splitCase{"safe encoding", "SET client_encoding = 'LATIN1';", []string{"S 1:0 SET client_encoding = 'LATIN1'"}, ""},
	)
	runSplit(t, Options{}, cases)
}

func TestScanner_Refuses(t *testing.T) {
	t.Parallel()
	const nul = ": there is a NUL byte: this is no SQL text, or it is in another encoding"
	runSplit(t, Options{MaxStatement: 20}, []splitCase{
		{"no semicolon at the end", "SELECT 1;\nSELECT\n2\n", []string{"S 1:0 SELECT 1"}, "line 4: the text ends inside a statement (it began at line 2)"},
		{"open parenthesis at the end", "SELECT (1;\n", nil, "line 2: the text ends inside a statement (it began at line 1)"},
		{"NUL between", "SELECT 1;\n\x00", []string{"S 1:0 SELECT 1"}, "line 2" + nul},
		{"NUL in a string", "SELECT '\n\x00';", nil, "line 2" + nul},
		{"NUL in a comment", "-- \x00", nil, "line 1" + nul},
		{"NUL in COPY data", "COPY t FROM stdin;\n1\n2\x00\n\\.\n", []string{"C 1:0 COPY t FROM stdin", "= 1 1\n2"}, "line 3" + nul},
		{"NUL in a meta-command", "\\x \x00", nil, "line 1" + nul},
		{"UTF-16", "S\x00E\x00", nil, "line 1" + nul},
		{"statement just short enough", "12345678901234567890;", []string{"S 1:0 12345678901234567890"}, ""},
		{"statement too long", "\n123456789012345678901;", nil, "line 2: a statement is longer than 20 bytes"},
		{"string too long", "\n'2345678901234567890\n12", nil, "line 2: a statement is longer than 20 bytes"},
		{"meta-command too long", "\n\\23456789012345678901\n", nil, "line 2: a statement is longer than 20 bytes"},
		{"rows and comments may be long", "/*" + strings.Repeat("x", 99) + "*/COPY t FROM stdin;\n" + strings.Repeat("x", 99) + "\n\\.\n",
			[]string{"C 1:103 COPY t FROM stdin", "= 1 " + strings.Repeat("x", 99) + "\n"}, ""},
	})
}

func TestScanner_ReaderErrorIsNoEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, text := range []string{"", "SELECT 1;", "SELECT 1", "SELECT '", "/* ", "-- ", "\\x", "\\x y", "COPY t FROM stdin;\n1\n", "COPY t FROM stdin;\n\\.",
		"COPY t FROM stdin;", "SELECT $a$ ", "SELECT \"", "SELECT 1 \\x"} {
		for _, cause := range []error{broken, io.ErrUnexpectedEOF, fmt.Errorf("wrapped %w", io.EOF)} {
			s := NewScanner(io.MultiReader(strings.NewReader(text), iotest.ErrReader(cause)), Options{})
			var err error
			for err == nil {
				var item Item
				if item, err = s.Next(); item.Kind == Copy {
					_, err = io.ReadAll(s.CopyData())
					if err == nil {
						t.Errorf("%q: COPY data ended well", text)
					}
				}
			}
			if errors.Is(err, io.EOF) || !strings.Contains(err.Error(), cause.Error()) {
				t.Errorf("%q: error %v, want %v", text, err, cause)
			}
		}
	}
}

func TestScanner_ReaderThatGivesNothing(t *testing.T) {
	t.Parallel()
	_, err := NewScanner(iotest.ErrReader(nil), Options{}).Next()
	if !errors.Is(err, io.ErrNoProgress) {
		t.Fatalf("got %v, want io.ErrNoProgress", err)
	}
}

func TestScanner_NextSkipsUnreadCopyData(t *testing.T) {
	t.Parallel()
	const text = "COPY t FROM stdin;\n1\n22\n333\n\\.\nSELECT 1;"
	for read := range 10 {
		s := NewScanner(strings.NewReader(text), Options{})
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(s.CopyData(), make([]byte, min(read, 9))); err != nil {
			t.Fatal(err)
		}
		item, err := s.Next()
		if err != nil || string(item.Text) != "SELECT 1" || item.Line != 6 || s.CopyRows() != 3 {
			t.Fatalf("after %d bytes: %q in line %d, %d rows, %v", read, item.Text, item.Line, s.CopyRows(), err)
		}
	}
}

// A writer that takes a part and fails must not make rows count twice or be lost.
func TestCopyData_WriteToGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	s := NewScanner(strings.NewReader("COPY t FROM stdin;\n1\n22\n333\n\\.\n"), Options{})
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := io.Copy(&limited{&got, 3}, s.CopyData()); !errors.Is(err, io.ErrShortWrite) {
		t.Fatalf("got %v, want a short write", err)
	}
	if s.CopyRows() != 1 || s.Offset() != 22 || s.Line() != 3 {
		t.Errorf("after 3 bytes: %d rows, offset %d, line %d", s.CopyRows(), s.Offset(), s.Line())
	}
	if _, err := io.Copy(&got, s.CopyData()); err != nil {
		t.Fatal(err)
	}
	if got.String() != "1\n22\n333\n" || s.CopyRows() != 3 || s.Line() != 6 {
		t.Errorf("got %q, %d rows, line %d", got.String(), s.CopyRows(), s.Line())
	}
}

type limited struct {
	w io.Writer
	n int
}

func (l *limited) Write(p []byte) (int, error) {
	n, err := l.w.Write(p[:min(l.n, len(p))])
	l.n -= n
	return n, err
}
