// Package s3 runs S3 on this machine: the versitygw gateway over a folder, inside this process.
//
// Start gives a *Server, which is an http.Handler to be put behind a listener; Close ends it.
//
// The gateway has habits that its callers must know:
//   - It changes the process's working directory to its own folder, because it opens objects by relative paths. Resolve
//     every other path of the process to an absolute one first. Close changes back.
//   - A process can run only one at a time. A second Start is an error.
//   - A key that is another key's prefix up to a slash can't be stored: "a" and "a/b".
//   - Lifecycle rules are answered by 501.
//
// Point clients at http://127.0.0.1:PORT, never at localhost: an SDK would put the bucket's name in front of that.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

// Options say where the objects are and who may read them.
type Options struct {
	Dir       string   // holds the objects; made if it is not there
	Region    string   // eu-central-1 where empty
	AccessKey string   // local where empty
	SecretKey string   // local-secret where empty
	Buckets   []string // made and versioned if they are not there
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		field *string
		value string
	}{{&o.Region, "eu-central-1"}, {&o.AccessKey, "local"}, {&o.SecretKey, "local-secret"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
}

// The gateway answers 503 when more requests than this are under way.
const maxRequests = 4096

// running is set while this process runs a gateway.
var running atomic.Bool

// Server is a running gateway. It is safe for concurrent use.
type Server struct {
	front     http.Handler
	transport *http.Transport
	socketDir string
	oldDir    string // the working directory before Start

	stop  context.CancelFunc
	ended chan struct{} // closed when the gateway has ended
	err   error         // of the gateway, to be read after ended

	closing sync.Once
}

// hush keeps what the gateway prints while it starts off the terminal: it has no switch for that. It returns what ends it.
func hush() func() {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return func() {}
	}
	stdout := os.Stdout
	os.Stdout = null
	return func() {
		os.Stdout = stdout
		_ = null.Close()
	}
}

// Start runs the gateway until Close, or until ctx ends, and returns when it answers.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	o.setDefaults()
	// The gateway would refuse too, but only after the second had changed the working directory under the first.
	if !running.CompareAndSwap(false, true) {
		return nil, errors.New("start S3: this process runs one already")
	}
	speak := hush()
	defer speak()
	objects, oldDir, err := openObjects(o.Dir)
	if err != nil {
		running.Store(false)
		return nil, err
	}
	// A unix socket's path has at most 107 bytes (103 on macOS), so it can't lie in the state folder, which may be deep.
	socketDir, err := os.MkdirTemp("", "s3-")
	if err != nil {
		objects.Shutdown()
		running.Store(false)
		return nil, fmt.Errorf("make a folder for the S3 socket: %w", err)
	}
	socket := filepath.Join(socketDir, "s")
	run, stop := context.WithCancel(ctx)
	s := &Server{socketDir: socketDir, oldDir: oldDir, stop: stop, ended: make(chan struct{})}
	s.transport = newTransport(socket)
	s.front = newFront(s.transport)
	go func() {
		defer close(s.ended)
		s.err = embedgw.RunVersityGW(run, backend{objects}, &embedgw.Config{
			RootUserAccess: o.AccessKey, RootUserSecret: o.SecretKey, Region: o.Region,
			Ports: []string{socket}, SocketPerm: "0600",
			MaxConnections: maxRequests, MaxRequests: maxRequests, MultipartMaxParts: 10_000,
			Quiet: true,
		})
	}()
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if err := s.awaitSocket(ctx, socket); err != nil {
		return nil, err
	}
	if err := s.makeBuckets(ctx, o); err != nil {
		return nil, err
	}
	return s, nil
}

// openObjects opens the objects below dir, and returns the working directory as it was before.
func openObjects(dir string) (*posix.Posix, string, error) {
	if dir == "" {
		return nil, "", errors.New("start S3: no folder given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, "", fmt.Errorf("start S3: %w", err)
	}
	oldDir, err := os.Getwd()
	if err != nil {
		return nil, "", fmt.Errorf("start S3: %w", err)
	}
	objects, versions, side := filepath.Join(dir, "objects"), filepath.Join(dir, "versions"), filepath.Join(dir, "metadata")
	for _, d := range []string{objects, versions} {
		// 0700: the objects are dumps of people's data.
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, "", fmt.Errorf("start S3: %w", err)
		}
	}
	var store meta.MetadataStorer = meta.XattrMeta{}
	opts := posix.PosixOpts{VersioningDir: versions, CopyObjectThreshold: 5 << 30}
	// Some file systems have no extended attributes; there, metadata lies beside the objects. A folder that was begun one
	// way stays that way.
	_, statErr := os.Stat(side)
	if statErr == nil || (meta.XattrMeta{}).Test(objects) != nil {
		if err := os.MkdirAll(side, 0o700); err != nil {
			return nil, "", fmt.Errorf("start S3: %w", err)
		}
		if store, err = meta.NewSideCar(side); err != nil {
			return nil, "", fmt.Errorf("start S3: %w", err)
		}
		opts.SideCarDir = side
	}
	opened, err := posix.New(objects, markers{store}, opts)
	if err != nil {
		return nil, "", fmt.Errorf("start S3 in %s: %w", objects, errors.Join(err, os.Chdir(oldDir)))
	}
	return opened, oldDir, nil
}

// awaitSocket returns when the gateway takes connections.
func (s *Server) awaitSocket(ctx context.Context, socket string) error {
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.Dial("unix", socket); err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("start S3: the gateway ended: %w", errors.Join(s.err, ctx.Err()))
		case <-ctx.Done():
			return fmt.Errorf("start S3: the gateway took no connection: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// ServeHTTP hands a request to the gateway.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.front.ServeHTTP(w, r) }

// Ended is closed when the gateway has ended, by Close or of its own accord.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Close ends the gateway, waits for requests under way for at most 10 seconds, and leaves no socket behind.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		s.stop()
		<-s.ended
		s.transport.CloseIdleConnections()
		err = errors.Join(s.err, os.RemoveAll(s.socketDir), os.Chdir(s.oldDir))
		running.Store(false)
	})
	return err
}
