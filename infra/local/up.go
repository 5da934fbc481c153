package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/issuer"
	"github.com/backup-restore/backup-restore/infra/local/stack"
)

// settings are the flags of up and exec.
type settings struct {
	ports         stack.Ports
	postgres      int
	databaseURL   string
	parameters    parameters
	tokenLifetime time.Duration
	noRefresh     bool
	dir           string
	reports       bool
	root          string
	// clusterSettings, makesLogins and hints are not flags: exec's server need not survive a crash, its copies of the demo are restored side
	// by side, and only up's ports can be chosen by make.
	clusterSettings map[string]string
	makesLogins     bool
	hints           struct{ API, AWS, Issuer string }
}

// flags declares what up and exec have in common.
func (s *settings) flags(f *flag.FlagSet) {
	s.parameters = parameters{}
	f.Var(s.parameters, "param", "a parameter of template.yaml, Name=Value; may be repeated")
	f.DurationVar(&s.tokenLifetime, "token-lifetime", issuer.Lifetime, "how long the tokens of the sign-in page work")
	f.BoolVar(&s.noRefresh, "no-refresh-tokens", false, "the sign-in page gives no refresh tokens: a session ends with its access token")
	f.BoolVar(&s.reports, "reports", false, "also log START, END and REPORT of each invocation")
}

// check finds the repository and what the flags can't say.
func (s *settings) check() (err error) {
	if s.tokenLifetime < time.Second {
		return fmt.Errorf("-token-lifetime %s is less than a second", s.tokenLifetime)
	}
	if s.root, err = repository(); err != nil {
		return err
	}
	s.dir = stateDir(s.root, s.dir)
	return nil
}

// parameters are -param flags.
type parameters map[string]string

func (p parameters) String() string { return "" }

func (p parameters) Set(text string) error {
	k, v, ok := strings.Cut(text, "=")
	if !ok || k == "" {
		return errors.New("it must be Name=Value")
	}
	p[k] = v
	return nil
}

func parseUp(args []string, errOut io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("local up", flag.ContinueOnError)
	f.IntVar(&s.ports.API, "api-port", 8080, "port of the page and the API; 0 for any")
	f.IntVar(&s.ports.AWS, "aws-port", 8081, "port of the AWS protocols; 0 for any")
	f.IntVar(&s.ports.Issuer, "issuer-port", 8082, "port of the sign-in page; 0 for any")
	f.IntVar(&s.postgres, "postgres-port", 8432, "port of the private PostgreSQL server; 0 for any")
	f.StringVar(&s.databaseURL, "database-url", "", "a database of your own, postgres://user:password@host:port/name, instead of the demo")
	f.StringVar(&s.dir, "dir", ".local", "the state folder, relative to the repository")
	s.flags(f)
	if err := parse(f, args, errOut); err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	s.hints = struct{ API, AWS, Issuer string }{"make run PORT=…", "make run AWS_PORT=…", "make run ISSUER_PORT=…"}
	return s, s.check()
}

// parse reads flags. Only who asks for the usage sees it: it would hide the mistake, which our caller reports.
func parse(f *flag.FlagSet, args []string, errOut io.Writer) error {
	var said bytes.Buffer
	f.SetOutput(&said)
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = said.WriteTo(errOut)
	}
	return err
}

// up runs everything until ctx ends.
func up(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	s, err := parseUp(args, errOut)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	release, err := hold(s.dir)
	if err != nil {
		return err
	}
	defer release()
	w := &world{settings: s, log: newConsole(out), say: say}
	defer w.stop()
	defer func() {
		if ctx.Err() != nil {
			err = nil // the person at the keyboard wanted it to end
		}
	}()
	if err := w.start(ctx); err != nil {
		return err
	}
	welcome(out, w.stack, s, w.served)
	select {
	case <-ctx.Done():
		say("\nStopping …")
		return nil
	case <-w.lost():
		return w.errLost()
	}
}

func welcome(out io.Writer, st *stack.Stack, s settings, d database) {
	dir := s.dir
	if wd, err := filepath.Rel(s.root, dir); err == nil && !strings.HasPrefix(wd, "..") {
		dir = wd
	}
	text := strings.NewReplacer("{API}", st.URL(), "{ISSUER}", st.IssuerURL(), "{AWS}", st.Endpoint(), "{DB}", d.Name, "{SERVER}", d.shown,
		"{DIR}", dir, "{KEY}", stack.AccessKey, "{SECRET}", stack.SecretKey, "{REGION}", stack.Region).Replace(welcomeText)
	_, _ = io.WriteString(out, text)
	if f, ok := out.(*os.File); ok {
		_ = f.Sync()
	}
}

const welcomeText = `
Open {API}/ in a browser: Backup & Restore is running.

  API          {API}        described at {API}/docs
  Sign-in      {ISSUER}        a stand-in: pick a name and a role
  AWS          {AWS}        S3, SQS, Secrets Manager; region {REGION}, key {KEY}, secret {SECRET}
  Database     {DB}, at {SERVER}
  State        {DIR}

For scripts, in another terminal:

  TOKEN=$(make -s token ROLE=super-admin)
  curl -s -H "Authorization: Bearer $TOKEN" {API}/api/databases
  curl -s -H "Authorization: Bearer $TOKEN" -X POST {API}/api/databases/{DB}/backups
  curl -s -H "Authorization: Bearer $TOKEN" {API}/api/databases/{DB}/backups

Ctrl-C stops everything; the next run finds the state as it was. The logs follow.

`
