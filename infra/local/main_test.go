package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/issuer"
)

func TestReadable_MakesALineOfJSON(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 1, 2, 3, 0, time.Local)
	at := now.Add(time.Hour).Format(time.RFC3339Nano)
	for in, want := range map[string]string{
		`WorkerFunction | {"time":"` + at + `","level":"INFO","msg":"backup created","backup":"01","bytes":7,"why":"a b"}`: `02:02:03 WorkerFunction   backup created backup=01 bytes=7 why="a b"`,
		`ApiFunction | {"level":"ERROR","msg":"oh"}`:                     `01:02:03 ApiFunction      ERROR oh`,
		`F | {"timestamp":"` + at + `","level":"INFO","message":"done"}`: `02:02:03 F                done`,
		`gateway | 200 GET "/"`:                                          `01:02:03 gateway          200 GET "/"`,
		`F | {not json`:                                                  `01:02:03 F                {not json`,
		`no label`:                                                       `no label`,
	} {
		if got := readable(in, now); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestConsole_WritesWholeLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := newConsole(&out)
	for _, part := range []string{"no la", "bel\nsecond", " line\n", "rest"} {
		if _, err := c.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "no label\nsecond line\n" {
		t.Errorf("%q", out.String())
	}
}

func TestToken_NeedsARoleAndAStackThatWasStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	call := func(args ...string) (int, string, string) {
		var out, errOut bytes.Buffer
		code := run(t.Context(), append([]string{"token", "-dir", dir}, args...), &out, &errOut)
		return code, out.String(), errOut.String()
	}
	if code, _, text := call("-role", "king"); code != 1 || !strings.Contains(text, "ROLE=super-admin|operator|auditor") {
		t.Errorf("unknown role: %d %s", code, text)
	}
	if code, _, text := call("-role", "auditor"); code != 1 || !strings.Contains(text, "make run first") {
		t.Errorf("nothing started: %d %s", code, text)
	}
	if _, err := issuer.Open(issuer.Options{Dir: filepath.Join(dir, "issuer"), URL: "http://127.0.0.1:8082", ClientID: "c"}); err != nil {
		t.Fatal(err)
	}
	code, token, text := call("-role", "auditor", "-name", "Kim", "-ttl", "5m")
	if code != 0 || strings.Count(token, ".") != 2 || strings.Count(token, "\n") != 1 || text != "" {
		t.Errorf("%d %q %q", code, token, text)
	}
}

func TestUp_RefusesWhatItCannotUseBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-param", "x"}, "Name=Value"},
		{[]string{"more"}, "is not a flag"},
		{[]string{"-api-port", "x"}, `invalid value "x" for flag -api-port`},
		{[]string{"-api-port", "0", "-aws-port", "0", "-issuer-port", "0", "-database-url", "mysql://a:geheim@h/x"}, "DATABASE_URL is not of the form"},
		{[]string{"-api-port", "0", "-aws-port", "0", "-issuer-port", "0", "-database-url", "postgres://a:geheim@127.0.0.1:1/x"}, "connect to DATABASE_URL (127.0.0.1:1/x as a)"},
		{[]string{"-api-port", "0", "-aws-port", "0", "-issuer-port", "0", "-database-url", "postgres://a:geheim@127.0.0.1:1"}, "DATABASE_URL is not of the form"},
	} {
		dir := t.TempDir()
		var out, errOut bytes.Buffer
		code := run(t.Context(), append([]string{"up", "-dir", dir}, c.args...), &out, &errOut)
		if code != 1 || !strings.Contains(errOut.String(), c.want) {
			t.Errorf("%v: %d %s", c.args, code, errOut.String())
		}
		if strings.Count(errOut.String(), "\n") != 1 {
			t.Errorf("%v: more than one line: %s", c.args, errOut.String())
		}
		if strings.Contains(out.String()+errOut.String(), "geheim") {
			t.Errorf("%v: the password is shown: %s", c.args, errOut.String())
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%v: left %v %v", c.args, list, err)
		}
	}
}

func TestShortName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"school": "school", "School Data": "school-data", "a.b": "a-b", "Ünï": "n", "_x_": "x", "日本": ""} {
		if got, err := shortName(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
}

func TestRun_CommandsForTestDataReachThisMachineOnly(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{{"seed"}, {"sql"}, {"copy", "-as", "other"}} {
		for _, endpoint := range []string{"https://s3.eu-central-1.amazonaws.com", "http://10.0.0.1:8081", "http://127.0.0.1.example:8081", "127.0.0.1:8081"} {
			args := append(command, "-aws", endpoint)
			if command[0] == "sql" {
				args = append(args, "SELECT 1")
			}
			var out, errOut bytes.Buffer
			if code := run(t.Context(), args, &out, &errOut); code != 1 || !strings.Contains(errOut.String(), "-aws "+endpoint) {
				t.Errorf("%v: %d %s", args, code, &errOut)
			}
		}
	}
}
