package lambdahost

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// instance is one process of a function and the Runtime API that it talks to. Each has a listener of its own, so that what
// a process says is known to come from it.
type instance struct {
	f       *function
	cmd     *exec.Cmd
	pid     int
	started time.Time
	server  *http.Server
	tmp     string

	asks   chan struct{}    // the process asked for an event; room for one
	events chan *invocation // what it is given
	exited chan struct{}    // closed when the process is gone and everything it started too

	mu          sync.Mutex
	current     *invocation
	invocations int
	initError   []byte // what the process reported before its first event
	initDone    bool
}

// start starts a process. It has not yet asked for an event.
func (f *function) start() (*instance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the runtime: %w", err)
	}
	in := &instance{f: f, started: time.Now(), asks: make(chan struct{}, 1), events: make(chan *invocation), exited: make(chan struct{})}
	if in.tmp, err = os.MkdirTemp(f.host.options.Dir, "lambda-"); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("make the instance's temporary folder: %w", err)
	}
	in.server = &http.Server{Handler: in.api(), ReadHeaderTimeout: time.Minute}
	go func() { _ = in.server.Serve(listener) }() // ends when the process is gone
	out, w, err := os.Pipe()
	if err != nil {
		in.cleanUp()
		return nil, fmt.Errorf("make a pipe for the log: %w", err)
	}
	in.cmd = &exec.Cmd{Path: f.Binary, Args: []string{f.Binary}, Dir: filepath.Dir(f.Binary), Stdout: w, Stderr: w,
		Env: f.environment(listener.Addr().String(), in.tmp)}
	err = spawn(in.cmd)
	_ = w.Close()
	if err != nil {
		_ = out.Close()
		in.cleanUp()
		return nil, fmt.Errorf("start %s: %w", f.Binary, err)
	}
	in.pid = in.cmd.Process.Pid
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		f.host.log.copy(f.Label, out)
		_ = out.Close()
	}()
	go in.reap(logged)
	if !f.enlist(in) {
		in.kill()
		<-in.exited
		return nil, ErrClosed
	}
	return in, nil
}

// reap waits for the end of the process, ends what it left behind, and tells the others.
func (in *instance) reap(logged <-chan struct{}) {
	err := in.cmd.Wait()
	killSession(in.pid)
	<-logged
	if in.f.forget(in) && !in.f.host.isClosed() {
		in.f.host.log.printf(in.f.Label, "instance %d ended while it was idle: %s", in.pid, exitText(err))
	}
	in.cleanUp()
	close(in.exited)
}

func (in *instance) cleanUp() {
	_ = in.server.Close()
	_ = os.RemoveAll(in.tmp)
}

// kill ends the process and everything that it started, at once: that is what Lambda does at a timeout.
func (in *instance) kill() { killSession(in.pid) }

func (in *instance) alive() bool {
	select {
	case <-in.exited:
		return false
	default:
		return true
	}
}

func (in *instance) describe() Instance {
	in.mu.Lock()
	defer in.mu.Unlock()
	d := Instance{Function: in.f.Name, PID: in.pid, Started: in.started, Invocations: in.invocations}
	if in.current != nil {
		d.RequestID = in.current.id
	}
	return d
}

// run gives an invocation to the instance and sees it through. False means that the process died before it saw the event,
// while it was idle.
func (in *instance) run(inv *invocation) bool {
	in.mu.Lock()
	first := in.invocations == 0
	in.mu.Unlock()
	initialised := time.Now()
	if first && !in.initialise(inv) {
		return true
	}
	initTime := time.Since(in.started)
	if !first {
		initTime = 0
	} else {
		initialised = time.Now()
	}
	timeout := time.NewTimer(in.f.Timeout)
	defer timeout.Stop()
	inv.deadline = initialised.Add(in.f.Timeout)
	select {
	case in.events <- inv:
	case <-in.exited:
		if first {
			in.failExited(inv)
		}
		return first
	}
	if in.f.host.options.Reports {
		in.f.host.log.printf(in.f.Label, "START RequestId: %s Version: $LATEST", inv.id)
	}
	select {
	case <-inv.answered:
	case <-in.exited:
		in.failExited(inv)
	case <-timeout.C:
		in.timeOut(inv)
	}
	billed := time.Since(initialised)
	// The invocation is over when the process asks for the next one: until then it is not free.
	select {
	case <-in.asks:
	case <-in.exited:
	case <-timeout.C:
		in.kill()
		<-in.exited
	}
	in.report(inv, billed, initTime)
	in.mu.Lock()
	in.current = nil
	in.mu.Unlock()
	return true
}

// initialise waits until the process asks for its first event. It answers the invocation itself where that fails.
func (in *instance) initialise(inv *invocation) bool {
	limit := in.f.host.options.InitTimeout
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-in.asks:
		return true
	case <-in.exited:
		in.failExited(inv)
	case <-timer.C:
		in.kill()
		<-in.exited
		inv.fail("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Init timed out after %.2f seconds", inv.id, limit.Seconds()))
	}
	in.f.host.log.printf(in.f.Label, "instance %d did not start: %s", in.pid, inv.result.Payload)
	return false
}

// failExited answers for a process that ended in the middle.
func (in *instance) failExited(inv *invocation) {
	in.mu.Lock()
	reported := in.initError
	in.mu.Unlock()
	switch {
	case reported != nil:
		inv.finish(reported, "Unhandled")
		return
	case in.f.host.isClosed():
		inv.fail("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: the host stopped", inv.id))
		return
	}
	inv.fail("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %s", inv.id, in.cmd.ProcessState))
	in.f.host.log.printf(in.f.Label, "instance %d ended in the middle of request %s: %s", in.pid, inv.id, in.cmd.ProcessState)
}

func (h *Host) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

func (in *instance) timeOut(inv *invocation) {
	in.kill()
	<-in.exited
	inv.fail("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, in.f.Timeout.Seconds()))
	in.f.host.log.printf(in.f.Label, "%s Task timed out after %.2f seconds", inv.id, in.f.Timeout.Seconds())
}

func (in *instance) report(inv *invocation, billed, initTime time.Duration) {
	if !in.f.host.options.Reports {
		return
	}
	ms := func(d time.Duration) string {
		return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 2, 64) + " ms"
	}
	line := fmt.Sprintf("REPORT RequestId: %s Duration: %s Memory Size: %d MB Max Memory Used: %d MB", inv.id, ms(billed),
		in.f.MemoryMB, in.maxMemory()>>20)
	if initTime > 0 {
		line += " Init Duration: " + ms(initTime)
	}
	in.f.host.log.printf(in.f.Label, "END RequestId: %s", inv.id)
	in.f.host.log.printf(in.f.Label, "%s", line)
}

// maxMemory is the largest resident set of the process so far, in bytes.
func (in *instance) maxMemory() int64 {
	if in.alive() {
		return peakMemory(in.pid)
	}
	return peakMemoryOf(in.cmd.ProcessState)
}

func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// environment is what Lambda gives to a function,
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html. Nothing of ours goes along but PATH: a function
// that works here because of the developer's own settings would fail when deployed.
func (f *function) environment(runtimeAPI, tmp string) []string {
	o := f.host.options
	env := map[string]string{
		"PATH": os.Getenv("PATH"), "LANG": "en_US.UTF-8", "TZ": ":UTC", "TMPDIR": tmp,
		"AWS_LAMBDA_RUNTIME_API": runtimeAPI, "_HANDLER": f.Handler, "LAMBDA_TASK_ROOT": filepath.Dir(f.Binary),
		"AWS_REGION": o.Region, "AWS_DEFAULT_REGION": o.Region, "AWS_ENDPOINT_URL": o.Endpoint,
		"AWS_ACCESS_KEY_ID": o.AccessKeyID, "AWS_SECRET_ACCESS_KEY": o.SecretAccessKey,
		"AWS_LAMBDA_FUNCTION_NAME": f.Name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + f.Name, "AWS_LAMBDA_LOG_STREAM_NAME": "local",
		"AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023",
		// Without these the SDK would find the developer's own account through the home folder.
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	}
	for k, v := range f.Environment {
		env[k] = v
	}
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	return out
}
