package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Superuser is the name of the cluster's superuser.
const Superuser = "postgres"

const (
	startTimeout = 60 * time.Second // recovery after a crash included
	fastTimeout  = 20 * time.Second // for a fast shutdown, whose checkpoint may have much to write
	quitTimeout  = 5 * time.Second  // for an immediate one
)

// Options say where a cluster lives and how its server is run.
type Options struct {
	// Dir holds the cluster: its data, password and log. It is made where it is missing and used again where it is not.
	Dir string
	// Port is the TCP port on 127.0.0.1; 0 chooses a free one.
	Port int
	// BinDir is the folder of the server's programs. Where empty, the newest server found is used, or the one that made the
	// data.
	BinDir string
	// Log takes the server's log; where nil it is appended to server.log in Dir.
	Log io.Writer
	// Settings are given to the server as -c name=value. They override the defaults of this package.
	Settings map[string]string
	// PortHint tells the reader of the error about a taken port how to choose another, such as "PG_PORT=9432 make run".
	PortHint string
}

// Cluster is a running server. It is safe for concurrent use.
type Cluster struct {
	dir      string
	port     int
	binDir   string
	major    int
	password string
	server   *process
	lock     *os.File
	log      io.Closer // nil where the caller gave the log
	stopOnce sync.Once
	stopErr  error
}

// Start makes the cluster if there is none, starts its server and returns when it takes connections. ctx bounds the start
// alone: the server runs until Stop, and ends with this process however that ends.
func Start(ctx context.Context, o Options) (_ *Cluster, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find folder of the PostgreSQL cluster: %w", err)
	}
	home, err := openHome(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = home.lock.Close()
		}
	}()
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("find folder of the PostgreSQL cluster: %w", err)
	}
	c := &Cluster{dir: home.dir, lock: home.lock}
	log, err := c.openLog(o.Log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && c.log != nil {
			_ = c.log.Close()
		}
	}()
	if home.dir != dir {
		_, _ = fmt.Fprintf(log, "the user %s may not enter %s: the PostgreSQL cluster is in %s\n", home.account.name, dir, home.dir)
	}
	if c.binDir, c.major, err = chooseBinaries(o.BinDir, home.data()); err != nil {
		return nil, err
	}
	if c.password, err = home.initialise(ctx, c.binDir, log); err != nil {
		return nil, err
	}
	if err := home.clearStale(ctx); err != nil {
		return nil, err
	}
	if err := c.launch(ctx, home, o, log); err != nil {
		return nil, err
	}
	return c, nil
}

// SuperuserURL is how to connect as the superuser, to the database postgres.
func (c *Cluster) SuperuserURL() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(Superuser, c.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Port is the TCP port on 127.0.0.1.
func (c *Cluster) Port() int { return c.port }

// BinDir is the folder of the server's programs; pg_dump and psql of the same version are there too.
func (c *Cluster) BinDir() string { return c.binDir }

// Major is the server's major version, such as 17.
func (c *Cluster) Major() int { return c.major }

// Dir is the folder in which the cluster is. It differs from the one asked for where the server's user can't be let in
// there.
func (c *Cluster) Dir() string { return c.dir }

// Done is closed when the server has ended, by Stop or of its own.
func (c *Cluster) Done() <-chan struct{} { return c.server.done }

// Stop ends the server: fast (sessions are ended, the data is written), then, when that takes longer than 20 s or ctx ends,
// without more ado, which the next start recovers from. No process is left when it returns. Later calls return what the
// first did.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stopOnce.Do(func() {
		c.stopErr = c.stop(ctx)
		_ = c.lock.Close()
		if c.log != nil {
			_ = c.log.Close()
		}
	})
	return c.stopErr
}

func (c *Cluster) stop(ctx context.Context) error {
	c.server.signal(syscall.SIGINT)
	fast := time.NewTimer(fastTimeout)
	defer fast.Stop()
	select {
	case <-c.server.done:
		return c.server.unclean()
	case <-ctx.Done():
	case <-fast.C:
	}
	c.server.signal(syscall.SIGQUIT)
	quit := time.NewTimer(quitTimeout)
	defer quit.Stop()
	select {
	case <-c.server.done:
	case <-quit.C:
		c.server.signal(syscall.SIGKILL)
		<-c.server.done
	}
	return errors.New("stop PostgreSQL: it did not shut down in time and was ended; the next start recovers its data")
}

// launch starts the server and waits for it. A port chosen here can be taken by somebody else before the server binds it,
// and processes of a crashed server can hold its memory for a moment; both are tried again.
func (c *Cluster) launch(ctx context.Context, home *home, o Options, log io.Writer) error {
	for {
		port, err := choosePort(ctx, o)
		if err != nil {
			return err
		}
		c.port = port
		c.server, err = startProcess(home.account, command{
			path: filepath.Join(c.binDir, "postgres"),
			args: append([]string{"-D", home.data()}, c.settings(o.Settings)...),
			log:  log,
		})
		if err != nil {
			return fmt.Errorf("start PostgreSQL: %w", err)
		}
		err = c.waitReady(ctx)
		if err == nil {
			return nil
		}
		c.server.signal(syscall.SIGQUIT)
		<-c.server.done
		said := c.server.tail.String()
		switch {
		case ctx.Err() != nil:
		case o.Port == 0 && strings.Contains(said, "could not bind IPv4 address"):
			continue
		case strings.Contains(said, "is still in use"):
			if pause(ctx, 200*time.Millisecond) == nil {
				continue
			}
		}
		return fmt.Errorf("start PostgreSQL %d in %s: %w; it said:\n%s", c.major, home.data(), err, said)
	}
}

func (c *Cluster) settings(extra map[string]string) []string {
	all := map[string]string{
		"listen_addresses": "127.0.0.1",
		"port":             strconv.Itoa(c.port),
		// A path below a deep checkout passes the 107 bytes that a socket's name may have, and TCP is enough.
		"unix_socket_directories": "",
		"password_encryption":     "scram-sha-256",
		"logging_collector":       "off",
		"log_destination":         "stderr",
	}
	for name, value := range extra {
		all[name] = value
	}
	args := make([]string, 0, 2*len(all))
	for name, value := range all {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

// waitReady returns when a connection succeeds, or when there will be none.
func (c *Cluster) waitReady(ctx context.Context) error {
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		conn, err := pgconn.Connect(try, c.SuperuserURL())
		cancel()
		if err == nil {
			return conn.Close(ctx)
		}
		// 28P01: the server answers, but the folder's password is not its own. Waiting will not help.
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == "28P01" {
			return fmt.Errorf("the password kept in %s is refused: remove the folder to begin anew", filepath.Join(c.dir, passwordFile))
		}
		select {
		case <-c.server.done:
			return errors.New("the server ended")
		case <-ctx.Done():
			return fmt.Errorf("no connection: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// choosePort returns the port to listen on, after making sure that it is free.
func choosePort(ctx context.Context, o Options) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)))
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			hint := ""
			if o.PortHint != "" {
				hint = ", such as " + o.PortHint
			}
			return 0, fmt.Errorf("start PostgreSQL: port %d of 127.0.0.1 is taken by another program: end it or choose another port%s", o.Port, hint)
		}
		return 0, fmt.Errorf("start PostgreSQL: port %d can't be used: %w", o.Port, err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// The log is begun anew when it has passed this size.
const maxLog = 8 << 20 // bytes

func (c *Cluster) openLog(given io.Writer) (io.Writer, error) {
	if given != nil {
		return given, nil
	}
	name := filepath.Join(c.dir, "server.log")
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(name); err == nil && info.Size() > maxLog {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of PostgreSQL: %w", err)
	}
	c.log = f
	return f, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
