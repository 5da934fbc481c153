package sqltext

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/internal/testenv"
)

// The splitter must see what psql sees. psql runs generated scripts against a real server through a proxy that writes down
// what psql sends; the scanner reads the same scripts, and both must agree on every statement and every row.
func TestScanner_AgreesWithPsql(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 1))
	scripts := slices.Concat(lexicalScripts, generateScripts(rnd, 1500))
	var master strings.Builder
	for i, script := range scripts {
		name := filepath.Join(dir, fmt.Sprintf("%d.sql", i))
		if err := os.WriteFile(name, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&master, "RESET standard_conforming_strings;\n%s;\n\\i %s\n", separator, name)
	}
	setup := "CREATE TEMP TABLE t (a text, b text);\n"
	sent := runPsql(t, server, dir, setup+master.String())
	parts := splitAt(sent, separator)[1:]
	if len(parts) != len(scripts) {
		t.Fatalf("psql ran %d scripts of %d", len(parts), len(scripts))
	}
	compared := 0
	for i, script := range scripts {
		// What stands before the next script is psql's again.
		theirs := slices.DeleteFunc(parts[i], func(s string) bool { return s == "RESET|standard_conforming_strings" })
		ours, complete := whatWeSee(script)
		if !complete {
			theirs = theirs[:min(len(ours), len(theirs))]
		}
		if !slices.Equal(ours, theirs) {
			t.Errorf("script %q\nscanner %q\npsql    %q", script, ours, theirs)
		}
		compared += len(ours)
	}
	t.Logf("%d scripts, %d statements and COPYs agree", len(scripts), compared)
	if compared < 2*len(scripts) {
		t.Errorf("only %d statements in %d scripts: the scripts prove too little", compared, len(scripts))
	}
}

const separator = "SELECT 'the next script'"

// lexicalScripts are those that chance finds too seldom.
var lexicalScripts = []string{
	"\xef\xbb\xbfSELECT 1;\n",
	"SELECT 1;\r\nSELECT '\r\n;';\r\n",
	"CREATE FUNCTION pg_temp.f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2;\n",
	"CREATE OR REPLACE PROCEDURE pg_temp.p() BEGIN ATOMIC SELECT (CASE 1 WHEN 1 THEN 2 END); END;\nSELECT 2;\n",
	"COPY t FROM stdin;\r\na\tb\r\n\\.\r\nSELECT 1;\n",
	"COPY t FROM stdin (FORMAT csv);\na,\"b\n;\"\n\\.\nSELECT 1;\n",
	"COPY t FROM stdin; -- x\na\tb\n\\.\nSELECT 1;\n",
	"COPY t FROM stdout;\na\tb\n\\.\nSELECT 1;\n",
	"COPY t FROM stdin;\n\\.x\n \\.\n\\.\nSELECT 1;\n",
	"COPY t FROM stdin;\na\tb\n\\.",
	"\\echo a \\\\ SELECT 1; \\echo 'b \\\\' \\\\SELECT 2;\n",
	"SELECT 1\n\\echo a\n+ 2;\n",
	"SELECT U&'\\'; SELECT 1;\nSELECT U&\";\"\"\\\";\n",
	"SET standard_conforming_strings = off;\nSELECT '\\';';\nSET standard_conforming_strings = on;\nSELECT '\\';\n",
	"SELECT set_config('standard_conforming_strings', 'off', false);\nSELECT '\\';', B'\\';\n",
	"SELECT E'a'\n';' ; SELECT E'a\\'' -- x\n 'b;';\n",
	"SELECT E'a'\n'\\'';';\n",
	"SELECT :a, a[1:b], :a'';\nSELECT :a;",
	"SELECT $1; SELECT $1$; SELECT a$b$; SELECT $é$;$é$;\n",
}

// generateScripts mixes pieces that open, close and hide one another. None of them does harm, in any order; none can run
// a program.
func generateScripts(rnd *rand.Rand, n int) (scripts []string) {
	whole := []string{
		"SELECT ", "SELECT 1;", ";", "; ", ";\n", "\n", " ", "a", "x$y", "é", "1 ", ", ", "[", "]", ".", ": ", ":'a'", ":\"a\"", "::", ":=", "=", "\t", "\r\n",
		"'a'", "';'\n", "'--'", "''", "E'\\';'", "e'\\\\'", "E'a'\n", "B'1;'", "x'\\'", "N'\\'", "U&'\\'", "U&\"\\;\"", "\";\"", "(;)", "(a)",
		"$$;$$", "$a$;$$;$b$$a$", "$é1$;$é1$", "$1 ", "$1$", "-- ;\n", "/* ; */", "/* /* */ ' */", "*/*'*/", "- ", "+", "*",
		"CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END;", "CREATE OR REPLACE PROCEDURE a.b() BEGIN ATOMIC SELECT CASE 1 END; END ",
		"INSERT INTO t VALUES ('a', 'b');", "INSERT INTO t VALUES ('a', 'b');\n", "INSERT INTO t (a) VALUES ('it''s'), (NULL) , (-1);", "INSERT INTO t VALUES (", "'a', ", "), (", ");\n",
		"COPY t FROM stdin;\na\tb\n\\.\n", ";\nCOPY t (a) FROM STDIN;\n;\n'\n--\n$$\n\\.\n", "\\echo a\n", "\\echo a \\\\ ",
		"SET standard_conforming_strings = off;\n", "SET standard_conforming_strings = on;\n",
	}
	halves := []string{
		"'", "E'", "x'", "U&'", "U&\"", "\\'", "\\\\", "\"", "$$", "$a$", "$", "$a", "-", "--", "/", "/*", "*/", "(", ")", "*/*",
		"CREATE FUNCTION f() ", "CREATE OR REPLACE FUNCTION ", " BEGIN ATOMIC ", " CASE ", " END ", " END;",
	}
	for range n {
		var b strings.Builder
		for range 4 + rnd.IntN(20) {
			if rnd.IntN(12) == 0 {
				b.WriteString(halves[rnd.IntN(len(halves))])
			} else {
				b.WriteString(whole[rnd.IntN(len(whole))])
			}
			if rnd.IntN(3) == 0 {
				b.WriteString(";\nSELECT ")
			}
		}
		b.WriteString("\n")
		scripts = append(scripts, b.String())
	}
	return scripts
}

// whatWeSee is what the scanner makes of a script, in the form of what runPsql returns. It is not complete where the
// scanner stopped, or where a meta-command comes of which it can't know what psql does.
func whatWeSee(script string) (seen []string, complete bool) {
	s := NewScanner(strings.NewReader(script), Options{})
	for {
		item, err := s.Next()
		switch {
		case err != nil:
			return seen, err == io.EOF
		case item.Kind == Meta:
			// psql 15 joins the lines around a command inside a statement: a comment before it hides what follows, and a
			// string is not continued.
			if MetaName(item.Text) != "echo" || item.Inside && strings.ContainsAny(script, "-'") {
				return seen, false
			}
			continue
		}
		seen = append(seen, essence(item.Text))
		if item.Kind == Copy {
			rows, err := io.ReadAll(s.CopyData())
			if err != nil {
				return seen, false
			}
			seen = append(seen, "rows "+string(rows))
		}
	}
}

// essence is a statement without white space and comments, which psql alters. Both sides are cut into tokens under the
// same setting, so it does not matter here which one holds.
func essence(text []byte) string {
	var tokens [][]byte
	for t := range Tokens(text) {
		tokens = append(tokens, t.Text)
	}
	return string(bytes.Join(tokens, []byte("|")))
}

func splitAt(list []string, at string) (parts [][]string) {
	parts = [][]string{nil}
	for _, s := range list {
		if s == essence([]byte(at)) {
			parts = append(parts, nil)
			continue
		}
		last := len(parts) - 1
		if s != "" {
			parts[last] = append(parts[last], s)
		}
	}
	return parts
}

// runPsql runs a script and returns the statements and COPY rows that psql sent for it.
func runPsql(t *testing.T, server, dir, script string) []string {
	t.Helper()
	psql := newest(t, "psql")
	name := filepath.Join(dir, "master.sql")
	if err := os.WriteFile(name, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	record, upstream := make(chan []string, 1), u.Host
	go func() { record <- proxy(listener, upstream) }()

	u.Host = listener.Addr().String()
	u.RawQuery = "sslmode=disable&gssencmode=disable"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, psql, "-X", "-q", "-o", os.DevNull, "-f", name, u.String())
	cmd.Env = []string{"PGCLIENTENCODING=UTF8", "HOME=" + dir, "PSQL_EDITOR=/bin/false"}
	if out, err := cmd.CombinedOutput(); err != nil {
		sent := <-record
		t.Fatalf("run psql: %v\nlast sent %q\nlast said %s", err, sent[max(0, len(sent)-5):], out[max(0, len(out)-1000):])
	}
	return <-record
}

// proxy passes one connection on to the server and returns the statements and rows that went by.
func proxy(listener net.Listener, server string) (record []string) {
	client, err := listener.Accept()
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = client.Close() }()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = upstream.Close() }()
	go func() {
		_, _ = io.Copy(client, upstream)
		_ = client.Close()
	}()
	var rows []byte
	for first := true; ; first = false {
		kind, body, err := message(io.TeeReader(client, upstream), first)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				record = append(record, err.Error())
			}
			return record
		}
		switch kind {
		case 'Q':
			record = append(record, essence(bytes.TrimSuffix(bytes.TrimRight(body, "\x00"), []byte{';'})))
		case 'd':
			rows = append(rows, body...)
		case 'c', 'f':
			// psql passes the mark on; to the server it ends the data just as well.
			record = append(record, "rows "+endOfRows.ReplaceAllString(string(rows), "$1"))
			rows = nil
		}
	}
}

var endOfRows = regexp.MustCompile(`(^|\n)\\\.\r?\n?$`)

// message reads one message of a client: of the first there is no kind.
func message(r io.Reader, first bool) (kind byte, body []byte, err error) {
	head := make([]byte, 5)
	if first {
		head = head[1:]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	body = make([]byte, binary.BigEndian.Uint32(head[len(head)-4:])-4)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}

// newest is the path of PostgreSQL's program of the highest version on this machine.
func newest(t testing.TB, program string) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err == nil && len(found) > 0 {
		return slices.MaxFunc(found, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
	}
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s: %v", program, err)
	}
	return path
}
