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

	"github.com/backup-restore/backup-restore/infra/local/demo"
	"github.com/backup-restore/backup-restore/infra/local/pgcluster"
	"github.com/backup-restore/backup-restore/infra/local/stack"
)

// settings are the flags of up.
type settings struct {
	ports       stack.Ports
	postgres    int
	databaseURL string
	parameters  parameters
	dir         string
	reports     bool
	root        string
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
	s := settings{parameters: parameters{}}
	f := flag.NewFlagSet("local up", flag.ContinueOnError)
	var said bytes.Buffer // the mistake, which is reported by our caller, and the whole usage, which would hide it
	f.SetOutput(&said)
	f.IntVar(&s.ports.API, "api-port", 8080, "port of the page and the API; 0 for any")
	f.IntVar(&s.ports.AWS, "aws-port", 8081, "port of the AWS protocols; 0 for any")
	f.IntVar(&s.ports.Issuer, "issuer-port", 8082, "port of the sign-in page; 0 for any")
	f.IntVar(&s.postgres, "postgres-port", 8432, "port of the private PostgreSQL server; 0 for any")
	f.StringVar(&s.databaseURL, "database-url", "", "a database of your own, postgres://user:password@host:port/name, instead of the demo")
	f.StringVar(&s.dir, "dir", ".local", "the state folder, relative to the repository")
	f.Var(s.parameters, "param", "a parameter of template.yaml, Name=Value; may be repeated")
	f.BoolVar(&s.reports, "reports", false, "also log START, END and REPORT of each invocation")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = said.WriteTo(errOut)
		}
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	root, err := repository()
	if err != nil {
		return s, err
	}
	s.root, s.dir = root, stateDir(root, s.dir)
	return s, nil
}

// up runs everything until ctx ends.
func up(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	s, err := parseUp(args, errOut)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	hints := struct{ API, AWS, Issuer string }{"make run PORT=…", "make run AWS_PORT=…", "make run ISSUER_PORT=…"}
	o := stack.Options{Root: s.root, Dir: s.dir, Ports: s.ports, Parameters: s.parameters, Log: newConsole(out), Reports: s.reports,
		PortHints: hints}
	release, err := hold(s.dir)
	if err != nil {
		return err
	}
	defer release()
	// Before PostgreSQL is started, which takes longer.
	if err := o.CheckPorts(); err != nil {
		return err
	}
	defer func() {
		if ctx.Err() != nil {
			err = nil // the person at the keyboard wanted it to end
		}
	}()
	lost := make(<-chan struct{})
	var served database
	if s.databaseURL != "" {
		served, err = ownDatabase(ctx, s.databaseURL)
	} else {
		var cluster *pgcluster.Cluster
		served, cluster, err = demoDatabase(ctx, s, say)
		if cluster != nil {
			lost = cluster.Done()
			defer stopWithin("PostgreSQL", cluster.Stop, say)
		}
	}
	if err != nil {
		return err
	}
	o.Databases = []stack.Database{served.Database}
	o.Environment = map[string]map[string]string{"WorkerFunction": served.worker}
	say("Building and starting the functions …")
	running, err := stack.Start(ctx, o)
	if err != nil {
		return err
	}
	defer stopWithin("the stack", running.Stop, say)
	welcome(out, running, s, served)
	select {
	case <-ctx.Done():
		say("\nStopping …")
		return nil
	case <-lost:
		return fmt.Errorf("PostgreSQL ended by itself: see %s", filepath.Join(s.dir, "postgres"))
	}
}

// stopWithin ends something, at most within a few seconds.
func stopWithin(what string, stop func(context.Context) error, say func(string, ...any)) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := stop(ctx); err != nil {
		say("%s did not stop cleanly: %v", what, err)
	}
}

// database is what is registered, and what a worker needs to reach it.
type database struct {
	stack.Database
	shown  string            // where it is, without its password
	worker map[string]string // extra environment of the worker
}

func demoDatabase(ctx context.Context, s settings, say func(string, ...any)) (database, *pgcluster.Cluster, error) {
	say("Starting PostgreSQL …")
	cluster, err := pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(s.dir, "postgres"), Port: s.postgres, PortHint: "make run POSTGRES_PORT=…"})
	if err != nil {
		return database{}, nil, err
	}
	d, err := demo.Load(ctx, cluster.SuperuserURL(), func(text string) { say("  %s", text) })
	if err != nil {
		return database{}, cluster, err
	}
	c := d.Credentials
	return database{Database: stack.Database{Name: d.Name, Secret: d.SecretString()},
		shown:  fmt.Sprintf("postgres://%s@%s:%d/%s", c.Username, c.Host, c.Port, c.DBName),
		worker: clientPrograms(cluster.BinDir())}, cluster, nil
}

// clientPrograms tells the worker where pg_dump is, where it is not in Debian's place.
func clientPrograms(dir string) map[string]string {
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump"); err == nil && len(found) > 0 {
		return nil
	}
	if dir == "" {
		return nil
	}
	return map[string]string{"POSTGRES_BIN_DIRS": dir}
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
