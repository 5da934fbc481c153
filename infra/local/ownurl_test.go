package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/infra/local/pgcluster"
)

func TestOwnDatabase_SaysInOneLineWhyThereIsNoConnection(t *testing.T) {
	t.Parallel()
	c, err := pgcluster.Start(t.Context(), pgcluster.Options{Dir: t.TempDir(), Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	none := free.Addr().String()
	_ = free.Close()
	right := strings.TrimSuffix(c.SuperuserURL(), "/postgres?sslmode=disable")
	_, at, _ := strings.Cut(right, "@")
	for name, c := range map[string]struct{ url, want string }{
		"wrong password":   {"postgres://postgres:geheim@" + at + "/postgres", `password authentication failed for user "postgres" (28P01)`},
		"unknown database": {right + "/none", `database "none" does not exist (3D000)`},
		"encrypted only":   {right + "/postgres?sslmode=require", "server refused TLS connection"},
		"nobody there":     {"postgres://a:geheim@" + none + "/x", "nothing listens there"},
		"several servers":  {"postgres://a:geheim@" + none + "," + at + "/x", "more than one server"},
	} {
		_, err := ownDatabase(t.Context(), c.url)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v\nwant one line with %q", name, err, c.want)
		}
	}
	if _, err := ownDatabase(t.Context(), right+"/postgres"); err != nil {
		t.Errorf("without sslmode: %v", err)
	}
}

func TestWhyNot_OneLine(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"no answer within 10s that a PostgreSQL server would give": context.DeadlineExceeded,
		"there is no host of this name: no such host":              &net.DNSError{Err: "no such host", Name: "x"},
		"the last": errors.New("first:\n\ta try\n\tthe last"),
	} {
		if got := whyNot(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
