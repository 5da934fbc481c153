// Package awsapi answers the AWS calls that the product makes, on one address of this machine: S3 by an embedded gateway,
// SQS and Secrets Manager by servers of our own. The functions run against it unmodified, by AWS_ENDPOINT_URL alone.
//
// Start first; URL says where it listens; Close ends it. All state is in a folder, survives a restart and kill -9, and may
// be used by one Server at a time. See package s3 for what its gateway does to the process.
//
// A request goes to SQS or Secrets Manager by its X-Amz-Target, and to S3 where there is none. Requests must be signed by
// Signature Version 4 with the configured keys. An action that is not built answers UnknownOperationException with its name.
//
// # Controls
//
// They need no signature, since the address is of this machine only.
//
//	GET    /_local/health                  200 when everything answers, else 503
//	GET    /_local/s3/faults               the faults in front of S3, with how often each matched
//	PUT    /_local/s3/faults               replaces them by a JSON list of Fault
//	DELETE /_local/s3/faults               clears them
//	GET    /_local/sqs/QUEUE/faults        what is to go wrong with the messages that are sent next
//	PUT    /_local/sqs/QUEUE/faults        replaces that by a JSON object: see sqs.Faults
//	DELETE /_local/sqs/QUEUE/faults        clears it
//	PUT    /_local/sqs/QUEUE/redelivery    delivers what is in flight a second time, now
//
// So, to lose the answers of the next two writes of records, which are done nevertheless:
//
//	curl -X PUT -d '[{"kind":"drop-answer","method":"PUT","keyPrefix":"records/","requests":2}]' $ENDPOINT/_local/s3/faults
package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/awsjson"
	"github.com/backup-restore/backup-restore/infra/local/awsapi/s3"
	"github.com/backup-restore/backup-restore/infra/local/awsapi/secrets"
	"github.com/backup-restore/backup-restore/infra/local/awsapi/sqs"
)

// Options say where to listen and what to keep.
type Options struct {
	Addr      string   // host and port, such as 127.0.0.1:8081; the port 0 takes a free one
	Dir       string   // holds all state; made if it is not there
	Region    string   // eu-central-1 where empty
	AccessKey string   // local where empty
	SecretKey string   // local-secret where empty
	Account   string   // 000000000000 where empty
	Buckets   []string // made and versioned if they are not there
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&o.Addr, "127.0.0.1:8081"}, {&o.Region, "eu-central-1"}, {&o.AccessKey, "local"}, {&o.SecretKey, "local-secret"},
		{&o.Account, "000000000000"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
}

// Server answers until Close.
type Server struct {
	url     string
	http    *http.Server
	lock    *os.File
	s3      *s3.Server
	sqs     *sqs.Server
	secrets *secrets.Server
	faults  Faults

	served chan struct{} // closed when http serves no more
	close  func() error
}

// Start listens on o.Addr and returns when every service answers. The server ends with Close, also where ctx has ended.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	o.setDefaults()
	if o.Dir == "" {
		return nil, errors.New("start the AWS endpoint: no folder given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("start the AWS endpoint: %w", err)
	}
	listener, err := listen(ctx, o.Addr)
	if err != nil {
		return nil, err
	}
	s := &Server{url: "http://" + listener.Addr().String(), served: make(chan struct{})}
	s.close = sync.OnceValue(s.end)
	defer func() {
		if err != nil {
			_ = listener.Close()
			_ = s.Close()
		}
	}()
	if s.lock, err = lock(dir); err != nil {
		return nil, err
	}
	if s.sqs, err = sqs.Open(sqs.Options{Dir: filepath.Join(dir, "sqs"), URL: s.url, Region: o.Region, Account: o.Account}); err != nil {
		return nil, err
	}
	if s.secrets, err = secrets.Open(secrets.Options{Dir: filepath.Join(dir, "secrets"), Region: o.Region, Account: o.Account}); err != nil {
		return nil, err
	}
	s.s3, err = s3.Start(context.WithoutCancel(ctx), s3.Options{Dir: filepath.Join(dir, "s3"), Region: o.Region,
		AccessKey: o.AccessKey, SecretKey: o.SecretKey, Buckets: o.Buckets})
	if err != nil {
		return nil, err
	}
	s.http = &http.Server{Handler: s.routes(o), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(listener)
	}()
	return s, nil
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("start the AWS endpoint: the address %q is not host:port", addr)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("start the AWS endpoint: %s is not a loopback address such as 127.0.0.1; its keys are no secret", host)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("start the AWS endpoint: port %s of %s is taken by another program: "+
			"end it, or choose another port for the AWS endpoint: %w", port, host, err)
	}
	if err != nil {
		return nil, fmt.Errorf("start the AWS endpoint: %w", err)
	}
	return listener, nil
}

// lock takes dir for this process. The kernel gives it back when the process ends, however it ends.
func lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start the AWS endpoint: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start the AWS endpoint: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("start the AWS endpoint: another one is running on the folder %s: end it first: %w", dir, err)
	}
	return f, nil
}

func (s *Server) routes(o Options) http.Handler {
	control := http.NewServeMux()
	control.HandleFunc("GET /_local/health", s.health)
	control.Handle("/_local/s3/faults", &s.faults)
	control.Handle("/_local/sqs/", s.sqs.Control())
	queues := signed(o.AccessKey, o.SecretKey, s.sqs)
	vault := signed(o.AccessKey, o.SecretKey, s.secrets)
	objects := s.faults.wrap(s.s3)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		switch {
		case strings.HasPrefix(r.URL.Path, "/_local/"):
			control.ServeHTTP(w, r)
		case strings.HasPrefix(target, "AmazonSQS."):
			queues.ServeHTTP(w, r)
		case strings.HasPrefix(target, "secretsmanager."):
			vault.ServeHTTP(w, r)
		case target != "":
			awsjson.WriteError(w, "application/x-amz-json-1.1", &awsjson.Error{
				Type:    "com.amazon.coral.service#UnknownOperationException",
				Message: target + " is not supported on this machine: it has S3, SQS and Secrets Manager.",
			})
		default:
			objects.ServeHTTP(w, r)
		}
	})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-s.s3.Ended():
		http.Error(w, "the S3 gateway has ended", http.StatusServiceUnavailable)
	default:
		_, _ = fmt.Fprintln(w, "ok")
	}
}

// URL is the endpoint for SDKs: http://127.0.0.1:PORT.
func (s *Server) URL() string { return s.url }

// S3Faults are the faults in front of S3.
func (s *Server) S3Faults() *Faults { return &s.faults }

// SQS is the queues, for their faults.
func (s *Server) SQS() *sqs.Server { return s.sqs }

// Close ends everything: long polls at once, other requests within 5 seconds. It can be called again.
func (s *Server) Close() error { return s.close() }

func (s *Server) end() error {
	if s.sqs != nil {
		s.sqs.Close()
	}
	if s.http != nil {
		const patience = 5 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			_ = s.http.Close() // cuts what is still under way
		}
		<-s.served
	}
	var err error
	if s.s3 != nil {
		err = s.s3.Close()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
