package stack

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/backup-restore/backup-restore/infra/local/eventsource"
	"github.com/backup-restore/backup-restore/infra/local/gateway"
	"github.com/backup-restore/backup-restore/infra/local/issuer"
	"github.com/backup-restore/backup-restore/infra/local/lambdahost"
	"github.com/backup-restore/backup-restore/infra/local/scheduler"
	"github.com/backup-restore/backup-restore/infra/local/template"
)

// prepare resolves the template, makes its resources, and builds the functions.
func (s *Stack) prepare(ctx context.Context, doc *template.Document, issuerURL string) error {
	if err := s.resolve(ctx, doc, issuerURL); err != nil {
		return err
	}
	if err := s.register(ctx); err != nil {
		return err
	}
	var err error
	s.issuer, err = issuer.Open(issuer.Options{Dir: filepath.Join(s.options.Dir, "issuer"), URL: issuerURL, ClientID: ClientID,
		RedirectURIs: redirects(s.url), Lifetime: s.options.TokenLifetime, NoRefresh: s.options.NoRefreshTokens})
	if err != nil {
		return err
	}
	if s.options.Binaries == "" {
		if err := checkPackages(s.options.Root, s.model); err != nil {
			return err
		}
		s.options.Binaries = filepath.Join(s.options.Dir, "bin")
		if err := Build(ctx, s.options.Root, s.options.Binaries, packagesOf(s.model)); err != nil {
			return err
		}
	}
	return s.addFunctions()
}

// redirects are the addresses under which people open the page: 127.0.0.1 and localhost are two origins.
func redirects(url string) []string {
	other := strings.Replace(url, "127.0.0.1", "localhost", 1)
	return []string{url + "/", url, other + "/", other}
}

// resolve evaluates the template twice: resources are made after the first time, and what they turn out to be called is in
// the functions' environment after the second.
func (s *Stack) resolve(ctx context.Context, doc *template.Document, issuerURL string) error {
	parameters, err := s.parameters(doc, issuerURL)
	if err != nil {
		return err
	}
	o := template.Options{Parameters: parameters, StackName: "backup-restore", Region: Region, AccountID: AccountID, Endpoint: s.aws.URL()}
	first, err := doc.Resolve(o)
	if err != nil {
		return err
	}
	if s.made, err = makeResources(ctx, s.config, first); err != nil {
		return err
	}
	o.Attributes = s.made.attributes
	if s.model, err = doc.Resolve(o); err != nil {
		return err
	}
	if len(s.model.APIs) != 1 {
		return fmt.Errorf("the template has %d HTTP APIs, and one is run here", len(s.model.APIs))
	}
	return nil
}

func (s *Stack) parameters(doc *template.Document, issuerURL string) (map[string]string, error) {
	known, err := doc.Parameters()
	if err != nil {
		return nil, err
	}
	local := map[string]string{"Issuer": issuerURL, "ClientId": ClientID, "ConsoleCallbackUrl": s.url + "/"}
	out := map[string]string{}
	for _, p := range known {
		if v, ok := local[p.Name]; ok {
			out[p.Name] = v
		}
	}
	maps.Copy(out, s.options.Parameters)
	return out, nil
}

func (s *Stack) addFunctions() error {
	tmp := filepath.Join(s.options.Dir, "tmp")
	if err := os.RemoveAll(tmp); err != nil { // what a run that was killed left
		return fmt.Errorf("clear temporary files: %w", err)
	}
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return fmt.Errorf("make a folder for temporary files: %w", err)
	}
	s.host = lambdahost.New(lambdahost.Options{Region: Region, Endpoint: s.aws.URL(), AccessKeyID: AccessKey, SecretAccessKey: SecretKey,
		Dir: tmp, Log: s.log, Reports: s.options.Reports, RetryDelays: s.options.RetryDelays})
	s.names = map[string]string{}
	for _, f := range s.model.Functions {
		env := maps.Clone(f.Environment)
		if env == nil {
			env = map[string]string{}
		}
		maps.Copy(env, s.options.Environment[""])
		maps.Copy(env, s.options.Environment[f.ID])
		s.names[f.ID] = f.Name
		if err := s.host.Add(lambdahost.Function{Name: f.Name, Label: f.ID, Binary: binaryOf(s.options.Binaries, f.Package), Handler: f.Handler,
			MemoryMB: f.MemoryMB, Timeout: f.Timeout, Environment: env, Reserved: f.Reserved, AsyncRetries: f.AsyncRetries,
			AsyncMaxAge: f.AsyncMaxAge}); err != nil {
			return err
		}
	}
	return nil
}

// run starts the gateway, the issuer, the queue triggers and the schedules. They go on until ctx ends.
func (s *Stack) run(ctx context.Context, api, signIn net.Listener) error {
	gw, err := gateway.New(gateway.Options{API: s.model.APIs[0], Functions: s.host, Names: s.names, Log: s.log.named("gateway")})
	if err != nil {
		return err
	}
	clock, err := scheduler.New(scheduler.Options{Schedules: s.model.Schedules, Names: s.names, Functions: s.host, Clock: s.options.Clock,
		Region: Region, AccountID: AccountID, Log: s.log.named("scheduler")})
	if err != nil {
		return err
	}
	s.serve(api, s.log.access(gw))
	side := http.NewServeMux()
	side.Handle("/_local/", onlyHost(signIn.Addr().String(), s.host.Control()))
	side.Handle("/", s.issuer.Handler())
	s.serve(signIn, side)
	client := sqs.NewFromConfig(s.config)
	for _, t := range s.model.Triggers {
		m := eventsource.New(eventsource.Options{Trigger: t, Function: s.names[t.Function], QueueURL: s.made.attributes[t.Queue]["Ref"],
			QueueARN: s.made.attributes[t.Queue]["Arn"], Region: Region, Client: client, Functions: s.host, Log: s.log.named("trigger")})
		s.work.Go(func() { m.Run(ctx) })
	}
	s.work.Go(func() { clock.Run(ctx) })
	return nil
}

// onlyHost keeps web pages out that reach us under another name (DNS rebinding).
func onlyHost(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "ask for "+host, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Stack) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, server)
	s.work.Go(func() { _ = server.Serve(l) })
}

// await holds the start until the servers answer.
func (s *Stack) await(ctx context.Context) error {
	for _, url := range []string{s.issuer.URL() + "/.well-known/openid-configuration", s.aws.URL() + "/_local/health"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", url, err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", url, err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("wait for %s: it answers %s", url, res.Status)
		}
	}
	return nil
}
