// Package stack runs the whole product on one machine: it reads template.yaml, builds the function binaries, starts the
// AWS protocols, makes what the template names, and runs functions, HTTP API, queue triggers and schedules.
//
// [Start] returns when everything answers; [Stack.Stop] leaves no process. State is in Options.Dir and survives a restart.
// One stack runs per process: the embedded S3 gateway changes the process's working folder.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/backup-restore/backup-restore/infra/local/awsapi"
	"github.com/backup-restore/backup-restore/infra/local/issuer"
	"github.com/backup-restore/backup-restore/infra/local/lambdahost"
	"github.com/backup-restore/backup-restore/infra/local/scheduler"
	"github.com/backup-restore/backup-restore/infra/local/template"
)

// The account of one machine.
const (
	Region    = "eu-central-1"
	AccountID = "000000000000"
	AccessKey = "local"
	SecretKey = "local-secret"
	ClientID  = "backup-restore-console"
)

// Ports are where a stack listens on 127.0.0.1; 0 is any free port.
type Ports struct{ API, AWS, Issuer int }

// Database is a database to register: a secret tagged with its short name.
type Database struct {
	Name   string
	Engine string // postgres where empty
	Secret string // JSON in the RDS shape
}

// Options configure a Stack.
type Options struct {
	Root       string            // the repository: template.yaml and the functions' packages are in it
	Template   string            // path of the template; Root/template.yaml by default
	Dir        string            // state
	Ports      Ports             // any free port where 0
	Parameters map[string]string // of the template; issuer, client and callback are the local ones by default
	// Environment adds to the functions' environment: logical id ("" for all functions) → variable → value.
	Environment map[string]map[string]string
	Databases   []Database
	Binaries    string          // folder of prebuilt <name>/bootstrap, as Build makes them; "" builds into Dir/bin
	Log         io.Writer       // lines of the functions and of the stack; nothing by default
	Reports     bool            // also START, END and REPORT lines
	Clock       scheduler.Clock // of the schedules; the system's by default
	// TokenLifetime is how long the tokens of the sign-in page work; issuer.Lifetime by default. Without refresh tokens the page's
	// session ends with them.
	TokenLifetime   time.Duration
	NoRefreshTokens bool
	// PortHints say which setting changes a port that is taken, for the error message.
	PortHints struct{ API, AWS, Issuer string }
	// RetryDelays are those of asynchronous invocations: see lambdahost.Options.
	RetryDelays []time.Duration
}

// Stack is a running product.
type Stack struct {
	options Options
	log     *logger
	model   *template.Stack
	url     string
	names   map[string]string // logical ids of functions → names

	aws      *awsapi.Server
	config   aws.Config
	made     resources
	issuer   *issuer.Issuer
	host     *lambdahost.Host
	servers  []*http.Server
	cancel   context.CancelFunc
	work     sync.WaitGroup
	stopOnce sync.Once
	stopErr  error
}

// Start starts everything. The stack lives until Stop; ctx bounds the start only.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Stack{options: o, log: &logger{w: o.Log}}
	defer func() {
		if err != nil {
			_ = s.Stop(context.WithoutCancel(ctx))
		}
	}()
	doc, err := template.Load(o.Template)
	if err != nil {
		return nil, err
	}
	api, err := listen("the API", o.Ports.API, o.PortHints.API)
	if err != nil {
		return nil, err
	}
	defer closeOnError(&err, api)
	signIn, err := listen("the sign-in page", o.Ports.Issuer, o.PortHints.Issuer)
	if err != nil {
		return nil, err
	}
	defer closeOnError(&err, signIn)
	s.url = "http://" + api.Addr().String()
	if err := s.startAWS(ctx); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, doc, "http://"+signIn.Addr().String()); err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	if err := s.run(running, api, signIn); err != nil {
		return nil, err
	}
	return s, s.await(ctx)
}

// complete makes the paths absolute, since the working folder is about to change, and fills in defaults.
func (o *Options) complete() error {
	if o.Template == "" {
		o.Template = filepath.Join(o.Root, "template.yaml")
	}
	if o.Root == "" {
		o.Root = filepath.Dir(o.Template)
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	for _, p := range []*string{&o.Root, &o.Template, &o.Dir, &o.Binaries} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("find %s: %w", *p, err)
		}
		*p = abs
	}
	if o.Dir == "" {
		return errors.New("start the stack: no folder for its state was given")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	return nil
}

// PortError says that a port is taken.
type PortError struct {
	Port    int
	For     string // what needs it
	Setting string // what changes it; "" where not known
}

func (e *PortError) Error() string {
	text := fmt.Sprintf("port %d, needed for %s, is taken by another program: end that", e.Port, e.For)
	if e.Setting != "" {
		text += ", or choose another port with " + e.Setting
	}
	return text
}

func listen(what string, port int, setting string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &PortError{port, what, setting}
	}
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", what, err)
	}
	return l, nil
}

func closeOnError(err *error, l net.Listener) {
	if *err != nil {
		_ = l.Close()
	}
}

func (s *Stack) startAWS(ctx context.Context) error {
	server, err := awsapi.Start(ctx, awsapi.Options{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.options.Ports.AWS)),
		Dir: filepath.Join(s.options.Dir, "aws"), Region: Region, AccessKey: AccessKey, SecretKey: SecretKey, Account: AccountID})
	if errors.Is(err, syscall.EADDRINUSE) {
		return &PortError{s.options.Ports.AWS, "the AWS protocols", s.options.PortHints.AWS}
	}
	if err != nil {
		return err
	}
	s.aws = server
	s.config, err = Config(ctx, server.URL())
	return err
}

// Stop ends everything. It can be called again.
func (s *Stack) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Stack) stop(ctx context.Context) error {
	var errs []error
	if s.cancel != nil {
		s.cancel()
	}
	// The functions first: what waits for them then ends by itself.
	if s.host != nil {
		errs = append(errs, s.host.Close())
	}
	for _, server := range s.servers {
		patient, cancel := context.WithTimeout(ctx, 2*time.Second)
		if err := server.Shutdown(patient); err != nil {
			errs = append(errs, server.Close())
		}
		cancel()
	}
	s.work.Wait()
	if s.aws != nil {
		errs = append(errs, s.aws.Close())
	}
	return errors.Join(errs...)
}

// CheckPorts finds a port that is taken before anything is started. It promises nothing: Start looks again.
func (o Options) CheckPorts() error {
	for _, p := range []struct {
		what    string
		port    int
		setting string
	}{
		{"the API", o.Ports.API, o.PortHints.API}, {"the AWS protocols", o.Ports.AWS, o.PortHints.AWS},
		{"the sign-in page", o.Ports.Issuer, o.PortHints.Issuer},
	} {
		l, err := listen(p.what, p.port, p.setting)
		if err != nil {
			return err
		}
		_ = l.Close()
	}
	return nil
}
